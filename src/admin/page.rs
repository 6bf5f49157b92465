//! Which path answers what, on the metrics listener and on the admin socket. Knows no connection.

use super::live::live_page;
use super::{Node, Readiness, Refused, Reply};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;

/// An answer with its whole body.
pub(super) type Page = Response<Full<Bytes>>;

/// The metrics listener's pages: reachable by whoever reaches the address, so they only tell and change nothing.
pub(super) fn metrics_page<B>(node: &impl Node, request: &Request<B>) -> Page {
    let is_read = reads(request.method());
    match request.uri().path() {
        "/metrics" | "/live" | "/ready" if !is_read => method_not_allowed("GET, HEAD"),
        "/metrics" => metrics(node.metrics().render().map_err(|error| error.to_string())),
        "/live" => text(StatusCode::OK, "live\n"),
        "/ready" => ready(node),
        path => match path.strip_prefix("/metrics/accounts/") {
            Some(_) if !is_read => method_not_allowed("GET, HEAD"),
            Some(name) => node.account_metrics(name).map_or_else(no_account, metrics),
            None => not_found(),
        },
    }
}

/// The admin socket's pages: reachable by whoever may open the socket.
pub(super) async fn admin_page<B>(node: &impl Node, request: &Request<B>) -> Page {
    if let Some(page) = live_page(node, request).await {
        return page;
    }
    let wishes = request.method() == Method::POST;
    match request.uri().path() {
        "/reload" if wishes => reply(node.reload()).await,
        "/drain" if wishes => reply(node.drain()).await,
        "/reload" | "/drain" => method_not_allowed("POST"),
        path => match path.strip_prefix("/restart/") {
            Some(which) if wishes => reply(node.restart(which)).await,
            Some(_) => method_not_allowed("POST"),
            None => not_found(),
        },
    }
}

pub(super) fn reads(method: &Method) -> bool {
    method == Method::GET || method == Method::HEAD
}

fn metrics(page: Result<String, String>) -> Page {
    match page {
        Ok(page) => answer(StatusCode::OK, "text/plain; version=0.0.4; charset=utf-8", page),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

pub(super) fn ready(node: &impl Node) -> Page {
    match node.readiness() {
        Readiness::Ready => text(StatusCode::OK, "ready\n"),
        Readiness::NotReady(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")),
    }
}

pub(super) fn explained(node: &impl Node, id: &str) -> Page {
    match node.recent().find(&id.to_ascii_lowercase()) {
        Some(recalled) => json(StatusCode::OK, serde_json::json!(recalled).to_string()),
        None => json(StatusCode::NOT_FOUND, error("this node remembers no request with this id")),
    }
}

pub(super) async fn reply(reply: Reply) -> Page {
    match reply.await {
        Ok(body) => json(StatusCode::OK, body),
        Err(Refused::Unknown) => json(StatusCode::NOT_FOUND, error("there is no such account or program")),
        Err(Refused::Invalid(report)) => json(StatusCode::UNPROCESSABLE_ENTITY, report),
        Err(Refused::Unavailable(why)) => json(StatusCode::SERVICE_UNAVAILABLE, error(&why)),
    }
}

fn error(why: &str) -> String {
    serde_json::json!({ "error": why }).to_string()
}

pub(super) fn not_found() -> Page {
    text(StatusCode::NOT_FOUND, "there is no such page\n")
}

fn no_account() -> Page {
    text(StatusCode::NOT_FOUND, "there is no such account\n")
}

/// Nothing came of a page: a mistake of ours.
pub(super) fn broken() -> Page {
    text(StatusCode::INTERNAL_SERVER_ERROR, "the page could not be made\n")
}

/// A node handed the request on: see `came_by_a_node`.
pub(super) fn forbidden() -> Page {
    text(StatusCode::FORBIDDEN, "this is no upstream\n")
}

pub(super) fn method_not_allowed(allowed: &'static str) -> Page {
    let mut page = text(StatusCode::METHOD_NOT_ALLOWED, format!("allowed: {allowed}\n"));
    page.headers_mut().insert(ALLOW, HeaderValue::from_static(allowed));
    page
}

pub(super) fn text(status: StatusCode, body: impl Into<Bytes>) -> Page {
    answer(status, "text/plain; charset=utf-8", body)
}

fn json(status: StatusCode, body: impl Into<Bytes>) -> Page {
    answer(status, "application/json", body)
}

pub(super) fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Page {
    let mut page = Response::new(Full::new(body.into()));
    *page.status_mut() = status;
    page.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    page.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    page
}
