//! The findings of `doctor`, for people and for machines.

use schemars::JsonSchema;
use serde::Serialize;

use crate::doctor::{Finding, Grade};
use crate::text::{Paint, Style, mask_secrets, sanitize};

/// The findings about this machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(title = "monopoll doctor")]
pub struct DoctorDocument {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub version: u32,
    pub findings: Vec<Finding>,
}

pub fn document(findings: &[Finding]) -> DoctorDocument {
    let masked = |finding: &Finding| Finding {
        what: mask_secrets(&finding.what),
        hint: finding.hint.as_deref().map(mask_secrets),
        ..finding.clone()
    };
    DoctorDocument { version: 1, findings: findings.iter().map(masked).collect() }
}

/// The findings from `lowest` on for a person, a line each with its hint below it, then the number
/// of problems and warnings.
pub fn text(findings: &[Finding], lowest: Grade, paint: Paint) -> String {
    let shown = || findings.iter().filter(|finding| finding.grade >= lowest);
    let width = shown().map(|finding| finding.name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for finding in shown() {
        let (tone, word) = match finding.grade {
            Grade::Ok => (Style::Success, "ok"),
            Grade::Warning => (Style::Warning, "warning"),
            Grade::Problem => (Style::Error, "problem"),
        };
        let name = paint.style(Style::Bold, &format!("{:<width$}", finding.name));
        lines.push(format!(
            "{}  {name}  {}",
            paint.style(tone, &format!("{word:<7}")),
            sanitize(&finding.what)
        ));
        if let Some(hint) = &finding.hint {
            lines.push(format!(
                "{:9}{:width$}  {} {}",
                "",
                "",
                paint.style(Style::Dim, "hint:"),
                sanitize(hint)
            ));
        }
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines.push(sum(findings, lowest));
    lines.join("\n") + "\n"
}

fn sum(findings: &[Finding], lowest: Grade) -> String {
    let count = |grade: Grade, word: &str| match findings
        .iter()
        .filter(|finding| finding.grade == grade)
        .count()
    {
        0 => format!("no {word}s"),
        1 => format!("1 {word}"),
        n => format!("{n} {word}s"),
    };
    let more = match lowest {
        Grade::Ok => "",
        Grade::Warning | Grade::Problem => "; `-v` lists every check",
    };
    format!(
        "Found {} and {}{more}.",
        count(Grade::Problem, "problem"),
        count(Grade::Warning, "warning")
    )
}
