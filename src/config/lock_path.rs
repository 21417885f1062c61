//! The path of a lock file, with placeholders.

use std::path::{Path, PathBuf, is_separator};

use crate::config::parsed_text::TextValue;
use crate::config::problem::Fault;
use crate::config::spanned_value::{SpannedValue, Value};
use crate::engine::instance::Instance;
use crate::text::{closest_name, quote};

/// The path of a lock file, valid for any placeholder values.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LockPath {
    source: String,
    parts: Vec<PathPart>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum PathPart {
    Text(String),
    Instance,
    Profile,
    User,
    LockDir,
}

#[derive(Debug, Clone, Copy)]
pub struct Placeholders<'a> {
    pub instance: &'a str,
    /// The value of `{profile}`; `None` becomes `default`.
    pub profile: Option<&'a str>,
    pub user: &'a str,
    pub lock_dir: &'a Path,
}

impl TextValue for LockPath {
    const HINT: &'static str = "write a path in quotes, such as \"{lock_dir}/{instance}.lock\"";

    fn parse(source: &str) -> Result<LockPath, Fault> {
        if source.is_empty() {
            return Err(
                Fault::new("is empty").help("write a path such as \"{lock_dir}/{instance}.lock\"")
            );
        }
        if source.chars().any(char::is_control) {
            return Err(
                Fault::of(source, "has a control character").help("write a path on one line")
            );
        }
        let mut parts = Vec::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}']) {
            let bracket = source.len() - rest.len() + at;
            let (text, tail) = rest.split_at(at);
            if !text.is_empty() {
                parts.push(PathPart::Text(text.to_owned()));
            }
            let Some((name, after)) =
                tail.strip_prefix('{').and_then(|inner| inner.split_once('}'))
            else {
                return Err(lone_bracket(source, bracket));
            };
            parts.push(placeholder(source, name, bracket)?);
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(PathPart::Text(rest.to_owned()));
        }
        LockPath { source: source.to_owned(), parts }.validated()
    }
}

pub(super) fn are_different(paths: &Value) -> Option<Fault> {
    let Value::List(paths) = paths else { return None };
    if paths.is_empty() {
        return Some(
            Fault::new("the list is empty")
                .help("leave the key out for the default, \"{lock_dir}/{instance}.lock\""),
        );
    }
    let text = |path: &SpannedValue| match &path.value {
        Value::Text(text) => Some(text.clone()),
        _ => None,
    };
    let texts: Vec<(usize, String)> =
        paths.iter().enumerate().filter_map(|(index, path)| Some((index, text(path)?))).collect();
    let pairs = texts.iter().flat_map(|path| texts.iter().map(move |other| (path, other)));
    for ((first, path), (index, other)) in pairs {
        let (steps, others) = (steps(path), steps(other));
        if first < index && steps == others {
            let what = format!("is in the list twice, as [{first}] and [{index}]");
            return Some(Fault::of(other, what).item(*index).help("remove one of them"));
        }
        if first != index && lies_next_to(&others, &steps) {
            let what = format!("may be a file of monopoll's next to [{first}]");
            let help = "choose a name that does not begin with the other name and a dot";
            return Some(Fault::of(other, what).item(*index).help(help));
        }
    }
    None
}

fn steps(path: &str) -> Vec<&str> {
    path.split('/').filter(|step| !step.is_empty()).collect()
}

/// Returns whether a path is the other one with an extension, like the files next to a lock.
fn lies_next_to(path: &[&str], lock: &[&str]) -> bool {
    let (Some((name, folder)), Some((lock_name, lock_folder))) =
        (path.split_last(), lock.split_last())
    else {
        return false;
    };
    folder == lock_folder && is_companion(name, lock_name)
}

/// Returns whether a file of this name may be one of the files next to a lock.
pub(crate) fn is_companion(name: &str, lock_name: &str) -> bool {
    name.strip_prefix(lock_name).is_some_and(|rest| rest.starts_with('.'))
}

impl LockPath {
    const NAMES: [&str; 4] = ["instance", "profile", "user", "lock_dir"];
    const PLACEHOLDERS: &str = "the placeholders are {instance}, {profile}, {user} and {lock_dir}";

    /// Replaces the placeholders. A value cannot add a folder, and placeholders in it are not
    /// replaced.
    pub fn fill(&self, with: &Placeholders<'_>) -> PathBuf {
        let mut path = std::ffi::OsString::new();
        #[cfg(windows)]
        if self.source.starts_with('/') {
            path.push(DRIVE);
        }
        for part in &self.parts {
            match part {
                PathPart::Text(text) => path.push(text),
                PathPart::Instance => path.push(with.instance.replace(is_separator, "_")),
                PathPart::Profile => path.push(
                    with.profile
                        .filter(|name| !name.is_empty())
                        .unwrap_or("default")
                        .replace(is_separator, "_"),
                ),
                PathPart::User => path.push(with.user.replace(is_separator, "_")),
                PathPart::LockDir => path.push(with.lock_dir),
            }
        }
        path.into()
    }

    pub fn depends_on_user(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, PathPart::User | PathPart::LockDir))
    }

    pub fn instance_of(&self, name: &str, with: &Placeholders<'_>) -> Option<Instance> {
        let (folder, before) = self.before_instance(with)?;
        let rest = name.strip_prefix(before.as_str())?;
        // Filling in the instance must give `name` again, including whatever follows the instance.
        let fits = |instance: &Instance| {
            let path = self.fill(&Placeholders { instance: instance.as_str(), ..*with });
            path.strip_prefix(&folder)
                .ok()
                .and_then(|path| path.iter().next())
                .is_some_and(|first| first == name)
        };
        let ends = rest.char_indices().map(|(at, c)| at + c.len_utf8());
        ends.filter_map(|end| rest.get(..end)?.parse().ok()).find(fits)
    }

    /// Returns the folder in which each instance has its own entry; `None` if all instances share
    /// one path.
    pub fn folder_of_instances(&self, with: &Placeholders<'_>) -> Option<PathBuf> {
        self.before_instance(with).map(|(folder, _)| folder)
    }

    fn before_instance(&self, with: &Placeholders<'_>) -> Option<(PathBuf, String)> {
        let at = self.parts.iter().position(|part| *part == PathPart::Instance)?;
        let before =
            LockPath { source: self.source.clone(), parts: self.parts.get(..at)?.to_vec() }
                .fill(with);
        let before = before.to_str()?;
        let cut = before.rfind(is_separator)? + 1;
        Some((PathBuf::from(before.get(..cut)?), before.get(cut..)?.to_owned()))
    }

    fn validated(self) -> Result<LockPath, Fault> {
        let source = self.source.as_str();
        let is_absolute = match self.parts.first() {
            Some(PathPart::LockDir) => true,
            Some(PathPart::Text(text)) => is_absolute(text),
            Some(PathPart::Instance | PathPart::Profile | PathPart::User) | None => false,
        };
        if self.parts.iter().skip(1).any(|part| *part == PathPart::LockDir) {
            let at = source.rfind(LOCK_DIR).unwrap_or(0);
            return Err(Fault::of(source, "has {lock_dir} in its middle")
                .part(at..at + LOCK_DIR.len())
                .help("{lock_dir} is a whole path: begin with it"));
        }
        if !is_absolute {
            return Err(Fault::of(source, "is not absolute").help(
                "begin with `/` or `{lock_dir}/`: starts from different folders must meet at one \
                 file",
            ));
        }
        if source.ends_with(is_separator) || self.parts == [PathPart::LockDir] {
            return Err(Fault::of(source, "names a folder")
                .help("add the file's name, such as `{instance}.lock`"));
        }
        if source.strip_prefix(LOCK_DIR).is_some_and(|rest| !rest.starts_with(is_separator)) {
            return Err(Fault::of(source, "needs a `/` after {lock_dir}")
                .part(0..LOCK_DIR.len())
                .help("write \"{lock_dir}/{instance}.lock\""));
        }
        let mut start = 0;
        for step in source.split(is_separator) {
            if matches!(step, "." | "..") {
                return Err(Fault::of(source, "contains `.` or `..`")
                    .part(start..start + step.len())
                    .help("write the path without them: each lock file must have one name"));
            }
            start += step.len() + 1;
        }
        Ok(self)
    }
}

fn is_absolute(text: &str) -> bool {
    text.starts_with('/') || Path::new(text).is_absolute()
}

/// The drive for paths without one, so that starts from different drives use the same file.
#[cfg(windows)]
const DRIVE: &str = "C:";

const LOCK_DIR: &str = "{lock_dir}";

fn lone_bracket(source: &str, at: usize) -> Fault {
    Fault::of(source, "has an unmatched bracket").part(at..at + 1).help(LockPath::PLACEHOLDERS)
}

fn placeholder(source: &str, name: &str, at: usize) -> Result<PathPart, Fault> {
    match name {
        "instance" => Ok(PathPart::Instance),
        "profile" => Ok(PathPart::Profile),
        "user" => Ok(PathPart::User),
        "lock_dir" => Ok(PathPart::LockDir),
        _ if name.contains('{') => Err(lone_bracket(source, at)),
        _ => {
            let written = format!("{{{name}}}");
            let what = format!("has an unknown placeholder {}", quote(&written));
            let fault = Fault::of(source, what).part(at..at + written.len());
            Err(match closest_name(name, LockPath::NAMES) {
                Some(near) => {
                    fault.help(format!("did you mean {{{near}}}? {}", LockPath::PLACEHOLDERS))
                }
                None => fault.help(LockPath::PLACEHOLDERS),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn placeholders<'a>(user: &'a str, lock_dir: &'a str) -> Placeholders<'a> {
        Placeholders { instance: "bot1", profile: None, user, lock_dir: Path::new(lock_dir) }
    }

    #[test]
    fn placeholders_are_filled_once_and_add_no_folder() {
        let with = placeholders("a/{instance}", "/run/monopoll");
        for (template, expected) in [
            ("{lock_dir}/{instance}.lock", "/run/monopoll/bot1.lock"),
            ("/run/{user}/{profile}.lock", "/run/a_{instance}/default.lock"),
            ("/run/a.lock", "/run/a.lock"),
        ] {
            let drive = if cfg!(windows) && template.starts_with('/') { "C:" } else { "" };
            assert_eq!(
                LockPath::parse(template).unwrap().fill(&with),
                PathBuf::from(format!("{drive}{expected}")),
                "{template}"
            );
        }
    }

    #[test]
    fn an_instance_is_known_by_the_name_of_its_lock() {
        let with = placeholders("me", "/run/monopoll");
        for (template, folder, name, expected) in [
            ("{lock_dir}/{instance}.lock", Some("/run/monopoll/"), "bot1.lock", Some("bot1")),
            ("{lock_dir}/{instance}.lock", Some("/run/monopoll/"), "bot1.lock.record", None),
            ("{lock_dir}/{instance}.lock", Some("/run/monopoll/"), ".lock", None),
            ("{lock_dir}/{instance}.lock", Some("/run/monopoll/"), "a.lock.lock", Some("a.lock")),
            (
                "/srv/{user}-{instance}-{profile}.lock",
                Some("/srv/"),
                "me-bot-1-default.lock",
                Some("bot-1"),
            ),
            ("/srv/{user}-{instance}-{profile}.lock", Some("/srv/"), "you-bot1-default.lock", None),
            ("/srv/{instance}/{user}.lock", Some("/srv/"), "bot1", Some("bot1")),
            ("/srv/{instance}-{instance}", Some("/srv/"), "bot1-bot1", Some("bot1")),
            ("/srv/{instance}-{instance}", Some("/srv/"), "bot1-bot2", None),
            ("/srv/{instance}", Some("/srv/"), "ünbot", None),
            ("/run/a.lock", None, "a.lock", None),
        ] {
            let path = LockPath::parse(template).unwrap();
            if cfg!(unix) {
                assert_eq!(path.folder_of_instances(&with), folder.map(PathBuf::from));
            }
            let instance = path.instance_of(name, &with).map(|instance| instance.to_string());
            assert_eq!(instance.as_deref(), expected, "{template} {name}");
        }
    }

    #[test]
    #[cfg(windows)]
    fn a_drive_is_a_root_on_windows_and_a_folder_on_a_drive_is_none() {
        let with = placeholders("me", r"C:\Users\me");
        for path in ["C:/locks/{instance}.lock", r"D:\locks\a.lock", r"{lock_dir}\a.lock"] {
            assert!(LockPath::parse(path).unwrap().fill(&with).is_absolute(), "{path}");
        }
        for path in [r"C:locks\a.lock", r"locks\a.lock", r"C:\locks\..\a.lock", r"C:\locks\"] {
            assert!(LockPath::parse(path).is_err(), "{path}");
        }
    }
}
