//! The rules of a program's life, and that no order of events breaks them.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

const TERMS: Terms =
    Terms { start_timeout: Duration::from_secs(30), drain: Duration::from_secs(20), overlap: false };
const OVERLAP: Terms = Terms { overlap: true, ..TERMS };

/// A life with instances named 1, 2, 3, …
struct Life {
    cycle: Lifecycle,
    terms: Terms,
    now: Instant,
    named: u64,
}

impl Life {
    fn new(terms: Terms) -> Self {
        Self { cycle: Lifecycle::default(), terms, now: Instant::now(), named: 0 }
    }

    fn on(&mut self, event: Event) -> Vec<Action> {
        let named = &mut self.named;
        let fresh = || {
            *named += 1;
            Instance(*named)
        };
        self.cycle.on(event, self.now, &self.terms, fresh).into_vec()
    }

    fn pass(&mut self, seconds: u64) -> &mut Self {
        self.now += Duration::from_secs(seconds);
        self
    }

    /// A life whose instance 1 serves.
    fn serving(terms: Terms) -> Self {
        let mut life = Self::new(terms);
        assert_eq!(life.on(Event::Wanted), [Action::Start(ONE)]);
        assert_eq!(life.on(Event::Ready(ONE)), [Action::Admit(ONE)]);
        life
    }
}

const ONE: Instance = Instance(1);
const TWO: Instance = Instance(2);
const THREE: Instance = Instance(3);

#[test]
fn however_many_want_it_one_start_happens() {
    let mut life = Life::new(TERMS);
    assert_eq!(life.on(Event::Wanted), [Action::Start(ONE)]);
    for _ in 0..10 {
        assert_eq!(life.on(Event::Wanted), []);
    }
    assert_eq!(life.on(Event::Ready(ONE)), [Action::Admit(ONE)]);
    assert_eq!(life.on(Event::Wanted), []);
}

#[test]
fn at_rest_it_stops_and_a_wish_meanwhile_starts_it_again() {
    let mut life = Life::serving(TERMS);
    assert_eq!(life.on(Event::Rested), [Action::Stop(ONE)]);
    assert_eq!(life.on(Event::Wanted), [], "two never overlap here");
    assert_eq!(life.on(Event::Ended(ONE)), [Action::Start(TWO)]);

    let mut life = Life::serving(OVERLAP);
    assert_eq!(life.on(Event::Rested), [Action::Stop(ONE)]);
    assert_eq!(life.on(Event::Wanted), [Action::Start(TWO)]);
    assert_eq!(life.on(Event::Ended(ONE)), []);

    let mut life = Life::serving(TERMS);
    life.on(Event::Rested);
    assert_eq!(life.on(Event::Ended(ONE)), []);
    assert_eq!(life.cycle.phase(), Phase::Stopped);
}

#[test]
fn failures_are_remembered_longer_and_longer() {
    let mut life = Life::new(TERMS);
    let mut pauses = Vec::new();
    for number in 1..=8 {
        let instance = Instance(number);
        assert_eq!(life.on(Event::Wanted), [Action::Start(instance)]);
        let [Action::Fail { until, late: false }] = life.on(Event::Ended(instance))[..] else { panic!() };
        assert_eq!(life.on(Event::Wanted), [], "nothing is tried until then");
        pauses.push((until - life.now).as_secs());
        life.now = until;
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
}

#[test]
fn a_start_that_takes_too_long_is_killed_and_no_other_begins_before_it_is_gone() {
    let mut life = Life::new(TERMS);
    life.on(Event::Wanted);
    assert_eq!(life.pass(29).on(Event::Time), []);
    let until = life.now + Duration::from_secs(2);
    assert_eq!(life.pass(1).on(Event::Time), [Action::Kill(ONE), Action::Fail { until, late: true }]);
    assert_eq!(life.pass(60).on(Event::Wanted), []);
    assert_eq!(life.on(Event::Ended(ONE)), [Action::Start(TWO)]);
}

#[test]
fn a_crash_starts_it_again_and_a_loop_of_them_is_a_failure() {
    let mut life = Life::serving(TERMS);
    for number in 1..=5 {
        assert_eq!(
            life.on(Event::Ended(Instance(number))),
            [Action::Hold, Action::Start(Instance(number + 1))]
        );
        life.on(Event::Ready(Instance(number + 1)));
    }
    let until = life.now + Duration::from_secs(1);
    assert_eq!(life.on(Event::Ended(Instance(6))), [Action::Hold, Action::Fail { until, late: false }]);
    life.now = until;
    assert_eq!(life.on(Event::Wanted), [Action::Start(Instance(7))]);
    life.on(Event::Ready(Instance(7)));
    let until = life.pass(1).now + Duration::from_secs(2);
    assert_eq!(life.on(Event::Ended(Instance(7))), [Action::Hold, Action::Fail { until, late: false }]);
    life.pass(2).on(Event::Wanted);
    life.on(Event::Ready(Instance(8)));
    life.pass(60);
    for number in 8..=12 {
        assert_eq!(
            life.on(Event::Ended(Instance(number))),
            [Action::Hold, Action::Start(Instance(number + 1))]
        );
        life.on(Event::Ready(Instance(number + 1)));
    }
    // One in five seconds is no loop.
    for number in 13..=30 {
        life.pass(5);
        assert_eq!(
            life.on(Event::Ended(Instance(number))),
            [Action::Hold, Action::Start(Instance(number + 1))]
        );
        life.on(Event::Ready(Instance(number + 1)));
    }
}

#[test]
fn who_takes_no_connection_any_more_is_asked_until_it_does_or_has_ended() {
    let mut life = Life::serving(TERMS);
    assert_eq!(life.on(Event::Lost(ONE)), [Action::Probe(ONE)]);
    assert_eq!(life.on(Event::Wanted), []);
    assert_eq!(life.on(Event::Ready(ONE)), [Action::Admit(ONE)]);
    life.on(Event::Lost(ONE));
    assert_eq!(life.on(Event::Ended(ONE)), [Action::Hold, Action::Start(TWO)], "a crash like others");

    let mut life = Life::serving(TERMS);
    life.on(Event::Lost(ONE));
    let until = life.pass(30).now + Duration::from_secs(1);
    assert_eq!(life.on(Event::Time), [Action::Kill(ONE), Action::Fail { until, late: true }]);

    let mut life = Life::serving(OVERLAP);
    life.on(Event::Restart);
    assert_eq!(life.on(Event::Lost(ONE)), [Action::Retire(ONE)]);
    assert_eq!(life.on(Event::Ready(TWO)), [Action::Admit(TWO)]);
}

#[test]
fn where_two_may_overlap_the_old_one_serves_until_the_new_one_does() {
    let mut life = Life::serving(OVERLAP);
    assert_eq!(life.on(Event::Restart), [Action::Start(TWO)]);
    assert_eq!(life.on(Event::Ready(TWO)), [Action::Admit(TWO), Action::Retire(ONE)]);
    assert_eq!(life.on(Event::Ended(ONE)), []);

    for fails in [Event::Ended(TWO), Event::Unusable(TWO), Event::Time] {
        let mut life = Life::serving(OVERLAP);
        life.on(Event::Restart);
        life.pass(30).on(fails);
        assert!(matches!(life.cycle.phase(), Phase::Serving { instance: ONE, .. }), "{fails:?}");
    }

    let mut life = Life::serving(OVERLAP);
    life.on(Event::Restart);
    assert_eq!(life.on(Event::Ended(ONE)), [Action::Hold], "the new one is on its way");
    assert_eq!(life.on(Event::Ready(TWO)), [Action::Admit(TWO)]);

    let mut life = Life::serving(OVERLAP);
    life.on(Event::Restart);
    assert_eq!(life.on(Event::Restart), [Action::Kill(TWO), Action::Start(THREE)]);
}

#[test]
fn where_they_may_not_the_old_one_finishes_ends_and_then_the_new_one_starts() {
    for event in [Event::Deserted(ONE), Event::Time] {
        let mut life = Life::serving(TERMS);
        assert_eq!(life.on(Event::Restart), [Action::Hold]);
        assert_eq!(life.pass(20).on(event), [Action::Stop(ONE)]);
        assert_eq!(life.on(Event::Ended(ONE)), [Action::Start(TWO)]);
    }
}

#[test]
fn a_changed_program_that_had_failed_gets_a_new_chance_at_once() {
    let mut life = Life::new(TERMS);
    life.on(Event::Wanted);
    life.on(Event::Unusable(ONE));
    assert_eq!(life.on(Event::Restart), [Action::Forgive]);
    assert_eq!(life.on(Event::Wanted), [], "the one before has not ended yet");
    assert_eq!(life.on(Event::Ended(ONE)), [Action::Start(TWO)]);
}

#[test]
fn who_renews_himself_serves_on_and_is_replaced_if_he_does_not() {
    let mut life = Life::serving(TERMS);
    assert_eq!(life.on(Event::Renew), [Action::Renew(ONE)]);
    assert_eq!(life.cycle.phase().word(), "restarting");
    assert_eq!(life.on(Event::Renew), [Action::Renew(ONE)], "told again");
    assert_eq!(life.on(Event::Ready(ONE)), [], "he was admitted all the time");
    assert_eq!(life.cycle.phase().word(), "ready");

    life.on(Event::Renew);
    assert_eq!(life.on(Event::Lost(ONE)), [Action::Probe(ONE)]);
    assert_eq!(life.on(Event::Ready(ONE)), [Action::Admit(ONE)]);

    life.on(Event::Renew);
    assert_eq!(life.pass(30).on(Event::Time), [Action::Hold]);
    assert_eq!(life.on(Event::Deserted(ONE)), [Action::Stop(ONE)]);
    assert_eq!(life.on(Event::Ended(ONE)), [Action::Start(TWO)]);

    let mut life = Life::serving(OVERLAP);
    life.on(Event::Renew);
    assert_eq!(life.pass(30).on(Event::Time), [Action::Start(TWO)]);
    assert_eq!(life.on(Event::Ready(TWO)), [Action::Admit(TWO), Action::Retire(ONE)]);

    let mut life = Life::serving(TERMS);
    life.on(Event::Renew);
    assert_eq!(life.on(Event::Ended(ONE)), [Action::Hold, Action::Start(TWO)], "it was too much for him");
    assert_eq!(life.on(Event::Renew), [Action::Stop(TWO)], "who is not ready yet is started anew");
}

#[test]
fn who_answers_nobody_makes_place_for_another() {
    let mut life = Life::serving(TERMS);
    assert_eq!(life.on(Event::Hung(ONE)), [Action::Hold, Action::Stop(ONE)]);
    assert_eq!(life.on(Event::Wanted), []);
    assert_eq!(life.on(Event::Ended(ONE)), [Action::Start(TWO)]);
    assert_eq!(life.on(Event::Hung(ONE)), []);

    let mut life = Life::serving(OVERLAP);
    assert_eq!(life.on(Event::Hung(ONE)), [Action::Hold, Action::Stop(ONE), Action::Start(TWO)]);
    assert_eq!(life.on(Event::Ended(ONE)), []);
    assert_eq!(life.on(Event::Ready(TWO)), [Action::Admit(TWO)]);

    life.on(Event::Restart);
    assert_eq!(life.on(Event::Hung(TWO)), [Action::Hold, Action::Stop(TWO)], "another is on its way");
    assert_eq!(life.on(Event::Ready(THREE)), [Action::Admit(THREE)]);
}

#[test]
fn who_has_lost_his_address_to_somebody_else_is_sent_nobody() {
    let mut life = Life::serving(TERMS);
    let until = life.now + Duration::from_secs(1);
    let fail = Action::Fail { until, late: false };
    assert_eq!(life.on(Event::Unusable(ONE)), [Action::Hold, Action::Kill(ONE), fail]);
}

/// What may happen, told to the life and to a launcher that does as it is told.
#[derive(Clone, Copy, Debug)]
enum Step {
    Want,
    Ready,
    Unusable,
    End(usize),
    Desert,
    Rest,
    Lose,
    Hang,
    Restart,
    Renew,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Want),
        4 => Just(Step::Ready),
        1 => Just(Step::Unusable),
        3 => (0usize..3).prop_map(Step::End),
        2 => Just(Step::Desert),
        1 => Just(Step::Rest),
        1 => Just(Step::Lose),
        1 => Just(Step::Hang),
        2 => Just(Step::Restart),
        2 => Just(Step::Renew),
        3 => (0u64..40).prop_map(Step::Pass),
    ]
}

proptest! {
    /// Never two instances where that is not allowed; nobody is admitted to what does not run; and whoever waits has
    /// somebody on the way who will answer.
    #[test]
    fn a_life_keeps_its_rules(overlap: bool, steps in proptest::collection::vec(step(), 0..200)) {
        let mut life = Life::new(Terms { overlap, ..TERMS });
        let mut running = BTreeSet::new();
        let mut serving = None;
        let mut waiting = false;
        for step in steps {
            let newest = running.last().copied();
            let event = match step {
                Step::Want if serving.is_none() => {
                    waiting = true;
                    Event::Wanted
                }
                Step::Rest if serving.is_some() && !waiting => {
                    let event = Event::Rested;
                    if matches!(life.cycle.phase(), Phase::Serving { .. }) {
                        serving = None;
                    }
                    event
                }
                Step::Lose => match serving.take() {
                    Some(one) => {
                        waiting = true;
                        Event::Lost(one)
                    }
                    None => continue,
                },
                Step::Ready => match newest { Some(one) => Event::Ready(one), None => continue },
                Step::Unusable => match newest { Some(one) => Event::Unusable(one), None => continue },
                Step::End(which) => match running.iter().nth(which).copied() {
                    Some(one) => {
                        running.remove(&one);
                        Event::Ended(one)
                    }
                    None => continue,
                },
                Step::Desert => match running.first() { Some(one) => Event::Deserted(*one), None => continue },
                Step::Hang => match serving { Some(one) => Event::Hung(one), None => continue },
                Step::Restart => Event::Restart,
                Step::Renew => Event::Renew,
                Step::Pass(seconds) => {
                    life.pass(seconds);
                    Event::Time
                }
                Step::Want | Step::Rest => continue,
            };
            // A wish while a failure is remembered is refused where it is made.
            if event == Event::Wanted
                && let Phase::Failed { until, .. } = life.cycle.phase()
                && life.now < until
            {
                waiting = false;
            }
            for action in life.on(event) {
                match action {
                    Action::Start(instance) => {
                        prop_assert!(overlap || running.is_empty(), "two at a time");
                        prop_assert!(running.insert(instance));
                    }
                    Action::Admit(instance) => {
                        prop_assert!(running.contains(&instance));
                        serving = Some(instance);
                        waiting = false;
                    }
                    Action::Hold => serving = None,
                    Action::Fail { until, .. } => {
                        prop_assert!(until > life.now);
                        prop_assert!(serving.is_none());
                        waiting = false;
                    }
                    Action::Probe(instance) | Action::Renew(instance) => {
                        prop_assert!(running.contains(&instance));
                    }
                    Action::Retire(_) | Action::Stop(_) | Action::Kill(_) | Action::Forgive => {}
                }
            }
            if waiting {
                let answered = match life.cycle.phase() {
                    Phase::Starting { instance, .. } | Phase::Recovering { instance, .. } | Phase::Draining { instance, .. }
                    | Phase::Stopping { instance, again: true } => running.contains(&instance),
                    _ => false,
                };
                prop_assert!(answered, "somebody waits for nothing: {:?}", life.cycle.phase());
            }
            if let Some(one) = serving {
                let named = match life.cycle.phase() {
                    Phase::Serving { instance, .. } | Phase::Renewing { instance, .. } => instance,
                    Phase::Replacing { old, .. } => old,
                    other => return Err(TestCaseError::fail(format!("{other:?} and {one:?} serves"))),
                };
                prop_assert_eq!(named, one);
            }
        }
    }
}
