//! Why a request was not answered by its site: the closed list of causes, and the one table from a cause to
//! what the visitor, the log and the metric are told (RFC 9110 status, RFC 9209 type).

use super::UpstreamName;
use std::borrow::Cow;
use std::fmt;

/// Whose fault a failure is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Blame {
    /// The visitor, or a program that speaks for one.
    Client,
    /// The account's upstream.
    Site,
    /// A limit or state somebody set: nothing is broken.
    Limit,
    /// The node itself.
    Us,
}

impl Blame {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Client, Self::Site, Self::Limit, Self::Us];

    /// The word for it, as logs and metrics print it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Site => "site",
            Self::Limit => "limit",
            Self::Us => "us",
        }
    }
}

/// What a cause means for the request and its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The word of our closed list, as `Proxy-Status` details, logs and metrics print it.
    pub word: &'static str,
    /// The status of the answer, where an answer can still be given (RFC 9110 §15).
    pub status: u16,
    /// The `error` parameter of `Proxy-Status` (RFC 9209 §2.3).
    pub error: &'static str,
    /// Whose fault it is.
    pub blame: Blame,
    /// Whether an HTTP/1 connection may serve another request afterwards: never when we cannot tell where the
    /// next request starts.
    pub keep: bool,
    /// The level in the node's log.
    pub level: tracing::Level,
}

/// A cause with the words for this one case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The cause.
    pub cause: Cause,
    /// What exactly was wrong: for the log, never for the visitor.
    pub detail: Cow<'static, str>,
    /// The upstream whose fault it was, once that is known.
    pub upstream: Option<UpstreamName>,
}

impl Refusal {
    /// A refusal for `cause`, with `detail` for the log.
    pub fn new(cause: Cause, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { cause, detail: detail.into(), upstream: None }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.cause.verdict().word, self.detail)
    }
}

impl std::error::Error for Refusal {}

impl From<Cause> for Refusal {
    fn from(cause: Cause) -> Self {
        Self { cause, detail: Cow::Borrowed(""), upstream: None }
    }
}

macro_rules! causes {
    ($( $(#[$doc:meta])* $name:ident = $word:literal $status:literal $error:literal $blame:ident $keep:ident $level:ident; )*) => {
        /// Why a request was refused or failed. The list is closed: every failure has exactly one of these.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum Cause { $( $(#[$doc])* $name, )* }

        impl Cause {
            /// Every cause, in the order of the table.
            pub const ALL: &'static [Cause] = &[$( Cause::$name, )*];

            /// The row of the table. Cost: one load.
            pub const fn verdict(self) -> &'static Verdict {
                match self { $( Cause::$name => {
                    const ROW: Verdict = Verdict {
                        word: $word, status: $status, error: $error,
                        blame: Blame::$blame, keep: causes!(@keep $keep), level: tracing::Level::$level,
                    };
                    &ROW
                } )* }
            }
        }
    };
    (@keep keep) => { true };
    (@keep close) => { false };
}

// word, status, RFC 9209 type, blame, connection, level.
causes! {
    /// The request breaks RFC 9112 or RFC 9113 syntax or framing.
    BadRequest = "bad_request" 400 "http_request_error" Client close INFO;
    /// Request fields are larger or more than allowed (RFC 6585 §5).
    HeaderTooLarge = "header_too_large" 431 "http_request_error" Client close INFO;
    /// The request target is longer than allowed.
    UrlTooLong = "url_too_long" 414 "http_request_error" Client close INFO;
    /// The body is larger than the site takes.
    BodyTooLarge = "body_too_large" 413 "http_request_error" Client close INFO;
    /// The head did not arrive in time.
    HeaderTimeout = "header_timeout" 408 "http_request_error" Client close INFO;
    /// The body stalled, or came slower than the least rate.
    BodyTimeout = "body_timeout" 408 "http_request_error" Client close INFO;
    /// Not a version of HTTP we speak.
    VersionNotSupported = "version_not_supported" 505 "http_request_error" Client close INFO;
    /// A transfer coding or method that this front does not implement.
    NotImplemented = "not_implemented" 501 "http_request_error" Client close INFO;
    /// An expectation other than 100-continue (RFC 9110 §10.1.1).
    ExpectationFailed = "expectation_failed" 417 "http_request_error" Client close INFO;
    /// The connection's certificate or policy does not cover the host asked for (RFC 9110 §15.5.20).
    Misdirected = "misdirected" 421 "http_request_error" Client keep INFO;
    /// The visitor left before the answer was complete: 499 stands in the log only.
    ClientGone = "client_gone" 499 "http_request_error" Client close DEBUG;
    /// The visitor stopped taking the answer.
    ClientStalled = "client_stalled" 499 "connection_write_timeout" Client close INFO;
    /// The request has been through this node before.
    Loop = "loop" 508 "proxy_loop_detected" Site keep WARN;

    /// No account holds the host.
    UnknownHost = "unknown_host" 404 "destination_not_found" Client keep DEBUG;
    /// The host is held, but no site of the account has the path.
    UnknownPath = "unknown_path" 404 "destination_not_found" Client keep DEBUG;

    /// The account is in maintenance.
    Maintenance = "maintenance" 503 "http_request_denied" Limit keep DEBUG;
    /// The account is suspended.
    Suspended = "suspended" 403 "http_request_denied" Limit keep DEBUG;
    /// More requests a second than the account may have.
    Rate = "rate" 429 "http_request_denied" Limit keep INFO;
    /// The client's network is not let in.
    Denied = "denied" 403 "http_request_denied" Limit keep INFO;
    /// More connections or handshakes than one client may have.
    ClientLimit = "client_limit" 429 "http_request_denied" Limit keep INFO;
    /// The account's queue is full.
    QueueFull = "queue_full" 503 "connection_limit_reached" Limit keep WARN;
    /// A place did not become free in time.
    QueueTimeout = "queue_timeout" 503 "connection_limit_reached" Limit keep WARN;
    /// More tunnels than the account may have.
    TunnelLimit = "tunnel_limit" 503 "connection_limit_reached" Limit keep WARN;

    /// The upstream refused the connection, or its socket does not exist.
    Refused = "refused" 502 "connection_refused" Site keep WARN;
    /// The site's program could not be started, or ended before it was ready.
    StartFailed = "start_failed" 502 "destination_unavailable" Site keep WARN;
    /// The site's program was killed for want of memory.
    OutOfMemory = "out_of_memory" 502 "destination_unavailable" Site keep WARN;
    /// The site's program was not ready in time.
    StartTimeout = "start_timeout" 504 "connection_timeout" Site keep WARN;
    /// The upstream's address cannot be reached.
    Unreachable = "unreachable" 502 "destination_ip_unroutable" Site keep WARN;
    /// The upstream's name has no address.
    DnsError = "dns_error" 502 "dns_error" Site keep WARN;
    /// The upstream's address is one that may not be reached.
    Prohibited = "prohibited" 502 "destination_ip_prohibited" Site keep WARN;
    /// The upstream did not accept the connection in time.
    ConnectTimeout = "connect_timeout" 504 "connection_timeout" Site keep WARN;
    /// The TLS handshake with the upstream failed.
    UpstreamTls = "upstream_tls" 502 "tls_protocol_error" Site keep WARN;
    /// The upstream's certificate is not valid for its name.
    UpstreamCertificate = "upstream_certificate" 502 "tls_certificate_error" Site keep WARN;
    /// The upstream closed the connection before its answer began.
    Closed = "closed" 502 "connection_terminated" Site keep WARN;
    /// The upstream's answer did not begin in time.
    TimedOut = "timed_out" 504 "http_response_timeout" Site keep WARN;
    /// The upstream stopped taking the request.
    UpstreamStalled = "upstream_stalled" 504 "connection_write_timeout" Site close WARN;
    /// The upstream's answer breaks the rules of HTTP.
    InvalidAnswer = "invalid_answer" 502 "http_protocol_error" Site keep WARN;
    /// The upstream's head is larger than allowed.
    AnswerHeaderTooLarge = "answer_header_too_large" 502 "http_response_header_section_size" Site keep WARN;
    /// The upstream's answer ended before its end.
    AnswerIncomplete = "answer_incomplete" 502 "http_response_incomplete" Site close WARN;
    /// The upstream's answer stalled.
    AnswerStalled = "answer_stalled" 504 "connection_read_timeout" Site close WARN;
    /// The upstream switched protocols unasked, or not to what was asked.
    UpgradeFailed = "upgrade_failed" 502 "http_upgrade_failed" Site keep WARN;

    /// The node itself is at a limit (descriptors, memory, connections).
    Overloaded = "overloaded" 503 "connection_limit_reached" Us close ERROR;
    /// A mistake of ours.
    Internal = "internal" 500 "proxy_internal_error" Us close ERROR;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_word_of_its_own_and_a_known_type() {
        const RFC_9209: &[&str] = &[
            "dns_timeout",
            "dns_error",
            "destination_not_found",
            "destination_unavailable",
            "destination_ip_prohibited",
            "destination_ip_unroutable",
            "connection_refused",
            "connection_terminated",
            "connection_timeout",
            "connection_read_timeout",
            "connection_write_timeout",
            "connection_limit_reached",
            "tls_protocol_error",
            "tls_certificate_error",
            "tls_alert_received",
            "http_request_error",
            "http_request_denied",
            "http_response_incomplete",
            "http_response_header_section_size",
            "http_response_header_size",
            "http_response_body_size",
            "http_response_trailer_section_size",
            "http_response_trailer_size",
            "http_response_transfer_coding",
            "http_response_content_coding",
            "http_response_timeout",
            "http_upgrade_failed",
            "http_protocol_error",
            "proxy_internal_response",
            "proxy_internal_error",
            "proxy_configuration_error",
            "proxy_loop_detected",
        ];
        let mut words = std::collections::HashSet::new();
        for (place, cause) in Cause::ALL.iter().enumerate() {
            let verdict = cause.verdict();
            assert_eq!(*cause as usize, place, "the list is the order of the discriminants");
            assert!(words.insert(verdict.word), "{} stands twice", verdict.word);
            assert!(RFC_9209.contains(&verdict.error), "{}", verdict.error);
            assert!((400..600).contains(&verdict.status));
        }
    }
}
