//! The certificate of last resort: self-signed, made anew at every start, for names without a better one.

use super::certificate::Certificate;
use super::index::Entry;
use super::place::Source;
use rcgen::{CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair};
use std::sync::Arc;

/// Makes the certificate and its key (ECDSA P-256). Neither is ever written to disk.
pub fn entry() -> Result<Entry, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![NAME.to_owned()])?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, COMMON_NAME);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let pem = params.self_signed(&key)?.pem() + &key.serialize_pem();
    let certificate = Certificate::read(pem.as_bytes(), pem.as_bytes())
        .map_err(|_| rcgen::Error::CouldNotParseCertificate)?;
    Ok(Entry { certificate: Arc::new(certificate), source: Source::Default, place: None, attached_to: None })
}

/// A name nobody can hold (RFC 2606 §2): who asks for a name the node does not serve learns no other.
const NAME: &str = "parvis.invalid";

/// What a browser shows of it.
const COMMON_NAME: &str = "No certificate for this name";
