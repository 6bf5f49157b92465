//! A site, compiled: what answers there, with every header value that does not change written out beforehand.

use crate::base::{SiteName, read_below};
use crate::config::{self, Hsts, LogFile, LogFormat, Timeouts};
use crate::upstream::Upstream;
use http::HeaderValue;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A site of an account.
#[derive(Debug)]
pub struct Site {
    /// Its name.
    pub name: SiteName,
    /// What answers there.
    pub action: Action,
    /// Its timeouts: the account's, where it has none of its own.
    pub timeouts: Arc<Timeouts>,
    /// Bytes of a request body; `None`: unlimited.
    pub body_bytes: Option<u64>,
    /// Whether the address's path is left out where a request is forwarded.
    pub trim_path: bool,
    /// Whether clear requests are sent to `https`, where the certificate allows it.
    pub force_https: bool,
    /// The value of `Strict-Transport-Security` for answers over TLS (RFC 6797 §6.1).
    pub hsts: Option<HeaderValue>,
    /// The format of its lines in the access log.
    pub log_format: LogFormat,
    /// Which of the account's access logs they go to.
    pub log_file: LogFile,
    /// Its place in the document, from 0: what [`Form::site`](super::Form::site) takes.
    pub place: u32,
}

/// What answers at a site.
#[derive(Debug)]
pub enum Action {
    /// An upstream of the account.
    Forward(Arc<Upstream>),
    /// A redirect.
    Redirect(Redirect),
    /// An answer that is always the same.
    Answer(Fixed),
}

/// An answer that is always the same.
#[derive(Debug)]
pub struct Fixed {
    /// Its status.
    pub status: u16,
    /// What is shown and of which kind (`Content-Type`); `None`: a page of Parvis' own.
    pub page: Option<(&'static str, Box<[u8]>)>,
    /// Why its page could not be read, where one was written: then a page of Parvis' own is shown.
    pub unread: Option<Box<str>>,
}

/// A redirect.
#[derive(Debug)]
pub struct Redirect {
    /// The status of the answer: 301, 302, 303, 307 or 308.
    pub status: u16,
    to: Box<[u8]>,
    keep_path: bool,
}

impl Site {
    /// Compiles `site`, the `place`th of its account, whose timeouts are these; `None` where it names an upstream
    /// that the account does not have, which the check of a document excludes.
    pub(super) fn compile(
        site: &config::Site,
        place: u32,
        timeouts: &Arc<Timeouts>,
        upstreams: &[Arc<Upstream>],
    ) -> Option<Self> {
        let action = match &site.action {
            config::SiteAction::Upstream(name) => {
                Action::Forward(upstreams.iter().find(|upstream| upstream.spec().name == *name)?.clone())
            }
            config::SiteAction::Redirect(redirect) => Action::Redirect(Redirect::compile(redirect)),
            config::SiteAction::Answer(answer) => Action::Answer(Fixed::compile(answer)),
        };
        Some(Self {
            name: site.name.clone(),
            action,
            timeouts: site.timeouts.clone().map_or_else(|| timeouts.clone(), |own| Arc::new(*own)),
            body_bytes: site.limits.body_bytes,
            trim_path: site.trim_path,
            force_https: site.force_https,
            hsts: site.hsts.as_ref().and_then(hsts_value),
            log_format: site.log_format.clone(),
            log_file: site.log_file.clone(),
            place,
        })
    }
}

impl Fixed {
    /// Reads the page.
    fn compile(answer: &config::FixedAnswer) -> Self {
        let mut fixed = Self { status: answer.status, page: None, unread: None };
        if let Some(file) = &answer.page {
            match read_page(file) {
                Ok(bytes) => fixed.page = Some((kind_of(file), bytes)),
                Err(error) => fixed.unread = Some(format!("{}: {error}", file.display()).into()),
            }
        }
        fixed
    }
}

/// What kind of page it is, by its file's name.
fn kind_of(file: &Path) -> &'static str {
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("txt") => "text/plain; charset=utf-8",
        Some("json") => "application/json",
        _ => "text/html; charset=utf-8",
    }
}

/// The account may write where its page is: whoever does must not have the node read for him what he cannot.
fn read_page(file: &Path) -> io::Result<Box<[u8]>> {
    let name = file.file_name().and_then(|name| name.to_str());
    let name = name.ok_or_else(|| io::Error::other("it is not a file"))?;
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty());
    let bytes = read_below(directory.unwrap_or(Path::new(".")), name, MOST_PAGE_BYTES)?;
    if bytes.len() > MOST_PAGE_BYTES {
        return Err(io::Error::other("it has more than 64 KiB"));
    }
    Ok(bytes.into())
}

/// Bytes of a page, which stays in memory as long as its account's form.
const MOST_PAGE_BYTES: usize = 64 << 10;

impl Redirect {
    fn compile(redirect: &config::Redirect) -> Self {
        // A slash at the end means something where nothing is put behind it.
        let to = if redirect.keep_path { redirect.to.trim_end_matches('/') } else { &redirect.to };
        Self { status: redirect.status, to: to.as_bytes().into(), keep_path: redirect.keep_path }
    }

    /// The value of `Location` for a request whose path and query, or what is left of them, are `target`: bytes that a request target may
    /// hold, so a valid field value wherever the head was.
    pub fn location(&self, target: &[u8]) -> Vec<u8> {
        // `OPTIONS *` has no path to keep; and nothing may be appended to the authority itself.
        let kept = if self.keep_path && matches!(target.first(), Some(b'/' | b'?')) { target } else { b"" };
        [&self.to, kept].concat()
    }
}

fn hsts_value(hsts: &Hsts) -> Option<HeaderValue> {
    let subdomains = if hsts.include_subdomains { "; includeSubDomains" } else { "" };
    let preload = if hsts.preload { "; preload" } else { "" };
    HeaderValue::try_from(format!("max-age={}{subdomains}{preload}", hsts.max_age.as_secs())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn redirects_keep_path_and_query_or_do_not() {
        let redirect = |to: &str, keep_path| {
            Redirect::compile(&config::Redirect { to: to.into(), status: 301, keep_path })
        };
        let kept = redirect("https://www.alice.test/", true);
        assert_eq!(kept.location(b"/a/b?c=d"), b"https://www.alice.test/a/b?c=d");
        assert_eq!(kept.location(b"/"), b"https://www.alice.test/");
        assert_eq!(kept.location(b"//evil.test"), b"https://www.alice.test//evil.test");
        assert_eq!(kept.location(b"*"), b"https://www.alice.test");
        assert_eq!(kept.location(b"@evil.test/"), b"https://www.alice.test");
        let fixed = redirect("https://www.alice.test/new/", false);
        assert_eq!(fixed.location(b"/a?b"), b"https://www.alice.test/new/");
    }

    #[test]
    fn hsts_is_written_out_once() {
        let hsts = |include_subdomains, preload| {
            let max_age = Duration::from_secs(365 * 86_400);
            hsts_value(&Hsts { max_age, include_subdomains, preload }).unwrap()
        };
        assert_eq!(hsts(false, false), "max-age=31536000");
        assert_eq!(hsts(true, true), "max-age=31536000; includeSubDomains; preload");
    }

    /// Whoever may write where a page is cannot have the node read for him what only it can read.
    #[test]
    fn a_link_is_no_page() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("key.pem"), "PRIVATE KEY").unwrap();
        std::os::unix::fs::symlink(path("key.pem"), path("closed.html")).unwrap();
        let refused = read_page(&path("closed.html")).unwrap_err().to_string();
        assert_eq!(refused, "it is a link, and no link is followed here");
        assert_eq!(&*read_page(&path("key.pem")).unwrap(), b"PRIVATE KEY");
    }
}
