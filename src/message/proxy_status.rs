//! `Proxy-Status` (RFC 9209): a structured field that tells who answered in the site's place, and why.

use crate::base::{Buffer, Cause};

/// Appends `Proxy-Status: parvis; error=…; details="…"` for an answer of our own.
pub fn push_proxy_status(_out: &mut Buffer, _cause: Cause) {
    todo!()
}
