//! The server at `telegram.api_url`: gives scripted answers and records requests.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request. Its path omits the bot's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) line: String,
    pub(super) body: String,
}

impl Request {
    /// Returns the method of the Bot API, the last part of the path.
    pub(super) fn method(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or_default().rsplit('/').next().unwrap_or_default()
    }
}

/// A scripted answer.
pub(super) enum Reply {
    /// A document with this status.
    Json(u16, String),
    /// Exactly these bytes; then the connection is closed.
    Raw(Vec<u8>),
    /// These bytes, and then nothing more.
    Hangs(Vec<u8>),
}

/// The answer to `getWebhookInfo`. An empty URL means no webhook.
pub(super) fn webhook(url: &str) -> Reply {
    let info = serde_json::json!({
        "url": url,
        "has_custom_certificate": false,
        "pending_update_count": 3,
    });
    Reply::Json(200, serde_json::json!({ "ok": true, "result": info }).to_string())
}

/// The answer to a successful `deleteWebhook`.
pub(super) fn deleted() -> Reply {
    Reply::Json(200, r#"{"ok":true,"result":true,"description":"Webhook was deleted"}"#.to_owned())
}

/// A failure of the Bot API.
pub(super) fn failure(status: u16, description: &str) -> Reply {
    Reply::Json(
        status,
        serde_json::json!({ "ok": false, "error_code": status, "description": description })
            .to_string(),
    )
}

/// A server that runs until it is dropped.
pub(super) struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    connections: Mutex<usize>,
    requests: Mutex<Vec<Request>>,
    /// The connections that are not answered.
    hanging: Mutex<Option<Vec<TcpStream>>>,
}

impl Server {
    /// Starts a server. The first argument of `answer` is the number of earlier requests.
    pub(super) fn start(
        answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared =
            Arc::new(Shared { hanging: Mutex::new(Some(Vec::new())), ..Shared::default() });
        let (its, answer) = (Arc::clone(&shared), Arc::new(answer));
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                if its.hanging.lock().unwrap().is_none() {
                    return;
                }
                *its.connections.lock().unwrap() += 1;
                let (its, answer) = (Arc::clone(&its), Arc::clone(&answer));
                thread::spawn(move || attend(connection, &its, &*answer));
            }
        });
        Server { address, shared }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(super) fn connections(&self) -> usize {
        *self.shared.connections.lock().unwrap()
    }

    pub(super) fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// Returns the requested methods, in order.
    pub(super) fn methods(&self) -> Vec<String> {
        self.requests().iter().map(|request| request.method().to_owned()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.shared.hanging.lock().unwrap().take());
        // Wakes the thread that accepts connections.
        let _ = TcpStream::connect(self.address);
        if !thread::panicking() {
            let asked = self.requests();
            assert!(
                asked.iter().all(|it| !it.line.to_lowercase().contains("getupdates")),
                "it would evict who polls: {asked:?}"
            );
        }
    }
}

fn attend(mut connection: TcpStream, shared: &Shared, answer: &dyn Fn(usize, &Request) -> Reply) {
    // An incomplete request must not keep a thread forever.
    let _ = connection.set_read_timeout(Some(Duration::from_mins(1)));
    let Some(request) = read(&connection) else { return };
    let before = {
        let mut requests = shared.requests.lock().unwrap();
        requests.push(request.clone());
        requests.len() - 1
    };
    match answer(before, &request) {
        Reply::Json(status, body) => {
            let head = format!(
                "HTTP/1.1 {status} Status\r\nContent-Type: application/json\r\nContent-Length: \
                    {}\r\n",
                body.len()
            );
            let _ =
                connection.write_all(format!("{head}Connection: close\r\n\r\n{body}").as_bytes());
        }
        Reply::Raw(bytes) => {
            // The client may close the connection early.
            let _ = connection.write_all(&bytes);
        }
        Reply::Hangs(bytes) => {
            let _ = connection.write_all(&bytes);
            if let Some(hanging) = &mut *shared.hanging.lock().unwrap() {
                hanging.push(connection);
            }
        }
    }
}

fn read(connection: &TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok().filter(|read| *read > 0)?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(Request { line: line.trim().to_owned(), body: String::from_utf8(body).ok()? })
}
