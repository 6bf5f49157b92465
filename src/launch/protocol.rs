//! What is said between a node and its launcher, and how it is framed: a length and a JSON body. Pure: knows no
//! socket.

use crate::base::{AccountName, DocumentHash, UpstreamName};
use crate::net::owner::Holder;
use nix::sys::signal::Signal;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;

/// One start of one program. Chosen by whoever orders it, never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Instance(pub u64);

impl fmt::Display for Instance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// From the node to the launcher. Never names a command, a user, a directory, a variable or a limit: those stand in
/// the account's document, which the launcher reads itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Start the program of an upstream, as the document with this hash says.
    Start {
        /// Its number from now on.
        instance: Instance,
        /// Whose program.
        account: AccountName,
        /// Which.
        upstream: UpstreamName,
        /// The document that is meant.
        hash: DocumentHash,
    },
    /// `hot_restart` to the program, which goes on.
    Renew {
        /// Which.
        instance: Instance,
        /// What it is from then on, for whoever takes it over.
        runs_as: DocumentHash,
    },
    /// `stop_signal` to the program; after `stop_timeout` all of it is killed.
    Stop {
        /// Which.
        instance: Instance,
    },
    /// Kill it and all it started, at once.
    Kill {
        /// Which.
        instance: Instance,
    },
}

/// From the launcher to the node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// After connecting: one that runs, or is about to.
    Running {
        /// Its number.
        instance: Instance,
        /// Whose program.
        account: AccountName,
        /// Which.
        upstream: UpstreamName,
        /// The document it was started by.
        hash: DocumentHash,
        /// Its process; `None`: it is being started, and what comes of that is told as if to whoever ordered it.
        process: Option<Process>,
        /// Whether it was told to end.
        stopping: bool,
    },
    /// All that run have been told.
    Listed,
    /// It was started; whether it listens is for others to find out.
    Started {
        /// Which.
        instance: Instance,
        /// Its process.
        process: Process,
    },
    /// `hot_restart` was sent to it: what it answers from now on it answers to a question of after that.
    Renewed {
        /// Which.
        instance: Instance,
        /// What it is from then on, as the order said.
        runs_as: DocumentHash,
    },
    /// It was not started.
    NotStarted {
        /// Which.
        instance: Instance,
        /// One line for a person.
        why: String,
    },
    /// It was not started: the document is another one than was meant, which has not been read there yet.
    Changed {
        /// Which.
        instance: Instance,
    },
    /// Its process ended; whatever it left behind is being killed.
    Ended {
        /// Which.
        instance: Instance,
        /// How.
        ending: Ending,
        /// How many of its processes the kernel killed for want of memory.
        memory_kills: u64,
        /// The last lines it wrote, to standard output or error, oldest first.
        last_words: Vec<String>,
        /// Whether it had to, because the launcher ends: nothing is wrong with it.
        launcher_ends: bool,
    },
}

/// A process that was started, as a node has to know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The user it runs as.
    pub uid: u32,
    /// What it was started as: see [`Program::runs_as`](crate::config::Program::runs_as).
    pub runs_as: DocumentHash,
    /// Where it listens, if its address is `"auto"`.
    pub socket: Option<PathBuf>,
    /// The control group of it and all it starts, which tells what they use; `None`: it has none of its own.
    pub cgroup: Option<PathBuf>,
}

impl Process {
    /// Whose sockets are its account's.
    pub fn holder(&self) -> Holder {
        Holder { uid: self.uid, cgroup: self.cgroup.clone() }
    }
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// The system does not say.
    Unknown,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "return code: {code}"),
            Self::Signal(number) => match Signal::try_from(*number) {
                Ok(signal) => write!(f, "signal: {signal} ({number})"),
                Err(_) => write!(f, "signal: {number}"),
            },
            Self::Unknown => f.write_str("unknown"),
        }
    }
}

/// The first frame each way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Hello {
    version: u32,
}

impl Hello {
    /// Ours.
    pub(super) fn ours() -> Self {
        Self { version: VERSION }
    }

    /// # Errors
    /// The other side speaks another version, in one line for a person.
    pub(super) fn check(self) -> Result<(), String> {
        if self.version == VERSION {
            return Ok(());
        }
        Err(format!(
            "the other side speaks version {} of the launcher's protocol, this one version {VERSION}",
            self.version
        ))
    }
}

/// Why what came is no message: the connection is of no further use.
#[derive(Debug, thiserror::Error)]
pub(super) enum FrameError {
    /// Longer than a frame may be, in bytes.
    #[error("a frame of {0} bytes, more than {MAX_FRAME_BYTES}")]
    TooLong(usize),
    /// Not the JSON of what is expected.
    #[error("not a message: {0}")]
    NoMessage(#[from] serde_json::Error),
}

/// A message as it goes over the wire.
///
/// # Errors
/// It is longer than a frame may be.
pub(super) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; HEAD_BYTES];
    serde_json::to_writer(&mut frame, message)?;
    let length = frame.len() - HEAD_BYTES;
    match u32::try_from(length) {
        Ok(head) if length <= MAX_FRAME_BYTES => frame[..HEAD_BYTES].copy_from_slice(&head.to_be_bytes()),
        _ => return Err(FrameError::TooLong(length)),
    }
    Ok(frame)
}

/// What came and was not taken yet: at most a frame and one read.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    bytes: Vec<u8>,
}

impl Decoder {
    /// Takes bytes over as they came.
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message; `None` until more comes.
    ///
    /// # Errors
    /// What came is no message.
    pub(super) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let Some((head, rest)) = self.bytes.split_first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let length = u32::from_be_bytes(*head) as usize;
        if length > MAX_FRAME_BYTES {
            return Err(FrameError::TooLong(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let message = serde_json::from_slice(body)?;
        self.bytes.drain(..HEAD_BYTES + length);
        Ok(Some(message))
    }
}

/// Rises with every change that the other side would not understand.
const VERSION: u32 = 5;

/// The length, big-endian.
const HEAD_BYTES: usize = 4;

/// Bytes of a body: the last words of a program fit, whatever they are.
pub(super) const MAX_FRAME_BYTES: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn start(number: u64) -> Order {
        Order::Start {
            instance: Instance(number),
            account: AccountName::new("alice").unwrap(),
            upstream: UpstreamName::new("web").unwrap(),
            hash: DocumentHash::of(b""),
        }
    }

    proptest! {
        #[test]
        fn messages_come_back_wherever_the_stream_is_split(
            numbers in prop::collection::vec(any::<u64>(), 0..5), at in prop::collection::vec(1usize..40, 0..60)
        ) {
            let sent: Vec<Order> = numbers.iter().map(|number| start(*number)).collect();
            let stream: Vec<u8> = sent.iter().flat_map(|order| encode(order).unwrap()).collect();
            let (mut decoder, mut rest, mut got) = (Decoder::default(), &stream[..], Vec::new());
            for size in at.into_iter().chain([stream.len()]) {
                let (piece, later) = rest.split_at(size.min(rest.len()));
                decoder.push(piece);
                rest = later;
                while let Some(order) = decoder.next::<Order>().unwrap() {
                    got.push(order);
                }
            }
            prop_assert_eq!(got, sent);
            prop_assert!(decoder.bytes.is_empty());
        }

        #[test]
        fn garbage_is_an_error_or_waits_for_more(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next::<Order>() {}
        }

        #[test]
        fn a_body_of_garbage_is_no_message(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut decoder = Decoder::default();
            decoder.push(&u32::try_from(bytes.len()).unwrap().to_be_bytes());
            decoder.push(&bytes);
            prop_assert!(matches!(decoder.next::<Order>(), Err(FrameError::NoMessage(_))));
        }
    }

    #[test]
    fn a_frame_that_is_too_long_is_refused_before_it_comes() {
        let mut decoder = Decoder::default();
        decoder.push(&0x0001_0001_u32.to_be_bytes());
        assert!(matches!(decoder.next::<Order>(), Err(FrameError::TooLong(0x10001))));
        let why = "x".repeat(MAX_FRAME_BYTES);
        let long = Notice::NotStarted { instance: Instance(1), why };
        assert!(matches!(encode(&long), Err(FrameError::TooLong(_))));
    }

    #[test]
    fn an_order_names_what_is_meant_and_nothing_else() {
        let json = |order: &Order| String::from_utf8(encode(order).unwrap()[HEAD_BYTES..].to_vec()).unwrap();
        let hash = DocumentHash::of(b"");
        let expected =
            format!(r#"{{"start":{{"instance":1,"account":"alice","upstream":"web","hash":"{hash}"}}}}"#);
        assert_eq!(json(&start(1)), expected);
        assert_eq!(json(&Order::Stop { instance: Instance(7) }), r#"{"stop":{"instance":7}}"#);
        let wrong = r#"{"start":{"instance":1,"account":"../alice","upstream":"web","hash":"00"}}"#;
        assert!(serde_json::from_str::<Order>(wrong).is_err());
    }

    #[test]
    fn another_version_is_refused() {
        assert_eq!(Hello::ours().check(), Ok(()));
        let why = Hello { version: 9 }.check().unwrap_err();
        assert_eq!(why, "the other side speaks version 9 of the launcher's protocol, this one version 5");
    }

    #[test]
    fn endings_have_a_word() {
        assert_eq!(Ending::Code(1).to_string(), "return code: 1");
        assert_eq!(Ending::Signal(9).to_string(), "signal: SIGKILL (9)");
        assert_eq!(Ending::Signal(40).to_string(), "signal: 40");
        assert_eq!(Ending::Unknown.to_string(), "unknown");
    }
}
