//! Colors on a terminal, none elsewhere.

/// Colored or plain output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// For a file, a pipe, `NO_COLOR`.
    Plain,
    /// For a terminal.
    Color,
}

/// The meaning that a piece of text is colored for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    /// All is well.
    Success,
    /// Something will be done.
    Warning,
    /// There is no start.
    Error,
    /// The word to look for.
    Bold,
    /// A detail.
    Dim,
}

impl Paint {
    /// Colors `text`, unless the output is plain.
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
