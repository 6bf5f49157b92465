//! A remembered request in JSON, as `parvis explain`, an account's status and the live page have it: whose fault it was,
//! and where its time went, in seconds.

use super::{Recalled, Texts};
use crate::base::{Cause, Wait};
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use std::time::Duration;

impl Serialize for Recalled<String> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        told(self).serialize(serializer)
    }
}

fn told(recalled: &Recalled<String>) -> Value {
    let Recalled { id, completed, duration, waits, status, cause, sent, received, texts } = recalled;
    let Texts { account, site, upstream, client, version, method, host, detail, path } = texts;
    let text = |text: &String| (!text.is_empty()).then(|| text.clone());
    let mut seconds: Map<String, Value> = Map::new();
    seconds.insert("total".into(), duration.as_secs_f64().into());
    for wait in Wait::ALL {
        seconds.insert(wait.word().into(), waits.of(wait).as_secs_f64().into());
    }
    // Waits may overlap: what is left of the time is ours, and no less than none.
    seconds.insert("parvis".into(), duration.saturating_sub(waits.sum()).as_secs_f64().into());
    json!({
        "id": id.to_string(),
        "completed": rfc3339(*completed),
        "account": text(account),
        "site": text(site),
        "upstream": text(upstream),
        "client": text(client),
        "http": text(version),
        "method": text(method),
        "host": text(host),
        "path": text(path),
        "status": status,
        "sent_bytes": sent,
        "received_bytes": received,
        "failure": cause.map(|cause| failure(cause, detail)),
        "seconds": seconds,
    })
}

/// What failed, in the words of every other place.
fn failure(cause: Cause, detail: &str) -> Value {
    let verdict = cause.verdict();
    json!({
        "blame": verdict.blame.word(),
        "cause": verdict.word,
        "error": verdict.error,
        "detail": (!detail.is_empty()).then_some(detail),
    })
}

fn rfc3339(at: Duration) -> String {
    let micros = i64::try_from(at.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_microsecond(micros).unwrap_or_default().to_string()
}
