//! `botapi TOKEN [--rate UPDATES_A_SECOND] [--kinds text|all]`: prints `{"port":…,"url":…}` on one
//! line. When its input ends, or on SIGTERM or SIGINT, it prints a report as one JSON document.
//! Meanwhile, `GET /statistics` returns the report so far.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a program for tests and demonstrations may fail loudly"
)]
#![expect(clippy::disallowed_methods, clippy::disallowed_macros, reason = "a program of its own")]

use std::{env, io, thread};

use monopoll_test_bots::botapi::{Kind, Server};
use nix::sys::signal::{SigSet, Signal};
use serde_json::json;

pub(super) fn main() {
    let mut args = env::args().skip(1);
    let token = args.next().expect("a token");
    let (mut rate, mut kinds): (f64, &'static [Kind]) = (0.0, &[Kind::Text]);
    while let Some(arg) = args.next() {
        let value = args.next().expect("a value");
        match (arg.as_str(), value.as_str()) {
            ("--rate", rate_given) => rate = rate_given.parse().expect("updates a second"),
            ("--kinds", "text") => kinds = &[Kind::Text],
            ("--kinds", "all") => kinds = &Kind::ALL,
            _ => panic!("`{arg} {value}` is not known here"),
        }
    }
    // Block the signals before the server's thread starts, so that it inherits the mask.
    let mut ending = SigSet::empty();
    ending.add(Signal::SIGTERM);
    ending.add(Signal::SIGINT);
    ending.thread_block().unwrap();
    let server = Server::start(&token);
    let _flow = (rate > 0.0).then(|| server.flow(rate, kinds));
    println!("{}", json!({ "port": server.address().port(), "url": server.url() }));
    thread::spawn(|| {
        io::copy(&mut io::stdin(), &mut io::sink()).unwrap();
        // Signal the process, so that the waiting thread receives it.
        nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGTERM).unwrap();
    });
    ending.wait().unwrap();
    println!("{:#}", json!(server.report()));
}
