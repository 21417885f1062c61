//! The bots of a page, in Python and JavaScript: each polls the test server under `monopoll run`,
//! and ends on SIGTERM without losing or repeating an update.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use monopoll_test_bots::botapi::{Report, Server};
use monopoll_test_bots::programs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;

/// Redirects a bot's requests to the test server, because the programs of a page name no server.
const AIOGRAM_REDIRECTION: &str = r#"
import os
from aiogram.client.telegram import PRODUCTION

object.__setattr__(PRODUCTION, "base", os.environ["TEST_API_URL"] + "/bot{token}/{method}")
"#;
const PTB_REDIRECTION: &str = r#"
import os
from telegram.request import HTTPXRequest

server = os.environ["TEST_API_URL"]
request = HTTPXRequest.do_request

def redirected(self, url, *args, **kwargs):
    return request(self, url.replace("https://api.telegram.org", server), *args, **kwargs)

HTTPXRequest.do_request = redirected
"#;
const TELEBOT_REDIRECTION: &str = r#"
import os
from telebot import apihelper

apihelper.API_URL = os.environ["TEST_API_URL"] + "/bot{0}/{1}"
"#;
const NODE_REDIRECTION: &str = r#"
const http = require("node:http");
const https = require("node:https");
const server = new URL(process.env.TEST_API_URL);
const request = https.request;
https.request = (options, ...rest) => {
  if (options.hostname !== "api.telegram.org") return request(options, ...rest);
  const { path, method, headers } = options;
  const { hostname, port } = server;
  return http.request({ hostname, port, path, method, headers }, ...rest);
};
"#;

/// The packages of the frameworks, as imported by programs.
const PYTHON_PACKAGES: [&str; 3] = ["aiogram", "telegram", "telebot"];
const NODE_PACKAGES: [&str; 3] = ["telegraf", "@grammyjs/runner", "grammy"];

/// Longer than any bot of a page takes to end.
const TIMEOUT: Duration = Duration::from_mins(3);

/// Returns whether this is a bot, and not just a program for a session.
pub(super) fn is_bot(program: &str) -> bool {
    let imports = |name: &&str| {
        [format!("from {name}"), format!("import {name}"), format!("require(\"{name}\")")]
            .iter()
            .any(|it| program.contains(it))
    };
    PYTHON_PACKAGES.iter().any(imports) || NODE_PACKAGES.iter().any(imports)
}

/// Returns the problems of a bot. `Err` is the reason it could not be tested.
pub(super) fn try_bot(language: &str, program: &str) -> Result<Vec<String>, String> {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    let folder = tempfile::Builder::new().prefix("docs-").tempdir().unwrap();
    let file = if language == "python" { "main.py" } else { "main.js" };
    fs::write(folder.path().join(file), program).unwrap();
    let python_redirection = match program {
        _ if program.contains("aiogram") => AIOGRAM_REDIRECTION,
        _ if program.contains("telebot") => TELEBOT_REDIRECTION,
        _ => PTB_REDIRECTION,
    };
    fs::write(folder.path().join("sitecustomize.py"), python_redirection).unwrap();
    fs::write(folder.path().join("redirection.js"), NODE_REDIRECTION).unwrap();
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/peers");
    let interpreter = match language {
        "python" => python(&peers)?,
        _ => node(&peers)?,
    };
    let token = format!(
        "{}{:03}:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw1",
        std::process::id(),
        700 + NEXT.fetch_add(1, Ordering::Relaxed)
    );
    let server = Server::start(&token);
    let output = fs::File::create(folder.path().join("output")).unwrap();
    let mut guard = Command::new(programs::monopoll())
        .args(["run", "--"])
        .arg(interpreter)
        .arg(file)
        .current_dir(folder.path())
        .env("BOT_TOKEN", &token)
        .env("MONOPOLL_LOCK__PATHS", format!("[\"{}/{{instance}}.lock\"]", folder.path().display()))
        .env("TEST_API_URL", server.url())
        .env("PYTHONPATH", folder.path())
        .env("NODE_PATH", peers.join("npm/node_modules"))
        .env("NODE_OPTIONS", format!("--require {}/redirection.js", folder.path().display()))
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let pid = Pid::from_raw(i32::try_from(guard.id()).unwrap());
    let mut faults = Vec::new();
    let until = Instant::now() + TIMEOUT;
    let mut goes_on = || {
        thread::sleep(Duration::from_millis(100));
        guard.try_wait().unwrap().is_none() && Instant::now() < until
    };
    let report = || server.report();
    while report().processed < 20 && goes_on() {
        // Wait for the first poll, because updates that accumulate while a framework loads would
        // arrive as one batch.
        if !report().pollers.is_empty() {
            message(&server);
        }
    }
    if goes_on() {
        // Signal it in the middle of its work, while updates keep arriving.
        kill(pid, Signal::SIGTERM).unwrap();
        while goes_on() {
            message(&server);
        }
    } else {
        faults.push("the bot ended before it was asked to, or took too long".to_owned());
    }
    if guard.try_wait().unwrap().is_none() {
        faults.push("the bot did not end in time".to_owned());
        // The child gets a signal when its guard dies.
        guard.kill().unwrap();
    }
    let status = guard.wait().unwrap();
    if faults.is_empty() {
        if status.code() != Some(0) {
            faults.push(format!("the bot ended with {status}, not with 0"));
        }
        faults.extend(losses(&server.report()));
    }
    if !faults.is_empty() {
        let output = fs::read_to_string(folder.path().join("output")).unwrap_or_default();
        faults.push(format!("it printed:\n{output}"));
    }
    Ok(faults)
}

/// Sends a text. A bot that replies with the same text has processed it.
fn message(server: &Server) {
    server.inject_json(|id| {
        json!({
            "update_id": id,
            "message": {
                "message_id": id,
                "date": 1_750_000_000,
                "chat": { "id": id, "type": "private", "first_name": "Someone" },
                "from": { "id": id, "is_bot": false, "first_name": "Someone" },
                "text": format!("update {id}"),
            },
        })
    });
}

fn losses(report: &Report) -> Vec<String> {
    let mut faults = Vec::new();
    if !report.lost.is_empty() {
        faults.push(format!("{} updates are lost", report.lost.len()));
    }
    if !report.processed_twice.is_empty() {
        faults.push(format!("{} updates were processed twice", report.processed_twice.len()));
    }
    // Unconfirmed updates are delivered again, so they must not have been processed.
    if report.unconfirmed != report.waiting {
        let again = report.unconfirmed - report.waiting;
        faults.push(format!("{again} updates were processed and would come again"));
    }
    faults
}

fn python(peers: &Path) -> Result<PathBuf, String> {
    let python = peers.join("venv/bin/python");
    let import = Command::new(&python).args(["-c", "import aiogram, telegram, telebot"]).output();
    if import.is_ok_and(|it| it.status.success()) {
        return Ok(python);
    }
    Err("the frameworks for Python are not in target/peers/venv".into())
}

fn node(peers: &Path) -> Result<PathBuf, String> {
    if NODE_PACKAGES.iter().all(|it| peers.join("npm/node_modules").join(it).is_dir()) {
        return Ok("node".into());
    }
    Err("telegraf, grammY and its runner are not in target/peers/npm".into())
}
