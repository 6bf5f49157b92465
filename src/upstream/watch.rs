//! The watch over a worker's idle connections: which of them stirred, without a task or a poll for each. Knows
//! places only; what a stirring means is for whoever looks.
//!
//! Each connection has one waker for its life, which the reactor holds while the connection idles. Everything
//! here runs on the worker's own thread; the atomics and the lock are what the type of a waker asks for.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Wake, Waker};

/// Where stirred connections of one worker are noted.
#[derive(Debug, Default)]
pub(super) struct Watch {
    noted: Mutex<Noted>,
}

#[derive(Debug, Default)]
struct Noted {
    /// Each connection at most once, so never more than there are connections.
    places: Vec<usize>,
    looker: Option<Waker>,
}

/// The watch over one connection.
#[derive(Debug)]
pub(super) struct Watched {
    post: Arc<Post>,
    waker: Waker,
}

#[derive(Debug)]
struct Post {
    place: usize,
    stirred: AtomicBool,
    watch: Arc<Watch>,
}

impl Watch {
    /// The watch over the connection in `place`.
    pub(super) fn over(self: &Arc<Self>, place: usize) -> Watched {
        let post = Arc::new(Post { place, stirred: AtomicBool::new(false), watch: self.clone() });
        Watched { waker: Waker::from(post.clone()), post }
    }

    /// The places that stirred since the last look; whoever looks is woken when there are more.
    pub(super) fn look(&self, cx: &Context<'_>) -> Vec<usize> {
        let mut noted = self.lock();
        match &mut noted.looker {
            Some(looker) => looker.clone_from(cx.waker()),
            None => noted.looker = Some(cx.waker().clone()),
        }
        std::mem::take(&mut noted.places)
    }

    /// Wakes whoever looks.
    pub(super) fn call(&self) {
        let looker = self.lock().looker.clone();
        if let Some(looker) = looker {
            looker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watched {
    /// Whether it stirred since it was last [`calm`](Self::calm).
    pub(super) fn has_stirred(&self) -> bool {
        self.post.stirred.load(Ordering::Acquire)
    }

    /// Forgets that it stirred; the context to poll it with, which notes the next time it does.
    pub(super) fn calm(&self) -> Context<'_> {
        self.post.stirred.store(false, Ordering::Release);
        Context::from_waker(&self.waker)
    }
}

impl Wake for Post {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.stirred.swap(true, Ordering::AcqRel) {
            self.watch.lock().places.push(self.place);
            self.watch.call();
        }
    }
}

/// What the watch over one connection costs besides the connection itself: the shared post with its two counts.
#[cfg(test)]
pub(super) const BYTES_EACH: usize = size_of::<Post>() + 2 * size_of::<usize>();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_noted_once_until_it_is_calm_again() {
        let watch = Arc::new(Watch::default());
        let (one, two) = (watch.over(1), watch.over(2));
        let cx = Context::from_waker(Waker::noop());
        assert!(watch.look(&cx).is_empty());
        for _ in 0..3 {
            one.waker.wake_by_ref();
        }
        two.waker.wake_by_ref();
        assert!(one.has_stirred());
        assert_eq!(watch.look(&cx), [1, 2]);
        assert!(watch.look(&cx).is_empty());
        one.calm().waker().wake_by_ref();
        assert_eq!(watch.look(&cx), [1]);
    }
}
