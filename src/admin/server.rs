//! Accepts connections to the metrics listener and the admin socket, and serves HTTP/1.1 on them, within bounds:
//! these doors are for a few tools, and must hold when a stranger leans on them.

use super::Node;
use super::live::listener_page;
use super::page::{Page, admin_page, broken, forbidden, metrics_page};
use super::socket::{AdminSocket, MetricsListener, PageListener};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// Serves `/metrics`, `/metrics/accounts/NAME`, `/live` and `/ready` until it is dropped, and its connections with it.
pub async fn serve_metrics(listener: MetricsListener, node: Arc<impl Node>) -> Infallible {
    let respond = move |request: http::Request<Incoming>| {
        let (node, request) = (Arc::clone(&node), request.map(drop));
        async move {
            if !request.uri().path().starts_with("/metrics") {
                return metrics_page(&*node, &request);
            }
            // Not on this thread, which has changes to publish and programs to start meanwhile.
            let page = tokio::task::spawn_blocking(move || metrics_page(&*node, &request));
            page.await.unwrap_or_else(|_| broken())
        }
    };
    serve(|| listener.accept(), open_at_once, respond, METRICS_BOUNDS).await
}

/// Serves the live page until it is dropped, and its connections with it.
pub async fn serve_page(listener: PageListener, node: Arc<impl Node>) -> Infallible {
    let listener = Arc::new(listener);
    let of_request = Arc::clone(&listener);
    let respond = move |request: http::Request<Incoming>| {
        let (node, listener) = (Arc::clone(&node), Arc::clone(&of_request));
        async move { listener_page(&*node, &request, &listener).await }
    };
    match listener.acceptor() {
        None => serve(|| listener.accept(), open_at_once, respond, PAGE_BOUNDS).await,
        Some(acceptor) => {
            let open = move |stream| {
                let acceptor = acceptor.clone();
                async move { acceptor.accept(stream).await }
            };
            serve(|| listener.accept(), open, respond, PAGE_BOUNDS).await
        }
    }
}

/// Serves `/status`, `/ready`, `/reload`, `/restart` and `/drain` until it is dropped, and its connections with it.
pub async fn serve_admin(socket: AdminSocket, node: Arc<impl Node>) -> Infallible {
    let respond = move |request: http::Request<Incoming>| {
        let node = Arc::clone(&node);
        async move { admin_page(&*node, &request).await }
    };
    serve(|| socket.accept(), open_at_once, respond, ADMIN_BOUNDS).await
}

/// What needs no handshake.
pub(super) async fn open_at_once<Io>(io: Io) -> io::Result<Io> {
    Ok(io)
}

/// What a listener's visitors may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// Connections open at a time.
    pub(super) connections: usize,
    /// The time for a head, and between requests: a tool that asks less often connects again.
    pub(super) header: Duration,
    /// However a peer behaves, its place is free again after this.
    pub(super) connection: Duration,
    /// Whether whoever reaches an address comes in: then the oldest connection makes room for a new one.
    pub(super) is_open_to_strangers: bool,
}

pub(super) async fn serve<Io, Opened, Accepting, Opening, Responding>(
    accept: impl Fn() -> Accepting,
    open: impl Fn(Io) -> Opening,
    respond: impl Fn(http::Request<Incoming>) -> Responding + Clone + Send + 'static,
    bounds: Bounds,
) -> Infallible
where
    Opened: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    Accepting: Future<Output = io::Result<Io>>,
    Opening: Future<Output = io::Result<Opened>> + Send + 'static,
    Responding: Future<Output = Page> + Send + 'static,
{
    let mut connections = JoinSet::new();
    // By age; those that are over among them.
    let mut places: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        while connections.len() >= bounds.connections {
            if bounds.is_open_to_strangers
                && let Some(oldest) = places.pop_front()
            {
                // Whoever only holds places keeps nobody from `/ready`.
                oldest.abort();
            }
            // Else whoever finds all places taken waits in the listener's queue.
            connections.join_next().await;
        }
        places.retain(|place| !place.is_finished());
        tokio::select! {
            accepted = accept() => match accepted {
                Ok(io) => {
                    let (opening, respond) = (open(io), respond.clone());
                    let connection = async move {
                        match timeout(bounds.header, opening).await {
                            Ok(Ok(io)) => connection(io, respond, bounds.header).await,
                            Ok(Err(error)) => tracing::debug!(%error, "a handshake of the live page failed"),
                            Err(_) => {}
                        }
                    };
                    places.push_back(connections.spawn(timeout(bounds.connection, connection)));
                }
                Err(error) => {
                    // The peer left in the queue, or there are no descriptors: a moment will help either way.
                    tracing::warn!(%error, "a connection to the metrics or admin listener was not accepted");
                    sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection<Responding>(
    io: impl AsyncRead + AsyncWrite + Unpin,
    respond: impl Fn(http::Request<Incoming>) -> Responding,
    header_timeout: Duration,
) where
    Responding: Future<Output = Page>,
{
    let service = service_fn(move |request| {
        let page = if came_by_a_node(&request) { None } else { Some(respond(request)) };
        async {
            Ok::<_, Infallible>(match page {
                Some(page) => page.await,
                None => forbidden(),
            })
        }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_headers(MOST_HEADERS)
        .max_buf_size(MOST_BUFFERED_BYTES)
        .serve_connection(TokioIo::new(io), service);
    if let Err(error) = served.await {
        tracing::debug!(%error, "a connection to the metrics or admin listener broke");
    }
}

/// Whether a node handed the request on, as to an upstream: an account named this door as one. These doors are for whoever
/// reaches them, and nobody reaches them as a visitor of a site.
fn came_by_a_node<T>(request: &http::Request<T>) -> bool {
    let hops = request.headers().get_all("via").iter();
    hops.into_iter().any(|hops| memchr::memmem::find(hops.as_bytes(), NODES_HOP).is_some())
}

/// What every request to an upstream has in its `Via`: a node's pseudonym begins so.
const NODES_HOP: &[u8] = b" parvis-";

/// A pair of Prometheus servers, a load balancer's probes from several machines, and somebody with curl.
const METRICS_BOUNDS: Bounds = Bounds {
    connections: 64,
    header: Duration::from_secs(15),
    connection: Duration::from_secs(120),
    is_open_to_strangers: true,
};

/// An operator's terminals, and scripts. Two minutes are longer than a reload of everything takes.
const ADMIN_BOUNDS: Bounds = Bounds { connections: 16, is_open_to_strangers: false, ..METRICS_BOUNDS };

/// Browsers of a few people.
const PAGE_BOUNDS: Bounds = Bounds { connections: 16, ..METRICS_BOUNDS };

const MOST_HEADERS: usize = 64;

/// hyper takes no less than 8 KiB.
const MOST_BUFFERED_BYTES: usize = 16 * 1024;

/// How long a failed accept keeps the next one waiting.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
