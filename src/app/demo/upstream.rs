//! The demo's upstreams: small HTTP servers on unix sockets, in a thread of their own. They stand for the servers of
//! real accounts and are no part of the product.

use crate::message::websocket_accept;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The running upstreams; dropped, they end.
pub struct Upstreams {
    _stop: tokio::sync::oneshot::Sender<()>,
}

type Body = BoxBody<Bytes, Infallible>;

impl Upstreams {
    /// Binds the sockets in `directory` and serves them in a thread of their own.
    pub fn start(directory: &Path) -> io::Result<Self> {
        let web = listener(&directory.join("web.sock"))?;
        let slow = listener(&directory.join("slow.sock"))?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = tokio::sync::oneshot::channel();
        std::thread::Builder::new().name("demo-upstreams".into()).spawn(move || {
            runtime.block_on(async {
                tokio::spawn(serve(web, Duration::ZERO));
                tokio::spawn(serve(slow, Duration::from_secs(2)));
                // Ends when the sender is dropped.
                let _ = stopped.await;
            });
        })?;
        Ok(Self { _stop: stop })
    }
}

/// The program of the account that sleeps: takes a second to start, as an application does, and then listens at `SOCKET`.
/// Runs until it is told to end.
///
/// # Errors
/// The system's, or there is no `SOCKET`.
pub fn serve_program() -> io::Result<()> {
    let path = std::env::var_os("SOCKET")
        .ok_or_else(|| io::Error::other("SOCKET says nothing: the demo starts this"))?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        serve(listener(Path::new(&path))?, Duration::ZERO).await;
        Ok(())
    })
}

fn listener(path: &Path) -> io::Result<UnixListener> {
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

async fn serve(listener: UnixListener, delay: Duration) {
    let Ok(listener) = tokio::net::UnixListener::from_std(listener) else { return };
    while let Ok((stream, _)) = listener.accept().await {
        let service = service_fn(move |request| answer(request, delay));
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::spawn(connection);
    }
}

async fn answer(request: Request<Incoming>, delay: Duration) -> Result<Response<Body>, Infallible> {
    if request.uri().path() == "/events" {
        return Ok(events());
    }
    if request.uri().path() == "/echo" {
        return Ok(echo(request));
    }
    tokio::time::sleep(delay).await;
    let host =
        request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("-").to_owned();
    Ok(match request.uri().path() {
        "/headers" => text(&headers(&request)),
        _ if host.starts_with("chat.") => html(CHAT),
        _ if host.starts_with("dora.") => html(&AWAKE.replace("{pid}", &std::process::id().to_string())),
        _ => html(&PAGE.replace("{host}", &host)),
    })
}

fn headers(request: &Request<Incoming>) -> String {
    let mut list = format!("{} {}\n", request.method(), request.uri());
    for (name, value) in request.headers() {
        let _ = writeln!(list, "{name}: {}", String::from_utf8_lossy(value.as_bytes()));
    }
    list
}

fn text(content: &str) -> Response<Body> {
    page("text/plain; charset=utf-8", content)
}

fn html(content: &str) -> Response<Body> {
    page("text/html; charset=utf-8", content)
}

fn page(kind: &'static str, content: &str) -> Response<Body> {
    let mut response = Response::new(Full::new(Bytes::copy_from_slice(content.as_bytes())).boxed());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// One event a second, until the visitor leaves.
fn events() -> Response<Body> {
    let mut response = Response::new(Events::new().boxed());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response
}

/// A body that never ends.
struct Events {
    ticks: tokio::time::Interval,
    number: u64,
}

impl Events {
    fn new() -> Self {
        Self { ticks: tokio::time::interval(Duration::from_secs(1)), number: 0 }
    }
}

impl hyper::body::Body for Events {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.ticks.poll_tick(cx).map(|_| {
            self.number += 1;
            Some(Ok(Frame::data(Bytes::from(format!("data: {}\n\n", self.number)))))
        })
    }
}

/// A WebSocket that sends back what it gets (RFC 6455).
fn echo(mut request: Request<Incoming>) -> Response<Body> {
    let mut response = text("");
    let Some(key) = request.headers().get(header::SEC_WEBSOCKET_KEY) else {
        *response.status_mut() = StatusCode::BAD_REQUEST;
        return response;
    };
    let accept = HeaderValue::from_bytes(&websocket_accept(key.as_bytes()));
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if let Ok(accept) = accept {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    tokio::spawn(async move {
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            // A visitor that leaves in the middle of a frame is nothing to report.
            let _ = echo_frames(TokioIo::new(upgraded)).await;
        }
    });
    response
}

async fn echo_frames(mut io: TokioIo<hyper::upgrade::Upgraded>) -> io::Result<()> {
    loop {
        let mut head = [0u8; 2];
        io.read_exact(&mut head).await?;
        let length = match head[1] & 0x7f {
            126 => usize::from(io.read_u16().await?),
            // Longer frames are for a real server.
            127 => return Ok(()),
            short => usize::from(short),
        };
        let mut mask = [0u8; 4];
        io.read_exact(&mut mask).await?;
        let mut payload = vec![0; length];
        io.read_exact(&mut payload).await?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        // A ping is answered by a pong, everything else by itself.
        let first = if head[0] & 0x0f == 0x9 { head[0] & 0xf0 | 0xa } else { head[0] };
        let mut frame = vec![first];
        if let Some(short) = u8::try_from(length).ok().filter(|length| *length < 126) {
            frame.push(short);
        } else {
            frame.push(126);
            frame.extend((length as u16).to_be_bytes());
        }
        frame.extend(payload);
        io.write_all(&frame).await?;
        io.flush().await?;
        if head[0] & 0x0f == 0x8 {
            return Ok(());
        }
    }
}

const PAGE: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>{host}</title>\
<h1>It works</h1><p>This page comes from the server of the account that holds <b>{host}</b>.</p>\n";

const AWAKE: &str = "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>awake</title>\
<h1>Awake</h1><p>Process {pid} was started because somebody asked, and took a second for it. Ask again, and it answers at once; \
leave it alone for ten seconds, and the next one has another number.</p>\n";

const CHAT: &str = r##"<!doctype html>
<html lang="en"><meta charset="utf-8"><title>echo</title>
<h1>WebSocket echo</h1><ul id="log"></ul>
<form><input id="text" value="hello" aria-label="message"><button>Send</button></form>
<script>
const log = line => document.querySelector("#log").appendChild(document.createElement("li")).textContent = line;
const socket = new WebSocket((location.protocol === "https:" ? "wss://" : "ws://") + location.host + "/echo");
socket.onopen = () => { log("open"); socket.send("hello"); };
socket.onmessage = event => log("echo: " + event.data);
socket.onclose = () => log("closed");
document.querySelector("form").onsubmit = event => { event.preventDefault(); socket.send(document.querySelector("#text").value); };
</script>
"##;
