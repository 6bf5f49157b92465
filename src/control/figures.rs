//! What is counted of one account, for its page of metrics. Takes figures; changes nothing.

use super::programs::Usage;
use crate::account::Account;
use crate::base::now;
use crate::telemetry::{AccountFigures, ProgramUse, UpstreamFigures};
use crate::upstream::Upstream;

/// The figures of `account` at this moment. Cost: by what it claims and by its upstreams, of which at most
/// [`MOST_UPSTREAMS`] are asked; a program's use is some files of the kernel.
pub fn figures(account: &Account) -> AccountFigures {
    let (form, live, gate) = (account.form(), account.live(), account.gate());
    let refused = form.refused().count();
    let (body_received, body_sent) = live.bodies();
    AccountFigures {
        name: account.name().clone(),
        state: form.state,
        generation: form.generation,
        hosts: form.claims().count().saturating_sub(refused),
        hosts_refused: refused,
        requests: live.by_class(),
        failures: live.by_cause(),
        moved_on: live.has_moved_on(),
        body_received,
        body_sent,
        in_flight: gate.in_flight(),
        queued: gate.waiting(),
        tunnels: gate.tunnels(),
        buffered_bytes: account.buffers().held(),
        limits: form.limits.clone(),
        upstreams: form.upstreams().take(MOST_UPSTREAMS).map(|upstream| of_upstream(upstream)).collect(),
    }
}

fn of_upstream(upstream: &Upstream) -> UpstreamFigures {
    let (spec, counts) = (upstream.spec(), upstream.counts());
    UpstreamFigures {
        name: spec.name.clone(),
        open: counts.open,
        in_use: counts.in_use,
        most: spec.connections,
        tunnels: counts.tunnels,
        waiting: counts.waiting,
        program: of_program(upstream),
    }
}

fn of_program(upstream: &Upstream) -> Option<ProgramUse> {
    let standing = upstream.standing()?;
    let usage = Usage::of_program(&standing);
    Some(ProgramUse {
        state: standing.state,
        starts: standing.starts,
        memory: usage.memory,
        cpu: usage.cpu,
        memory_kills: standing.memory_kills,
        unanswered: upstream.silence(now()).map_or(0, |silence| silence.requests),
    })
}

/// Upstreams of an account whose figures are told: more than anybody has, and no page takes long.
const MOST_UPSTREAMS: usize = 100;
