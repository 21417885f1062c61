//! Where a value was written.

use std::{fmt, path::PathBuf};

use super::wording::clean;

/// Where something was written, as exactly as can be said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file.
    File {
        /// The file, as it was named or found.
        path: PathBuf,
        /// Line and column, from 1; `None` where it is the file as a whole.
        at: Option<(usize, usize)>,
        /// The profile that it is part of.
        profile: Option<String>,
    },
    /// In an environment variable, by its whole name.
    Variable(String),
    /// In a `--set` with this key.
    Set(String),
    /// In a flag of its own, such as `--on-conflict`.
    Flag(&'static str),
}

impl Place {
    /// For sorting: files by line, then variables, then flags in the order in which they were given.
    pub(crate) fn rank(&self) -> (u8, Option<(usize, usize)>) {
        match self {
            Place::File { at, .. } => (0, *at),
            Place::Variable(_) => (1, None),
            Place::Set(_) => (2, None),
            Place::Flag(_) => (3, None),
        }
    }

    /// Whether the place itself says which key it is about.
    pub(crate) fn names(&self, key: &str) -> bool {
        match self {
            Place::Set(written) => written == key,
            Place::Flag(flag) => flag.trim_start_matches('-').replace('-', "_") == key,
            Place::File { .. } | Place::Variable(_) => false,
        }
    }

    /// The same place, known to be part of a profile.
    pub(crate) fn in_profile(mut self, name: &str) -> Place {
        if let Place::File { profile, .. } = &mut self {
            *profile = Some(name.to_owned());
        }
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File { path, at: Some((line, column)), .. } => write!(f, "{}:{line}:{column}", clean(&path.to_string_lossy())),
            Place::File { path, at: None, .. } => f.write_str(&clean(&path.to_string_lossy())),
            Place::Variable(name) => write!(f, "${}", clean(name)),
            Place::Set(key) if key.is_empty() => f.write_str("--set"),
            Place::Set(key) => write!(f, "--set {}=…", clean(key)),
            Place::Flag(flag) => f.write_str(flag),
        }
    }
}

/// The layer and the place that an effective value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody wrote it.
    Default,
    /// It was written here.
    Written(Place),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::Written(Place::File { path, at, profile }) => {
                f.write_str(&clean(&path.to_string_lossy()))?;
                if let Some((line, _)) = at {
                    write!(f, ":{line}")?;
                }
                profile.as_ref().map_or(Ok(()), |name| write!(f, " [profile.{}]", clean(name)))
            }
            Origin::Written(Place::Set(_)) => f.write_str("--set"),
            Origin::Written(place @ (Place::Variable(_) | Place::Flag(_))) => place.fmt(f),
        }
    }
}
