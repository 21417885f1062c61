//! A small HTTP server on 127.0.0.1 that gives scripted answers and records the requests.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

/// A scripted answer.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Exactly these bytes, including the status line; then the connection is closed.
    Raw(Vec<u8>),
    Status(u16, String),
    /// 429 with this `Retry-After`.
    Busy(&'static str),
    /// No answer, as long as the client waits.
    Silence,
    /// This body, after [`Endpoint::open`] was called.
    Gated(String),
}

impl Answer {
    /// Returns a successful answer.
    pub fn json(body: &impl ToString) -> Answer {
        Answer::Status(200, body.to_string())
    }

    /// Returns a transcript.
    pub fn text(text: &str) -> Answer {
        Answer::json(&serde_json::json!({ "text": text }))
    }

    /// Returns a chat completion with this content.
    pub fn chat(content: &impl ToString) -> Answer {
        let message = serde_json::json!({ "role": "assistant", "content": content.to_string() });
        Answer::json(&serde_json::json!({ "choices": [{ "message": message }] }))
    }
}

/// A recorded request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The request line and the headers.
    pub head: String,
    /// The body, if it is text.
    pub body: String,
}

struct Shared {
    /// The last answer is repeated.
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
    /// Starts a server that gives these answers in order and repeats the last one.
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

    /// Returns the URL of this path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Returns the requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.shared.asked.lock().unwrap().clone()
    }

    /// Replaces the answers.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        *self.shared.answers.lock().unwrap() = answers.into_iter().collect();
    }

    /// Releases the gated answers.
    pub fn open(&self) {
        *self.shared.gate.lock().unwrap() = Gate::Open;
        self.shared.opened.notify_all();
    }
}

/// Serves one request per connection.
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
            // Wait until the client closes the connection.
            let _ = connection.read(&mut [0]);
            return;
        }
        Answer::Gated(body) => {
            let gate = shared.gate.lock().unwrap();
            drop(shared.opened.wait_while(gate, |gate| *gate == Gate::Closed).unwrap());
            response(200, "", &body)
        }
    };
    // The client may already have closed the connection.
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
