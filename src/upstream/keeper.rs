//! The one task a worker spends on its idle upstream connections: closes those at whose end something comes and
//! those whose time is over, and reads the mailbox. Holds the pools only while it works.

use super::Pools;
use super::exchange::Mailbox;
use crate::base::now;
use crate::net::Deadline;
use std::future::poll_fn;
use std::rc::Weak;
use std::task::{Context, Poll};
use std::time::Duration;

/// Keeps `pools` until they are gone.
pub(super) async fn keep(pools: Weak<Pools>, mut mailbox: Mailbox) {
    let mut tick = Tick { deadline: Deadline::new(), running: false };
    poll_fn(|cx| {
        let Some(pools) = pools.upgrade() else { return Poll::Ready(()) };
        pools.read_mailbox(cx, &mut mailbox);
        pools.close_stirred(cx);
        // No tick while nothing is open.
        while pools.idle.borrow().open() > 0 && tick.poll(cx).is_ready() {
            pools.close_over();
        }
        Poll::Pending
    })
    .await;
}

impl Pools {
    fn read_mailbox(&self, cx: &mut Context<'_>, mailbox: &mut Mailbox) {
        for _ in 0..LETTERS_AT_ONCE {
            match mailbox.poll_recv(cx) {
                Poll::Ready(Some(upstream)) => self.answer(&upstream),
                Poll::Ready(None) | Poll::Pending => return,
            }
        }
        cx.waker().wake_by_ref();
    }

    /// Closes the connections at whose end something came: mostly the upstream's FIN.
    fn close_stirred(&self, cx: &mut Context<'_>) {
        for place in self.watch.look(cx) {
            let mut idle = self.idle.borrow_mut();
            // What stirred may be in use again, or be another connection in the same place.
            let Some(connection) = idle.at(place).filter(|connection| connection.has_stirred()) else {
                continue;
            };
            if connection.is_calm() {
                continue;
            }
            let upstream = connection.upstream.clone();
            let taken = idle.take(place);
            drop(idle);
            self.close_idle(&upstream, taken);
        }
    }

    /// Closes the connections whose time is over.
    fn close_over(&self) {
        let now = now();
        let upstreams = self.idle.borrow_mut().upstreams();
        for id in upstreams {
            // Each turn but the last closes one.
            loop {
                let mut idle = self.idle.borrow_mut();
                let Some(eldest) = idle.eldest(id).filter(|eldest| eldest.is_over(now)) else { break };
                let upstream = eldest.upstream.clone();
                let taken = idle.take_oldest(id);
                drop(idle);
                self.close_idle(&upstream, taken);
            }
        }
    }
}

/// A deadline that comes again and again while somebody asks for it.
struct Tick {
    deadline: Deadline,
    running: bool,
}

impl Tick {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.running {
            self.deadline.set(now() + TICK);
            self.running = true;
        }
        let expired = self.deadline.poll_expired(cx);
        self.running = expired.is_pending();
        expired
    }
}

/// How often the time is looked at. A connection whose time is over is not used however late it is closed, so
/// this only bounds how long it stays open.
const TICK: Duration = Duration::from_millis(200);

/// Letters answered before other tasks have their turn.
const LETTERS_AT_ONCE: usize = 64;
