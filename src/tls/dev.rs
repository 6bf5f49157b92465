//! Certificates for development, the demo and tests: an authority of one's own and what it issues, made when
//! they are asked for. Nothing here is used to serve real visitors, and no key is ever part of the repository.

use crate::base;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    IsCa, KeyPair, KeyUsagePurpose,
};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A certificate authority that nobody trusts but who is told to (`curl --cacert`).
pub struct Ca(CertifiedIssuer<'static, KeyPair>);

/// A certificate with its chain and key.
#[derive(Clone)]
pub struct Issued {
    chain: String,
    key: String,
}

/// Why a development certificate could not be made.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// A name that no certificate can hold, or no random numbers.
    #[error("a development certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    /// The file could not be written.
    #[error("{file} cannot be written: {error}")]
    Write {
        /// Which.
        file: PathBuf,
        /// Why.
        error: io::Error,
    },
}

impl Ca {
    /// A new authority with a key of its own (ECDSA P-256), valid for [`VALID_DAYS`] days from now.
    pub fn new() -> Result<Self, DevError> {
        let mut params = CertificateParams::default();
        params.distinguished_name = common_name("Parvis development CA");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let (from, to) = today();
        set_validity(&mut params, from, to);
        Ok(Self(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?))
    }

    /// Issues a certificate for these host names, wildcards and IP addresses, valid as long as the authority.
    pub fn issue(&self, names: &[&str]) -> Result<Issued, DevError> {
        let (from, to) = today();
        self.issue_between(names, from, to)
    }

    /// The same with a validity of one's own (wall time since the epoch, whole seconds).
    pub fn issue_between(
        &self,
        names: &[&str],
        not_before: Duration,
        not_after: Duration,
    ) -> Result<Issued, DevError> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = common_name("Parvis development certificate");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, not_before, not_after);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.0)?;
        Ok(Issued { chain: certificate.pem(), key: key.serialize_pem() })
    }

    /// The authority's certificate, for clients to trust.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// Writes the authority's certificate to `file`. Its key is nowhere but in memory.
    pub fn write(&self, file: &Path) -> Result<(), DevError> {
        write(file, &self.pem(), 0o644)
    }
}

impl Issued {
    /// Chain and key in one text: what a `NAME.pem` holds.
    pub fn pem(&self) -> String {
        format!("{}{}", self.chain, self.key)
    }

    /// The chain alone: what a `fullchain.pem` holds.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The key alone: what a `privkey.pem` holds.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Writes chain and key to `file`, readable by its owner alone, in one step: whoever reads it sees the old
    /// content or the new. Directories on the way are made.
    pub fn write(&self, file: &Path) -> Result<(), DevError> {
        write(file, &self.pem(), 0o600)
    }
}

fn write(file: &Path, text: &str, mode: u32) -> Result<(), DevError> {
    let write = || -> io::Result<()> {
        let directory = file.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(directory)?;
        let name = file.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        // A dot in front: a directory of certificates does not look at it.
        let temporary = directory.join(format!(".{}.new", name.to_string_lossy()));
        let _ = fs::remove_file(&temporary);
        let mut open = OpenOptions::new();
        open.write(true).create_new(true).mode(mode).open(&temporary)?.write_all(text.as_bytes())?;
        fs::rename(&temporary, file)
    };
    write().map_err(|error| DevError::Write { file: file.to_owned(), error })
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn set_validity(params: &mut CertificateParams, not_before: Duration, not_after: Duration) {
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + not_before;
    params.not_after = epoch + not_after;
}

/// From yesterday, for clocks that are late.
fn today() -> (Duration, Duration) {
    let now = Duration::from_secs(base::wall().as_secs());
    (now.saturating_sub(DAY), now + DAY * VALID_DAYS)
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Days a development certificate is valid: more than a long demo, less than anybody could rely on.
pub const VALID_DAYS: u32 = 90;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::Certificate;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_issued_can_be_served_and_only_its_owner_reads_the_key() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("alice/www.pem");
        Ca::new().unwrap().issue(&["www.alice.test", "*.alice.test", "::1"]).unwrap().write(&file).unwrap();
        let text = fs::read(&file).unwrap();
        let certificate = Certificate::read(&text, &text).unwrap();
        let names: Vec<_> = certificate.names().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["[::1]", "*.alice.test", "www.alice.test"]);
        assert!(certificate.validity().contains(base::wall()));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        let left = fs::read_dir(file.parent().unwrap()).unwrap().count();
        assert_eq!(left, 1, "no temporary file is left behind");
    }
}
