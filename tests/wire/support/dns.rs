//! A name server for the tests: says what it is told to, and remembers what it was asked.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

/// A name server on this machine. It ends with the test's process.
pub struct NameServer {
    address: SocketAddr,
    said: Arc<Mutex<Said>>,
}

/// What is said of a name.
#[derive(Clone, Copy, Debug)]
pub enum Word {
    /// Its addresses, which hold for so many seconds.
    Has(&'static [&'static str], u32),
    /// There is no such name.
    Nothing,
    /// The server cannot tell.
    Failure,
}

#[derive(Default)]
struct Said {
    words: HashMap<&'static str, Word>,
    asked: Vec<String>,
}

impl NameServer {
    /// One that knows no name.
    pub fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        let address = socket.local_addr().expect("a socket");
        let said = Arc::new(Mutex::new(Said::default()));
        let for_thread = said.clone();
        std::thread::spawn(move || {
            let mut question = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut question) {
                let answer = for_thread.lock().expect("no panic here").answer(&question[..length]);
                let _ = socket.send_to(&answer, from);
            }
        });
        Self { address, said }
    }

    /// As `resolvers` of `[upstreams]`.
    pub fn address(&self) -> String {
        format!("[\"{}\"]", self.address)
    }

    /// From now on this is said of `name`.
    pub fn say(&self, name: &'static str, word: Word) {
        self.said.lock().expect("no panic here").words.insert(name, word);
    }

    /// How often it was asked for `name`.
    pub fn asked(&self, name: &str) -> usize {
        let said = self.said.lock().expect("no panic here");
        said.asked.iter().filter(|asked| *asked == name).count()
    }
}

impl Said {
    /// The answer to a question (RFC 1035 §4): its head, the question again, and an A or AAAA record for each address.
    fn answer(&mut self, question: &[u8]) -> Vec<u8> {
        let mut at = HEAD_BYTES;
        let mut labels = Vec::new();
        while let Some(length) = question.get(at).copied().filter(|length| *length > 0) {
            let label = &question[at + 1..at + 1 + usize::from(length)];
            labels.push(String::from_utf8_lossy(label).to_ascii_lowercase());
            at += 1 + usize::from(length);
        }
        let (kind, end) = (question[at + 2], at + 5);
        let name = labels.join(".");
        let word = self.words.get(name.as_str()).copied().unwrap_or(Word::Nothing);
        self.asked.push(name);
        let (code, addresses, seconds) = match word {
            Word::Has(addresses, seconds) => (0, addresses, seconds),
            Word::Nothing => (3, [].as_slice(), 0),
            Word::Failure => (2, [].as_slice(), 0),
        };
        let mut records = Vec::new();
        let mut count = 0;
        for address in addresses {
            let bytes = match address.parse::<IpAddr>().expect("an address") {
                IpAddr::V4(ip) if kind == A => ip.octets().to_vec(),
                IpAddr::V6(ip) if kind == AAAA => ip.octets().to_vec(),
                _ => continue,
            };
            count += 1;
            // The name is the question's; of the class IN.
            records.extend([0xc0, HEAD_BYTES as u8, 0, kind, 0, 1]);
            records.extend(seconds.to_be_bytes());
            records.extend([0, bytes.len() as u8]);
            records.extend(bytes);
        }
        let mut answer = question[..2].to_vec();
        answer.extend([0x84, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
        answer.extend(&question[HEAD_BYTES..end]);
        answer.extend(records);
        answer
    }
}

/// Bytes before the question.
const HEAD_BYTES: usize = 12;

const A: u8 = 1;
const AAAA: u8 = 28;
