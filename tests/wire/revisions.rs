//! Addresses that come with a new revision of a program: visitors meet them once it is ready, and not before.

use crate::programs::{Asleep, document, sleeping};
use crate::support::program::own_address;
use crate::support::{Message, Raw, wait};

#[test]
fn addresses_that_come_with_a_revision_go_live_when_it_is_ready() {
    for address in ["auto".to_owned(), own_address().to_string()] {
        let edge = sleeping(&address, "revision = \"1\"");
        let first = answer(&mut edge.connect(), "a.test").text().trim().to_owned();
        write(
            &edge,
            &address,
            "revision = \"2\"\nenvironment = { MODE = \"late:0.7\" }",
            "\"a.test\", \"b.test\"",
        );
        wait::until("the change", || {
            edge.log().contains("addresses wait for its new revision").then_some(())
        });
        assert_eq!(answer(&mut edge.connect(), "b.test").status(), 404, "{address}: too early");
        assert_eq!(edge.account()["awaited"], serde_json::json!(["web"]));
        let second = wait::until("the new address", || {
            let old = answer(&mut edge.connect(), "a.test");
            assert_eq!(old.status(), 200, "{address}: {}", old.text());
            let new = answer(&mut edge.connect(), "b.test");
            (new.status() != 404).then_some(new)
        });
        assert_eq!(second.status(), 200, "{}", second.text());
        assert_ne!(second.text().trim(), first, "{address}: answered by the old revision");
        assert_eq!(edge.account()["awaited"], serde_json::json!([]));
        assert_eq!(edge.starts().len(), 2);
    }
}

/// Where the new one comes to nothing the sites stay as they are, whatever else the document says; a revision that is
/// mended takes its place.
#[test]
fn a_revision_that_fails_leaves_the_old_addresses() {
    let edge = sleeping("auto", "revision = \"1\"");
    let first = answer(&mut edge.connect(), "a.test").text().to_owned();
    let failing = "revision = \"2\"\nenvironment = { MODE = \"fail\" }";
    write(&edge, "auto", failing, "\"b.test\"");
    edge.told("web: Upstream starting failed: /usr/bin/perl server.pl (return code: 1)");
    for _ in 0..3 {
        assert_eq!(answer(&mut edge.connect(), "a.test").text(), first);
        assert_eq!(answer(&mut edge.connect(), "b.test").status(), 404);
    }
    // Written again, with something else changed: the same revision has not become ready.
    write(&edge, "auto", &format!("{failing}\nidle_time = \"never\""), "\"b.test\"");
    wait::until("the change", || (edge.log().matches("addresses wait for").count() == 2).then_some(()));
    assert_eq!(answer(&mut edge.connect(), "a.test").text(), first);
    assert_eq!(answer(&mut edge.connect(), "b.test").status(), 404);
    write(&edge, "auto", "revision = \"3\"\nenvironment = { MODE = \"\" }", "\"b.test\"");
    let mended = wait::until("the new address", || {
        let new = answer(&mut edge.connect(), "b.test");
        (new.status() != 404).then_some(new)
    });
    assert_eq!(mended.status(), 200);
    assert_ne!(mended.text(), first);
    assert_eq!(answer(&mut edge.connect(), "a.test").status(), 404, "it is not in the document any more");
}

/// Nothing runs, so nothing is waited for: who comes by the new address has it started.
#[test]
fn addresses_of_a_sleeping_program_go_live_at_once() {
    let edge = sleeping("auto", "revision = \"1\"");
    write(&edge, "auto", "revision = \"2\"", "\"a.test\", \"b.test\"");
    wait::until("the new address", || (answer(&mut edge.connect(), "b.test").status() == 200).then_some(()));
    assert_eq!(edge.starts().len(), 1);
}

/// Writes the account's document with these addresses.
fn write(edge: &Asleep, address: &str, lines: &str, addresses: &str) {
    edge.write_document("alice", &document(edge, address, lines).replace("\"a.test\"", addresses));
}

fn answer(raw: &mut Raw, host: &str) -> Message {
    raw.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n")).response()
}
