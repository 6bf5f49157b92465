//! The pump: moves one request to its upstream and the answer back, all four ends polled by one task, so that
//! upload and answer overlap, early answers pass and a visitor that leaves is seen. Knows the order of a
//! message's parts and the deadlines between them; knows no version of HTTP on the visitor's side.

use super::client::{Client, Extra};
use super::record::{ToldHeaders, told_headers};
use super::remainder::Remainder;
use crate::base::{Allowance, Cause, Refusal, Repairs, now};
use crate::config::{LogFormat, Timeouts};
use crate::message::h1;
use crate::message::{BodyLength, Fields, Known, RequestHead, ResponseHead, WebSocketKey};
use crate::net::{BodyError, Deadline, End, Progress, Sink, Transfer, TransferError};
use crate::upstream::Origin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

/// One request under way between its two ends.
pub struct Exchange<'a, 'o, C> {
    client: &'a mut C,
    origin: &'o mut Origin,
    rules: Rules<'a>,
    up: Up,
    down: Down,
    interims: usize,
    /// Whether a 101 was passed: both directions are raw bytes.
    tunnel: bool,
    /// Whether it was said that this lasts.
    lasting: bool,
    /// The status of the answer, once its head is there; 0 before.
    status: u16,
    /// What of the answer's heads was not as it should have been.
    repairs: Repairs,
    /// Those of the answer's fields that are logged.
    told_headers: ToldHeaders,
    deadline: &'a mut Deadline,
    times: Times,
    /// Since when the request's body waits for the upstream to take it, and how long it did before.
    held_since: Option<Instant>,
    held: Duration,
    /// The bodies' ways: of the request, and of the answer.
    upload: Transfer<'a>,
    download: Transfer<'a>,
}

/// What the exchange is held to.
pub struct Rules<'a> {
    /// The request, for what the answer's framing depends on.
    pub request: &'a RequestHead,
    /// Deadlines.
    pub timeouts: &'a Timeouts,
    /// The most body bytes a request may have; `None`: any number.
    pub body_bytes: Option<u64>,
    /// Our WebSocket key, where the visitor's version has none.
    pub key: Option<WebSocketKey>,
    /// What the answer's head gets from us.
    pub extra: Extra<'a>,
    /// Bytes of the answer's body that are read ahead of a slow visitor.
    pub response_buffer: usize,
    /// Who pays for what is read ahead.
    pub payer: &'a Allowance,
    /// Whether long bodies are moved inside the kernel.
    pub splice: bool,
    /// What is told of the answer's fields.
    pub log_format: &'a LogFormat,
}

/// When things happened, for the record.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// The exchange began.
    pub begun: Instant,
    /// The last byte of the request was handed to the upstream's socket.
    pub sent: Option<Instant>,
    /// The answer's head was there.
    pub answered: Option<Instant>,
    /// The last movement of the request's body, and of the answer.
    up: Instant,
    down: Instant,
    /// Since when nothing but the visitor keeps it waiting, and for how long he did before.
    pub client_since: Option<Instant>,
    /// See there.
    pub client: Duration,
}

/// The request's way.
enum Up {
    /// Its head and body are on their way.
    Body(End),
    /// All of the body went; its end and trailers follow.
    End(Option<Fields>),
    /// It was sent whole.
    Done,
    /// The upstream takes no more of it; an answer may still come.
    Abandoned,
}

/// The answer's way.
enum Down {
    /// Its head has not come yet.
    Head,
    /// Its body is on its way.
    Body(End),
    /// All of the body went; its end and trailers follow.
    End(Option<Fields>),
    /// It was sent whole.
    Done,
}

/// How an exchange ended when nothing failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Request and answer went through whole.
    Whole,
    /// The answer is whole, but not all of the request was taken.
    Early,
    /// The protocols were switched: the exchange goes on as a tunnel.
    Switched,
    /// It was a tunnel and has ended.
    Tunnelled,
    /// The upstream has given all of its answer, and what the visitor has not taken yet is here: see
    /// [`Exchange::into_remainder`].
    Received,
    /// It goes on, and has lasted longer than most: worth watching whether its account still exists.
    Lasting,
}

impl<'a, 'o, C: Client> Exchange<'a, 'o, C> {
    /// An exchange whose request head is already queued at `origin`, and of whose request's body `upload` holds the
    /// beginning. A request without a body has ended by now.
    pub fn new(
        client: &'a mut C,
        origin: &'o mut Origin,
        rules: Rules<'a>,
        mut upload: Transfer<'a>,
        deadline: &'a mut Deadline,
    ) -> Self {
        let begun = now();
        let up = match rules.request.body() {
            BodyLength::None | BodyLength::Length(0) => Up::End(None),
            _ => Up::Body(End::Source),
        };
        let mut download = Transfer::reading_ahead(rules.response_buffer, rules.payer);
        if !rules.splice {
            upload.copy_all();
            download.copy_all();
        }
        Self {
            client,
            origin,
            rules,
            up,
            down: Down::Head,
            interims: 0,
            tunnel: false,
            lasting: false,
            status: 0,
            repairs: Repairs::default(),
            told_headers: ToldHeaders::new(),
            deadline,
            times: Times {
                begun,
                sent: None,
                answered: None,
                up: begun,
                down: begun,
                client_since: None,
                client: Duration::ZERO,
            },
            held_since: None,
            held: Duration::ZERO,
            upload,
            download,
        }
    }

    /// When things happened.
    pub fn times(&self) -> Times {
        self.times
    }

    /// What of the answer's heads was not as it should have been.
    pub fn repairs(&self) -> Repairs {
        self.repairs
    }

    /// Those of the answer's fields that are logged.
    pub fn take_told_headers(&mut self) -> ToldHeaders {
        std::mem::take(&mut self.told_headers)
    }

    /// The status of the answer; 0 while it has none.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// Moves what can be moved; ready at the end of the answer, when something failed, and where the caller has
    /// something to do before it goes on ([`Outcome::Switched`], [`Outcome::Lasting`]).
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Outcome, Refusal>> {
        let (mut moved_up, mut moved_down) = (false, false);
        let mut turns = TURNS_PER_WAKE;
        loop {
            let was_tunnel = self.tunnel;
            let up = self.poll_up(cx)?;
            let down = self.poll_down(cx)?;
            if !was_tunnel && self.tunnel {
                return Poll::Ready(Ok(Outcome::Switched));
            }
            moved_up |= up;
            moved_down |= down;
            if let Some(outcome) = self.outcome() {
                return Poll::Ready(Ok(outcome));
            }
            if !(up || down) {
                break;
            }
            turns -= 1;
            if turns == 0 {
                // Other connections of this worker come first now. The next poll may find nothing more to move.
                self.note_moves(moved_up, moved_down);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
        self.poll_waiting(cx, moved_up, moved_down)
    }

    fn outcome(&self) -> Option<Outcome> {
        match (&self.down, &self.up, self.tunnel) {
            (Down::Done, Up::Done | Up::Abandoned, true) => Some(Outcome::Tunnelled),
            (Down::Done, Up::Done, false) => Some(Outcome::Whole),
            (Down::Done, _, false) => Some(Outcome::Early),
            (Down::Body(_), Up::Done, false) if self.download.holds_the_rest() => Some(Outcome::Received),
            _ => None,
        }
    }

    /// What is left to be done after [`Outcome::Received`]: the upstream is needed no more.
    pub fn into_remainder(self) -> Remainder<'a, C> {
        let write_idle = self.rules.timeouts.write_idle;
        Remainder::new(self.client, self.download, self.deadline, self.times.down, write_idle)
    }

    /// One step of the request's way; whether anything moved.
    fn poll_up(&mut self, cx: &mut Context<'_>) -> Result<bool, Refusal> {
        match &mut self.up {
            Up::Body(wait) => match self.upload.step(cx, self.client, self.origin) {
                Ok(Progress::Moved) => self.check_body_bytes().map(|()| true),
                Ok(Progress::End(trailers)) => {
                    self.times.wait_for_client(false);
                    self.up = Up::End(trailers);
                    Ok(true)
                }
                Ok(Progress::Waits(end)) => {
                    if matches!(self.down, Down::Head) && !self.tunnel {
                        self.times.wait_for_client(end == End::Source);
                    }
                    if std::mem::replace(wait, end) != end {
                        // Who is waited for now has its time from now on: the other end may have used up as much.
                        let now = now();
                        self.times.up = now;
                        match (end, self.held_since.take()) {
                            (End::Sink, _) => self.held_since = Some(now),
                            (End::Source, since) => {
                                self.held += since
                                    .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
                            }
                        }
                    }
                    Ok(false)
                }
                Err(TransferError::Source(error)) => Err(client_failed(error)),
                Err(TransferError::Sink(_)) => {
                    self.up = Up::Abandoned;
                    Ok(true)
                }
            },
            Up::End(trailers) => match self.origin.poll_finish(cx, trailers.as_ref()) {
                Poll::Ready(Ok(())) => {
                    self.up = Up::Done;
                    Ok(true)
                }
                Poll::Ready(Err(_)) => {
                    self.up = Up::Abandoned;
                    Ok(true)
                }
                Poll::Pending => Ok(false),
            },
            Up::Done | Up::Abandoned => Ok(false),
        }
    }

    fn check_body_bytes(&self) -> Result<(), Refusal> {
        match self.rules.body_bytes {
            Some(most) if !self.tunnel && self.origin.body_sent() > most => {
                Err(Refusal::new(Cause::BodyTooLarge, format!("more than {most} bytes")))
            }
            _ => Ok(()),
        }
    }

    /// One step of the answer's way; whether anything moved.
    fn poll_down(&mut self, cx: &mut Context<'_>) -> Result<bool, Refusal> {
        match &mut self.down {
            Down::Head => match self.origin.poll_head(cx, self.rules.request) {
                Poll::Ready(head) => self.on_head(&head?).map(|()| true),
                Poll::Pending => Ok(false),
            },
            Down::Body(wait) => match self.download.step(cx, self.origin, self.client) {
                Ok(Progress::Moved) => Ok(true),
                Ok(Progress::End(trailers)) => {
                    self.down = Down::End(trailers);
                    Ok(true)
                }
                Ok(Progress::Waits(end)) => {
                    if std::mem::replace(wait, end) != end {
                        self.times.down = now();
                    }
                    if !self.tunnel {
                        self.times.wait_for_client(end == End::Sink);
                    }
                    Ok(false)
                }
                Err(TransferError::Source(error)) => Err(answer_failed(error)),
                Err(TransferError::Sink(error)) => Err(client_failed(error)),
            },
            Down::End(trailers) => match self.client.poll_finish(cx, trailers.as_ref()) {
                Poll::Ready(done) => {
                    self.times.wait_for_client(false);
                    done.map_err(client_failed)?;
                    self.down = Down::Done;
                    Ok(true)
                }
                Poll::Pending => {
                    self.times.wait_for_client(true);
                    Ok(false)
                }
            },
            Down::Done => Ok(false),
        }
    }

    /// A head came from the upstream: interim, a switch of protocols, or the answer's.
    fn on_head(&mut self, head: &ResponseHead) -> Result<(), Refusal> {
        self.repairs.add(head.repairs());
        self.told_headers = told_headers(self.rules.log_format, head.fields());
        if head.status() == 101 {
            return self.on_switch(head);
        }
        if head.is_interim() {
            self.interims += 1;
            if self.interims > MOST_INTERIMS {
                return Err(Refusal::new(Cause::InvalidAnswer, "more interim answers than any server sends"));
            }
            self.client.interim(head);
            return Ok(());
        }
        self.status = head.status();
        self.times.answered = Some(now());
        let length = head.body(self.rules.request.method());
        self.origin.begin_body(length);
        self.client.begin(head, length, &self.rules.extra);
        self.down = Down::Body(End::Source);
        Ok(())
    }

    /// 101 (RFC 9110 §7.8): only where it was asked for, and only to what was asked for.
    fn on_switch(&mut self, head: &ResponseHead) -> Result<(), Refusal> {
        let asked = self.rules.request.upgrade().map(|upgrade| upgrade.protocol);
        let agreed = match (asked, head.upgraded_to()) {
            (Some(asked), Some(given)) => given.eq_ignore_ascii_case(asked) && matches!(self.up, Up::Done),
            _ => false,
        };
        let answered = self.rules.key.is_none_or(|key| {
            head.fields().first(Known::SecWebSocketAccept).is_some_and(|accept| key.is_answered_by(accept))
        });
        if !agreed || !answered {
            return Err(Refusal::new(
                Cause::UpgradeFailed,
                "101 without, or to something else than, what was asked",
            ));
        }
        self.status = head.status();
        self.note_moves(false, true);
        self.times.answered = Some(self.times.down);
        self.download.stop_reading_ahead();
        self.client.begin_tunnel(head, asked.unwrap_or_default(), &self.rules.extra);
        self.origin.begin_tunnel();
        self.tunnel = true;
        self.up = Up::Body(End::Source);
        self.down = Down::Body(End::Source);
        Ok(())
    }

    /// Nothing moves: push out what is queued, look whether the visitor left, and see to the deadline.
    fn poll_waiting(&mut self, cx: &mut Context<'_>, up: bool, down: bool) -> Poll<Result<Outcome, Refusal>> {
        if let Poll::Ready(Err(_)) = self.origin.poll_flush(cx)
            && !matches!(self.up, Up::Done)
        {
            self.up = Up::Abandoned;
        }
        if let Poll::Ready(flushed) = self.client.poll_flush(cx) {
            flushed.map_err(client_failed)?;
        }
        let reads_client = matches!(self.up, Up::Body(End::Source));
        if !reads_client && !self.tunnel && self.client.poll_gone(cx).is_ready() {
            return Poll::Ready(Err(Cause::ClientGone.into()));
        }
        self.note_moves(up, down);
        let (since, limit, cause) = self.patience();
        let due = since + limit;
        let lasts = self.times.begun + LASTING;
        if self.lasting || self.tunnel || due <= lasts {
            self.deadline.set(due);
            return self.deadline.poll_expired(cx).map(|()| Err(cause));
        }
        self.deadline.set(lasts);
        self.deadline.poll_expired(cx).map(|()| {
            self.lasting = true;
            Ok(Outcome::Lasting)
        })
    }

    /// What moved did so now: deadlines count from here.
    fn note_moves(&mut self, up: bool, down: bool) {
        if !(up || down) {
            return;
        }
        let now = now();
        if up {
            self.times.up = now;
        }
        if down {
            self.times.down = now;
        }
        if self.times.sent.is_none() && matches!(self.up, Up::Done) {
            self.times.sent = Some(now);
        }
    }

    /// Ends where it stands, for this reason; a tunnel needs none.
    pub fn cut(&self, why: Refusal) -> Result<Outcome, Refusal> {
        if self.tunnel { Ok(Outcome::Tunnelled) } else { Err(why) }
    }

    /// From when, how long, and whose fault it is when that passes.
    fn patience(&self) -> (Instant, Duration, Refusal) {
        let timeouts = self.rules.timeouts;
        let times = &self.times;
        if self.tunnel {
            let silent = Refusal::new(Cause::ClientStalled, "tunnel idle");
            return (times.up.max(times.down), timeouts.tunnel_idle, silent);
        }
        let (since, limit, cause, detail) = match (&self.down, &self.up) {
            (Down::Head, Up::Body(End::Source)) => return self.body_patience(),
            (Down::Head, Up::Body(End::Sink) | Up::End(_)) => (
                times.up,
                timeouts.write_idle,
                Cause::UpstreamStalled,
                "it took no more of the body for `write_idle`",
            ),
            (Down::Head, Up::Done | Up::Abandoned) => {
                let since = times.up.max(times.down);
                (since, timeouts.response_header, Cause::TimedOut, "no answer within `response_header`")
            }
            (Down::Body(End::Source), _) => (
                times.down,
                timeouts.response_idle,
                Cause::AnswerStalled,
                "no more of its answer for `response_idle`",
            ),
            (Down::Body(End::Sink) | Down::End(_) | Down::Done, _) => (
                times.down,
                timeouts.write_idle,
                Cause::ClientStalled,
                "the visitor took no more for `write_idle`",
            ),
        };
        (since, limit, Refusal::new(cause, detail))
    }

    /// A request body must neither pause for long nor trickle.
    fn body_patience(&self) -> (Instant, Duration, Refusal) {
        let timeouts = self.rules.timeouts;
        let pause = (self.times.up, timeouts.body_idle, Refusal::new(Cause::BodyTimeout, "the body stalled"));
        // The least rate is asked of the whole body, while the upstream would take it.
        let Some(trickle) = trickle(timeouts, self.origin.body_sent()) else { return pause };
        let trickle = trickle + self.held;
        if self.times.begun + trickle < pause.0 + pause.1 {
            (
                self.times.begun,
                trickle,
                Refusal::new(Cause::BodyTimeout, "the body came slower than the least rate"),
            )
        } else {
            pause
        }
    }
}

impl Times {
    /// Whether it is the visitor alone who keeps the exchange waiting from now on. Reads the clock where that changes.
    fn wait_for_client(&mut self, waits: bool) {
        match (waits, self.client_since) {
            (true, None) => self.client_since = Some(now()),
            (false, Some(since)) => {
                self.client += now().saturating_duration_since(since);
                self.client_since = None;
            }
            _ => {}
        }
    }
}

/// How long the first `bytes` of a request's body may take by the least rate, after one pause's grace; `None`: there is no
/// such rate.
pub(super) fn trickle(timeouts: &Timeouts, bytes: u64) -> Option<Duration> {
    let rate = timeouts.body_min_rate.filter(|rate| rate.count > 0)?;
    let earned = rate.period.mul_f64(bytes as f64 / rate.count as f64);
    Some(timeouts.body_idle + earned.min(LONGEST_BODY))
}

/// The visitor's end failed while the request was read or the answer was sent.
pub(super) fn client_failed(error: BodyError) -> Refusal {
    match error {
        BodyError::Framing(h1::BodyError::Truncated) => {
            Refusal::new(Cause::ClientGone, "left in the middle of the body")
        }
        BodyError::Framing(framing) => framing.of_client(),
        BodyError::Refused(refusal) => refusal,
        BodyError::Stream(error) if error.is_library() => Refusal::new(Cause::BadRequest, error.to_string()),
        BodyError::Io(_) | BodyError::Stream(_) => Refusal::new(Cause::ClientGone, error.to_string()),
    }
}

/// The upstream's end failed in the middle of the answer.
fn answer_failed(error: BodyError) -> Refusal {
    match error {
        BodyError::Framing(framing) => framing.of_upstream(),
        BodyError::Refused(refusal) => refusal,
        BodyError::Io(_) | BodyError::Stream(_) => Refusal::new(Cause::AnswerIncomplete, error.to_string()),
    }
}

/// Steps a connection may take before the others of its worker have their turn: some 16 buffers, 256 KiB.
const TURNS_PER_WAKE: usize = 16;

/// How long an exchange goes on unwatched. Nearly all are over before, and cost their account nothing.
const LASTING: Duration = Duration::from_secs(1);

/// Interim answers passed for one request: 100, a few 103 and progress by 102; more is a flood.
const MOST_INTERIMS: usize = 32;

/// The longest time the least rate can earn: a day.
const LONGEST_BODY: Duration = Duration::from_secs(86_400);
