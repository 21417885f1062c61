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

/// The findings for a person, a line each, with the hint below it.
pub fn text(findings: &[Finding], paint: Paint) -> String {
    let width = findings.iter().map(|finding| finding.name.len()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for finding in findings {
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
                paint.style(Style::Dim, "way out:"),
                sanitize(hint)
            ));
        }
    }
    lines.extend([String::new(), sum(findings)]);
    lines.join("\n") + "\n"
}

pub fn sum(findings: &[Finding]) -> String {
    let count = |grade: Grade, word: &str| match findings
        .iter()
        .filter(|finding| finding.grade == grade)
        .count()
    {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    match (count(Grade::Problem, "problem"), count(Grade::Warning, "warning")) {
        (None, None) => "This machine is ready.".to_owned(),
        (None, Some(warnings)) => format!("This machine is ready, with {warnings}."),
        (Some(problems), None) => format!("This machine is not ready: {problems}."),
        (Some(problems), Some(warnings)) => {
            format!("This machine is not ready: {problems}, {warnings}.")
        }
    }
}
