//! Shows a problem in a text the way compilers do: a sentence, the underlined line, a hint.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use crate::text::excerpt::Excerpt;
use crate::text::style::{Paint, Style};

/// Wider than any excerpt, since excerpts are already cut.
const UNLIMITED: usize = 10_000;

/// A message with its line and a hint, all of them sanitized.
#[derive(Debug)]
pub struct Diagnostic<'a> {
    pub title: &'a str,
    /// `None` for a source with a single line.
    pub line_number: Option<usize>,
    pub excerpt: Option<&'a Excerpt>,
    pub help: Option<&'a str>,
}

impl Diagnostic<'_> {
    pub fn render(&self, paint: Paint) -> String {
        let Some(excerpt) = self.excerpt else { return self.render_without_line(paint) };
        let line = Snippet::source(&excerpt.line)
            .fold(false)
            .line_numbering(self.line_number.is_some())
            .line_start(self.line_number.unwrap_or(1))
            .annotation(AnnotationKind::Primary.span(excerpt.marked.clone()));
        let group =
            Group::with_title(Level::ERROR.no_name().primary_title(self.title)).element(line);
        let group = group.elements(self.help.map(|help| Level::HELP.message(help)));
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Color => Renderer::styled(),
        };
        let lines = renderer.decor_style(DecorStyle::Ascii).term_width(UNLIMITED).render(&[group]);
        lines.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// Renders the same layout if there is no line to show.
    fn render_without_line(&self, paint: Paint) -> String {
        let title = paint.style(Style::Bold, self.title);
        match self.help {
            Some(help) => format!(
                "{title}\n {} {}: {help}",
                paint.style(Style::Bold, "="),
                paint.style(Style::Bold, "help")
            ),
            None => title,
        }
    }
}
