//! The word that all workers share of an upstream, and what may become of it. Pure: a value and its
//! transitions; [`Ledger`](super::ledger::Ledger) swaps it.
//!
//! ```text
//! bits  0–19  connections in use: lent, being opened, or granted to a waiter
//! bits 20–39  connections open: those in use and the idle ones of all workers
//! bits 40–43  state
//! bit  44     somebody waits: every change of the two counts goes through the line, under its lock
//! bits 45–63  generation: which settings and which instance of the program connections belong to; wraps
//! ```
//!
//! Always: in use ≤ open, and the idle connections of all workers are exactly open − in use.

/// The shared word of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Word(u64);

/// Whether there is somebody to connect to, and what becomes of returned connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Serves.
    Ready,
    /// Its program does not run, or not yet: whoever comes waits, and nothing is kept.
    Away,
    /// Its account is gone: nothing is kept.
    Retired,
}

impl Word {
    /// Ready, nothing open.
    pub(super) const NEW: Self = Self(0);

    pub(super) const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(super) const fn bits(self) -> u64 {
        self.0
    }

    /// Connections in use.
    pub(super) const fn in_use(self) -> u32 {
        (self.0 & COUNT) as u32
    }

    /// Connections open.
    pub(super) const fn open(self) -> u32 {
        ((self.0 >> OPEN_SHIFT) & COUNT) as u32
    }

    /// Connections open and not in use.
    pub(super) const fn idle(self) -> u32 {
        self.open() - self.in_use()
    }

    /// Whether the counts may only change under the lock of the line.
    pub(super) const fn somebody_waits(self) -> bool {
        self.0 & WAITING != 0
    }

    pub(super) const fn state(self) -> State {
        match (self.0 >> STATE_SHIFT) & STATE {
            0 => State::Ready,
            AWAY => State::Away,
            _ => State::Retired,
        }
    }

    pub(super) const fn generation(self) -> Generation {
        Generation((self.0 >> GENERATION_SHIFT) as u32)
    }

    /// An idle connection is lent.
    pub(super) fn lent(self) -> Option<Self> {
        (self.idle() > 0 && self.state() != State::Away).then(|| Self(self.0 + ONE_IN_USE))
    }

    /// A connection is about to be opened, for use, where there may be `cap`.
    pub(super) fn opened(self, cap: u32) -> Option<Self> {
        (self.open() < cap.min(MOST) && self.state() != State::Away)
            .then(|| Self(self.0 + ONE_OPEN + ONE_IN_USE))
    }

    /// A connection in use is idle now.
    pub(super) fn kept(self) -> Option<Self> {
        (self.in_use() > 0).then(|| Self(self.0 - ONE_IN_USE))
    }

    /// A connection in use was closed.
    pub(super) fn closed(self) -> Option<Self> {
        (self.in_use() > 0).then(|| Self(self.0 - ONE_OPEN - ONE_IN_USE))
    }

    /// An idle connection was closed.
    pub(super) fn idle_closed(self) -> Option<Self> {
        (self.idle() > 0).then(|| Self(self.0 - ONE_OPEN))
    }

    /// Whether a connection of `generation` may be kept, where there may be `cap`.
    pub(super) fn may_keep(self, generation: Generation, cap: u32) -> bool {
        self.state() == State::Ready && self.generation() == generation && self.open() <= cap
    }

    #[must_use]
    pub(super) const fn with_waiting(self, somebody_waits: bool) -> Self {
        if somebody_waits { Self(self.0 | WAITING) } else { Self(self.0 & !WAITING) }
    }

    /// The settings changed: no connection opened until now is kept.
    #[must_use]
    pub(super) const fn renewed(self) -> Self {
        // The topmost field: what overflows is gone.
        Self(self.0.wrapping_add(1 << GENERATION_SHIFT))
    }

    #[must_use]
    pub(super) const fn retired(self) -> Self {
        Self(self.0 | RETIRED << STATE_SHIFT)
    }

    /// Its program is not there any more: nobody is sent to it, and no connection opened until now is kept.
    #[must_use]
    pub(super) const fn away(self) -> Self {
        Self(self.0 | AWAY << STATE_SHIFT).renewed()
    }

    /// The same where nothing is in use and nobody waits.
    pub(super) fn at_rest(self) -> Option<Self> {
        let rests = self.state() == State::Ready && self.in_use() == 0 && !self.somebody_waits();
        rests.then(|| self.away())
    }

    /// Its program serves.
    #[must_use]
    pub(super) const fn back(self) -> Self {
        Self(self.0 & !(AWAY << STATE_SHIFT))
    }
}

/// Which settings a connection was opened with. Wraps after half a million changes: no connection lives to see
/// its own number again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Generation(u32);

/// The most connections an upstream can have, whatever its settings say: far more than one address has ports.
pub(super) const MOST: u32 = COUNT as u32;

const COUNT: u64 = (1 << 20) - 1;
const OPEN_SHIFT: u32 = 20;
const ONE_IN_USE: u64 = 1;
const ONE_OPEN: u64 = 1 << OPEN_SHIFT;
const STATE_SHIFT: u32 = 40;
const STATE: u64 = 0b1111;
/// For good, whatever its program does.
const RETIRED: u64 = 0b01;
const AWAY: u64 = 0b10;
const WAITING: u64 = 1 << 44;
const GENERATION_SHIFT: u32 = 45;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Lend,
        Open(u32),
        Keep,
        Close,
        CloseIdle,
        Wait(bool),
        Renew,
        Retire,
        Leave,
        Rest,
        Return,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => Just(Step::Lend),
            4 => (0u32..8).prop_map(Step::Open),
            3 => Just(Step::Keep),
            2 => Just(Step::Close),
            2 => Just(Step::CloseIdle),
            1 => any::<bool>().prop_map(Step::Wait),
            1 => Just(Step::Renew),
            1 => Just(Step::Retire),
            1 => Just(Step::Leave),
            2 => Just(Step::Rest),
            3 => Just(Step::Return),
        ]
    }

    proptest! {
        /// The word does what separate fields would do, and no field runs over into another.
        #[test]
        fn the_word_is_its_fields(steps in proptest::collection::vec(step(), 0..300)) {
            let mut word = Word::NEW;
            let (mut in_use, mut open, mut waits, mut generation) = (0, 0, false, 0);
            let (mut retired, mut away) = (false, false);
            for step in steps {
                let next = match step {
                    Step::Lend => word.lent(),
                    Step::Open(cap) => word.opened(cap),
                    Step::Keep => word.kept(),
                    Step::Close => word.closed(),
                    Step::CloseIdle => word.idle_closed(),
                    Step::Wait(on) => Some(word.with_waiting(on)),
                    Step::Renew => Some(word.renewed()),
                    Step::Retire => Some(word.retired()),
                    Step::Leave => Some(word.away()),
                    Step::Rest => word.at_rest(),
                    Step::Return => Some(word.back()),
                };
                let admits = retired || !away;
                let possible = match step {
                    Step::Lend => open > in_use && admits,
                    Step::CloseIdle => open > in_use,
                    Step::Open(cap) => open < cap && admits,
                    Step::Rest => in_use == 0 && !waits && !retired && !away,
                    Step::Keep | Step::Close => in_use > 0,
                    Step::Wait(_) | Step::Renew | Step::Retire | Step::Leave | Step::Return => true,
                };
                prop_assert_eq!(next.is_some(), possible);
                let Some(next) = next else { continue };
                word = next;
                match step {
                    Step::Lend => in_use += 1,
                    Step::Open(_) => (in_use, open) = (in_use + 1, open + 1),
                    Step::Keep => in_use -= 1,
                    Step::Close => (in_use, open) = (in_use - 1, open - 1),
                    Step::CloseIdle => open -= 1,
                    Step::Wait(on) => waits = on,
                    Step::Renew => generation += 1,
                    Step::Retire => retired = true,
                    Step::Leave | Step::Rest => (away, generation) = (true, generation + 1),
                    Step::Return => away = false,
                }
                let ready = !retired && !away;
                prop_assert_eq!((word.in_use(), word.open(), word.idle()), (in_use, open, open - in_use));
                prop_assert_eq!(word.somebody_waits(), waits);
                prop_assert_eq!(word.generation(), Generation(generation));
                prop_assert_eq!(word.state() == State::Ready, ready);
                prop_assert_eq!(word.may_keep(Generation(generation), open), ready);
                prop_assert!(!word.may_keep(Generation(generation + 1), open));
                prop_assert!(open == 0 || !word.may_keep(Generation(generation), open - 1));
            }
        }
    }

    #[test]
    fn a_full_word_opens_nothing_more() {
        let full = Word::from_bits(COUNT << OPEN_SHIFT | COUNT);
        assert_eq!(full.opened(u32::MAX), None);
        assert_eq!((full.open(), full.in_use()), (MOST, MOST));
    }

    #[test]
    fn the_generation_wraps_alone() {
        let mut word = Word::NEW.retired().with_waiting(true).opened(1).unwrap();
        let before = word;
        for _ in 0..1 << 19 {
            word = word.renewed();
        }
        assert_eq!(word, before);
        assert_ne!(word.renewed().generation(), before.generation());
    }
}
