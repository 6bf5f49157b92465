//! The accounts as they are served: one [`Account`] each, which lives as long as the account does, and the
//! [`Form`] its document was compiled to, which is swapped whole. Knows nothing of who holds which host (that is
//! `route`) and reads no file but the pages of answers that are always the same.

mod form;
mod live;
mod paths;
mod pattern;
mod site;
#[cfg(test)]
pub(crate) mod testing;

pub use form::{Form, Found};
pub use live::Live;
pub use pattern::{Claim, Entry, Pattern};
pub use site::{Action, Fixed, Redirect, Site};

use crate::base::{AccountName, Allowance, Drain, DrainSwitch};
use crate::limit::Gate;
use crate::telemetry::{AccountGauges, AccountRank, AccountSample, Ranked};
use arc_swap::ArcSwap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// An account while it exists: what outlives every change of its document.
#[derive(Debug)]
pub struct Account {
    name: AccountName,
    form: ArcSwap<Form>,
    gate: Arc<Gate>,
    live: Live,
    buffers: Allowance,
    /// Made when somebody first watches it: it is as large as all else of an account that nobody visits.
    end: Mutex<Option<Box<(DrainSwitch, Drain)>>>,
}

impl Account {
    /// The account `name`, served by `form`.
    pub fn new(name: AccountName, form: Form) -> Arc<Self> {
        let gate = Gate::new(&form.limits);
        let buffers = Allowance::new(form.limits.buffered_bytes);
        Arc::new(Self {
            name,
            form: ArcSwap::from_pointee(form),
            gate,
            live: Live::default(),
            buffers,
            end: Mutex::new(None),
        })
    }

    /// Its name.
    pub fn name(&self) -> &AccountName {
        &self.name
    }

    /// The form in effect at this moment. A request takes it once and keeps it to its end.
    pub fn form(&self) -> Arc<Form> {
        self.form.load_full()
    }

    /// Its gate: every request passes it once.
    pub fn gate(&self) -> &Arc<Gate> {
        &self.gate
    }

    /// Its counters.
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// What it pays for bytes that are read ahead of its upstreams and of its visitors, over all workers.
    pub fn buffers(&self) -> &Allowance {
        &self.buffers
    }

    /// What its tunnels and long answers watch: begins when the account is deleted, suspended or has moved.
    pub fn drain(&self) -> Drain {
        self.with_end(|end| end.get_or_insert_with(|| Box::new(DrainSwitch::new())).1.clone())
    }

    fn with_end<T>(&self, with: impl FnOnce(&mut Option<Box<(DrainSwitch, Drain)>>) -> T) -> T {
        with(&mut self.end.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes ready for `next`, which will be published: limits and settings of upstreams take effect, and where
    /// `entering` lead to the account, `next` answers from now on. Called by the control thread alone.
    pub fn prepare(&self, next: &Arc<Form>, entering: impl IntoIterator<Item = Pattern>) {
        self.gate.retune(&next.limits);
        self.buffers.set_most(next.limits.buffered_bytes);
        next.retune_upstreams();
        let mut entering = entering.into_iter().peekable();
        if entering.peek().is_some() {
            self.form.store(Arc::new(self.form().entering(next.clone(), entering)));
        }
    }

    /// Serves `form` from now on and returns the one served until now. Upstreams that are gone are retired.
    /// Called by the control thread alone.
    pub fn publish(&self, form: Arc<Form>) -> Arc<Form> {
        let before = self.form.swap(form.clone());
        before.retire_upstreams(&form);
        before
    }

    /// Begins the account's drain: its document is gone, or it is suspended. What still runs ends at `deadline`.
    pub fn end(&self, deadline: Instant) {
        self.with_end(|end| end.get_or_insert_with(|| Box::new(DrainSwitch::new())).0.begin(deadline));
    }

    /// What begins from now on has nothing to do with a drain that has begun.
    pub fn revive(&self) {
        self.with_end(|end| end.take_if(|end| end.1.has_begun()));
    }
}

impl Ranked for Account {
    fn name(&self) -> &AccountName {
        &self.name
    }

    fn requests(&self) -> u64 {
        self.live.requests()
    }

    fn sample(&self) -> AccountSample {
        self.live.sample()
    }

    fn gauges(&self) -> AccountGauges {
        AccountGauges { in_flight: self.gate.in_flight(), tunnels: self.gate.tunnels() }
    }

    fn rank(&self) -> &AccountRank {
        self.live.rank()
    }
}
