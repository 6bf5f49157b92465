//! The requests of the last while, as `parvis explain` tells them: a fixed number of slots, written by the workers and
//! read when somebody asks for an id. A writer never waits: a reader that meets a slot in the middle of a write passes it
//! over.
//!
//! Failures have slots of their own, in which neither ordinary requests nor the failures of one account push out what happened
//! to others, nor its commonest failure its rare ones: whoever fails most gives way.

mod places;
mod told;

use crate::base::{Cause, RequestId, Wait, Waits};
use places::Places;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::{
    AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
    fence,
};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

/// What is remembered of a request. Texts are cut where they are long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recalled<T> {
    /// Its id.
    pub id: RequestId,
    /// When its answer ended: wall time since the Unix epoch, in whole microseconds.
    pub completed: Duration,
    /// From the head's first byte to the answer's last.
    pub duration: Duration,
    /// Whom it waited for meanwhile.
    pub waits: Waits,
    /// The status of its answer; 499 where the visitor left before there was one.
    pub status: u16,
    /// Why its site did not answer, where it did not.
    pub cause: Option<Cause>,
    /// Body bytes sent to the visitor.
    pub sent: u64,
    /// Body bytes received.
    pub received: u64,
    /// Its names.
    pub texts: Texts<T>,
}

/// The names of a request. Empty: there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Texts<T> {
    /// The account it belongs to.
    pub account: T,
    /// The site.
    pub site: T,
    /// The upstream that answered, or should have.
    pub upstream: T,
    /// Who asked.
    pub client: T,
    /// How it came: `HTTP/2.0`, `HTTP/1.1`.
    pub version: T,
    /// Its method.
    pub method: T,
    /// The host it asked for.
    pub host: T,
    /// What exactly was wrong.
    pub detail: T,
    /// Its path, without the query.
    pub path: T,
}

/// What went wrong with an account's requests for one cause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failing {
    /// The cause.
    pub cause: Cause,
    /// How often, as far as it is remembered.
    pub count: u32,
    /// When it did last: wall time since the Unix epoch.
    pub at: Duration,
    /// The request it did last with.
    pub last: RequestId,
}

/// The memory of all workers.
#[derive(Debug)]
pub struct Recent {
    slots: usize,
    workers: Mutex<Vec<Arc<Slots>>>,
}

/// One worker's end. Made anywhere, then its worker's alone.
#[derive(Debug)]
pub struct Recaller {
    slots: Arc<Slots>,
    /// The next slot of a request that did not fail.
    next: Cell<usize>,
    /// The slots of failures.
    failures: RefCell<Places>,
}

/// A worker's slots: first those of requests that did not fail, then the failures.
#[derive(Debug)]
struct Slots {
    /// In blocks of [`BLOCK`], which are made when they are written first.
    blocks: Box<[OnceLock<Box<[Slot]>>]>,
    all: usize,
    /// How many of them are of requests that did not fail.
    served: usize,
}

#[derive(Debug)]
struct Slot {
    /// Odd while it is written; 0: never.
    turn: AtomicU64,
    words: [AtomicU64; WORDS],
}

impl Recent {
    /// Remembers so many requests, over `workers` workers; 0: none. Memory is taken as it is written: some 500 bytes each.
    pub fn new(requests: usize, workers: usize) -> Self {
        Self { slots: requests.div_ceil(workers.max(1)), workers: Mutex::default() }
    }

    /// A worker's end.
    pub fn worker(&self) -> Recaller {
        let failures = self.slots / 2;
        let served = self.slots - failures;
        let blocks = std::iter::repeat_with(OnceLock::new).take(self.slots.div_ceil(BLOCK)).collect();
        let slots = Arc::new(Slots { blocks, all: self.slots, served });
        self.workers.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&slots));
        Recaller { slots, next: Cell::new(0), failures: RefCell::new(Places::new(failures)) }
    }

    /// The request with this id, if it is remembered. Cost: a look at every slot.
    pub fn find(&self, id: &str) -> Option<Recalled<String>> {
        let id: [u8; 16] = id.as_bytes().try_into().ok()?;
        let halves = halves(RequestId::from_text(id)).map(u64::from_le_bytes);
        self.each(move |slot| slot.word(0) == halves[0] && slot.word(1) == halves[1]).next()
    }

    /// The last failures of an account, the newest first, at most `most`.
    pub fn failures(&self, account: &str, most: usize) -> Vec<Recalled<String>> {
        let of_account =
            |recalled: &Recalled<String>| recalled.cause.is_some() && recalled.texts.account == account;
        let mut failures: Vec<_> = self.each(Slot::is_failure).filter(of_account).collect();
        failures.sort_unstable_by_key(|recalled| std::cmp::Reverse(recalled.completed));
        failures.truncate(most);
        failures
    }

    /// What failed since a wall time, by account and cause, the most often first: as far as it is remembered.
    pub fn failing(&self, since: Duration) -> HashMap<String, Vec<Failing>> {
        let mut failing: HashMap<String, Vec<Failing>> = HashMap::new();
        let is_lately = |slot: &Slot| slot.is_failure() && slot.word(2) >= micros(since);
        for recalled in self.each(is_lately) {
            let Some(cause) = recalled.cause else { continue };
            if recalled.texts.account.is_empty() {
                continue;
            }
            let of_account = failing.entry(recalled.texts.account).or_default();
            match of_account.iter_mut().find(|failing| failing.cause == cause) {
                None => {
                    of_account.push(Failing { cause, count: 1, at: recalled.completed, last: recalled.id });
                }
                Some(failing) => {
                    failing.count += 1;
                    if recalled.completed >= failing.at {
                        (failing.at, failing.last) = (recalled.completed, recalled.id);
                    }
                }
            }
        }
        for of_account in failing.values_mut() {
            of_account.sort_unstable_by_key(|failing| std::cmp::Reverse((failing.count, failing.at)));
        }
        failing
    }

    /// What is remembered in slots that look as if it were wanted: they may be written meanwhile.
    fn each(&self, is_wanted: impl Fn(&Slot) -> bool + Copy) -> impl Iterator<Item = Recalled<String>> {
        let workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner).clone();
        workers.into_iter().flat_map(move |slots| {
            (0..slots.all).filter_map(move |place| {
                let slot = slots.written(place).filter(|slot| is_wanted(slot))?;
                slot.read()
            })
        })
    }
}

impl Recaller {
    /// Whether anything is remembered: ask before a [`Recalled`] is put together.
    pub fn is_on(&self) -> bool {
        self.slots.all > 0
    }

    /// Remembers a request. Cost: a copy of its texts and some twenty plain stores; no lock, and no allocation but of the first
    /// in each block.
    pub fn remember(&self, recalled: &Recalled<&[u8]>) {
        let failure = recalled.cause.and_then(|cause| {
            let party = hash(recalled.texts.account) ^ (cause as u64).wrapping_mul(SPREAD);
            self.failures.borrow_mut().take(party)
        });
        let place = failure.map_or_else(
            || {
                let place = self.next.get();
                self.next.set((place + 1) % self.slots.served.max(1));
                place
            },
            |place| self.slots.served + place,
        );
        if let Some(slot) = self.slots.to_write(place) {
            slot.write(recalled);
        }
    }
}

impl Slots {
    fn written(&self, place: usize) -> Option<&Slot> {
        self.blocks.get(place / BLOCK)?.get()?.get(place % BLOCK)
    }

    fn to_write(&self, place: usize) -> Option<&Slot> {
        let slot = || Slot { turn: AtomicU64::new(0), words: std::array::from_fn(|_| AtomicU64::new(0)) };
        let block = self.blocks.get(place / BLOCK)?;
        block.get_or_init(|| std::iter::repeat_with(slot).take(BLOCK).collect()).get(place % BLOCK)
    }
}

impl Slot {
    fn word(&self, place: usize) -> u64 {
        self.words[place].load(Relaxed)
    }

    fn is_failure(&self) -> bool {
        self.word(9) >> 16 != NO_CAUSE
    }

    fn write(&self, recalled: &Recalled<&[u8]>) {
        let turn = self.turn.load(Relaxed);
        self.turn.store(turn | 1, Relaxed);
        // What follows is seen by nobody who has not seen the turn.
        fence(Release);
        let mut words = self.words.iter();
        let mut put = |value: u64| {
            if let Some(word) = words.next() {
                word.store(value, Relaxed);
            }
        };
        let id: [[u8; 8]; 2] = halves(recalled.id);
        put(u64::from_le_bytes(id[0]));
        put(u64::from_le_bytes(id[1]));
        put(micros(recalled.completed));
        put(micros(recalled.duration));
        for wait in Wait::ALL {
            put(micros(recalled.waits.of(wait)));
        }
        let cause = recalled.cause.map_or(NO_CAUSE, |cause| cause as u64);
        put(u64::from(recalled.status) | cause << 16);
        put(recalled.sent);
        put(recalled.received);
        let mut text = [0; TEXT_BYTES];
        let mut lengths = [0; 16];
        let mut end = 0;
        for ((bytes, most), length) in recalled.texts.list().into_iter().zip(MOST).zip(&mut lengths) {
            let most = most.min(TEXT_BYTES - end);
            let bytes = &bytes[..bytes.len().min(most)];
            text[end..end + bytes.len()].copy_from_slice(bytes);
            end += bytes.len();
            *length = bytes.len() as u8;
        }
        let (lengths, _) = lengths.as_chunks();
        put(u64::from_le_bytes(lengths[0]));
        put(u64::from_le_bytes(lengths[1]));
        let (text, _) = text[..end.next_multiple_of(8)].as_chunks();
        for word in text {
            put(u64::from_le_bytes(*word));
        }
        self.turn.store((turn | 1) + 1, Release);
    }

    /// What it holds; `None`: nothing yet, or it is being written.
    fn read(&self) -> Option<Recalled<String>> {
        let turn = self.turn.load(Acquire);
        if turn == 0 || turn % 2 == 1 {
            return None;
        }
        let words: [u64; WORDS] = std::array::from_fn(|place| self.words[place].load(Relaxed));
        fence(Acquire);
        if self.turn.load(Relaxed) != turn {
            return None;
        }
        let time = |place: usize| Duration::from_micros(words[place]);
        let mut waits = Waits::NONE;
        for (wait, place) in Wait::ALL.into_iter().zip(4..) {
            waits.add(wait, time(place));
        }
        let lengths = [words[12].to_le_bytes(), words[13].to_le_bytes()];
        let bytes: Vec<u8> = words[FIXED_WORDS..].iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut rest = &bytes[..];
        let mut texts = lengths.iter().flatten().map(|length| {
            let (text, behind) = rest.split_at(usize::from(*length).min(rest.len()));
            rest = behind;
            String::from_utf8_lossy(text).into_owned()
        });
        Some(Recalled {
            id: RequestId::from_text(
                [words[0].to_le_bytes(), words[1].to_le_bytes()].concat().try_into().ok()?,
            ),
            completed: time(2),
            duration: time(3),
            waits,
            status: words[9] as u16,
            cause: Cause::ALL.get((words[9] >> 16) as usize).copied(),
            sent: words[10],
            received: words[11],
            texts: Texts::of(std::array::from_fn(|_| texts.next().unwrap_or_default())),
        })
    }
}

#[cfg(feature = "otel")]
impl<T: Copy> Recalled<T> {
    /// The same with other texts.
    pub(super) fn map<U>(self, map: impl FnMut(T) -> U) -> Recalled<U> {
        let Self { id, completed, duration, waits, status, cause, sent, received, texts } = self;
        let texts = Texts::of(texts.list().map(map));
        Recalled { id, completed, duration, waits, status, cause, sent, received, texts }
    }
}

impl<T: Copy> Texts<T> {
    fn list(&self) -> [T; TEXTS] {
        let Self { account, site, upstream, client, version, method, host, detail, path } = *self;
        [account, site, upstream, client, version, method, host, detail, path]
    }
}

impl<T> Texts<T> {
    fn of(list: [T; TEXTS]) -> Self {
        let [account, site, upstream, client, version, method, host, detail, path] = list;
        Self { account, site, upstream, client, version, method, host, detail, path }
    }
}

fn halves(id: RequestId) -> [[u8; 8]; 2] {
    let (halves, _) = id.as_bytes().as_chunks();
    [halves[0], halves[1]]
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// FNV-1a: accounts' names are the operator's, nobody aims at another's.
fn hash(name: &[u8]) -> u64 {
    name.iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Slots made at a time: some 33 KB.
const BLOCK: usize = 64;

/// Sets the causes of one account far apart: 2^64 by the golden ratio, an odd number.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

const TEXTS: usize = 9;

/// Bytes kept of each text, in the order of the list; the path has what is left.
const MOST: [usize; TEXTS] = [63, 63, 63, 45, 8, 16, 100, 200, 255];

/// Words before the texts.
const FIXED_WORDS: usize = 14;

/// Words of a slot: with its turn 520 bytes.
const WORDS: usize = 64;

const TEXT_BYTES: usize = (WORDS - FIXED_WORDS) * 8;

const NO_CAUSE: u64 = 0xffff;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn recalled(number: u128, account: &str, cause: Option<Cause>) -> Recalled<&[u8]> {
        let mut waits = Waits::NONE;
        waits.add(Wait::Parked, Duration::from_millis(7));
        Recalled {
            id: RequestId::from_random(number),
            completed: Duration::from_micros(1_700_000_000_000_000 + number as u64),
            duration: Duration::from_micros(1_234),
            waits,
            status: 502,
            cause,
            sent: 10,
            received: 20,
            texts: Texts {
                account: account.as_bytes(),
                method: b"GET",
                host: b"a.test",
                path: b"/x",
                ..Texts::default()
            },
        }
    }

    fn text(bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }

    #[test]
    fn what_was_remembered_is_found_by_its_id() {
        let recent = Recent::new(128, 2);
        let (one, two) = (recent.worker(), recent.worker());
        one.remember(&recalled(1, "alice", None));
        two.remember(&recalled(2, "bob", Some(Cause::Refused)));
        let found = recent.find(&RequestId::from_random(2).to_string()).unwrap();
        assert_eq!(
            (found.cause, found.texts.account.as_str(), found.texts.path.as_str()),
            (Some(Cause::Refused), "bob", "/x")
        );
        assert_eq!((found.status, found.sent, found.received), (502, 10, 20));
        assert_eq!(
            (found.waits.of(Wait::Parked), found.duration),
            (Duration::from_millis(7), Duration::from_micros(1_234))
        );
        assert_eq!(recent.find(&RequestId::from_random(1).to_string()).unwrap().cause, None);
        assert_eq!(recent.find(&RequestId::from_random(3).to_string()), None);
        assert_eq!(recent.find(""), None);
    }

    #[test]
    fn what_fails_often_pushes_out_nobody_else() {
        let recent = Recent::new(512, 1);
        let worker = recent.worker();
        worker.remember(&recalled(1, "alice", Some(Cause::TimedOut)));
        worker.remember(&recalled(2, "bob", Some(Cause::Refused)));
        for name in ["bob", "carol", "dave", ""] {
            (100..5_000).for_each(|number| worker.remember(&recalled(number, name, Some(Cause::Rate))));
        }
        (5_000..10_000).for_each(|number| worker.remember(&recalled(number, "alice", None)));
        let failures = recent.failures("alice", 10);
        assert_eq!(failures.iter().map(|failure| failure.cause).collect::<Vec<_>>(), [Some(Cause::TimedOut)]);
        let newest: Vec<_> = recent.failures("bob", 2).iter().map(|failure| failure.id).collect();
        assert_eq!(newest, [RequestId::from_random(4_999), RequestId::from_random(4_998)]);
        let bobs = recent.failures("bob", 1_000);
        assert!(
            bobs.len() > 50 && bobs.iter().any(|failure| failure.cause == Some(Cause::Refused)),
            "{}",
            bobs.len()
        );
    }

    #[test]
    fn nothing_is_remembered_where_nothing_shall_be() {
        let recent = Recent::new(0, 4);
        let worker = recent.worker();
        assert!(!worker.is_on());
        worker.remember(&recalled(1, "alice", Some(Cause::Refused)));
        assert_eq!(recent.find(&RequestId::from_random(1).to_string()), None);
    }

    #[test]
    fn a_reader_sees_whole_requests_alone() {
        let recent = Arc::new(Recent::new(1, 1));
        let worker = recent.worker();
        let writer = std::thread::spawn(move || {
            for number in 0..200_000_u128 {
                let path = (number as u64).to_string();
                let mut recalled = recalled(number, "alice", None);
                recalled.texts.path = path.as_bytes();
                recalled.sent = number as u64;
                worker.remember(&recalled);
            }
        });
        let mut seen = 0;
        while !writer.is_finished() || seen == 0 {
            for recalled in recent.each(|_| true) {
                assert_eq!(recalled.texts.path, recalled.sent.to_string());
                assert_eq!(recalled.id, RequestId::from_random(u128::from(recalled.sent)));
                seen += 1;
            }
        }
        writer.join().unwrap();
    }

    proptest! {
        #[test]
        fn texts_of_any_length_are_cut_and_never_mixed(texts in prop::array::uniform9(prop::collection::vec(b'a'..=b'z', 0..300))) {
            let recent = Recent::new(1, 1);
            let worker = recent.worker();
            let [account, site, upstream, client, version, method, host, detail, path] = texts.each_ref().map(Vec::as_slice);
            let mut recalled = recalled(1, "", None);
            recalled.texts = Texts { account, site, upstream, client, version, method, host, detail, path };
            worker.remember(&recalled);
            let found = recent.find(&RequestId::from_random(1).to_string()).unwrap();
            for (found, given) in [
                (&found.texts.account, account), (&found.texts.site, site), (&found.texts.upstream, upstream),
                (&found.texts.client, client), (&found.texts.version, version), (&found.texts.method, method),
                (&found.texts.host, host), (&found.texts.detail, detail), (&found.texts.path, path),
            ] {
                prop_assert!(text(given).starts_with(found.as_str()));
            }
        }
    }
}
