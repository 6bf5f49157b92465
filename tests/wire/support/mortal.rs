//! An upstream that dies in the middle of everything, as servers do that are killed, and comes back at its address.

use super::message::Message;
use super::raw::Raw;
use super::way::pattern;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The upstream: `/N` is answered with N bytes, an upgrade becomes an echo.
pub struct Mortal {
    address: SocketAddr,
    body: Arc<Vec<u8>>,
    life: Option<Life>,
}

struct Life {
    over: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<TcpStream>>>,
    listener: JoinHandle<()>,
}

impl Mortal {
    /// Starts it.
    pub fn start() -> Self {
        let address =
            TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port");
        let mut mortal = Self { address, body: Arc::new(pattern(10_000_000)), life: None };
        mortal.live_again();
        mortal
    }

    /// As `address` of an `[[upstream]]`.
    pub fn address(&self) -> String {
        self.address.to_string()
    }

    /// Closes everything at once: connections are refused from here on, open ones break.
    pub fn die(&mut self) {
        let Some(life) = self.life.take() else { return };
        life.over.store(true, Relaxed);
        life.listener.join().expect("the listener ends");
        for stream in life.open.lock().expect("no panic here").drain(..) {
            // It may have ended by itself.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// Listens again, where it is dead.
    pub fn live_again(&mut self) {
        if self.life.is_some() {
            return;
        }
        let listener = super::wait::until("the port", || TcpListener::bind(self.address).ok());
        listener.set_nonblocking(true).expect("a socket");
        let (over, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (ends, streams, body) = (over.clone(), open.clone(), self.body.clone());
        let listener = std::thread::spawn(move || {
            while !ends.load(Relaxed) {
                let Ok((stream, _)) = listener.accept() else {
                    super::wait::pause(Duration::from_millis(1));
                    continue;
                };
                stream.set_nonblocking(false).expect("a socket");
                let copy = stream.try_clone().expect("a descriptor");
                let mut streams = streams.lock().expect("no panic here");
                // Those that have ended are forgotten.
                streams.retain(|stream: &TcpStream| stream.peer_addr().is_ok());
                streams.push(copy);
                let body = body.clone();
                std::thread::spawn(move || serve(Raw::from_patient_tcp(stream), &body));
            }
        });
        self.life = Some(Life { over, open, listener });
    }
}

impl Drop for Mortal {
    fn drop(&mut self) {
        self.die();
    }
}

fn serve(mut raw: Raw, body: &[u8]) {
    while let Ok(request) = raw.try_request() {
        raw.forget();
        if request.has("upgrade") {
            let switch =
                "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n";
            if raw.try_send(switch).is_ok() {
                echo(&mut raw);
            }
            break;
        }
        if answer(&mut raw, &request, body).is_err() {
            break;
        }
    }
    // A copy of its descriptor is kept elsewhere.
    raw.finish();
}

/// Odd sizes in chunks.
fn answer(raw: &mut Raw, request: &Message, body: &[u8]) -> std::io::Result<()> {
    let size: usize = request.target().trim_start_matches('/').parse().unwrap_or(2);
    if size.is_multiple_of(2) {
        raw.try_send(format!("HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n"))?;
        return raw.try_send(&body[..size]);
    }
    raw.try_send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")?;
    raw.try_send(super::way::chunked(&body[..size], 300_000, &[]))
}

fn echo(raw: &mut Raw) {
    while let Ok(bytes) = raw.try_exactly(10_000) {
        raw.forget();
        if raw.try_send(bytes).is_err() {
            break;
        }
    }
}
