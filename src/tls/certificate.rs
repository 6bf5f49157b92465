//! One certificate: PEM text in, chain, key, names and validity out. Reads no file and no clock.

use super::name::CertificateName;
use super::policy::provider;
use crate::base::Host;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// A chain with its key, checked to belong together.
#[derive(Clone, Debug)]
pub struct Certificate {
    key: Arc<CertifiedKey>,
    names: Box<[CertificateName]>,
    validity: Validity,
}

/// notBefore and notAfter (RFC 5280 §4.1.2.5) as wall time since the epoch; both ends belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// notBefore.
    pub not_before: Duration,
    /// notAfter.
    pub not_after: Duration,
}

/// Why text is no certificate that could be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// The PEM armour is broken.
    #[error("the PEM text is damaged: {0}")]
    Pem(&'static str),
    /// No `CERTIFICATE` section.
    #[error("there is no certificate in it")]
    NoCertificate,
    /// No private key section.
    #[error("there is no private key in it: write chain and key into one file, the key without a password")]
    NoKey,
    /// A key that wants a password.
    #[error("the private key is encrypted: nobody is there to type its password")]
    EncryptedKey,
    /// Two keys: which one is meant cannot be known.
    #[error("there is more than one private key in it")]
    SeveralKeys,
    /// A key no TLS client of today accepts, or a damaged one.
    #[error(
        "the private key is damaged or of no use: RSA from 2048 bits, ECDSA P-256 to P-521 and Ed25519 are"
    )]
    Key,
    /// One of the certificates is no certificate.
    #[error("certificate {0} of the chain is damaged")]
    Damaged(usize),
    /// The key is for another certificate of the chain.
    #[error("the key is that of certificate {0} of the chain: the site's own certificate must stand first")]
    Order(usize),
    /// The key is for none of the certificates.
    #[error("the key does not belong to the certificate")]
    Mismatch,
    /// No subjectAltName that a host could match; the common name has not counted for a long time (RFC 9525 §2).
    #[error("the certificate has no names (subjectAltName)")]
    NoNames,
    /// notAfter lies before notBefore, or before 1970.
    #[error("the certificate's validity ends before it begins")]
    Validity,
}

impl Certificate {
    /// Reads the certificates of `chain`, the site's own first, and the one private key of `key` (the same text
    /// where a file holds both). Cost: about 0.1 ms, and some 5 KB as long as the certificate is held.
    pub fn read(chain: &[u8], key: &[u8]) -> Result<Self, CertificateError> {
        let chain = read_chain(chain)?;
        let key = read_key(key)?;
        let parsed = parse_chain(&chain)?;
        let leaf = parsed.first().ok_or(CertificateError::NoCertificate)?;
        check_key(&parsed, &*key)?;
        let names = subject_names(leaf)?;
        let validity = read_validity(leaf)?;
        drop(parsed);
        Ok(Self { key: Arc::new(CertifiedKey::new(chain, key)), names, validity })
    }

    /// What the handshake shows and signs with.
    pub fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// The names in it (subjectAltName): at least one.
    pub fn names(&self) -> &[CertificateName] {
        &self.names
    }

    /// Whether one of its names covers `host`.
    pub fn covers(&self, host: &Host) -> bool {
        self.names.iter().any(|name| name.covers(host))
    }

    /// From when to when it is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }
}

impl Validity {
    /// Whether `now` lies in it.
    pub fn contains(self, now: Duration) -> bool {
        self.not_before <= now && now <= self.not_after
    }
}

fn read_chain(text: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(text).collect::<Result<_, _>>().map_err(damaged)?;
    if chain.is_empty() { Err(CertificateError::NoCertificate) } else { Ok(chain) }
}

fn read_key(text: &[u8]) -> Result<Arc<dyn SigningKey>, CertificateError> {
    let mut keys = PrivateKeyDer::pem_slice_iter(text);
    let Some(key) = keys.next() else {
        let encrypted = memchr::memmem::find(text, b"BEGIN ENCRYPTED PRIVATE KEY").is_some();
        return Err(if encrypted { CertificateError::EncryptedKey } else { CertificateError::NoKey });
    };
    let key = key.map_err(damaged)?;
    match keys.next() {
        None => provider().key_provider.load_private_key(key).map_err(|_| CertificateError::Key),
        Some(Ok(_)) => Err(CertificateError::SeveralKeys),
        Some(Err(error)) => Err(damaged(error)),
    }
}

/// Names only what kind of damage it is: the text itself may be a key's.
fn damaged(error: pem::Error) -> CertificateError {
    CertificateError::Pem(match error {
        pem::Error::MissingSectionEnd { .. } => "a section does not end",
        pem::Error::IllegalSectionStart { .. } => "a section does not begin as it should",
        pem::Error::Base64Decode(_) => "a section is not base64",
        _ => "it cannot be read",
    })
}

fn parse_chain<'a>(chain: &'a [CertificateDer<'_>]) -> Result<Vec<X509Certificate<'a>>, CertificateError> {
    let parse = |(place, der): (usize, &'a CertificateDer<'_>)| match X509Certificate::from_der(der) {
        Ok(([], certificate)) => Ok(certificate),
        _ => Err(CertificateError::Damaged(place + 1)),
    };
    chain.iter().enumerate().map(parse).collect()
}

fn check_key(chain: &[X509Certificate<'_>], key: &dyn SigningKey) -> Result<(), CertificateError> {
    let public = key.public_key().ok_or(CertificateError::Key)?;
    match chain.iter().position(|certificate| certificate.public_key().raw == public.as_ref()) {
        Some(0) => Ok(()),
        Some(place) => Err(CertificateError::Order(place + 1)),
        None => Err(CertificateError::Mismatch),
    }
}

/// The names of the site's own certificate, without those that no host matches.
fn subject_names(certificate: &X509Certificate<'_>) -> Result<Box<[CertificateName]>, CertificateError> {
    let extension = certificate.subject_alternative_name().map_err(|_| CertificateError::Damaged(1))?;
    let general_names = extension.map(|extension| &extension.value.general_names[..]).unwrap_or_default();
    let mut names: Vec<_> = general_names.iter().filter_map(general_name).collect();
    names.sort();
    names.dedup();
    if names.is_empty() { Err(CertificateError::NoNames) } else { Ok(names.into()) }
}

fn general_name(name: &GeneralName<'_>) -> Option<CertificateName> {
    match name {
        GeneralName::DNSName(text) => CertificateName::parse(text),
        GeneralName::IPAddress(bytes) => {
            let ip = match bytes.len() {
                4 => IpAddr::from(<[u8; 4]>::try_from(*bytes).ok()?),
                16 => IpAddr::from(<[u8; 16]>::try_from(*bytes).ok()?),
                _ => return None,
            };
            Some(CertificateName::exact(&Host::from_ip(ip)))
        }
        _ => None,
    }
}

fn read_validity(certificate: &X509Certificate<'_>) -> Result<Validity, CertificateError> {
    let validity = certificate.validity();
    // A beginning before 1970 is as good as one in 1970; an end before 1970 is none.
    let not_before = u64::try_from(validity.not_before.timestamp()).unwrap_or(0);
    let not_after = u64::try_from(validity.not_after.timestamp()).map_err(|_| CertificateError::Validity)?;
    if not_after < not_before {
        return Err(CertificateError::Validity);
    }
    Ok(Validity { not_before: Duration::from_secs(not_before), not_after: Duration::from_secs(not_after) })
}

#[cfg(test)]
mod tests;
