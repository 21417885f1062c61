//! Colors text on terminals.

/// Colored or plain output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// For files, pipes and `NO_COLOR`.
    Plain,
    Color,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Success,
    Warning,
    Error,
    Bold,
    Dim,
}

impl Paint {
    pub(crate) fn style(self, style: Style, text: &str) -> String {
        let code = match style {
            Style::Success => "32",
            Style::Warning => "33",
            Style::Error => "31",
            Style::Bold => "1",
            Style::Dim => "2",
        };
        match self {
            Paint::Plain => text.to_owned(),
            Paint::Color => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        }
    }
}
