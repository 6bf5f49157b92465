//! Heads as they are sent: what was received, minus what belongs to the connection it came by, plus what this
//! front says. No CR, LF or NUL comes out but those that end lines.

use crate::base::Buffer;
use crate::message::hop::Filter;
use crate::message::response::registered_reason;
use crate::message::text::{Decimal, is_lines, push_visible};
use crate::message::{
    BodyLength, Fields, Known, KnownSet, Persistence, RequestEdits, RequestHead, ResponseEdits, ResponseHead,
    Target, Version,
};

/// Appends the request's head as the upstream shall see it, in HTTP/1.1.
pub fn write_request(out: &mut Buffer, head: &RequestHead, edits: &RequestEdits<'_>) {
    // A WebSocket that came by an extended CONNECT goes on as the GET it stands for (RFC 8441 §5).
    let extended = head.version() == Version::Http2 && matches!(edits.persistence, Persistence::Upgrade(_));
    out.extend(if extended { b"GET" } else { head.method() });
    out.extend(b" ");
    push_target(out, edits.target);
    out.extend(b" HTTP/1.1\r\nHost: ");
    push_visible(out, edits.host);
    out.extend(b"\r\n");

    let mut filter = Filter::of_request(head.fields(), edits);
    if extended {
        // HTTP/2 has no use for the key: who made one up may not choose ours.
        filter.drop(KnownSet::of(&[Known::SecWebSocketKey]));
    }
    push_fields(out, head.fields(), &filter);

    push_framing(out, edits.body);
    if edits.expect_continue {
        out.extend(b"Expect: 100-continue\r\n");
    }
    let takes_trailers = head.fields().has_token(Known::Te, "trailers");
    if takes_trailers {
        out.extend(b"TE: trailers\r\n");
    }
    push_persistence(out, edits.persistence, takes_trailers);
    debug_assert!(is_lines(edits.append), "lines are made by push_line");
    out.extend(edits.append);
    out.extend(b"\r\n");
}

/// Appends the response's head as the client shall see it, in HTTP/1.1.
pub fn write_response(out: &mut Buffer, head: &ResponseHead, edits: &ResponseEdits<'_>) {
    let status = edits.status.unwrap_or(head.status());
    let reason = if status == head.status() { head.reason() } else { registered_reason(status) };
    out.extend(b"HTTP/1.1 ");
    out.extend(Decimal::new(u64::from(status)).as_bytes());
    out.extend(b" ");
    out.extend(reason);
    out.extend(b"\r\n");

    let filter = Filter::of_response(head.fields(), edits);
    push_fields(out, head.fields(), &filter);

    match (edits.body, head.declared_length()) {
        (BodyLength::None, Some(length)) if status >= 200 && status != 204 => {
            push_framing(out, BodyLength::Length(length));
        }
        _ => push_framing(out, edits.body),
    }
    push_persistence(out, edits.persistence, false);
    debug_assert!(is_lines(edits.append), "lines are made by push_line");
    out.extend(edits.append);
    out.extend(b"\r\n");
}

/// Appends the fields that pass. Lines of an HTTP/1 head that need no change are copied in runs.
pub(super) fn push_fields(out: &mut Buffer, fields: &Fields, filter: &Filter<'_>) {
    let Some(lines) = fields.lines() else { return push_map(out, fields, filter) };
    let block = fields.block();
    let mut run = 0..0;
    for line in lines {
        if !filter.passes_known(line.known) || !(filter.is_by_known() || filter.passes(&line.field(block))) {
            continue;
        }
        match line.as_written() {
            Some(line) if line.start == run.end => run.end = line.end,
            as_written => {
                push_run(out, &block[run]);
                run = as_written.unwrap_or_else(|| {
                    let field = line.field(block);
                    push_field(out, field.name, field.value);
                    0..0
                });
            }
        }
    }
    push_run(out, &block[run]);
}

/// The same for fields that came by HTTP/2. Crumbs of `cookie` become one line again (RFC 9113 §8.2.3).
fn push_map(out: &mut Buffer, fields: &Fields, filter: &Filter<'_>) {
    let mut crumbs = fields.all(Known::Cookie);
    for field in fields.iter().filter(|field| filter.passes(field)) {
        if field.known != Known::Cookie {
            push_field(out, field.name, field.value);
            continue;
        }
        let Some(first) = crumbs.next() else { continue };
        out.extend(b"cookie: ");
        out.extend(first);
        for crumb in crumbs.by_ref() {
            out.extend(b"; ");
            out.extend(crumb);
        }
        out.extend(b"\r\n");
    }
}

fn push_run(out: &mut Buffer, run: &[u8]) {
    if !run.is_empty() {
        out.extend(run);
    }
}

fn push_field(out: &mut Buffer, name: &[u8], value: &[u8]) {
    out.extend(name);
    out.extend(b": ");
    out.extend(value);
    out.extend(b"\r\n");
}

fn push_target(out: &mut Buffer, target: Target<'_>) {
    if target.path_and_query == b"*" {
        return out.extend(b"*");
    }
    push_visible(out, target.base);
    if target.path_and_query.first() != Some(&b'/') {
        out.extend(b"/");
    }
    push_visible(out, target.path_and_query);
}

fn push_framing(out: &mut Buffer, body: BodyLength) {
    match body {
        BodyLength::None | BodyLength::UntilClose => {}
        BodyLength::Chunked => out.extend(b"Transfer-Encoding: chunked\r\n"),
        BodyLength::Length(length) => {
            out.extend(b"Content-Length: ");
            out.extend(Decimal::new(length).as_bytes());
            out.extend(b"\r\n");
        }
    }
}

/// `TE` is about this connection, and says so (RFC 9110 §10.1.4).
fn push_persistence(out: &mut Buffer, persistence: Persistence<'_>, te: bool) {
    let option: &[u8] = match persistence {
        Persistence::Implied => b"",
        Persistence::KeepAlive => b"keep-alive",
        Persistence::Close => b"close",
        Persistence::Upgrade(protocol) => {
            out.extend(b"Upgrade: ");
            push_visible(out, protocol);
            out.extend(b"\r\n");
            b"upgrade"
        }
    };
    if option.is_empty() && !te {
        return;
    }
    out.extend(b"Connection: ");
    out.extend(option);
    if te {
        out.extend(if option.is_empty() { b"TE" } else { b", TE" });
    }
    out.extend(b"\r\n");
}

#[cfg(test)]
mod tests;
