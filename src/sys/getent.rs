//! The user database as text: /etc/passwd, and what getent(1) prints. A static program cannot load
//! the modules of the C library's name service (LDAP, SSSD, systemd-homed), so it asks `getent`.
#![expect(clippy::disallowed_methods, reason = "reads a system file, and starts only `getent`")]

use std::fs;
use std::io;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use crate::engine::fact::Fact;
use crate::sys::command_output::spawn_and_read;

/// The time limit of a query, which may go over the network.
const TIME: Duration = Duration::from_secs(5);

/// The exit status of `getent` for an unknown key.
const NOT_FOUND: i32 = 2;

/// An entry of the user database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) uid: u32,
    pub(crate) name: String,
    pub(crate) home: PathBuf,
}

/// Returns the entry of a user name or id, `Known(None)` if there is none.
pub(crate) fn passwd(key: &str) -> Fact<Option<Entry>> {
    let mut command = Command::new("getent");
    command.args(["passwd", key]);
    let Some((mut child, output)) = spawn_and_read(&mut command, TIME) else {
        return Fact::Unknown;
    };
    let Some(output) = output else {
        let _ = child.kill();
        let _ = child.wait();
        return Fact::Unknown;
    };
    match child.wait().ok().and_then(|status| status.code()) {
        Some(0) => output.lines().next().and_then(parse).map(Some).into(),
        Some(NOT_FOUND) => Fact::Known(None),
        Some(_) | None => Fact::Unknown,
    }
}

/// Returns the entry of a user name or id in /etc/passwd. A missing file has no entries.
pub(crate) fn in_etc_passwd(key: &str) -> io::Result<Option<Entry>> {
    let text = match fs::read("/etc/passwd") {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let text = String::from_utf8_lossy(&text);
    let is_key = |entry: &Entry| entry.name == key || entry.uid.to_string() == key;
    Ok(text.lines().filter_map(parse).find(is_key))
}

/// Parses a line such as `bot:x:1000:1000:,,,:/home/bot:/bin/sh`.
fn parse(line: &str) -> Option<Entry> {
    let mut fields = line.split(':');
    let name = fields.next().filter(|name| !name.is_empty())?;
    let uid = fields.nth(1)?.parse().ok()?;
    let home = fields.nth(2)?;
    Some(Entry { uid, name: name.to_owned(), home: home.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_has_a_name_an_id_and_a_home() {
        let entry =
            |name: &str, uid, home: &str| Some(Entry { uid, name: name.into(), home: home.into() });
        for (line, read) in [
            ("bot:x:1000:1000:,,,:/home/bot:/bin/sh", entry("bot", 1000, "/home/bot")),
            ("a.b@corp:*:70001:70001::/home/corp/a.b:", entry("a.b@corp", 70001, "/home/corp/a.b")),
            ("bot:x:1000", None),
            ("bot:x:many:1000::/home/bot:/bin/sh", None),
            (":x:1000:1000::/home/bot:/bin/sh", None),
            ("", None),
        ] {
            assert_eq!(parse(line), read, "{line}");
        }
    }

    #[test]
    fn getent_knows_root_and_no_unknown_user() {
        assert_eq!(passwd("0"), Fact::Known(parse("root:x:0:0:root:/root:/bin/sh")));
        assert_eq!(in_etc_passwd("0").unwrap(), parse("root:x:0:0:root:/root:/bin/sh"));
        assert_eq!(in_etc_passwd("monopoll-nobody-has-this-name").unwrap(), None);
        assert_eq!(passwd("monopoll-nobody-has-this-name"), Fact::Known(None));
    }
}
