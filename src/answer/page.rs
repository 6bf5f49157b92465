//! The page behind a refusal: what a visitor may read, and the id that answers the ticket. Names no account,
//! no address and nothing of the machine.

use super::{Form, Language, Wishes, words};
use crate::base::{Cause, RequestId};
use serde_json::json;

/// What stands on the page of a refusal.
#[derive(Clone, Copy, Debug)]
pub struct Told {
    /// The cause.
    pub cause: Cause,
    /// The id of the request.
    pub id: RequestId,
    /// The language.
    pub language: Language,
}

impl Told {
    /// The status of the answer. 499 is a word of our log; a visitor never sees it.
    pub fn status(&self) -> u16 {
        match self.cause.verdict().status {
            499 => 400,
            status => status,
        }
    }

    /// What the status is called.
    pub fn title(&self) -> &'static str {
        words::title(self.status(), self.language)
    }

    /// What happened.
    pub fn text(&self) -> &'static str {
        words::text(self.cause, self.language)
    }

    /// Whose fault it is; empty where that helps nobody.
    pub fn fault(&self) -> &'static str {
        words::fault(self.cause.verdict().blame, self.language)
    }
}

/// The page for `cause` in the form that is wished for, and its kind (`Content-Type`).
pub fn render(cause: Cause, id: RequestId, wishes: Wishes) -> (&'static str, String) {
    let told = Told { cause, id, language: wishes.language };
    match wishes.form {
        Form::Html => (HTML, page(told)),
        Form::Problem => ("application/problem+json", problem(told)),
    }
}

/// Complete HTML, no external file, readable without style, on a phone and by a screen reader.
fn page(told: Told) -> String {
    let Told { cause, id, language } = told;
    let (status, word) = (told.status(), cause.verdict().word);
    let fault = if told.fault().is_empty() { String::new() } else { format!("<p>{}</p>", told.fault()) };
    let rest = format!(
        "<p>{}</p>{fault}<p class=\"id\">{} <code>{id}</code><br>{status} · {word}</p>",
        told.text(),
        words::quote(language)
    );
    html(status, told.title(), language, &rest)
}

/// RFC 9457: what a program reads.
fn problem(told: Told) -> String {
    let Told { cause, id, .. } = told;
    let verdict = cause.verdict();
    let detail = [told.text(), told.fault()].join(" ");
    let problem = json!({
        "type": "about:blank",
        "title": told.title(),
        "status": told.status(),
        "detail": detail.trim_end(),
        "cause": verdict.word,
        "error": verdict.error,
        "blame": verdict.blame.word(),
        "request_id": id.to_string(),
    });
    format!("{problem}\n")
}

/// The page of a status that was meant.
pub fn of_status(status: u16) -> String {
    let language = Language::default();
    html(status, words::title(status, language), language, &format!("<p class=\"id\">{status}</p>"))
}

fn html(status: u16, title: &str, language: Language, rest: &str) -> String {
    let language = language.tag();
    format!(
        "<!doctype html>\n<html lang=\"{language}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\"><meta name=\"robots\" content=\"noindex\">\
         <title>{status} {title}</title>\
         <style>:root{{color-scheme:light dark}}\
         body{{font:1.1rem/1.5 system-ui,sans-serif;max-width:36rem;margin:15vh auto;padding:0 1rem;\
         color:#1c1c1c;background:#fff;overflow-wrap:break-word}}\
         h1{{line-height:1.2}}.id{{font-size:.85rem;color:#595959}}\
         @media(prefers-color-scheme:dark){{body{{color:#e8e8e8;background:#161616}}.id{{color:#a8a8a8}}}}\
         </style></head>\n\
         <body><main><h1>{title}</h1>{rest}</main></body></html>\n",
    )
}

/// The kind of our pages.
pub const HTML: &str = "text/html; charset=utf-8";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_a_page_in_every_form_and_language() {
        for cause in Cause::ALL {
            let id = RequestId::from_random(7);
            let mut pages = std::collections::HashSet::new();
            for language in Language::ALL {
                let (kind, page) = render(*cause, id, Wishes { form: Form::Html, language });
                assert_eq!(kind, HTML);
                let word = cause.verdict().word;
                assert!(page.contains(&id.to_string()) && page.contains(word), "{page}");
                assert!(page.contains(&format!("<html lang=\"{}\">", language.tag())));
                assert!(!page.contains("://") && page.len() < 2048, "nothing from elsewhere, small: {page}");
                assert!(pages.insert(page), "{word} reads the same in two languages");
                let (kind, problem) = render(*cause, id, Wishes { form: Form::Problem, language });
                assert_eq!(kind, "application/problem+json");
                let problem: serde_json::Value = serde_json::from_str(&problem).unwrap();
                assert_eq!(
                    (&problem["cause"], &problem["status"]),
                    (&json!(word), &json!(Told { cause: *cause, id, language }.status()))
                );
            }
        }
    }
}
