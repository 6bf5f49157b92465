//! Answers that Parvis itself gives: refusals with their page, redirects, challenges. Decides nothing and sends nothing: it
//! turns a decision into a head and a short body.

mod challenge;
mod page;
mod pages;
mod wishes;
mod words;

pub use challenge::{Challenge, asked, key_authorization};
pub use page::Told;
pub use pages::{Pages, Unread};
pub use wishes::{Form, Language, Wishes};

use crate::base::{Buffer, FieldLines, Headers, Refusal, RequestId};
use crate::message::{BodyLength, ResponseHead, push_line, push_proxy_status};
use std::borrow::Cow;

/// An answer of our own: status, fields, a short body.
#[derive(Debug)]
pub struct Answer {
    status: u16,
    lines: Buffer,
    body: Cow<'static, [u8]>,
}

impl Answer {
    /// An answer with this status and nothing else.
    pub fn new(status: u16) -> Self {
        Self { status, lines: Buffer::new(), body: Cow::Borrowed(b"") }
    }

    /// The page for a refusal: what the visitor may read, in the form and language that `wishes` say, with `Proxy-Status`
    /// (RFC 9209) for the rest. The first of `replaced` that has a page for it stands in the place of our own.
    pub fn refusal<'a>(
        refusal: &Refusal,
        id: RequestId,
        wishes: Wishes,
        replaced: impl IntoIterator<Item = &'a Pages>,
    ) -> Self {
        let status = refusal.cause.verdict().status;
        let told = Told { cause: refusal.cause, id, language: wishes.language };
        let replaced = match wishes.form {
            Form::Html => replaced.into_iter().find_map(|pages| pages.render(&told)),
            Form::Problem => None,
        };
        let is_ours = replaced.is_none();
        let (kind, page) =
            replaced.map_or_else(|| page::render(refusal.cause, id, wishes), |page| (page::HTML, page));
        let mut answer = Self::new(status)
            .with("content-type", kind.as_bytes())
            .with("content-language", wishes.language.tag().as_bytes())
            .with("vary", b"Accept, Accept-Language")
            .with("cache-control", b"no-store")
            .with("x-request-id", id.as_bytes());
        if is_ours {
            // Ours needs nothing from anywhere, and nobody should be able to make it.
            answer = answer.with("content-security-policy", OWN_PAGES_POLICY);
        }
        push_proxy_status(&mut answer.lines, refusal.cause);
        if matches!(status, 429 | 503) {
            answer = answer.with("retry-after", RETRY_AFTER_SECONDS);
        }
        answer.body = Cow::Owned(page.into_bytes());
        answer
    }

    /// An answer that is always the same: a page and its kind, or a short one of our own.
    pub fn fixed(status: u16, page: Option<(&'static str, &[u8])>) -> Self {
        let (kind, body) = page.map_or_else(
            || (page::HTML, page::of_status(status).into_bytes()),
            |(kind, bytes)| (kind, bytes.to_vec()),
        );
        let mut answer = Self::new(status).with("content-type", kind.as_bytes());
        answer.body = Cow::Owned(body);
        answer
    }

    /// A redirect to `location` (RFC 9110 §15.4).
    pub fn redirect(status: u16, location: &[u8]) -> Self {
        Self::new(status).with("location", location)
    }

    /// The same with one more field.
    #[must_use]
    pub fn with(mut self, name: &str, value: &[u8]) -> Self {
        push_line(&mut self.lines, name, value);
        self
    }

    /// The head, to be sent with [`lines`](Self::lines).
    pub fn head(&self) -> ResponseHead {
        ResponseHead::new(self.status)
    }

    /// The status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// How the body is framed; for a `HEAD` there is none, and the length stands among the lines.
    pub fn length(&mut self, head_only: bool) -> BodyLength {
        if head_only {
            push_line(&mut self.lines, "content-length", self.body.len().to_string().as_bytes());
            return BodyLength::None;
        }
        BodyLength::Length(self.body.len() as u64)
    }

    /// The fields, each `name: value CRLF`.
    pub fn lines(&self) -> &[u8] {
        self.lines.filled()
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

impl Headers for Answer {
    fn header(&self, name: &str) -> Option<&[u8]> {
        FieldLines(self.lines()).named(name).next()
    }
}

/// The reason phrase of a status (RFC 9110 §15); empty for one we do not know.
fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|status| status.canonical_reason()).unwrap_or("")
}

/// What our own pages may load: their own style (CSP Level 3).
const OWN_PAGES_POLICY: &[u8] = b"default-src 'none'; style-src 'unsafe-inline'";

/// When to come again after 429 or 503: soon, as nothing is known to be broken.
const RETRY_AFTER_SECONDS: &[u8] = b"10";
