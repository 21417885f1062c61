//! An endpoint for tests: a small HTTP server on 127.0.0.1 that answers as it is told, and
//! remembers what it was asked.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// What it answers.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Exactly these bytes, status line and all, and then the connection is closed.
    Raw(Vec<u8>),
    /// This status and this body.
    Status(u16, String),
    /// 429 with this `Retry-After`.
    Busy(&'static str),
    /// Nothing at all, for as long as the client waits.
    Silence,
    /// This body, once [`Endpoint::open`] was called.
    Gated(String),
}

impl Answer {
    /// A good one.
    pub fn json(body: &impl ToString) -> Answer {
        Answer::Status(200, body.to_string())
    }

    /// A transcript.
    pub fn text(text: &str) -> Answer {
        Answer::json(&serde_json::json!({ "text": text }))
    }

    /// A chat completion with this content.
    pub fn chat(content: &impl ToString) -> Answer {
        let message = serde_json::json!({ "role": "assistant", "content": content.to_string() });
        Answer::json(&serde_json::json!({ "choices": [{ "message": message }] }))
    }
}

/// What it was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The request line and the headers.
    pub head: String,
    /// The body, as far as it is text.
    pub body: String,
}

struct Shared {
    /// The last one is given again and again.
    answers: Mutex<VecDeque<Answer>>,
    asked: Mutex<Vec<Asked>>,
    gate: Mutex<Gate>,
    opened: Condvar,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Gate {
    Closed,
    Open,
}

/// A server that runs until the test ends.
pub struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Endpoint {
    /// Gives these answers one after the other, the last one for ever.
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Endpoint {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            answers: Mutex::new(answers.into_iter().collect()),
            asked: Mutex::default(),
            gate: Mutex::new(Gate::Closed),
            opened: Condvar::new(),
        });
        let serving = shared.clone();
        thread::spawn(move || {
            for connection in listener.incoming() {
                let serving = serving.clone();
                thread::spawn(move || attend(connection.unwrap(), &serving));
            }
        });
        Endpoint { address, shared }
    }

    /// Its address with this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Everything that it was asked so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// From now on these.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.shared.answers.lock().unwrap() = answers.into_iter().collect();
    }

    /// Gated answers are given from now on.
    pub fn open(&self) {
        *self.shared.gate.lock().unwrap() = Gate::Open;
        self.shared.opened.notify_all();
    }
}

/// One request a connection.
fn attend(mut connection: TcpStream, shared: &Shared) {
    connection.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let Some(asked) = read(&mut connection) else { return };
    shared.asked.lock().unwrap().push(asked);
    let next = {
        let mut answers = shared.answers.lock().unwrap();
        if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() }
    };
    let written = match next.unwrap_or(Answer::Silence) {
        Answer::Raw(bytes) => bytes,
        Answer::Status(status, body) => response(status, "", &body),
        Answer::Busy(seconds) => response(429, &format!("Retry-After: {seconds}\r\n"), "{}"),
        Answer::Silence => {
            // Until the client closes its end.
            let _ = connection.read(&mut [0]);
            return;
        }
        Answer::Gated(body) => {
            let gate = shared.gate.lock().unwrap();
            drop(shared.opened.wait_while(gate, |gate| *gate == Gate::Closed).unwrap());
            response(200, "", &body)
        }
    };
    // The client may have gone, or have read enough.
    let _ = connection.write_all(&written);
}

fn response(status: u16, header: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 {status} Whatever\r\nContent-Length: {}\r\n{header}Connection: \
        close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn read(connection: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 1 << 13];
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
        if let Some(end) = end {
            let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                if name.eq_ignore_ascii_case("content-length") {
                    value.trim().parse().ok()
                } else {
                    None
                }
            });
            if bytes.len() >= end + 4 + length.unwrap_or(0) {
                let body = String::from_utf8_lossy(&bytes[end + 4..]).into_owned();
                return Some(Asked { head, body });
            }
        }
        match connection.read(&mut chunk) {
            Ok(0) | Err(_) => return None,
            Ok(read) => bytes.extend_from_slice(&chunk[..read]),
        }
    }
}
