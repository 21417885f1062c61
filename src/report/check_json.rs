//! The problems of a configuration as JSON; see `schemas/check.schema.json`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{Problem, Problems, SourceName};

/// The problems of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "monopoll config check", deny_unknown_fields)]
pub struct CheckDocument {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    /// Sorted by place.
    pub problems: Vec<ProblemDocument>,
}

/// One problem of a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProblemDocument {
    /// The file, as it was named or found; null for a variable or flag.
    pub file: Option<String>,
    /// The line, starting at 1; null if the problem concerns the whole file.
    #[schemars(range(min = 1))]
    pub line: Option<usize>,
    /// The first column, in characters, starting at 1.
    #[schemars(range(min = 1))]
    pub column: Option<usize>,
    /// The column after the last one, in the same line. Equal to the first column if something is
    /// missing there.
    #[schemars(range(min = 1))]
    pub end_column: Option<usize>,
    /// The place in readable form: `FILE:LINE:COLUMN`, `$VARIABLE` or `--flag`.
    pub place: String,
    /// The key, such as `timeouts.graceful`; null if the problem does not concern a single key.
    pub key: Option<String>,
    /// The message, with secrets masked.
    pub message: String,
    /// A hint about how to fix it.
    pub help: Option<String>,
}

pub fn document(problems: Option<&Problems>) -> CheckDocument {
    let problems = problems.map_or(&[][..], Problems::list).iter().map(problem).collect();
    CheckDocument { version: 1, problems }
}

fn problem(problem: &Problem) -> ProblemDocument {
    let position = problem.location.position();
    ProblemDocument {
        file: match problem.location.source() {
            SourceName::File(path) => Some(path.to_string_lossy().into_owned()),
            SourceName::Variable(_) | SourceName::Set(_) | SourceName::Flag(_) => None,
        },
        line: position.map(|it| it.line),
        column: position.map(|it| it.column),
        end_column: position.map(|it| it.end_column),
        place: problem.location.to_string(),
        key: problem.key.clone(),
        message: problem.message.clone(),
        help: problem.help.clone(),
    }
}
