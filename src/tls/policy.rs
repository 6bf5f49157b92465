//! The policies of this node: one rustls configuration per profile and set of protocols, and which of them a
//! ClientHello gets. Drives no handshake.

use super::holders::Holders;
use super::identity::Identity;
use super::index::{Index, Rank};
use super::resolver::{Decided, Resolver};
use crate::base::{self, Host};
use crate::config::{Protocols, Terms, TlsProfile};
use rustls::crypto::aws_lc_rs::{self, Ticketer, cipher_suite, kx_group};
use rustls::crypto::{CryptoProvider, SupportedKxGroup};
use rustls::pki_types::UnixTime;
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets};
use rustls::time_provider::TimeProvider;
use rustls::{ServerConfig, SupportedCipherSuite, SupportedProtocolVersion, version};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

/// What a handshake goes on with.
#[derive(Clone, Debug)]
pub struct Choice {
    /// For [`rustls::server::Accepted::into_connection`].
    pub config: Arc<ServerConfig>,
    /// For the connection to keep.
    pub identity: Identity,
}

/// The policies of this node, shared by all workers.
///
/// A policy is a profile (later also a rule for client certificates). Each has ticket keys of its own, so that
/// no session resumes under a policy other than the one it was opened under; within a policy rustls resumes only
/// under the same SNI (RFC 6066 §3).
#[derive(Clone, Debug)]
pub struct Policies {
    index: Arc<Index>,
    holders: Arc<dyn Holders>,
    modern: ByProtocols,
    intermediate: ByProtocols,
}

/// One profile's configurations: they differ in ALPN (RFC 7301) and share all else, the ticket keys too.
#[derive(Clone, Debug)]
struct ByProtocols {
    both: Arc<ServerConfig>,
    http1: Arc<ServerConfig>,
    http2: Arc<ServerConfig>,
}

impl Policies {
    /// The policies that show certificates of `index` to hosts as `holders` tells. Fails only if the system gives no
    /// random ticket keys.
    pub fn new(index: Arc<Index>, holders: Arc<dyn Holders>) -> Result<Self, rustls::Error> {
        let resolver = Arc::new(Resolver::new(Arc::clone(&index), Arc::clone(&holders)));
        Ok(Self {
            modern: ByProtocols::new(TlsProfile::Modern, &resolver)?,
            intermediate: ByProtocols::new(TlsProfile::Intermediate, &resolver)?,
            index,
            holders,
        })
    }

    /// The policy for a ClientHello received at the local address `local` on a listener that speaks `protocols`: the terms
    /// of the account that holds the SNI, of that whose own the address is, the node's `default` profile for anybody else.
    /// Cost: two lookups; one small allocation for the name.
    pub fn choose(
        &self,
        hello: &ClientHello<'_>,
        local: IpAddr,
        protocols: Protocols,
        default: TlsProfile,
    ) -> Choice {
        let sni = hello.server_name().and_then(|name| Host::parse(name.as_bytes()).ok());
        let holder = sni.as_ref().and_then(|host| self.holders.holder(host));
        let own = if holder.is_none() { self.holders.dedicated(local) } else { None };
        let terms = holder.as_ref().or(own.as_ref().map(|(owner, _)| owner)).map(|holder| holder.terms);
        let Terms { tls_profile, protocols: spoken, .. } = terms.unwrap_or(Terms::of_profile(default));
        let configs = match tls_profile {
            TlsProfile::Modern => &self.modern,
            TlsProfile::Intermediate => &self.intermediate,
        };
        let mut config = Arc::clone(configs.choose(protocols.and(spoken)));
        let account = holder.map(|holder| holder.account);
        let mut shown = self.index.find(sni.as_ref(), account.as_ref(), base::wall());
        if let Some((owner, host)) = own
            && shown.rank == Rank::Default
        {
            shown = self.index.find(host.as_ref(), Some(&owner.account), base::wall());
            let mut decided = ServerConfig::clone(&config);
            decided.cert_resolver = Arc::new(Decided(shown.entry.certificate.key()));
            config = Arc::new(decided);
        }
        let identity = Identity::new(sni.as_ref(), account, tls_profile, default, shown.entry);
        Choice { config, identity }
    }
}

impl ByProtocols {
    fn new(profile: TlsProfile, resolver: &Arc<Resolver>) -> Result<Self, rustls::Error> {
        let ticketer = Ticketer::new()?;
        let config =
            |alpn: &[&[u8]]| server_config(profile, alpn, Arc::clone(&ticketer), Arc::clone(resolver));
        // The order is ours (RFC 7301 §3.2): HTTP/2 wherever both ends speak it.
        Ok(Self { both: config(&[H2, HTTP1])?, http1: config(&[HTTP1])?, http2: config(&[H2])? })
    }

    fn choose(&self, protocols: Protocols) -> &Arc<ServerConfig> {
        match (protocols.http1, protocols.http2) {
            (true, false) => &self.http1,
            (false, true) => &self.http2,
            (true, true) | (false, false) => &self.both,
        }
    }
}

fn server_config(
    profile: TlsProfile,
    alpn: &[&[u8]],
    ticketer: Arc<dyn ProducesTickets>,
    resolver: Arc<Resolver>,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_details(provider(), Arc::new(WallClock))
        .with_protocol_versions(versions(profile))?
        .with_no_client_auth()
        .with_cert_resolver(resolver);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    // Tickets carry the whole state (RFC 5077, RFC 8446 §4.6.1): no memory per visitor, and no store that a
    // second configuration could share by mistake.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.ticketer = ticketer;
    config.send_tls13_tickets = TICKETS;
    config.max_tls13_tickets = TICKETS_ASKED_FOR;
    // No 0-RTT: what arrives in it can be replayed by anybody (RFC 8446 §8), and an upstream cannot tell.
    config.max_early_data_size = 0;
    // The client knows whether it has AES in hardware; all suites we offer are as good.
    config.ignore_client_order = false;
    // Not demanded although good: OpenSSL before 1.1.0 lacks it, and what it protects against (the triple
    // handshake) needs renegotiation or client certificates, of which there are none.
    config.require_ems = false;
    Ok(Arc::new(config))
}

/// TLS 1.0 and 1.1 are no profile's: RFC 8996 forbids them, and rustls does not know them. From 1.3 to 1.2 nobody in
/// the middle can push a visitor who knows both: the server's random says so under its signature (RFC 8446 §4.1.3), so
/// that TLS_FALLBACK_SCSV (RFC 7507) has nothing to add and is not looked at.
fn versions(profile: TlsProfile) -> &'static [&'static SupportedProtocolVersion] {
    match profile {
        TlsProfile::Modern => MODERN,
        TlsProfile::Intermediate => INTERMEDIATE,
    }
}

/// The cryptography of every TLS connection of the node, of both ends.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            cipher_suites: SUITES.to_vec(),
            kx_groups: GROUPS.to_vec(),
            ..aws_lc_rs::default_provider()
        })
    });
    Arc::clone(&PROVIDER)
}

/// Tells rustls the time as everybody else is told it.
#[derive(Debug)]
struct WallClock;

impl TimeProvider for WallClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(base::wall()))
    }
}

static MODERN: &[&SupportedProtocolVersion] = &[&version::TLS13];
static INTERMEDIATE: &[&SupportedProtocolVersion] = &[&version::TLS13, &version::TLS12];

const H2: &[u8] = b"h2";
const HTTP1: &[u8] = b"http/1.1";

/// Every suite is forward secret and authenticated (AEAD). Left out, because rustls rightly has none of them:
/// RSA key exchange (no forward secrecy; Bleichenbacher), finite-field DHE (slow, and groups of unknown make),
/// CBC (padding oracles), and for TLS 1.3 CCM (nobody offers it).
static SUITES: &[SupportedCipherSuite] = &[
    cipher_suite::TLS13_AES_128_GCM_SHA256,
    cipher_suite::TLS13_AES_256_GCM_SHA384,
    cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
    cipher_suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
    cipher_suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
];

/// The hybrid first: what is recorded today is not read by a quantum computer later. Left out: secp521r1 (slow,
/// offered by nobody alone), pure ML-KEM (too young without a classical half), SECP256R1MLKEM768 (no browser
/// offers it, and each further group is code that a stranger can reach).
static GROUPS: &[&dyn SupportedKxGroup] =
    &[kx_group::X25519MLKEM768, kx_group::X25519, kx_group::SECP256R1, kx_group::SECP384R1];

/// TLS 1.3 tickets after a handshake. A ticket is used once (RFC 8446 §C.4): two let a browser that opens a second
/// connection beside the first resume both.
const TICKETS: usize = 2;

/// The most tickets for a client that asks for a number (RFC 9149).
const TICKETS_ASKED_FOR: usize = 4;

#[cfg(test)]
mod tests;
