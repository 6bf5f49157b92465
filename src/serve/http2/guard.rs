//! Watches the frames a visitor sends for those that cost us something and carry nothing: a flood of them ends the
//! connection before the h2 crate works through it. Reads frame headers (RFC 9113 §4.1) as they pass; changes
//! nothing.

use super::tally::Tally;
use crate::base::now;
use crate::net::Stream;
use std::cell::Cell;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream whose incoming frames are watched.
pub struct Guard {
    stream: Option<Stream>,
    after: Rc<Cell<Option<Stream>>>,
    tally: Rc<Tally>,
    frames: Frames,
    window: Window,
}

impl Guard {
    /// Watches `stream` from its first byte, the preface included. When the h2 crate is done with it, it is put
    /// into `after`.
    pub fn new(stream: Stream, tally: Rc<Tally>, after: Rc<Cell<Option<Stream>>>) -> Self {
        Self {
            stream: Some(stream),
            after,
            tally,
            frames: Frames::default(),
            window: Window { begun: now(), work: 0, idle: 0 },
        }
    }

    fn stream(&mut self) -> io::Result<Pin<&mut Stream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn count(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match &written {
            Poll::Ready(Ok(count)) => self.tally.wrote(*count),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.tally.set_blocked(true),
        }
        written
    }

    /// Counts the idle frames among `bytes`.
    fn watch(&mut self, bytes: &[u8]) -> io::Result<()> {
        let idle = self.frames.idle_in(bytes);
        if idle == 0 || self.window.allows(idle, self.tally.work(), now) {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::InvalidData, "a flood of frames that carry nothing"))
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.after.set(self.stream.take());
    }
}

/// The idle frames of the present stretch of time.
#[derive(Debug)]
struct Window {
    begun: Instant,
    /// [`Tally::work`] when it began.
    work: u32,
    idle: u32,
}

impl Window {
    /// Whether `idle` more frames are no flood, after `work` done for the visitor in all.
    fn allows(&mut self, idle: u32, work: u32, now: impl FnOnce() -> Instant) -> bool {
        self.idle = self.idle.saturating_add(idle);
        let earned = work.wrapping_sub(self.work);
        if self.idle <= IDLE_FRAMES.saturating_add(earned) {
            return true;
        }
        let now = now();
        if now.saturating_duration_since(self.begun) < WINDOW {
            return false;
        }
        *self = Self { begun: now, work, idle: 0 };
        true
    }
}

/// Finds frame headers in a stream of bytes, in any pieces.
#[derive(Debug)]
struct Frames {
    /// Bytes until the next frame header: first the preface, then payloads.
    skip: usize,
    header: [u8; HEADER_BYTES],
    have: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: PREFACE_BYTES, header: [0; HEADER_BYTES], have: 0 }
    }
}

impl Frames {
    /// How many idle frames begin in `bytes`. Cost: a few instructions a frame, none a byte.
    fn idle_in(&mut self, mut bytes: &[u8]) -> u32 {
        let mut idle = 0;
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = (HEADER_BYTES - self.have).min(bytes.len());
            self.header[self.have..self.have + taken].copy_from_slice(&bytes[..taken]);
            self.have += taken;
            bytes = &bytes[taken..];
            if self.have == HEADER_BYTES {
                self.have = 0;
                let [a, b, c, kind, flags, ..] = self.header;
                self.skip = usize::from(a) << 16 | usize::from(b) << 8 | usize::from(c);
                idle += u32::from(is_idle(self.skip, kind, flags));
            }
        }
        idle
    }
}

/// Whether a frame carries nothing: an empty DATA that does not end its stream (CVE-2019-9518), PRIORITY, SETTINGS
/// (CVE-2019-9515), PING (CVE-2019-9512), and what RFC 9113 does not know.
fn is_idle(length: usize, kind: u8, flags: u8) -> bool {
    match kind {
        DATA => length == 0 && flags & END_STREAM == 0,
        HEADERS | RST_STREAM | GOAWAY | WINDOW_UPDATE | CONTINUATION => false,
        _ => true,
    }
}

impl AsyncRead for Guard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        ready!(self.stream()?.poll_read(cx, buf))?;
        let read = &buf.filled()[before..];
        self.tally.read(read.len());
        Poll::Ready(self.watch(read))
    }
}

impl AsyncWrite for Guard {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write(cx, bytes);
        self.count(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = self.stream()?.poll_write_vectored(cx, slices);
        self.count(written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = self.stream()?.poll_flush(cx);
        self.tally.set_blocked(flushed.is_pending());
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream()?.poll_shutdown(cx)
    }
}

const PREFACE_BYTES: usize = 24;
const HEADER_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;

/// Idle frames a connection may send in a window beside one for each stream begun and each piece of an answer: a
/// client that measures its bandwidth pings after whatever it receives (gRPC), one that is quiet needs ten.
const IDLE_FRAMES: u32 = 1000;

/// The window they are counted in.
const WINDOW: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn frame(kind: u8, flags: u8, payload: usize) -> Vec<u8> {
        let mut frame =
            vec![(payload >> 16) as u8, (payload >> 8) as u8, payload as u8, kind, flags, 0, 0, 0, 1];
        frame.resize(HEADER_BYTES + payload, 0xff);
        frame
    }

    proptest! {
        #[test]
        fn idle_frames_are_counted_in_any_pieces(cut in 1usize..40) {
            let mut bytes = vec![b'P'; PREFACE_BYTES];
            for frame in [
                frame(HEADERS, 4, 30), frame(DATA, 0, 0), frame(DATA, 0, 300), frame(DATA, END_STREAM, 0),
                frame(6, 0, 8), frame(4, 0, 0), frame(WINDOW_UPDATE, 0, 4), frame(0xfa, 0, 70_000), frame(DATA, 0, 0),
            ] {
                bytes.extend(frame);
            }
            let mut frames = Frames::default();
            let idle: u32 = bytes.chunks(cut).map(|piece| frames.idle_in(piece)).sum();
            prop_assert_eq!(idle, 5);
            prop_assert_eq!((frames.skip, frames.have), (0, 0));
        }
    }

    #[test]
    fn idle_frames_are_few_or_earned() {
        let begun = now();
        let mut window = Window { begun, work: 0, idle: 0 };
        let soon = || begun + WINDOW / 2;
        assert!(window.allows(IDLE_FRAMES, 0, soon));
        assert!(!window.allows(1, 0, soon));
        // As many as pieces were sent.
        assert!(window.allows(1, 2, soon));
        assert!(!window.allows(1, 2, soon));
        // Time makes them good again.
        assert!(window.allows(1, 2, || begun + WINDOW));
        assert!(window.allows(IDLE_FRAMES, 2, || begun + WINDOW));
        assert!(!window.allows(1, 2, || begun + WINDOW));
    }
}
