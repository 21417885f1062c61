//! The findings of `doctor` as text.

use crate::doctor::{Finding, Grade};
use crate::text::{self, Paint, Style, sanitize};

/// Returns the findings of at least grade `lowest`, each on a line with its hint below, and the
/// number of problems and warnings.
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
    let count = |grade: Grade, word: &str, words: &str| match findings
        .iter()
        .filter(|finding| finding.grade == grade)
        .count()
    {
        0 => format!("no {words}"),
        number => text::count(number, word, words),
    };
    let more = match lowest {
        Grade::Ok => "",
        Grade::Warning | Grade::Problem => "; `-v` lists every check",
    };
    format!(
        "Found {} and {}{more}.",
        count(Grade::Problem, "problem", "problems"),
        count(Grade::Warning, "warning", "warnings")
    )
}
