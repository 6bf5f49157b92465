//! The live page: what `parvis status --watch` shows, in a browser, with a page for each account and each remembered request.
//! One file, drawn by its own script from the JSON beside it; it only reads.

use super::page::{Page, answer, explained, method_not_allowed, not_found, reads, ready, reply, text};
use super::{Node, PageListener};
use crate::base::base64;
use aws_lc_rs::digest::{SHA256, digest};
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use http::uri::Authority;
use http::{HeaderValue, Request, StatusCode};
use std::net::IpAddr;
use std::sync::LazyLock;

/// The page's own answers: on the admin socket beside those of the commands, on a listener of its own alone. `None`: the path
/// is none of them.
pub(super) async fn live_page<B>(node: &impl Node, request: &Request<B>) -> Option<Page> {
    let path = request.uri().path();
    let is_page = path == "/" || path.starts_with("/accounts/") || path.starts_with("/requests/");
    let is_json = path == "/status"
        || path == "/ready"
        || path.starts_with("/status/")
        || path.starts_with("/explain/");
    if !is_page && !is_json {
        return None;
    }
    if !reads(request.method()) {
        return Some(method_not_allowed("GET, HEAD"));
    }
    if is_page {
        return Some(page());
    }
    Some(match path {
        "/ready" => ready(node),
        "/status" => reply(node.status(None)).await,
        _ => match (path.strip_prefix("/status/"), path.strip_prefix("/explain/")) {
            (Some(account), _) => reply(node.status(Some(account))).await,
            (_, Some(id)) => explained(node, id),
            (None, None) => not_found(),
        },
    })
}

/// The same on a listener of its own. In clear it is for this machine alone: whoever comes by another name was led here by
/// somebody else's page (DNS rebinding).
pub(super) async fn listener_page<B>(
    node: &impl Node,
    request: &Request<B>,
    listener: &PageListener,
) -> Page {
    if !listener.is_mutual() && !names_this_machine(request) {
        return text(
            StatusCode::MISDIRECTED_REQUEST,
            "this page answers to localhost and loopback addresses alone\n",
        );
    }
    live_page(node, request).await.unwrap_or_else(not_found)
}

fn names_this_machine<B>(request: &Request<B>) -> bool {
    let host = request.headers().get(http::header::HOST).and_then(|host| host.to_str().ok());
    let Some(authority) = host.and_then(|host| host.parse::<Authority>().ok()) else { return false };
    let name = authority.host();
    let ip = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    name.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.to_canonical().is_loopback())
}

fn page() -> Page {
    let mut page = answer(StatusCode::OK, "text/html; charset=utf-8", LIVE);
    let headers = page.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&POLICY) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    page
}

/// What the page may do: run its one script, which is known by its hash, and ask this node (CSP Level 3).
static POLICY: LazyLock<String> = LazyLock::new(|| {
    let script = LIVE
        .split_once("<script>")
        .and_then(|(_, rest)| rest.split_once("</script>"))
        .map_or("", |(script, _)| script);
    let hash = base64::<44>(digest(&SHA256, script.as_bytes()).as_ref());
    let hash = String::from_utf8_lossy(&hash);
    format!(
        "default-src 'none'; script-src 'sha256-{hash}'; style-src 'unsafe-inline'; connect-src 'self'; form-action 'none'; \
         frame-ancestors 'none'; base-uri 'none'"
    )
});

const LIVE: &str = include_str!("live.html");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_the_script() {
        assert_eq!(LIVE.matches("<script>").count(), 1);
        assert!(
            POLICY.contains("script-src 'sha256-") && !POLICY.contains("sha256-47DEQpj8HBSa"),
            "not that of nothing"
        );
        assert!(
            !LIVE.contains("innerHTML") && !LIVE.contains("src="),
            "text alone, and nothing from elsewhere"
        );
    }

    #[test]
    fn only_who_asks_for_this_machine_is_answered_in_clear() {
        for (host, answers) in [
            ("localhost:9146", true),
            ("[::1]:9146", true),
            ("127.0.0.2", true),
            ("LOCALHOST", true),
            ("rebound.test:9146", false),
            ("localhost.rebound.test", false),
            ("192.0.2.1", false),
            ("", false),
        ] {
            let request = Request::builder().uri("/").header("host", host).body(()).unwrap();
            assert_eq!(names_this_machine(&request), answers, "{host}");
        }
    }
}
