//! Finds patterns in `match` and in rules that no process can meet: a name with a slash, a relative
//! path, a user that does not exist.

use std::path::PathBuf;

use regex_syntax::hir::{Hir, HirKind};

use crate::config::parsed_text::TextValue;
use crate::config::problem::Fault;
use crate::config::spanned_value::Value;
use crate::engine::fact::Fact;
use crate::engine::pattern::{NamePattern, UserLimit};
use crate::sys::users;
use crate::text::{closest_name, short_name};

/// Checks that a regular expression can match a base name, which has no slash.
pub(super) fn can_be_a_base_name(value: &Value) -> Option<Fault> {
    let Value::Text(text) = value else { return None };
    if !needs_a_slash(&regex_syntax::parse(text).ok()?) {
        return None;
    }
    let base = text.rsplit('/').next().filter(|base| NamePattern::parse(base).is_ok());
    let name = base.and_then(|base| assignment("name", base));
    let or = name.map_or_else(String::new, |name| format!("write `{name}`, or "));
    Some(
        Fault::of(text, "has a slash, which no base name of an executable has")
            .help(format!("{or}match the whole path with `exe`")),
    )
}

fn needs_a_slash(regex: &Hir) -> bool {
    match regex.kind() {
        HirKind::Literal(literal) => literal.0.contains(&b'/'),
        HirKind::Class(class) => class.literal().is_some_and(|literal| literal == b"/"),
        HirKind::Repetition(repeated) => repeated.min > 0 && needs_a_slash(&repeated.sub),
        HirKind::Capture(group) => needs_a_slash(&group.sub),
        HirKind::Concat(parts) => parts.iter().any(needs_a_slash),
        HirKind::Alternation(choices) => choices.iter().all(needs_a_slash),
        HirKind::Empty | HirKind::Look(_) => false,
    }
}

/// Checks that a glob can match the path of an executable.
pub(super) fn can_be_an_executable(value: &Value) -> Option<Fault> {
    let Value::Text(text) = value else { return None };
    if text.contains(['/', '\\']) || text.starts_with(['~', '$']) || may_begin_at_the_root(text) {
        return impossible_path(text, "/usr/bin/python3");
    }
    let name = name_for(text).map_or_else(String::new, |name| format!("`{name}`, or "));
    let anywhere = anywhere(text).map_or_else(String::new, |glob| format!(" or {glob}"));
    Some(
        Fault::of(text, "has no slash, and `exe` is compared with a whole path")
            .help(format!("write {name}an absolute path such as \"/usr/bin/python3\"{anywhere}")),
    )
}

/// Checks that a glob can match the path of a folder.
pub(super) fn can_be_a_folder(value: &Value) -> Option<Fault> {
    let Value::Text(text) = value else { return None };
    impossible_path(text, "/srv/bot")
}

/// Checks that a user exists. A numeric id needs no entry in the user database.
pub(super) fn is_a_known_user(value: &Value) -> Option<Fault> {
    let Value::Text(text) = value else { return None };
    let UserLimit::Named(name) = UserLimit::parse(text).ok()? else { return None };
    match (name.parse::<u32>(), users::user_named(&name)) {
        (Ok(_), _) | (_, Fact::Known(Some(_)) | Fact::Unknown) => return None,
        (Err(_), Fact::Known(None)) => {}
    }
    let near = closest_name(&name, ["same", "any"]);
    let near = near.map_or_else(String::new, |near| format!("did you mean \"{near}\"? "));
    Some(
        Fault::of(&name, "is not a user on this machine").help(format!(
            "{near}write \"same\", \"any\", or the name or number of an existing user"
        )),
    )
}

/// Returns the fault of a glob that matches no absolute path. `example` is one that does.
fn impossible_path(text: &str, example: &str) -> Option<Fault> {
    let absolute = || format!("write the absolute path, such as \"{example}\"");
    if text.starts_with('~') {
        let help = expanded(text).and_then(|path| quoted(&path));
        let help = help.map_or_else(absolute, |path| format!("write {path}"));
        return Some(Fault::of(text, "begins with `~`, which only a shell expands").help(help));
    }
    if text.starts_with('$') {
        return Some(
            Fault::of(text, "begins with a variable, which only a shell expands").help(absolute()),
        );
    }
    if !may_begin_at_the_root(text) {
        let help = match anywhere(text) {
            Some(glob) => format!("{}, or {glob} for any of that name", absolute()),
            None => absolute(),
        };
        return Some(Fault::of(text, "is a relative path, which no process has").help(help));
    }
    let plain = normalized(text)?;
    let help = quoted(&plain).map_or_else(absolute, |path| format!("write {path}"));
    Some(Fault::of(text, "has `.`, `..` or `//`, which no path of a process has").help(help))
}

/// Returns whether a glob can match an absolute path. `*` matches no slash but can match nothing at
/// all.
fn may_begin_at_the_root(glob: &str) -> bool {
    let begins = |glob: &str| {
        let on_a_drive = cfg!(windows) && glob.chars().nth(1) == Some(':');
        let rest = glob.trim_start_matches('*');
        glob == "**" || rest.starts_with(['/', '\\', '[']) || on_a_drive
    };
    match glob.trim_start_matches('*').strip_prefix('{') {
        None => begins(glob),
        // globset skips empty alternatives.
        Some(choices) => choices.split(['{', ',']).any(begins),
    }
}

/// Replaces a leading `~` or `~name` with that user's home.
fn expanded(text: &str) -> Option<String> {
    let (user, rest) = text.split_once('/').unwrap_or((text, ""));
    let user = match user.strip_prefix('~')? {
        "" => users::current_user(),
        name => users::user_named(name).known()?.clone()?,
    };
    let home: PathBuf = users::home(&user).ok()??;
    let home = globset::escape(home.to_str()?.trim_end_matches('/'));
    let path = format!("{home}/{rest}");
    Some(path.trim_end_matches('/').to_owned()).filter(|path| !path.is_empty())
}

/// Returns the path without `.`, `..` and empty parts; `None` if the path is already normal.
fn normalized(text: &str) -> Option<String> {
    let rest = text.strip_prefix('/')?.trim_end_matches('/');
    // A class, an alternative or an escape can contain a slash, so the path cannot be split.
    if rest.is_empty() || rest.contains(['[', '{', '\\']) {
        return None;
    }
    let mut parts = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let plain = format!("/{}", parts.join("/"));
    (plain.trim_end_matches('/') != text.trim_end_matches('/')).then_some(plain)
}

/// Returns a glob that matches this relative path in any folder.
fn anywhere(text: &str) -> Option<String> {
    let name = text.trim_start_matches("./").trim_matches('/');
    let is_plain = !name.is_empty() && name.split('/').all(|part| part != "." && part != "..");
    let glob = format!("**/{name}");
    quoted(&glob).filter(|_| is_plain && may_begin_at_the_root(&glob))
}

/// Returns the `name` condition that is equivalent to a glob without slashes.
fn name_for(glob: &str) -> Option<String> {
    if glob.contains(['[', '{']) {
        return None;
    }
    let mut regex = regex_syntax::escape(glob).replace(r"\*", ".*").replace(r"\?", ".");
    // Often a link to an executable with its version in its name, such as `python3.11`.
    if matches!(glob, "python" | "python3") {
        regex.push_str(".*");
    }
    assignment("name", &regex)
}

fn assignment(key: &str, value: &str) -> Option<String> {
    quoted(value).map(|value| format!("{key} = {value}"))
}

/// Returns the string as TOML, if it can be shown in full.
fn quoted(text: &str) -> Option<String> {
    (short_name(text) == text).then(|| toml::Value::String(text.to_owned()).to_string())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::engine::pattern::PathPattern;

    fn passes(check: fn(&Value) -> Option<Fault>, text: &str) -> bool {
        check(&Value::Text(text.to_owned())).is_none()
    }

    #[test]
    fn a_name_that_needs_a_slash_is_impossible() {
        for name in ["/usr/bin/python3", "bin/python.*", "(a/b|c/d)", "(?:x[/])+", "(?i)A/B"] {
            assert!(!passes(can_be_a_base_name, name), "{name}");
        }
        for name in ["python3?", "[^/]+", "(a/b|c)", "(?:bin/)?python", "(?:x/)*y", r"\d/{0}"] {
            assert!(passes(can_be_a_base_name, name), "{name}");
        }
    }

    #[test]
    fn a_glob_is_impossible_only_if_it_matches_no_absolute_path() {
        for (glob, path) in [
            ("/srv/*", Some("/srv/bot")),
            ("**", Some("/srv")),
            ("**/bot", Some("/srv/bot")),
            ("{/srv,/opt}/bot", Some("/opt/bot")),
            ("{{/x,/opt},y}/bot", Some("/opt/bot")),
            ("{**/bot,x}", Some("/srv/bot")),
            (r"\/srv", Some("/srv")),
            ("/srv/.bot/..x", Some("/srv/.bot/..x")),
            ("**bot", None),
            ("*/bot", Some("/bot")),
            ("*{/srv,x}/bot", Some("/srv/bot")),
            ("*", None),
            ("?srv", None),
            ("{srv,opt}/bot", None),
            ("{,opt}/bot", None),
            ("srv/bot", None),
            ("/srv/../bot", None),
            ("/srv/./bot", None),
            ("/srv//bot", None),
            (" /srv", None),
            ("", None),
        ] {
            assert_eq!(passes(can_be_a_folder, glob), path.is_some(), "{glob}");
            let pattern = PathPattern::new(glob).unwrap();
            for candidate in ["/", "/srv", "/bot", "/srv/bot", "/opt/bot", "/srv/x/bot", "/xsrv"] {
                let matches = pattern.matches(Path::new(candidate));
                assert!(!matches || path.is_some(), "{glob} matches {candidate}");
            }
            if let Some(path) = path {
                assert!(pattern.matches(Path::new(path)), "{glob} on {path}");
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_home_is_the_one_of_the_user_database() {
        let me = users::current_user();
        let home = users::home(&me).unwrap().unwrap();
        let home = globset::escape(home.to_str().unwrap());
        for (text, rest) in [("~", ""), ("~/t8", "/t8"), ("~/t8/", "/t8")] {
            assert_eq!(expanded(text), Some(format!("{home}{rest}")), "{text}");
        }
        assert_eq!(expanded(&format!("~{}/*", me.name)), Some(format!("{home}/*")));
        assert_eq!(expanded("~nosuchuser/t8"), None);
    }

    #[cfg(unix)]
    #[test]
    fn a_user_with_a_number_needs_no_entry_in_the_user_database() {
        for user in ["same", "any", "root", "0", "3999999999"] {
            assert!(passes(is_a_known_user, user), "{user}");
        }
        for user in ["nosuchuser", "99999999999", "-1"] {
            assert!(!passes(is_a_known_user, user), "{user}");
        }
    }
}
