//! What the tests of this module share: certificates of any dates, and a table of who holds what.

use super::certificate::Certificate;
use super::dev::{Ca, Issued};
use super::holders::{Holder, Holders};
use super::index::Entry;
use super::place::{Place, Source};
use crate::base::{AccountName, Host};
use crate::config::{Terms, TlsProfile};
use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

/// The authority of all tests: making one takes longer than most of them.
pub static CA: LazyLock<Ca> = LazyLock::new(|| Ca::new().unwrap());

pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The day that is today in tests that pass the time in. Certificates of handshakes live in the real present.
pub const TODAY: Duration = Duration::from_secs(20_000 * 24 * 60 * 60);

pub fn host(text: &str) -> Host {
    Host::parse(text.as_bytes()).unwrap()
}

pub fn account(name: &str) -> AccountName {
    AccountName::new(name).unwrap()
}

/// A certificate valid from `from` to `to` days from [`TODAY`].
pub fn issue(names: &[&str], from: i32, to: i32) -> Issued {
    CA.issue_between(names, day(from), day(to)).unwrap()
}

pub fn day(offset: i32) -> Duration {
    let distance = DAY * offset.unsigned_abs();
    if offset < 0 { TODAY.saturating_sub(distance) } else { TODAY + distance }
}

/// An entry that no file holds; its `place` is `id`, for tests to know it again.
pub fn entry(id: &str, source: Source, names: &[&str], from: i32, to: i32) -> Arc<Entry> {
    let pem = issue(names, from, to).pem();
    let certificate = Arc::new(Certificate::read(pem.as_bytes(), pem.as_bytes()).unwrap());
    Arc::new(Entry { certificate, source, place: Some(Place::File(PathBuf::from(id))), attached_to: None })
}

/// Which account holds which host. An account's profile is `intermediate` unless set otherwise.
#[derive(Debug, Default)]
pub struct Table(Mutex<HashMap<Host, Holder>>, Mutex<HashMap<Host, Host>>);

impl Table {
    pub fn new(hosts: &[(&str, &str)]) -> Arc<Self> {
        let table = Self::default();
        for (name, account) in hosts {
            table.set(name, account, TlsProfile::Intermediate);
        }
        Arc::new(table)
    }

    /// Makes `address` the own of `holder`, where the certificate of `shown` is shown.
    pub fn dedicate(&self, address: &str, holder: &str, profile: TlsProfile, shown: &str) {
        self.set(address, holder, profile);
        self.1.lock().unwrap().insert(host(address), host(shown));
    }

    pub fn set(&self, name: &str, holder: &str, profile: TlsProfile) {
        let holder = Holder { account: account(holder), terms: Terms::of_profile(profile) };
        self.0.lock().unwrap().insert(host(name), holder);
    }
}

impl Holders for Table {
    fn holder(&self, host: &Host) -> Option<Holder> {
        self.0.lock().unwrap().get(host).cloned()
    }

    fn dedicated(&self, local: IpAddr) -> Option<(Holder, Option<Host>)> {
        let host = Host::from_ip(local);
        self.holder(&host).map(|holder| (holder, self.1.lock().unwrap().get(&host).cloned()))
    }
}
