//! What can be served, and what is said of all that cannot.

use super::*;
use crate::tls::dev::{Ca, Issued};
use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256};

const DAY: Duration = Duration::from_secs(86_400);

fn ca() -> Ca {
    Ca::new().unwrap()
}

fn issue(names: &[&str]) -> Issued {
    ca().issue_between(names, DAY * 100, DAY * 200).unwrap()
}

fn read(text: &str) -> Result<Certificate, CertificateError> {
    Certificate::read(text.as_bytes(), text.as_bytes())
}

fn why_not(text: &str) -> CertificateError {
    read(text).expect_err("this cannot be served")
}

#[test]
fn names_and_validity_are_read_from_the_certificate() {
    let issued = issue(&["www.Alice.test", "*.alice.test", "www.alice.test", "192.0.2.1"]);
    let certificate = read(&issued.pem()).unwrap();
    let names: Vec<_> = certificate.names().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["192.0.2.1", "*.alice.test", "www.alice.test"]);
    assert_eq!(certificate.validity(), Validity { not_before: DAY * 100, not_after: DAY * 200 });
}

#[test]
fn validity_includes_both_its_ends() {
    let validity = Validity { not_before: DAY * 100, not_after: DAY * 200 };
    for (now, valid) in [
        (DAY * 99, false),
        (DAY * 100, true),
        (DAY * 150, true),
        (DAY * 200, true),
        (DAY * 200 + Duration::from_secs(1), false),
    ] {
        assert_eq!(validity.contains(now), valid, "{now:?}");
    }
}

#[test]
fn chain_and_key_may_come_in_either_order_with_words_around_them() {
    let issued = issue(&["a.test"]);
    for text in [
        format!("{}{}", issued.key(), issued.chain()),
        format!("subject: a.test\r\n{}\n# the key\n{}", issued.chain(), issued.key()),
        issued.pem().replace('\n', "\r\n"),
    ] {
        assert!(read(&text).is_ok(), "{text}");
    }
    let pair = Certificate::read(issued.chain().as_bytes(), issued.key().as_bytes());
    assert_eq!(pair.unwrap().key().cert.len(), 1);
}

#[test]
fn a_chain_keeps_its_order() {
    let ca = ca();
    let issued = ca.issue(&["a.test"]).unwrap();
    let certificate = read(&format!("{}{}{}", issued.chain(), ca.pem(), issued.key())).unwrap();
    assert_eq!(certificate.key().cert.len(), 2);
    assert_eq!(why_not(&format!("{}{}", ca.pem(), issued.pem())), CertificateError::Order(2));
}

#[test]
fn every_kind_of_key_that_clients_accept() {
    for kind in [&PKCS_ECDSA_P384_SHA384, &PKCS_ED25519, &PKCS_RSA_SHA256] {
        let key = KeyPair::generate_for(kind).unwrap();
        let leaf = CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        assert!(read(&(leaf.pem() + &key.serialize_pem())).is_ok(), "{kind:?}");
    }
}

#[test]
fn what_cannot_be_served_says_why() {
    let issued = issue(&["a.test"]);
    let other = issue(&["a.test"]);
    let armour = |from: &str, to: &str| issued.pem().replacen(from, to, 1);
    assert_eq!(why_not(""), CertificateError::NoCertificate);
    assert_eq!(why_not("-- nothing here --"), CertificateError::NoCertificate);
    assert_eq!(why_not(issued.key()), CertificateError::NoCertificate);
    assert_eq!(why_not(issued.chain()), CertificateError::NoKey);
    assert_eq!(
        why_not(&issued.pem().replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY")),
        CertificateError::EncryptedKey
    );
    assert_eq!(why_not(&(issued.pem() + other.key())), CertificateError::SeveralKeys);
    assert_eq!(why_not(&format!("{}{}", issued.chain(), other.key())), CertificateError::Mismatch);
    assert_eq!(
        why_not(&issued.pem()[..issued.pem().len() - 40]),
        CertificateError::Pem("a section does not end")
    );
    assert_eq!(
        why_not(&armour("-----BEGIN CERTIFICATE-----\nM", "-----BEGIN CERTIFICATE-----\n!")),
        CertificateError::Pem("a section is not base64")
    );
    assert_eq!(why_not(&armour("PRIVATE KEY-----\nM", "PRIVATE KEY-----\nA")), CertificateError::Key);
    assert_eq!(
        why_not(&armour("BEGIN CERTIFICATE-----\nM", "BEGIN CERTIFICATE-----\nA")),
        CertificateError::Damaged(1)
    );
    let broken_second = issued.chain().replacen("-----\nM", "-----\nA", 1);
    assert_eq!(
        why_not(&format!("{}{broken_second}{}", issued.chain(), issued.key())),
        CertificateError::Damaged(2)
    );
}

#[test]
fn a_certificate_without_names_is_refused() {
    let key = KeyPair::generate().unwrap();
    for names in [vec![], vec!["w*.a.test".to_owned()]] {
        let leaf = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
        assert_eq!(why_not(&(leaf.pem() + &key.serialize_pem())), CertificateError::NoNames);
    }
}

#[test]
fn what_is_said_of_a_damaged_key_shows_nothing_of_it() {
    let issued = issue(&["a.test"]);
    let (_, body) = issued.key().split_once('\n').unwrap();
    let secret = &body[..20];
    for text in [
        issued.pem().replace(secret, &format!("!{secret}")),
        issued.pem().replace("-----END PRIVATE KEY-----", secret),
    ] {
        let said = format!("{0} {0:?}", why_not(&text));
        assert!(!said.contains(&secret[..8]), "{said}");
    }
}
