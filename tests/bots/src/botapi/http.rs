//! The HTTP connections. Each belongs to one process.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use super::Shared;
use super::methods::{Answer, answer};
use super::parameters::Parameters;
use super::peer::{Process, process_of};
use super::queue::{Call, Evicted, Poll, Reply};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

pub(super) async fn serve(listener: TcpListener, telegram: Shared) {
    loop {
        // A connection may be closed before it is accepted.
        if let Ok((connection, _)) = listener.accept().await {
            tokio::spawn(attend(connection, telegram.clone()));
        }
    }
}

/// Serves a connection until either end closes it. If the client does, the pending answer is
/// dropped with the connection: this is how the poll of a dead process ends.
async fn attend(connection: TcpStream, telegram: Shared) {
    let (Ok(peer), Ok(here)) = (connection.peer_addr(), connection.local_addr()) else { return };
    let known = telegram.lock().unwrap().account.pids();
    let process =
        tokio::task::spawn_blocking(move || process_of(peer, here, &known)).await.ok().flatten();
    // A small answer must not wait for the previous acknowledgement.
    let _ = connection.set_nodelay(true);
    let service = service_fn(move |request| respond(request, process, telegram.clone()));
    // Connections may end at any time, because bots are killed.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(connection), service).await;
}

async fn respond(
    request: Request<Incoming>,
    process: Option<Process>,
    telegram: Shared,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_owned();
    if path == "/statistics" {
        let report = telegram.lock().unwrap().account.report(Instant::now());
        return Ok(document(StatusCode::OK, &json!(report)));
    }
    let token = telegram.lock().unwrap().token.clone();
    if let Some(file) =
        path.strip_prefix("/file/bot").and_then(|rest| rest.strip_prefix(&token)?.strip_prefix('/'))
    {
        if let Some(failure) = failed("file", &telegram) {
            return Ok(failure);
        }
        // Some clients escape the slash in the path.
        let file = file.replace("%2F", "/");
        let content = telegram
            .lock()
            .unwrap()
            .files
            .values()
            .find(|it| it.path == file)
            .map(super::File::content);
        return Ok(match content {
            Some(content) => Response::new(Full::new(content)),
            None => failure(404, "Not Found"),
        });
    }
    let Some(method) =
        path.strip_prefix("/bot").and_then(|rest| rest.strip_prefix(&token)?.strip_prefix('/'))
    else {
        return Ok(failure(401, "Unauthorized"));
    };
    let Some(parameters) = Parameters::read(request).await else {
        return Ok(failure(400, "Bad Request: the parameters are neither a form nor JSON"));
    };
    if let Some(seconds) = flooded(&telegram) {
        return Ok(too_many(seconds));
    }
    if let Some(failure) = failed(method, &telegram) {
        return Ok(failure);
    }
    if method.eq_ignore_ascii_case("getUpdates") {
        return Ok(poll(&parameters, process, &telegram).await);
    }
    let given = answer(&mut telegram.lock().unwrap(), method, &parameters);
    Ok(match given {
        Answer::Result(result) => {
            document(StatusCode::OK, &json!({ "ok": true, "result": result }))
        }
        Answer::Failure(code, description) => failure(code, description),
    })
}

async fn poll(
    parameters: &Parameters,
    process: Option<Process>,
    telegram: &Shared,
) -> Response<Full<Bytes>> {
    let call = Call {
        offset: parameters.number("offset").unwrap_or(0),
        limit: parameters.number("limit").unwrap_or(100),
        timeout: parameters.number("timeout").unwrap_or(0),
    };
    let _polling = process.map(|process| Polling::begin(process, telegram));
    let poll = {
        let mut telegram = telegram.lock().unwrap();
        let (poll, effects) = telegram.queue.poll(call, Instant::now());
        telegram.account.took_effect(effects);
        if let Poll::Answered(Reply::Conflict(..)) = poll {
            telegram.account.conflict(Evicted::Living);
        }
        poll
    };
    let reply = match poll {
        Poll::Answered(reply) => reply,
        Poll::Waits { slot, until, mut answer } => {
            match tokio::time::timeout_at(until.into(), &mut answer).await {
                Ok(answered) => answered.unwrap_or(Reply::Updates(Vec::new())),
                Err(_) if telegram.lock().unwrap().queue.time_is_over(slot) => {
                    Reply::Updates(Vec::new())
                }
                // It was answered at the same moment.
                Err(_) => answer.await.unwrap_or(Reply::Updates(Vec::new())),
            }
        }
    };
    match reply {
        Reply::Updates(updates) => {
            document(StatusCode::OK, &json!({ "ok": true, "result": updates }))
        }
        Reply::Conflict(why, due) => {
            tokio::time::sleep_until(due.into()).await;
            telegram.lock().unwrap().account.conflict_is_written();
            failure(409, why)
        }
    }
}

/// A poll in progress, for the statistics. Ends on drop.
struct Polling<'a> {
    process: Process,
    telegram: &'a Shared,
}

impl Polling<'_> {
    fn begin(process: Process, telegram: &Shared) -> Polling<'_> {
        telegram.lock().unwrap().account.poll_began(process, Instant::now());
        Polling { process, telegram }
    }
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.telegram.lock().unwrap().account.poll_ended(self.process, Instant::now());
    }
}

/// Returns the seconds to wait if this call exceeds the limit.
fn flooded(telegram: &Shared) -> Option<u32> {
    let (calls, seconds) = &mut telegram.lock().unwrap().flood;
    *calls = calls.checked_sub(1)?;
    Some(*seconds)
}

/// Returns the failure that is scheduled for this call.
fn failed(method: &str, telegram: &Shared) -> Option<Response<Full<Bytes>>> {
    let failures = &mut telegram.lock().unwrap().failures;
    let at = failures.iter().position(|(it, ..)| it.eq_ignore_ascii_case(method))?;
    let (_, status, description) = failures.remove(at)?;
    if description.contains("upgraded to a supergroup") {
        let parameters = json!({ "migrate_to_chat_id": super::Server::SUPERGROUP });
        let body = json!({
            "ok": false,
            "error_code": status,
            "description": description,
            "parameters": parameters,
        });
        return Some(document(StatusCode::BAD_REQUEST, &body));
    }
    Some(failure(status, description))
}

fn too_many(seconds: u32) -> Response<Full<Bytes>> {
    let description = format!("Too Many Requests: retry after {seconds}");
    let body = json!({
        "ok": false,
        "error_code": 429,
        "description": description,
        "parameters": { "retry_after": seconds },
    });
    let mut response = document(StatusCode::TOO_MANY_REQUESTS, &body);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}

fn failure(code: u16, description: &str) -> Response<Full<Bytes>> {
    let status = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    document(status, &json!({ "ok": false, "error_code": code, "description": description }))
}

fn document(status: StatusCode, body: &Value) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    response
}

/// Reads a body with a timeout, because a client may be stopped in the middle of a request.
pub(super) async fn body(request: Request<Incoming>) -> Option<Bytes> {
    let whole = tokio::time::timeout(Duration::from_mins(1), request.into_body().collect()).await;
    Some(whole.ok()?.ok()?.to_bytes())
}
