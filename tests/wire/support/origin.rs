//! An upstream that answers by itself, on threads of its own: for tests that look at one end of the edge only, or
//! that need many requests. Counts its connections, so that a test can hold the edge to its word.

use super::message::Message;
use super::raw::Raw;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// A small HTTP/1.1 server. It ends with the test's process.
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    open: AtomicUsize,
    most_open: AtomicUsize,
    requests: Mutex<Vec<Message>>,
}

impl Origin {
    /// Answers every request with what `answer` makes of it: the exact bytes.
    pub fn answering(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::serving("127.0.0.1:0", move |raw, request| raw.try_send(answer(request)).is_ok())
    }

    /// Answers every request with `200` and `text`.
    pub fn saying(text: &'static str) -> Self {
        Self::answering(move |_| answer(text))
    }

    /// Answers every request with `200` and the request's own head.
    pub fn echoing_heads() -> Self {
        Self::answering(|request| answer_bytes(&request.head))
    }

    /// Answers every request with `200` and the request's own body.
    pub fn echoing_bodies() -> Self {
        Self::answering(|request| answer_bytes(&request.body))
    }

    /// Hands each request with its connection to `serve`, which says whether the connection is kept.
    pub fn serving(
        address: &str,
        serve: impl Fn(&mut Raw, &Message) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self::accepting(address, Some, serve)
    }

    /// The same over TLS, by a certificate that nobody knows.
    pub fn over_tls(serve: impl Fn(&mut Raw, &Message) -> bool + Send + Sync + 'static) -> Self {
        let config = super::certificate::server("upstream.test");
        Self::accepting("127.0.0.1:0", move |raw| raw.accept_tls(config.clone()).ok(), serve)
    }

    fn accepting(
        address: &str,
        open: impl Fn(Raw) -> Option<Raw> + Send + Sync + 'static,
        serve: impl Fn(&mut Raw, &Message) -> bool + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).expect("a free port");
        let address = listener.local_addr().expect("a socket");
        let shared = Arc::new(Shared::default());
        let (work, for_thread) = (Arc::new((open, serve)), shared.clone());
        std::thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                let (work, shared) = (work.clone(), for_thread.clone());
                let open = shared.open.fetch_add(1, Ordering::SeqCst) + 1;
                shared.most_open.fetch_max(open, Ordering::SeqCst);
                std::thread::spawn(move || {
                    let (open, serve) = &*work;
                    if let Some(mut raw) = open(Raw::from_patient_tcp(stream)) {
                        while let Ok(request) = raw.try_request() {
                            shared.requests.lock().expect("no panic here").push(request.clone());
                            if !serve(&mut raw, &request) {
                                break;
                            }
                        }
                    }
                    shared.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        Self { address, shared }
    }

    /// As `address` of an `[[upstream]]`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// The requests since they were last taken, in the order they were read.
    pub fn take_requests(&self) -> Vec<Message> {
        std::mem::take(&mut self.shared.requests.lock().expect("no panic here"))
    }

    /// The requests so far, in the order they were read.
    pub fn requests(&self) -> Vec<Message> {
        self.shared.requests.lock().expect("no panic here").clone()
    }

    /// The most connections that were ever open at once.
    pub fn most_open(&self) -> usize {
        self.shared.most_open.load(Ordering::SeqCst)
    }
}

/// A `200` with `text` as its body.
pub fn answer(text: &str) -> Vec<u8> {
    answer_bytes(text.as_bytes())
}

/// A `200` with `body`.
pub fn answer_bytes(body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len()).into_bytes();
    bytes.extend(body);
    bytes
}
