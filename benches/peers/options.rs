//! The command-line options of the benchmark.

use crate::bench::Failure;
use crate::reaper;

/// A section of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Section {
    /// `a`: from a start to the child's exec.
    Start,
    /// `b`: `plan` compared with `pgrep -f`.
    Plan,
    /// `c`: from the old bot's exit to the new child's exec, and an unguarded takeover.
    HandOver,
    /// `d`: the cost of a guard while its bot runs.
    Resident,
    /// `e`: many waiters and many simultaneous starts.
    Many,
}

const ALL: [(&str, Section); 5] = [
    ("a", Section::Start),
    ("b", Section::Plan),
    ("c", Section::HandOver),
    ("d", Section::Resident),
    ("e", Section::Many),
];

#[derive(Debug)]
pub(crate) struct Options {
    only: Vec<Section>,
    /// The number of runs per median.
    pub(crate) rounds: usize,
}

impl Options {
    /// Parses the arguments. Ignores those that cargo adds.
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
