//! What is to be measured, and how often.

use crate::bench::Failure;
use crate::reaper;

/// A part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// `a`: from a start to the child's exec.
    Start,
    /// `b`: `plan` beside `pgrep -f`.
    Plan,
    /// `c`: from the old one's exit to the new child's exec, and a takeover from cold.
    HandOver,
    /// `d`: what a guard costs while its bot runs.
    Resident,
    /// `e`: many waiters, many starts at once.
    Many,
}

const ALL: [(&str, Section); 5] = [
    ("a", Section::Start),
    ("b", Section::Plan),
    ("c", Section::HandOver),
    ("d", Section::Resident),
    ("e", Section::Many),
];

/// The command line.
#[derive(Debug)]
pub(crate) struct Options {
    only: Vec<Section>,
    /// How many runs a median is of.
    pub(crate) rounds: usize,
}

impl Options {
    /// Reads the arguments; what is not for people is passed over.
    pub(crate) fn read(mut args: impl Iterator<Item = String>) -> Result<Options, Failure> {
        let mut options =
            Options { only: ALL.iter().map(|(_, section)| *section).collect(), rounds: 21 };
        while let Some(arg) = args.next() {
            if arg == "--bench" || arg == reaper::INSIDE {
                continue;
            }
            match (arg.as_str(), args.next()) {
                ("--only", Some(list)) => {
                    options.only = list.split(',').map(section).collect::<Result<_, _>>()?;
                }
                ("--rounds", Some(rounds)) => options.rounds = rounds.parse()?,
                _ => return Err(format!("`{arg}`: say --only a,b,c,d,e or --rounds N").into()),
            }
        }
        Ok(options)
    }

    pub(crate) fn sections(&self) -> impl Iterator<Item = Section> {
        self.only.iter().copied()
    }

    pub(crate) fn has(&self, section: Section) -> bool {
        self.only.contains(&section)
    }
}

fn section(letter: &str) -> Result<Section, Failure> {
    let found = ALL.iter().find(|(known, _)| *known == letter);
    found
        .map(|(_, section)| *section)
        .ok_or_else(|| format!("there is no section `{letter}`").into())
}
