//! Requests to a guard to end, and its answers: files next to the lock.
//!
//! A start writes a request for the guard with a certain ticket and waits for the answer with the
//! same id. The guard answers, ends its tree and removes its record; the start removes both files.

use std::io;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::ladder::{AfterGraceful, StopMode, StopOptions};
use crate::engine::policy::Purpose;
use crate::engine::signal::Signal;
use crate::engine::ticket::Ticket;
use crate::state::state_dir::{StateDir, StateFile};

/// A request to a guard to end its tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    pub id: String,
    /// The ticket of the guard. Other guards ignore the request.
    pub to: Ticket,
    pub from_pid: u32,
    /// `force` or `graceful`.
    pub force: bool,
    pub signal: Signal,
    /// From the signal to SIGKILL.
    #[serde(with = "humantime_serde")]
    pub graceful: Duration,
    /// From SIGKILL to giving up.
    #[serde(rename = "kill", with = "humantime_serde")]
    pub kill_timeout: Duration,
    pub escalate: bool,
    #[serde(rename = "for", default)]
    pub purpose: Purpose,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// The pid in its own PID namespace.
    pub pid: u32,
    pub purpose: Purpose,
}

/// The guard's answer that it carries out the request.
#[derive(Serialize, Deserialize)]
struct Answer {
    id: String,
}

impl Request {
    pub fn new(id: String, to: Ticket, asker: Asker, options: StopOptions) -> Request {
        Request {
            id,
            to,
            from_pid: asker.pid,
            force: options.mode == StopMode::Force,
            signal: options.signal,
            graceful: options.graceful,
            kill_timeout: options.force,
            escalate: options.escalation == AfterGraceful::Kill,
            purpose: asker.purpose,
        }
    }

    pub(crate) fn asker(&self) -> Asker {
        Asker { pid: self.from_pid, purpose: self.purpose }
    }

    pub(crate) fn stop_options(&self) -> StopOptions {
        StopOptions {
            mode: if self.force { StopMode::Force } else { StopMode::Graceful },
            signal: self.signal,
            graceful: self.graceful,
            force: self.kill_timeout,
            escalation: if self.escalate { AfterGraceful::Kill } else { AfterGraceful::Refuse },
        }
    }
}

impl StateDir {
    pub fn write_request(&self, request: &Request) -> io::Result<()> {
        self.store(StateFile::Request, request)
    }

    pub fn request_to(&self, ticket: Ticket) -> Option<Request> {
        self.load::<Request>(StateFile::Request).filter(|request| request.to == ticket)
    }

    pub(crate) fn acknowledge(&self, request: &Request) -> io::Result<()> {
        self.store(StateFile::Answer, &Answer { id: request.id.clone() })
    }

    pub fn is_acknowledged(&self, id: &str) -> bool {
        self.load::<Answer>(StateFile::Answer).is_some_and(|answer| answer.id == id)
    }

    pub(crate) fn remove_request(&self) {
        self.remove(StateFile::Request);
        self.remove(StateFile::Answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_versions_read_requests_and_answers_by_these_keys() {
        let options = StopOptions {
            mode: StopMode::Graceful,
            signal: Signal::SigTerm,
            graceful: Duration::from_secs(10),
            force: Duration::from_secs(5),
            escalation: AfterGraceful::Kill,
        };
        let asker = Asker { pid: 9, purpose: Purpose::Stop };
        let request = Request::new("1-2-3".to_owned(), Ticket(7), asker, options);
        let text = concat!(
            r#"{"id":"1-2-3","to":7,"from_pid":9,"force":false,"signal":"SIGTERM","#,
            r#""graceful":"10s","kill":"5s","escalate":true,"for":"stop"}"#,
        );
        assert_eq!(serde_json::to_string(&request).unwrap(), text);
        assert_eq!(serde_json::from_str::<Request>(text).unwrap(), request);
        assert_eq!((request.asker(), request.stop_options()), (asker, options));
        let answer = serde_json::to_string(&Answer { id: "1-2-3".to_owned() }).unwrap();
        assert_eq!(answer, r#"{"id":"1-2-3"}"#);
    }
}
