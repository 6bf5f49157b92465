//! The page behind a refusal: what a visitor may read, and the id that answers the ticket. Names no account,
//! no address and nothing of the machine.

use crate::base::{Blame, Cause, RequestId};

/// The page for `cause`: complete HTML, no external file, readable without style.
pub fn render(cause: Cause, id: RequestId) -> String {
    let verdict = cause.verdict();
    let status = shown_status(verdict.status);
    let title = super::reason(status);
    let text = text(cause);
    let fault = match verdict.blame {
        Blame::Client => "",
        Blame::Site => "<p>The fault lies with this web site, not with your browser or connection.</p>",
        Blame::Limit => "",
        Blame::Us => "<p>The fault lies with the hosting platform, not with this web site.</p>",
    };
    let small = format!("<p><small>{status} · {word} · {id}</small></p>", word = verdict.word);
    html(status, title, &format!("<p>{text}</p>{fault}{small}"))
}

/// The page of a status that was meant.
pub fn of_status(status: u16) -> String {
    html(status, super::reason(status), &format!("<p><small>{status}</small></p>"))
}

fn html(status: u16, title: &str, rest: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>{status} {title}</title>\
         <style>body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem}}\
         small{{opacity:.75}}</style></head>\n\
         <body><main><h1>{title}</h1>{rest}</main></body></html>\n",
    )
}

/// 499 is a word of our log; a visitor never sees it.
fn shown_status(status: u16) -> u16 {
    if status == 499 { 400 } else { status }
}

fn text(cause: Cause) -> &'static str {
    match cause {
        Cause::BadRequest | Cause::NotImplemented | Cause::ExpectationFailed | Cause::VersionNotSupported => {
            "The request could not be understood."
        }
        Cause::HeaderTooLarge => {
            "The request carries more or larger header fields than are accepted. Deleting this site's cookies may help."
        }
        Cause::UrlTooLong => "The address is longer than is accepted.",
        Cause::BodyTooLarge => "What was sent is larger than this site accepts.",
        Cause::HeaderTimeout | Cause::BodyTimeout => "The request did not arrive in time.",
        Cause::Misdirected => "This connection is not for this site. Reloading the page should help.",
        Cause::ClientGone | Cause::ClientStalled => "The connection ended early.",
        Cause::Loop => "The request came back to where it had been before.",
        Cause::UnknownHost => "There is no site with this name here.",
        Cause::UnknownPath => "There is nothing at this address.",
        Cause::Maintenance => "This site is under maintenance and will be back soon.",
        Cause::Suspended => "This site is not available at the moment.",
        Cause::Rate | Cause::ClientLimit => {
            "Too many requests arrived in a short time. Please try again in a moment."
        }
        Cause::Denied => "Access to this site is not allowed from here.",
        Cause::QueueFull | Cause::QueueTimeout | Cause::TunnelLimit => {
            "This site has more visitors than it can serve right now. Please try again in a moment."
        }
        Cause::ConnectTimeout | Cause::TimedOut | Cause::UpstreamStalled | Cause::AnswerStalled => {
            "This site's server did not answer in time."
        }
        Cause::StartFailed => "This site's server could not be started.",
        Cause::StartTimeout => {
            "This site's server is being started and was not ready in time. Please try again in a moment."
        }
        Cause::Refused
        | Cause::Unreachable
        | Cause::DnsError
        | Cause::Prohibited
        | Cause::UpstreamTls
        | Cause::UpstreamCertificate => "This site's server could not be reached.",
        Cause::Closed
        | Cause::InvalidAnswer
        | Cause::AnswerHeaderTooLarge
        | Cause::AnswerIncomplete
        | Cause::UpgradeFailed => "This site's server gave no valid answer.",
        Cause::Overloaded => {
            "The server has more to do than it can handle right now. Please try again in a moment."
        }
        Cause::Internal => "Something went wrong on our side.",
    }
}
