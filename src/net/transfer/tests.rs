//! Bodies from one connection to another, in runs and through buffers: the same bytes come out.

use super::*;
use crate::message::BodyLength;
use crate::message::h1::BodyDecoder;
use crate::net::{Http1, Stream};
use proptest::prelude::*;
use std::future::poll_fn;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// How a body is framed on its way in, and on its way out.
#[derive(Clone, Copy, Debug)]
struct Framing {
    incoming: BodyLength,
    outgoing: BodyLength,
}

/// Sends `pieces`, framed, through a transfer in the middle; what comes out, unframed, and how many bytes went unseen.
/// At the places in `looks` the source is looked at, as by somebody who wants to know whether it is still there. What comes
/// out is taken in small pieces, with pauses, where that is `slow`; up to `most_ahead` bytes are read ahead of it, and once
/// all of them were the source is not asked any more.
async fn through(
    pieces: &[Vec<u8>],
    framing: Framing,
    looks: &[usize],
    most_ahead: usize,
    slow: bool,
) -> (Vec<u8>, u64) {
    let (mut sender, from) = Stream::pair().unwrap();
    let (to, mut receiver) = Stream::pair().unwrap();
    let mut wire = Vec::new();
    for piece in pieces.iter().filter(|piece| !piece.is_empty()) {
        match framing.incoming {
            BodyLength::Chunked => {
                wire.extend(format!("{:x}\r\n", piece.len()).bytes());
                wire.extend(piece);
                wire.extend(b"\r\n");
            }
            _ => wire.extend(piece),
        }
    }
    if framing.incoming == BodyLength::Chunked {
        wire.extend(b"0\r\n\r\n");
    }
    let send = async move {
        sender.write_all(&wire).await.unwrap();
        sender.shutdown().await.unwrap();
        sender
    };
    let (mut source, mut sink) = (Http1::new(from), Http1::new(to));
    source.begin_incoming(BodyDecoder::of_response(framing.incoming));
    sink.begin_outgoing(framing.outgoing);
    let middle = async move {
        let payer = Allowance::new(usize::MAX);
        let mut transfer = Transfer::reading_ahead(most_ahead, &payer);
        let (mut unseen, mut steps, mut trailers, mut most_held) = (0, 0, None, 0);
        poll_fn(|cx| {
            loop {
                if trailers.is_some() {
                    return sink.poll_finish(cx, None).map(|done| done.unwrap());
                }
                steps += 1;
                if looks.contains(&steps) {
                    let _ = source.stream().poll_fill(cx);
                }
                let step = if transfer.holds_the_rest() {
                    transfer.step(cx, &mut Spent, &mut sink)
                } else {
                    transfer.step(cx, &mut source, &mut sink)
                };
                most_held = most_held.max(transfer.ahead.bytes());
                match step.unwrap() {
                    Progress::Moved => {}
                    Progress::End(end) => trailers = Some(end),
                    Progress::Waits(_) => {
                        let _ = sink.poll_flush(cx);
                        return Poll::Pending;
                    }
                }
                unseen += u64::from(transfer.run.is_some());
            }
        })
        .await;
        assert!(most_held <= most_ahead, "{most_held} of {most_ahead}");
        (source, sink, unseen)
    };
    let receive = async move {
        let mut bytes = Vec::new();
        let mut piece = vec![0; 20_000];
        let mut is_open = slow;
        while is_open {
            tokio::task::yield_now().await;
            let count = receiver.read(&mut piece).await.unwrap();
            bytes.extend(&piece[..count]);
            is_open = count > 0;
        }
        receiver.read_to_end(&mut bytes).await.unwrap();
        bytes
    };
    let middle = async move {
        let (source, sink, unseen) = middle.await;
        assert_eq!(source.received(), sink.sent());
        drop(sink);
        unseen
    };
    let (_sender, unseen, bytes) = tokio::join!(send, middle, receive);
    let body = match framing.outgoing {
        BodyLength::Chunked => unchunked(&bytes),
        _ => bytes,
    };
    (body, unseen)
}

/// A source that is not asked any more.
struct Spent;

impl Source for Spent {
    fn poll_piece(&mut self, _: &mut Context<'_>) -> Poll<Result<Piece<'_>, BodyError>> {
        panic!("asked for what it has given")
    }

    fn consume(&mut self, _: usize) {
        panic!("it has nothing")
    }
}

fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let end = bytes.windows(2).position(|two| two == b"\r\n").unwrap();
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..end]).unwrap(), 16).unwrap();
        bytes = &bytes[end + 2..];
        if size == 0 {
            assert_eq!(bytes, b"\r\n");
            return body;
        }
        body.extend(&bytes[..size]);
        assert_eq!(&bytes[size..size + 2], b"\r\n");
        bytes = &bytes[size + 2..];
    }
}

fn run<T>(work: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(tokio::runtime::LocalOptions::default()).unwrap().block_on(work)
}

fn pattern(bytes: usize, seed: usize) -> Vec<u8> {
    (0..bytes).map(|at| (at / 251 + at + seed) as u8).collect()
}

fn framings(bytes: usize) -> impl Strategy<Value = Framing> {
    let length = BodyLength::Length(bytes as u64);
    prop_oneof![
        Just(Framing { incoming: length, outgoing: length }),
        Just(Framing { incoming: length, outgoing: BodyLength::UntilClose }),
        Just(Framing { incoming: BodyLength::Chunked, outgoing: BodyLength::Chunked }),
        Just(Framing { incoming: BodyLength::Chunked, outgoing: BodyLength::UntilClose }),
        Just(Framing { incoming: BodyLength::UntilClose, outgoing: BodyLength::Chunked }),
        Just(Framing { incoming: BodyLength::UntilClose, outgoing: BodyLength::UntilClose }),
    ]
}

fn cases() -> impl Strategy<Value = (Vec<Vec<u8>>, Framing, Vec<usize>)> {
    let size = prop_oneof![0..2000usize, 60_000..70_000usize, 200_000..600_000usize];
    (proptest::collection::vec((size, any::<u8>()), 1..4), proptest::collection::vec(1..40usize, 0..4))
        .prop_map(|(sizes, looks)| {
            let pieces = sizes.iter().map(|(size, seed)| pattern(*size, usize::from(*seed))).collect();
            (pieces, looks)
        })
        .prop_filter("a length is not 0", |(pieces, _): &(Vec<Vec<u8>>, _)| {
            pieces.iter().any(|piece| !piece.is_empty())
        })
        .prop_flat_map(|(pieces, looks)| {
            let bytes = pieces.iter().map(Vec::len).sum();
            (Just(pieces), framings(bytes), Just(looks))
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// However it is framed, cut and looked at: what goes in comes out.
    #[test]
    fn what_goes_in_comes_out((pieces, framing, looks) in cases()) {
        let (body, _) = run(through(&pieces, framing, &looks, 0, false));
        prop_assert!(body == pieces.concat(), "{} bytes of {}", body.len(), pieces.concat().len());
    }

    /// Nor does it matter how far a slow reader is read ahead of, nor is that further than it may be.
    #[test]
    fn what_is_read_ahead_comes_out_in_its_order(
        (pieces, framing, looks) in cases(),
        most in prop_oneof![1..40usize, 1000..70_000usize, 200_000..2_000_000usize],
    ) {
        let (body, _) = run(through(&pieces, framing, &looks, most, true));
        prop_assert!(body == pieces.concat(), "{} bytes of {}", body.len(), pieces.concat().len());
        prop_assert_eq!(super::super::ahead::held(), 0);
    }
}

#[test]
fn long_bodies_go_unseen_and_short_ones_do_not() {
    run(async {
        for (bytes, unseen) in [(60_000, false), (600_000, true)] {
            let length = BodyLength::Length(bytes as u64);
            for framing in [
                Framing { incoming: length, outgoing: length },
                Framing { incoming: BodyLength::Chunked, outgoing: BodyLength::Chunked },
            ] {
                let (body, runs) = through(&[pattern(bytes, 0)], framing, &[], 0, false).await;
                assert_eq!((body.len(), runs > 0), (bytes, unseen), "{framing:?}");
            }
        }
        let open = Framing { incoming: BodyLength::UntilClose, outgoing: BodyLength::UntilClose };
        let (body, runs) = through(&[pattern(3_000_000, 0)], open, &[], 0, false).await;
        assert_eq!((body.len(), runs > 0), (3_000_000, true));
    });
}

/// A source that ends inside a run is an error of the source's, and what its pipe held goes nowhere else.
#[test]
fn a_run_cut_short_is_the_sources_fault() {
    run(async {
        let (mut sender, from) = Stream::pair().unwrap();
        let (to, mut receiver) = Stream::pair().unwrap();
        let (mut source, mut sink) = (Http1::new(from), Http1::new(to));
        source.begin_incoming(BodyDecoder::of_response(BodyLength::Length(1_000_000)));
        sink.begin_outgoing(BodyLength::Length(1_000_000));
        sender.write_all(&pattern(100_000, 0)).await.unwrap();
        drop(sender);
        let mut transfer = Transfer::default();
        let error = poll_fn(|cx| {
            loop {
                match transfer.step(cx, &mut source, &mut sink) {
                    Ok(Progress::Moved) => {}
                    Ok(Progress::Waits(_)) => return Poll::Pending,
                    Ok(Progress::End(_)) => panic!("a whole body"),
                    Err(error) => return Poll::Ready(error),
                }
            }
        })
        .await;
        assert!(
            matches!(error, TransferError::Source(BodyError::Framing(h1::BodyError::Truncated))),
            "{error:?}"
        );
        drop((transfer, sink));
        let mut bytes = Vec::new();
        receiver.read_to_end(&mut bytes).await.unwrap();
        assert_eq!(bytes, pattern(100_000, 0));
    });
}

/// A head, a small body that comes with its end, and the framing of both leave by one call.
#[tokio::test]
async fn a_small_answer_leaves_whole() {
    let (mut sender, from) = Stream::pair().unwrap();
    let (to, mut receiver) = Stream::pair().unwrap();
    sender.write_all(b"2\r\nhi\r\n0\r\n\r\n").await.unwrap();
    let (mut source, mut sink) = (Http1::new(from), Http1::new(to));
    source.begin_incoming(BodyDecoder::of_response(BodyLength::Chunked));
    sink.begin_outgoing(BodyLength::Chunked);
    sink.out().extend(b"head\r\n\r\n");
    let mut transfer = Transfer::default();
    poll_fn(|cx| {
        assert!(matches!(transfer.step(cx, &mut source, &mut sink), Ok(Progress::Moved)));
        assert!(receiver.poll_fill(cx).is_pending(), "it waits for what comes at once");
        assert!(matches!(transfer.step(cx, &mut source, &mut sink), Ok(Progress::End(None))));
        sink.poll_finish(cx, None).map(|done| done.unwrap())
    })
    .await;
    assert_eq!(receiver.fill().await.unwrap(), receiver.input().len());
    assert_eq!(receiver.input().filled(), b"head\r\n\r\n2\r\nhi\r\n0\r\n\r\n");
}

/// What a sink took before its source broke has left it: a head and a piece that waited for company are seen.
#[tokio::test]
async fn what_came_before_a_break_arrives() {
    let (mut sender, from) = Stream::pair().unwrap();
    let (to, mut receiver) = Stream::pair().unwrap();
    sender.write_all(b"hi").await.unwrap();
    sender.shutdown().await.unwrap();
    let (mut source, mut sink) = (Http1::new(from), Http1::new(to));
    source.begin_incoming(BodyDecoder::of_response(BodyLength::Length(3)));
    sink.begin_outgoing(BodyLength::Length(3));
    sink.out().extend(b"head\r\n\r\n");
    let mut transfer = Transfer::default();
    let broken = poll_fn(|cx| {
        loop {
            match transfer.step(cx, &mut source, &mut sink) {
                Ok(Progress::Moved) => {}
                Ok(Progress::Waits(End::Source)) => return Poll::Pending,
                other => return Poll::Ready(other),
            }
        }
    })
    .await;
    assert!(matches!(broken, Err(TransferError::Source(_))), "{broken:?}");
    assert!(poll_fn(|cx| Poll::Ready(receiver.poll_fill(cx).is_ready())).await, "nothing arrived");
    assert_eq!(receiver.input().filled(), b"head\r\n\r\nhi");
}
