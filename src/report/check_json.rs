//! What is wrong with a configuration, as a machine reads it: an array; see
//! `schemas/check.schema.json`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::config::{Problem, Problems, SourceName};

/// Everything that is wrong, in the order of the places; empty where nothing is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "monopoll config check")]
#[serde(transparent)]
pub struct CheckDocument(pub Vec<ProblemDocument>);

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub struct ProblemDocument {
    /// The file, as it was named or found; null for a variable or a flag.
    pub file: Option<String>,
    /// The line, from 1; null where it is the file as a whole.
    #[schemars(range(min = 1))]
    pub line: Option<usize>,
    /// The first column, in characters, from 1.
    #[schemars(range(min = 1))]
    pub column: Option<usize>,
    /// The column after the last one, in the same line; the first one where something is missing
    /// there.
    #[schemars(range(min = 1))]
    pub end_column: Option<usize>,
    /// Where, as a person reads it: `FILE:LINE:COLUMN`, `$VARIABLE`, `--flag`.
    pub place: String,
    /// The key that it is about, such as `timeouts.graceful`; null where it is about no single one.
    pub key: Option<String>,
    /// What was found; secrets are masked.
    pub message: String,
    /// The way out.
    pub help: Option<String>,
}

/// The problems as a document.
pub fn document(problems: Option<&Problems>) -> CheckDocument {
    CheckDocument(problems.map_or(&[][..], |problems| &problems.0).iter().map(problem).collect())
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
