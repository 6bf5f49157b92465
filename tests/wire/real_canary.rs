//! A platform that has a front already, nginx, tries Parvis on one server: everything goes to the front behind
//! `default_site` but the accounts that have a document. A thousand of them move there and back under load.
//!
//! Where nginx is missing the test is left out, as in `real_programs`.

use crate::support::edge::Files;
use crate::support::program::{self, Server, free_port};
use crate::support::{Edge, Message, Raw, account, certificate, wait};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Every request is answered, by the one or the other, with the visitor's host and address; and each move shows at once.
#[test]
fn a_thousand_accounts_move_there_and_back() {
    let Some(nginx) = program::find("nginx") else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let (front, own) = (free_port("127.0.0.1:0"), free_port("[::1]:0"));
    let _server = nginx_with(&nginx, directory.path(), front, own);
    let edge = Files::new()
        // Its visitors come from one address and never pause.
        .set("limits", "handshakes_per_client", "\"unlimited\"")
        .set("accounts", "default_site", "\"platform/main\"")
        .document("platform", &account("", &format!("127.0.0.1:{front}")))
        .file("certificates/all.pem", &certificate::pem(&["*.canary.test"]))
        .start();
    let document = |n: usize| account(&format!("\"{}\"", host(n)), &format!("[::1]:{own}"));
    let load = Load { done: AtomicBool::new(false), at: AtomicUsize::new(0), answered: AtomicUsize::new(0) };
    let (mut there, mut back) = (Vec::new(), Vec::new());
    std::thread::scope(|scope| {
        let visitors: Vec<_> = (0..4)
            .map(|n| {
                scope.spawn({
                    let (load, edge) = (&load, &edge);
                    move || load.visit(edge, n)
                })
            })
            .collect();
        let mut watch = edge.connect();
        for (moves, answer) in [(&mut there, "own"), (&mut back, "front")] {
            for n in 0..ACCOUNTS {
                load.at.store(n, Ordering::Relaxed);
                if answer == "own" {
                    edge.write_document(&format!("a{n}"), &document(n));
                } else {
                    edge.remove_document(&format!("a{n}"));
                }
                let expected = format!("{answer} {} 127.0.0.1 http\n", host(n));
                let ((), took) = wait::timed(|| {
                    wait::until(&expected, || (get(&mut watch, n).text() == expected).then_some(()));
                });
                moves.push(took);
                let failed = visitors.iter().filter(|visitor| visitor.is_finished()).count();
                assert_eq!(failed, 0, "visitors at move {n}");
            }
        }
        load.done.store(true, Ordering::Relaxed);
        for visitor in visitors {
            visitor.join().expect("no request failed");
        }
    });
    let answered = load.answered.into_inner();
    println!(
        "canary: {answered} requests, 0 failed; there {}; back {}",
        wait::spread(there),
        wait::spread(back)
    );
    assert!(answered > ACCOUNTS, "there was load: {answered}");
}

/// What its visitors do.
struct Load {
    done: AtomicBool,
    /// The account that moves.
    at: AtomicUsize,
    answered: AtomicUsize,
}

impl Load {
    /// Visits the accounts around the one that moves, and all others, over connections that last and that do not, in clear
    /// and over TLS, until all is done.
    fn visit(&self, edge: &Edge, visitor: usize) {
        let mut round = visitor;
        while !self.done.load(Ordering::Relaxed) {
            let first = self.pick(round);
            let mut raw =
                if visitor.is_multiple_of(2) { edge.connect() } else { edge.connect_tls(&host(first)) };
            let requests = if visitor < 2 { 100 } else { 1 };
            for request in 0..requests {
                round += 1;
                let n = if visitor.is_multiple_of(2) { self.pick(round) } else { first };
                let answer = get(&mut raw, n);
                let scheme = if visitor.is_multiple_of(2) { "http" } else { "https" };
                let by = |who: &str| answer.text() == format!("{who} {} 127.0.0.1 {scheme}\n", host(n));
                assert!(answer.status() == 200 && (by("own") || by("front")), "{request}: {}", answer.text());
                self.answered.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Mostly one that is moving or has just moved.
    fn pick(&self, round: usize) -> usize {
        let at = self.at.load(Ordering::Relaxed);
        match round % 4 {
            0 => round * 7919 % ACCOUNTS,
            near => (at + ACCOUNTS + 1 - near) % ACCOUNTS,
        }
    }
}

fn host(n: usize) -> String {
    format!("h{n}.canary.test")
}

fn get(raw: &mut Raw, n: usize) -> Message {
    raw.send(format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", host(n))).response()
}

/// The front that was there, for every host, and the server of the accounts that move.
fn nginx_with(nginx: &Path, path: &Path, front: u16, own: u16) -> Server {
    let says = |who: &str| format!("\"{who} $http_host $http_x_real_ip $http_x_forwarded_proto\\n\"");
    let config = format!(
        "daemon off; pid {0}/pid; error_log stderr; worker_processes 1; events {{}}\n\
         http {{ access_log off; keepalive_requests 1000000;\n\
         server {{ listen 127.0.0.1:{front}; return 200 {1}; }}\n\
         server {{ listen [::1]:{own}; return 200 {2}; }}\n\
         client_body_temp_path {0}/t1; proxy_temp_path {0}/t2; fastcgi_temp_path {0}/t3;\n\
         uwsgi_temp_path {0}/t4; scgi_temp_path {0}/t5; }}\n",
        path.display(),
        says("front"),
        says("own"),
    );
    fs::write(path.join("nginx.conf"), config).expect("a file");
    Server::start(Command::new(nginx).arg("-c").arg(path.join("nginx.conf")).arg("-p").arg(path), || {
        let listens = |address: (&str, u16)| std::net::TcpStream::connect(address).is_ok();
        listens(("127.0.0.1", front)) && listens(("::1", own))
    })
}

/// Accounts that move.
const ACCOUNTS: usize = 1000;
