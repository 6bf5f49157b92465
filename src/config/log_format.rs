//! `log_format` of a site: words, or a text with `{variables}`.

use super::checked::{LogFormat, LogPart};
use super::nearest::nearest;
use super::reader::Value;
use super::scalar::{Wrong, quoted};
use super::values::is_field_name;
use crate::base::Wait;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use std::borrow::Cow;

/// Reads it. Fields with credentials print `-` unless the node `shows` them.
pub(super) fn read(value: Value<'_, '_>, shows: bool) -> Option<LogFormat> {
    if value.text()?.contains(['{', '}']) {
        return value.parse(|text| parse(text, shows)).map(|parts| LogFormat::Own(parts.into()));
    }
    let words =
        [("standard", 0), ("advanced", 1), ("json", 2)].map(|(word, place)| (word, Ok::<_, &str>(place)));
    value.choice(&words).map(|place| match place {
        0 => LogFormat::Standard,
        1 => LogFormat::Advanced,
        _ => LogFormat::Json,
    })
}

fn parse(text: &str, shows: bool) -> Result<Vec<LogPart>, Wrong> {
    if text.len() > MAX_BYTES {
        return Err(Wrong::new(format!("more than {MAX_BYTES} bytes")));
    }
    if text.chars().any(char::is_control) {
        return Err(Wrong::new("a control character, which would break the line apart"));
    }
    let (mut parts, mut plain, mut rest) = (Vec::new(), String::new(), text);
    while let Some(brace) = rest.find(['{', '}']) {
        plain.push_str(&rest[..brace]);
        let (this, behind) = rest[brace..].split_at(1);
        if behind.starts_with(this) {
            plain.push_str(this);
            rest = &behind[1..];
            continue;
        }
        let Some((inside, behind)) = behind.split_once('}').filter(|_| this == "{") else {
            let wrong = Wrong::new("a brace without its partner");
            return Err(wrong.hint("write {{ or }} for a brace that is meant"));
        };
        if !plain.is_empty() {
            parts.push(LogPart::Text(Cow::Owned(std::mem::take(&mut plain))));
        }
        parts.push(variable(inside, shows)?);
        if parts.len() > MAX_PARTS {
            return Err(Wrong::new(format!("more than {MAX_PARTS} variables and texts between them")));
        }
        rest = behind;
    }
    let is_field = |part: &&LogPart| matches!(part, LogPart::RequestHeader(_) | LogPart::ResponseHeader(_));
    if parts.iter().filter(is_field).count() > MAX_FIELDS {
        return Err(Wrong::new(format!("more than {MAX_FIELDS} fields")));
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(LogPart::Text(Cow::Owned(plain)));
    }
    Ok(parts)
}

fn variable(inside: &str, shows: bool) -> Result<LogPart, Wrong> {
    let (name, argument) = inside.split_once(':').map_or((inside, None), |(name, rest)| (name, Some(rest)));
    let simple = SIMPLE.iter().find(|(simple, _)| *simple == name).map(|(_, part)| part.clone());
    match (name, argument, simple) {
        ("client_ip", Some("anonymous"), _) => Ok(LogPart::ClientIpAnonymous),
        ("request_time", Some(format), _) => strftime(format).map(LogPart::RequestTime),
        ("completion_date", Some(format), _) => strftime(format).map(LogPart::CompletionDate),
        ("request_header", Some(field), _) => header(field, shows, LogPart::RequestHeader),
        ("response_header", Some(field), _) => header(field, shows, LogPart::ResponseHeader),
        ("request_time" | "completion_date", None, _) => {
            Err(Wrong::new(format!("{{{name}}} has no form"))
                .hint(format!("write {{{name}:%Y-%m-%d %H:%M:%S}}")))
        }
        ("request_header" | "response_header", None, _) => {
            Err(Wrong::new(format!("{{{name}}} names no field")).hint(format!("write {{{name}:Accept}}")))
        }
        (_, None, Some(part)) => Ok(part),
        ("client_ip", Some(_), _) => {
            Err(Wrong::new("{client_ip} takes nothing behind a colon but \"anonymous\"")
                .hint("write {client_ip} or {client_ip:anonymous}"))
        }
        (_, Some(_), Some(_)) => Err(Wrong::new(format!("{{{name}}} takes nothing behind a colon"))),
        (_, _, None) => {
            let wrong = Wrong::new(format!("there is no variable {{{}}}", quoted(name).trim_matches('"')));
            let names = SIMPLE.iter().map(|(name, _)| *name);
            let taking = ["request_time", "completion_date", "request_header", "response_header"];
            Err(match nearest(name, names.clone().chain(taking)) {
                Some(near) => wrong.hint(format!("did you mean {{{near}}}?")),
                None => wrong
                    .hint(format!("there are {{{}}}", names.chain(taking).collect::<Vec<_>>().join("}, {"))),
            })
        }
    }
}

fn strftime(format: &str) -> Result<Box<str>, Wrong> {
    let any = Timestamp::default().to_zoned(TimeZone::UTC);
    let whole = in_c_locale(format);
    jiff::fmt::strtime::format(&whole, &any)
        .map(|_| whole.into())
        .map_err(|error| Wrong::new(format!("{} is no form of a date ({error})", quoted(format))))
}

/// The forms that strftime(3) takes from the locale, spelt as in the locale "C".
fn in_c_locale(format: &str) -> String {
    let mut whole = String::with_capacity(format.len());
    let mut rest = format;
    while let Some((before, behind)) = rest.split_once('%') {
        whole.push_str(before);
        let kind = behind.chars().next();
        match kind {
            Some('c') => whole.push_str("%a %b %e %H:%M:%S %Y"),
            Some('x') => whole.push_str("%m/%d/%y"),
            Some('X') => whole.push_str("%H:%M:%S"),
            Some('r') => whole.push_str("%I:%M:%S %p"),
            other => whole.extend(['%'].into_iter().chain(other)),
        }
        rest = &behind[kind.map_or(0, char::len_utf8)..];
    }
    whole + rest
}

fn header(field: &str, shows: bool, part: fn(Box<str>) -> LogPart) -> Result<LogPart, Wrong> {
    if !is_field_name(field) {
        return Err(Wrong::new(format!("{} is not a field's name", quoted(field))));
    }
    let name = field.to_ascii_lowercase();
    if !shows && SECRET.contains(&name.as_str()) {
        return Ok(LogPart::Text(Cow::Borrowed("-")));
    }
    Ok(part(name.into()))
}

/// The variables that take nothing.
static SIMPLE: [(&str, LogPart); 22] = [
    ("client_ip", LogPart::ClientIp),
    ("client_port", LogPart::ClientPort),
    ("peer_ip", LogPart::PeerIp),
    ("duration", LogPart::Duration),
    ("protocol", LogPart::Protocol),
    ("request", LogPart::Request),
    ("request_method", LogPart::RequestMethod),
    ("request_hostname", LogPart::RequestHostname),
    ("request_path", LogPart::RequestPath),
    ("request_protocol", LogPart::RequestProtocol),
    ("response_size", LogPart::ResponseSize),
    ("status", LogPart::Status),
    ("referer", LogPart::Referer),
    ("user_agent", LogPart::UserAgent),
    ("ssl_version", LogPart::SslVersion),
    ("request_id", LogPart::RequestId),
    ("cause", LogPart::Cause),
    ("queued_time", LogPart::Wait(Wait::Queued)),
    ("parked_time", LogPart::Wait(Wait::Parked)),
    ("connecting_time", LogPart::Wait(Wait::Connecting)),
    ("first_byte_time", LogPart::Wait(Wait::FirstByte)),
    ("client_time", LogPart::Wait(Wait::Client)),
];

/// Fields with which somebody else could be the visitor.
const SECRET: [&str; 4] = ["authorization", "cookie", "set-cookie", "proxy-authorization"];

/// Bytes of a format.
const MAX_BYTES: usize = 4096;

/// Fields that a format names, each of which a visitor may make long.
const MAX_FIELDS: usize = 16;

/// Parts of a format.
const MAX_PARTS: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Vec<LogPart> {
        parse(text, false).unwrap_or_else(|wrong| panic!("{}", wrong.message))
    }

    #[test]
    fn a_format_is_text_and_variables() {
        let text = |text: &'static str| LogPart::Text(Cow::Borrowed(text));
        assert_eq!(
            parts("{{{client_ip:anonymous}}} {request_time:%H:%M} {request_header:X-Y}"),
            [
                text("{"),
                LogPart::ClientIpAnonymous,
                text("} "),
                LogPart::RequestTime("%H:%M".into()),
                text(" "),
                LogPart::RequestHeader("x-y".into()),
            ]
        );
        // As strftime(3) has them where nobody set a locale.
        let at = Timestamp::from_second(1_773_495_420).unwrap().to_zoned(TimeZone::UTC);
        for (form, date) in [
            ("%c", "Sat Mar 14 13:37:00 2026"),
            ("%x %X", "03/14/26 13:37:00"),
            ("%r %%c", "01:37:00 PM %c"),
            ("é%Y%", ""),
        ] {
            let whole = in_c_locale(form);
            let written = jiff::fmt::strtime::format(&whole, &at).unwrap_or_default();
            assert_eq!(written, date, "{whole}");
        }
        for secret in
            ["{request_header:Cookie}", "{response_header:Set-Cookie}", "{request_header:AUTHORIZATION}"]
        {
            assert_eq!(parts(secret), [text("-")]);
        }
        assert_eq!(
            parse("{request_header:Cookie}", true).unwrap(),
            [LogPart::RequestHeader("cookie".into())]
        );
    }

    #[test]
    fn what_is_wrong_with_a_format_is_told() {
        for (text, message, hint) in [
            ("{client_ip", "a brace without its partner", Some("write {{ or }} for a brace that is meant")),
            ("}", "a brace without its partner", Some("write {{ or }} for a brace that is meant")),
            ("{clientip}", "there is no variable {clientip}", Some("did you mean {client_ip}?")),
            ("{status:3}", "{status} takes nothing behind a colon", None),
            (
                "{client_ip:foo}",
                "{client_ip} takes nothing behind a colon but \"anonymous\"",
                Some("write {client_ip} or {client_ip:anonymous}"),
            ),
            ("{request_header}", "{request_header} names no field", Some("write {request_header:Accept}")),
            ("{request_header:a b}", "\"a b\" is not a field's name", None),
            ("{request_time}", "{request_time} has no form", Some("write {request_time:%Y-%m-%d %H:%M:%S}")),
            ("a\n{status}", "a control character, which would break the line apart", None),
        ] {
            let wrong = parse(text, false).unwrap_err();
            assert_eq!((wrong.message.as_ref(), wrong.hint.as_deref()), (message, hint), "{text}");
        }
        assert!(parse("{request_time:%}", false).is_err());
    }
}
