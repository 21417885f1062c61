//! Match patterns on names, command lines and paths, and limits to users and containers.

use std::borrow::Cow;
use std::path::Path;

use globset::{GlobBuilder, GlobMatcher};
use regex::Regex;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::fact::{Fact, Truth};
use crate::engine::process::{Process, User};

/// The pattern fields of match entries and rules. A missing field matches every process.
#[derive(Debug, Clone, Default)]
pub struct Pattern {
    /// Matches the whole base name of the executable.
    pub name: Option<NamePattern>,
    pub cmdline: Option<CmdlinePattern>,
    pub exe: Option<PathPattern>,
    /// Matches the working directory or any folder above it.
    pub cwd: Option<PathPattern>,
}

/// The facts that patterns test. A scan reads each only when asked.
pub trait PatternFacts {
    fn name(&self) -> Fact<Cow<'_, str>>;
    /// The arguments, joined by one space.
    fn cmdline(&self) -> Fact<Cow<'_, str>>;
    fn exe(&self) -> Fact<Cow<'_, Path>>;
    fn cwd(&self) -> Fact<Cow<'_, Path>>;
}

impl Pattern {
    /// Stops at the first field that does not match. The command line comes first because it is the
    /// cheapest to read.
    pub fn matches(&self, facts: &impl PatternFacts) -> Truth {
        let fields: [&dyn Fn() -> Option<Truth>; 4] = [
            &|| Some(self.cmdline.as_ref()?.holds(facts)),
            &|| Some(self.exe.as_ref()?.holds_for_exe(facts)),
            &|| Some(self.name.as_ref()?.holds(facts)),
            &|| Some(self.cwd.as_ref()?.holds_for_cwd(facts)),
        ];
        Truth::all(fields.into_iter().filter_map(|field| field()))
    }
}

impl PatternFacts for Process {
    fn name(&self) -> Fact<Cow<'_, str>> {
        self.name.known().map(Cow::from).into()
    }

    fn cmdline(&self) -> Fact<Cow<'_, str>> {
        self.args.known().map(|args| args.join(" ").into()).into()
    }

    fn exe(&self) -> Fact<Cow<'_, Path>> {
        self.exe.known().map(Cow::from).into()
    }

    fn cwd(&self) -> Fact<Cow<'_, Path>> {
        self.cwd.known().map(Cow::from).into()
    }
}

#[derive(Debug, Clone)]
pub struct NamePattern(Regex);

impl NamePattern {
    /// Compiles `source`, anchored at both ends.
    pub fn new(source: &str) -> Result<Self, regex::Error> {
        // Compile the source alone first: an error message then quotes what the user wrote, and the
        // anchoring group cannot turn an invalid regex such as `a)(b` into a valid one.
        Regex::new(source)?;
        // With `(?x)`, a comment at the end of the source would swallow the closing parenthesis; a
        // line break ends it, and means nothing else there.
        let verbose = format!("^(?:{source}\n)$");
        let plain = format!("^(?:{source})$");
        Regex::new(&plain).or_else(|_| Regex::new(&verbose)).map(NamePattern)
    }

    pub fn source(&self) -> &str {
        let anchored = self.0.as_str();
        anchored
            .strip_prefix("^(?:")
            .and_then(|rest| rest.strip_suffix(")$"))
            .map_or(anchored, |source| source.trim_end_matches('\n'))
    }

    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }

    pub(super) fn holds(&self, facts: &impl PatternFacts) -> Truth {
        facts.name().holds(|name| self.matches(name))
    }
}

#[derive(Debug, Clone)]
pub struct CmdlinePattern(Regex);

impl CmdlinePattern {
    pub fn new(source: &str) -> Result<Self, regex::Error> {
        Regex::new(source).map(CmdlinePattern)
    }

    pub fn source(&self) -> &str {
        self.0.as_str()
    }

    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }

    pub(super) fn holds(&self, facts: &impl PatternFacts) -> Truth {
        facts.cmdline().holds(|cmdline| self.matches(cmdline))
    }
}

/// A glob on a path. `*` does not cross `/`; `**` does.
#[derive(Debug, Clone)]
pub struct PathPattern(GlobMatcher);

impl PathPattern {
    pub fn new(source: &str) -> Result<Self, globset::Error> {
        let trimmed = source.trim_end_matches('/');
        let source = if trimmed.is_empty() { source } else { trimmed };
        GlobBuilder::new(source)
            .literal_separator(true)
            .build()
            .map(|glob| PathPattern(glob.compile_matcher()))
    }

    /// Returns the glob as written, without trailing slashes.
    pub fn source(&self) -> &str {
        self.0.glob().glob()
    }

    pub fn matches(&self, path: &Path) -> bool {
        self.0.is_match(path)
    }

    /// Returns whether the glob matches `path` or one of its ancestors.
    pub fn matches_at_or_below(&self, path: &Path) -> bool {
        path.ancestors().any(|folder| self.0.is_match(folder))
    }

    pub(super) fn holds_for_exe(&self, facts: &impl PatternFacts) -> Truth {
        facts.exe().holds(|exe| self.matches(exe))
    }

    pub(super) fn holds_for_cwd(&self, facts: &impl PatternFacts) -> Truth {
        facts.cwd().holds(|cwd| self.matches_at_or_below(cwd))
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum UserLimit {
    /// Only the caller's processes.
    #[default]
    Same,
    Any,
    /// This user's processes, by name or id.
    Named(String),
}

impl UserLimit {
    pub fn admits(&self, process: &Process, me: &User) -> Truth {
        match self {
            UserLimit::Same => process.user.holds(|user| user.id == me.id),
            UserLimit::Any => Truth::True,
            UserLimit::Named(name) => {
                process.user.holds(|user| *name == user.name || *name == user.id)
            }
        }
    }
}

/// The containers that a match entry is limited to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ContainerLimit {
    /// Only monopoll's own container.
    #[default]
    Same,
    /// All containers that monopoll can see.
    Any,
}

impl ContainerLimit {
    pub fn admits(self, process: &Process) -> Truth {
        match self {
            ContainerLimit::Same => process.container.holds(Option::is_none),
            ContainerLimit::Any => Truth::True,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_matches_as_a_whole() {
        for (pattern, name, expected) in [
            ("python3?", "python3", true),
            ("python3?", "python3.11", false),
            ("a|b", "ab", false),
            ("a|b", "b", true),
            ("(?x) bot # mine", "bot", true),
        ] {
            assert_eq!(
                NamePattern::new(pattern).unwrap().matches(name),
                expected,
                "{pattern} on {name}"
            );
        }
        assert!(NamePattern::new("a)(b").is_err());
    }

    #[test]
    fn a_pattern_is_shown_as_it_was_written() {
        for source in ["python3?", "(?x) bot # mine", "^(?:a)$", ""] {
            assert_eq!(NamePattern::new(source).unwrap().source(), source);
        }
        assert_eq!(CmdlinePattern::new(r"main\.py").unwrap().source(), r"main\.py");
        assert_eq!(PathPattern::new("/srv/bot/").unwrap().source(), "/srv/bot");
        assert_eq!(PathPattern::new("/").unwrap().source(), "/");
    }

    #[test]
    fn a_glob_star_stays_within_a_folder() {
        for (pattern, path, expected) in [
            ("/usr/bin/python*", "/usr/bin/python3", true),
            ("/usr/*", "/usr/bin/python3", false),
            ("/usr/**", "/usr/bin/python3", true),
        ] {
            assert_eq!(
                PathPattern::new(pattern).unwrap().matches(Path::new(path)),
                expected,
                "{pattern} on {path}"
            );
        }
    }

    #[test]
    fn a_folder_matches_itself_and_what_is_below_it() {
        for (pattern, path, expected) in [
            ("/srv/bot", "/srv/bot", true),
            ("/srv/bot/", "/srv/bot", true),
            ("/srv/bot", "/srv/bot/sub/dir", true),
            ("/srv/bot", "/srv/bottle", false),
            ("/srv/*", "/srv/bot/sub", true),
            ("/", "/srv", true),
        ] {
            assert_eq!(
                PathPattern::new(pattern).unwrap().matches_at_or_below(Path::new(path)),
                expected,
                "{pattern} on {path}"
            );
        }
    }
}
