//! Settings of a node for the tests of this module.

use crate::config::{
    Admin, HeadLimits, Launcher, Limits, Listen, Logs, Node, Outside, Protocols, Timeouts, TlsProfile,
};
use std::time::Duration;

/// Settings that listen on these addresses, clear, with limits that nothing reaches.
pub(super) fn test_node(addresses: &[&str], workers: usize) -> Node {
    let listen = |address: &&str| Listen {
        address: address.parse().unwrap(),
        tls: false,
        protocols: Protocols { http1: true, http2: false },
        proxy_protocol_from: Vec::new(),
    };
    let minute = Duration::from_secs(60);
    Node {
        file: "parvis.toml".into(),
        name: "front1".into(),
        workers,
        user: None,
        state: "state".into(),
        tls_profile: TlsProfile::Intermediate,
        listen: addresses.iter().map(listen).collect(),
        accounts: "accounts.d".into(),
        default_site: None,
        certificates: None,
        default_certificate: None,
        pages: None,
        switches: crate::config::Switches::default(),
        deny: None,
        allow: None,
        trust: Vec::new(),
        admin: Admin::default(),
        metrics: None,
        tracing: None,
        acme: None,
        upstreams: Outside::default(),
        launcher: Launcher::default(),
        legal: None,
        logs: Logs { access: false, ..Logs::default() },
        limits: Limits {
            connections: 1000,
            connections_per_client: None,
            handshakes_per_client: None,
            head: HeadLimits { header_bytes: 32768, header_count: 100, url_bytes: 8192, mends: false },
            response_header_bytes: 65536,
            body_bytes: None,
            request_buffer: 0,
            response_buffer: 0,
            streams_per_connection: 100,
            in_flight: 100,
        },
        timeouts: Timeouts {
            handshake: minute,
            header: minute,
            body_idle: minute,
            body_min_rate: None,
            connect: minute,
            response_header: minute,
            response_idle: minute,
            write_idle: minute,
            idle: minute,
            tunnel_idle: minute,
            drain: minute,
            drain_delay: minute,
        },
    }
}
