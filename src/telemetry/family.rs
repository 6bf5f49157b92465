//! Every family of metrics by name, kind, labels and meaning: the one table that `/metrics` and
//! `docs/metrics.md` are made of. Holds no number.

use prometheus::core::Desc;
use prometheus::proto::{Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType};
use prometheus::{HistogramOpts, Opts};
use std::collections::HashMap;
use std::time::Duration;

use super::cell::TallySum;

/// A family of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    /// Its name, unit included (seconds, bytes), `_total` at the end of a counter.
    pub name: &'static str,
    /// What kind of number it holds.
    pub kind: Kind,
    /// The labels each of its series carries, in this order.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

/// What kind of number a family holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

macro_rules! families {
    ($(#[$doc:meta])* $table:ident $( $title:literal {
        $( $place:ident = $name:literal $kind:ident [$($label:literal)*] $help:literal; )*
    } )*) => {
        $($( pub(super) const $place: Family =
            Family { name: $name, kind: Kind::$kind, labels: &[$($label),*], help: $help }; )*)*

        $(#[$doc])*
        pub const $table: &[(&str, &[Family])] = &[$( ($title, &[$($place),*]) ),*];
    };
}

families! {
    /// Every family that `/metrics` may show, by what it is about.
    FAMILIES

    "Requests" {
        REQUESTS = "parvis_requests_total" Counter ["protocol" "status"]
            "Requests answered, by the protocol they arrived by and the class of their status.";
        REQUESTS_IN_FLIGHT = "parvis_requests_in_flight" Gauge ["protocol"]
            "Requests whose answer has not ended.";
        REQUEST_DURATION = "parvis_request_duration_seconds" Histogram ["protocol"]
            "Time from the first byte of a request's head to the last byte of its answer.";
        OWN_TIME = "parvis_own_time_seconds" Histogram []
            "Of the time to an answer's head, what Parvis itself took: without waiting for the visitor or an upstream.";
        UPSTREAM_TIME = "parvis_upstream_time_seconds" Histogram []
            "Time from a head sent upstream to the head of the answer.";
        FAILURES = "parvis_failures_total" Counter ["cause" "error" "blame"]
            "Requests and connections that were refused or failed, by our cause, its RFC 9209 type and whose fault it was (client, site, limit, us).";
        REPAIRS = "parvis_repairs_total" Counter ["of" "what"]
            "Requests and answers that broke a rule of HTTP without meaning anything by it, and were passed on as they should have been.";
        REQUEST_BODY_BYTES = "parvis_request_body_bytes_total" Counter []
            "Bytes of request bodies received from visitors.";
        RESPONSE_BODY_BYTES = "parvis_response_body_bytes_total" Counter []
            "Bytes of answer bodies sent to visitors.";
        MOVED_REQUESTS = "parvis_moved_requests_total" Counter []
            "Requests passed on to the nodes that their accounts have moved to.";
        TUNNELS = "parvis_tunnels_total" Counter []
            "Requests that became a tunnel, as WebSockets do.";
        TUNNELS_OPEN = "parvis_tunnels_open" Gauge []
            "Tunnels open now.";
    }

    "Connections of visitors" {
        CONNECTIONS = "parvis_connections_total" Counter ["protocol" "tls"]
            "Connections of visitors, counted when it shows what they speak; none: ended before that.";
        CONNECTIONS_OPEN = "parvis_connections_open" Gauge ["protocol" "tls"]
            "Connections of visitors open now; none: in their PROXY header, TLS handshake or before their first byte.";
        CONNECTIONS_LIMIT = "parvis_connections_limit" Gauge []
            "Connections of visitors that the node may hold; beyond it they wait in the kernel's queue.";
        HANDSHAKES = "parvis_tls_handshakes_total" Counter ["version" "result"]
            "TLS handshakes with visitors that succeeded: full or resumed.";
        HANDSHAKE_FAILURES = "parvis_tls_handshake_failures_total" Counter ["reason"]
            "TLS handshakes with visitors that failed.";
        HANDSHAKE_DURATION = "parvis_tls_handshake_duration_seconds" Histogram []
            "Time a successful TLS handshake with a visitor took, waiting for the visitor included.";
    }

    "Connections to upstreams" {
        UPSTREAM_CONNECTIONS = "parvis_upstream_connections_total" Counter []
            "Connections opened to upstreams.";
        UPSTREAM_CONNECTIONS_OPEN = "parvis_upstream_connections_open" Gauge []
            "Connections to upstreams open now, idle ones included.";
        UPSTREAM_REUSES = "parvis_upstream_reuses_total" Counter []
            "Requests that took a connection to their upstream that was open already.";
    }

    "The workers" {
        WORKERS = "parvis_workers" Gauge []
            "Threads that serve connections.";
        WORKER_REQUESTS = "parvis_worker_requests_total" Counter ["worker"]
            "Requests answered, by the worker that had their connection.";
        WORKER_CONNECTIONS = "parvis_worker_connections_open" Gauge ["worker"]
            "Connections of visitors open now, by the worker that has them.";
        WORKER_CPU = "parvis_worker_cpu_seconds_total" Counter ["worker"]
            "Processor time of each worker: a rate of one is a worker that is busy all the time.";
    }

    "The busiest accounts" {
        ACCOUNT_REQUESTS = "parvis_account_requests_total" Counter ["account"]
            "Requests answered for the hundred busiest accounts by name, and for all others as _other.";
        ACCOUNT_SERVER_ERRORS = "parvis_account_server_errors_total" Counter ["account"]
            "Answers with a 5xx status of the hundred busiest accounts by name, and of all others as _other.";
        ACCOUNT_FAILURES = "parvis_account_failures_total" Counter ["account" "blame"]
            "Requests that were refused or failed, by whose fault it was (client, site, limit, us), of the hundred busiest accounts by name, and of all others as _other.";
        ACCOUNT_LIMITED = "parvis_account_limited_total" Counter ["account"]
            "Requests refused by the rate, the queue or the number of tunnels of the account, of the hundred busiest accounts by name, and of all others as _other.";
        ACCOUNT_REQUEST_BYTES = "parvis_account_request_body_bytes_total" Counter ["account"]
            "Bytes of request bodies received for the hundred busiest accounts by name, and for all others as _other.";
        ACCOUNT_RESPONSE_BYTES = "parvis_account_response_body_bytes_total" Counter ["account"]
            "Bytes of answer bodies sent for the hundred busiest accounts by name, and for all others as _other.";
        ACCOUNT_IN_FLIGHT = "parvis_account_requests_in_flight" Gauge ["account"]
            "Requests whose answer has not ended, of the hundred busiest accounts; the others are not counted together.";
        ACCOUNT_TUNNELS = "parvis_account_tunnels_open" Gauge ["account"]
            "Tunnels open now, of the hundred busiest accounts; the others are not counted together.";
    }

    "The accounts' programs" {
        PROGRAMS = "parvis_programs" Gauge ["state"]
            "Programs of the accounts: stopped, starting, ready, restarting, stopping, failed.";
        PROGRAM_STARTS = "parvis_program_starts_total" Counter ["result"]
            "How starts of programs went (ready, failed, late), and what became of programs that had served: crashed, hung.";
        PROGRAM_WAIT = "parvis_program_start_seconds" Histogram []
            "Time from a program's start to its being ready.";
        PROGRAM_MEMORY_KILLS = "parvis_program_memory_kills_total" Counter []
            "Processes of programs that the kernel killed because their account's memory was used up.";
        PROGRAM_MEMORY = "parvis_programs_memory_bytes" Gauge []
            "Memory of all programs, by the control group above theirs; 0 where nobody counts it.";
        PROGRAM_CPU = "parvis_programs_cpu_seconds_total" Counter []
            "Processor time of all programs, by the control group above theirs.";
    }

    "Documents, certificates and changes" {
        CHANGES = "parvis_changes_total" Counter ["result"]
            "Changed account documents: applied, partial (another account holds one of its hosts), refused, removed.";
        CHANGE_DURATION = "parvis_change_duration_seconds" Histogram []
            "Time from noticing a changed document to its publication or refusal.";
        RELOADS = "parvis_reloads_total" Counter ["result"]
            "Reloads of the node file: applied or refused.";
        ACCOUNTS = "parvis_accounts" Gauge []
            "Accounts in service.";
        HOSTS = "parvis_hosts" Gauge []
            "Host names and wildcards the accounts hold.";
        DOCUMENT_PROBLEMS = "parvis_documents_with_problems" Gauge []
            "Account documents that are refused, or applied in part.";
        DOCUMENT_GENERATION = "parvis_document_generation" Gauge []
            "Counts up with every published change since the start.";
        CERTIFICATES = "parvis_certificates" Gauge []
            "Certificates in service.";
        CERTIFICATE_PROBLEMS = "parvis_certificates_with_problems" Gauge []
            "Certificate files that are corrupt, without their key, or expired.";
        CERTIFICATE_EXPIRY = "parvis_certificate_expires_soonest_timestamp_seconds" Gauge []
            "When the first certificate in service expires of those that have not, as seconds since the Unix epoch; missing where there is none.";
        READY = "parvis_ready" Gauge []
            "1 while the node asks for traffic, 0 while it starts or drains.";
    }

    "Logs and the program" {
        ACCESS_LOG_LINES = "parvis_access_log_lines_total" Counter ["result"]
            "Lines of access and site logs: written, dropped (the writer was too far behind), lost (the file could not be written).";
        NODE_LOG_DROPPED = "parvis_node_log_dropped_lines_total" Counter []
            "Lines of the node's own log dropped because its writer was too far behind.";
        SPANS = "parvis_spans_total" Counter ["result"]
            "Spans of requests: exported, dropped (the exporter was too far behind), lost (the collector was away, or did not take them). 0 in a build without the feature otel.";
        BUFFERS_IN_USE = "parvis_buffers_in_use" Gauge []
            "Buffers with a block of memory, of 16 KiB as a rule; a connection that idles has none.";
        PIPES_IN_USE = "parvis_pipes_in_use" Gauge []
            "Pipes through which bodies are moved inside the kernel now.";
        BUILD_INFO = "parvis_build_info" Gauge ["version"]
            "Always 1; the version is in the label.";
    }

    "The process" {
        PROCESS_CPU = "process_cpu_seconds_total" Counter []
            "CPU time the process used, user and system.";
        PROCESS_RESIDENT = "process_resident_memory_bytes" Gauge []
            "Memory the process holds in RAM.";
        PROCESS_VIRTUAL = "process_virtual_memory_bytes" Gauge []
            "Address space of the process.";
        PROCESS_OPEN_FDS = "process_open_fds" Gauge []
            "File descriptors in use.";
        PROCESS_MAX_FDS = "process_max_fds" Gauge []
            "File descriptors the process may use.";
        PROCESS_THREADS = "process_threads" Gauge []
            "Threads of the process.";
        PROCESS_START = "process_start_time_seconds" Gauge []
            "When the process started, as seconds since the Unix epoch.";
    }
}

families! {
    /// Every family that `/metrics/accounts/NAME` may show. No name is one of [`FAMILIES`].
    ACCOUNT_FAMILIES

    "The account" {
        SINGLE_STATE = "parvis_single_account_state" Gauge ["account" "state"]
            "1 for the state that the account is in (active, maintenance, suspended, moved), 0 for the others.";
        SINGLE_GENERATION = "parvis_single_account_generation" Gauge ["account"]
            "The change of the node by which the account's document took effect.";
        SINGLE_HOSTS = "parvis_single_account_hosts" Gauge ["account"]
            "Host names and wildcards the account holds.";
        SINGLE_HOSTS_REFUSED = "parvis_single_account_hosts_refused" Gauge ["account"]
            "Host names and wildcards that its document claims and another account holds.";
    }

    "Its requests" {
        SINGLE_REQUESTS = "parvis_single_account_requests_total" Counter ["account" "status"]
            "Requests answered, by the class of their status.";
        SINGLE_FAILURES = "parvis_single_account_failures_total" Counter ["account" "cause" "error" "blame"]
            "Requests that were refused or failed, by our cause, its RFC 9209 type and whose fault it was.";
        SINGLE_MOVED = "parvis_single_account_moved_requests_total" Counter ["account"]
            "Requests passed on to the node that the account has moved to.";
        SINGLE_REQUEST_BYTES = "parvis_single_account_request_body_bytes_total" Counter ["account"]
            "Bytes of request bodies received from visitors.";
        SINGLE_RESPONSE_BYTES = "parvis_single_account_response_body_bytes_total" Counter ["account"]
            "Bytes of answer bodies sent to visitors.";
        SINGLE_IN_FLIGHT = "parvis_single_account_requests_in_flight" Gauge ["account"]
            "Requests whose answer has not ended.";
        SINGLE_QUEUED = "parvis_single_account_requests_queued" Gauge ["account"]
            "Requests that wait until another of the account ends.";
        SINGLE_TUNNELS = "parvis_single_account_tunnels_open" Gauge ["account"]
            "Tunnels open now, those included that are asked for.";
        SINGLE_BUFFERED = "parvis_single_account_buffered_bytes" Gauge ["account"]
            "Bytes read ahead of its upstreams and of its visitors.";
    }

    "Its limits" {
        SINGLE_IN_FLIGHT_LIMIT = "parvis_single_account_requests_in_flight_limit" Gauge ["account"]
            "Requests it may have in flight; more wait.";
        SINGLE_QUEUED_LIMIT = "parvis_single_account_requests_queued_limit" Gauge ["account"]
            "Requests that may wait; more are refused.";
        SINGLE_TUNNELS_LIMIT = "parvis_single_account_tunnels_limit" Gauge ["account"]
            "Tunnels it may have.";
        SINGLE_BUFFERED_LIMIT = "parvis_single_account_buffered_limit_bytes" Gauge ["account"]
            "Bytes that may be read ahead.";
        SINGLE_RATE_LIMIT = "parvis_single_account_requests_per_second_limit" Gauge ["account"]
            "Requests a second it may make over its rate's period; missing where it has no rate.";
        SINGLE_BODY_LIMIT = "parvis_single_account_request_body_limit_bytes" Gauge ["account"]
            "Bytes a request's body may have; missing where that is unlimited.";
    }

    "Its upstreams" {
        SINGLE_UPSTREAM_OPEN = "parvis_single_account_upstream_connections_open" Gauge ["account" "upstream"]
            "Connections open now, idle ones included.";
        SINGLE_UPSTREAM_IN_USE = "parvis_single_account_upstream_connections_in_use" Gauge ["account" "upstream"]
            "Connections that serve a request now.";
        SINGLE_UPSTREAM_LIMIT = "parvis_single_account_upstream_connections_limit" Gauge ["account" "upstream"]
            "Connections it may have.";
        SINGLE_UPSTREAM_TUNNELS = "parvis_single_account_upstream_tunnels_open" Gauge ["account" "upstream"]
            "Connections that became tunnels.";
        SINGLE_UPSTREAM_WAITING = "parvis_single_account_upstream_requests_waiting" Gauge ["account" "upstream"]
            "Requests that wait for a connection, or for the program.";
    }

    "Its programs" {
        SINGLE_PROGRAM_STATE = "parvis_single_account_program_state" Gauge ["account" "upstream" "state"]
            "1 for the state that the program is in (stopped, starting, ready, restarting, stopping, failed), 0 for the others.";
        SINGLE_PROGRAM_STARTS = "parvis_single_account_program_starts_total" Counter ["account" "upstream"]
            "How often it was started.";
        SINGLE_PROGRAM_KILLS = "parvis_single_account_program_memory_kills_total" Counter ["account" "upstream"]
            "Processes of it that the kernel killed because the account's memory was used up.";
        SINGLE_PROGRAM_MEMORY = "parvis_single_account_program_memory_bytes" Gauge ["account" "upstream"]
            "Memory of the program and all it started; missing where nobody counts it.";
        SINGLE_PROGRAM_CPU = "parvis_single_account_program_cpu_seconds_total" Counter ["account" "upstream"]
            "Processor time since it was last started; missing where nobody counts it.";
        SINGLE_PROGRAM_UNANSWERED = "parvis_single_account_program_unanswered_requests" Gauge ["account" "upstream"]
            "Requests that it has whole and has not answered.";
    }
}

impl Family {
    /// How the prometheus crate describes it.
    pub(super) fn desc(&self) -> prometheus::Result<Desc> {
        let labels = self.labels.iter().map(|&label| label.to_owned()).collect();
        Desc::new(self.name.to_owned(), self.help.to_owned(), labels, HashMap::new())
    }

    /// The options of a counter or gauge of the prometheus crate.
    pub(super) fn opts(&self) -> Opts {
        Opts::new(self.name, self.help)
    }

    /// The options of a histogram of the prometheus crate.
    pub(super) fn histogram_opts(&self, bounds: &[Duration]) -> HistogramOpts {
        HistogramOpts::new(self.name, self.help).buckets(bounds.iter().map(Duration::as_secs_f64).collect())
    }

    /// The family with its series.
    pub(super) fn with(&self, series: Vec<Metric>) -> MetricFamily {
        let mut family = MetricFamily::default();
        family.set_name(self.name.to_owned());
        family.set_help(self.help.to_owned());
        family.set_field_type(match self.kind {
            Kind::Counter => MetricType::COUNTER,
            Kind::Gauge => MetricType::GAUGE,
            Kind::Histogram => MetricType::HISTOGRAM,
        });
        family.set_metric(series);
        family
    }

    /// The family with one series that has no label.
    pub(super) fn with_one(&self, value: f64) -> MetricFamily {
        self.with(vec![self.series(&[], value)])
    }

    /// One series of a counter or gauge.
    pub(super) fn series(&self, values: &[&str], value: f64) -> Metric {
        let mut metric = self.labelled(values);
        match self.kind {
            Kind::Counter => {
                let mut counter = Counter::default();
                counter.set_value(value);
                metric.set_counter(counter);
            }
            Kind::Gauge | Kind::Histogram => {
                let mut gauge = Gauge::default();
                gauge.set_value(value);
                metric.set_gauge(gauge);
            }
        }
        metric
    }

    /// One series of a histogram.
    pub(super) fn histogram<const N: usize>(
        &self,
        values: &[&str],
        bounds: &[Duration; N],
        sum: &TallySum<N>,
    ) -> Metric {
        let mut count = 0;
        let mut buckets = Vec::with_capacity(N);
        for (bound, within) in bounds.iter().zip(sum.within) {
            count += within;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(bound.as_secs_f64());
            bucket.set_cumulative_count(count);
            buckets.push(bucket);
        }
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets);
        histogram.set_sample_count(count + sum.longer);
        histogram.set_sample_sum(sum.seconds);
        let mut metric = self.labelled(values);
        metric.set_histogram(histogram);
        metric
    }

    fn labelled(&self, values: &[&str]) -> Metric {
        debug_assert_eq!(values.len(), self.labels.len(), "{} has other labels", self.name);
        let pairs = self.labels.iter().zip(values).map(|(name, value)| {
            let mut pair = LabelPair::default();
            pair.set_name((*name).to_owned());
            pair.set_value((*value).to_owned());
            pair
        });
        Metric::from_label(pairs.collect())
    }
}

impl Kind {
    /// The word for it, as the text format prints it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

#[cfg(test)]
mod tests;
