//! How large the windows of a connection's uploads shall be: what arrives within a round trip, or they are what slows it
//! down. Told of bytes and of answers to its questions, in no unit of time; asks and sets nothing itself.
//!
//! A PING goes out behind everything that was acknowledged so far, so what arrives before its answer arrived within a
//! round trip (RFC 9113 §6.7). Where that is nearly a window, the visitor waited for more of it.

/// The windows of one connection's uploads.
#[derive(Debug)]
pub struct Bandwidth {
    /// What a stream may send before any of it was taken, in bytes.
    window: u32,
    most: u32,
    /// Bytes received in all, when the question that is under way was asked.
    asked: Option<u64>,
    /// And when the next may be asked.
    next: u64,
    /// Bytes between two questions: twice as many behind each that changed nothing.
    pause: u64,
}

impl Bandwidth {
    /// Windows of `window` bytes that may come to have `most`.
    pub fn new(window: u32, most: u32) -> Self {
        let pause = u64::from(window);
        Self { window, most, asked: None, next: pause, pause }
    }

    /// Whether a question is worth asking, now that `received` bytes came in all; then it counts as asked.
    pub fn asks(&mut self, received: u64) -> bool {
        let asks = self.asked.is_none() && self.window < self.most && received >= self.next;
        if asks {
            self.asked = Some(received);
        }
        asks
    }

    /// Whether a question is under way.
    pub fn has_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// The question was answered when `received` bytes had come in all; the window from now on, where that changes it.
    pub fn answered(&mut self, received: u64) -> Option<u32> {
        let within_a_round_trip = received - self.asked.take()?.min(received);
        let is_slowed = within_a_round_trip >= u64::from(self.window) / 3 * 2;
        if is_slowed {
            self.window = self.window.saturating_mul(2).min(self.most);
            self.pause = u64::from(self.window);
        } else {
            self.pause = self.pause.saturating_mul(2);
        }
        self.next = received.saturating_add(self.pause);
        is_slowed.then_some(self.window)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WINDOW: u32 = 256;
    const MOST: u32 = 1024;

    /// Windows after a visitor sent as fast as they allow, `in_flight` bytes within a round trip at most, `rounds` times.
    fn after(in_flight: u64, rounds: usize) -> (u32, usize) {
        let mut bandwidth = Bandwidth::new(WINDOW, MOST);
        let (mut received, mut window, mut questions) = (0, WINDOW, 0);
        for _ in 0..rounds {
            questions += usize::from(bandwidth.asks(received));
            received += in_flight.min(u64::from(window));
            window = bandwidth.answered(received).unwrap_or(window);
        }
        (window, questions)
    }

    #[test]
    fn a_fast_visitor_has_larger_windows() {
        assert_eq!(after(u64::MAX, 100), (MOST, 2));
        assert_eq!(after(300, 1000).0, 512, "as large as a round trip asks for");
    }

    #[test]
    fn a_slow_visitor_is_asked_ever_less_often() {
        let (window, questions) = after(100, 100_000);
        assert_eq!(window, WINDOW);
        assert!((10..=17).contains(&questions), "{questions}");
    }

    proptest! {
        #[test]
        fn windows_only_grow_and_have_an_end(steps in proptest::collection::vec((0u64..2000, any::<bool>()), 0..200)) {
            let mut bandwidth = Bandwidth::new(WINDOW, MOST);
            let (mut received, mut window) = (0, WINDOW);
            for (bytes, answers) in steps {
                received += bytes;
                let asks = bandwidth.asks(received);
                prop_assert!(!asks || window < MOST, "nothing left to ask for");
                prop_assert!(!bandwidth.asks(received), "one question at a time");
                if answers && let Some(larger) = bandwidth.answered(received) {
                    prop_assert!(window < larger && larger <= MOST);
                    window = larger;
                }
            }
        }
    }
}
