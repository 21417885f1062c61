//! Something that is wrong with a text, as compilers show it: a sentence, the line with the place
//! underlined, the way out.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet, renderer::DecorStyle};

use crate::text::{
    excerpt::Excerpt,
    style::{Paint, Tone},
};

/// Wider than any excerpt: it was cut to its width already.
const UNLIMITED: usize = 10_000;

/// A sentence with its line and the way out. All of it is fit to be printed already.
#[derive(Debug)]
pub struct Diagnostic<'a> {
    /// Where and what, in one line.
    pub title: &'a str,
    /// The number of the line, where lines are counted.
    pub number: Option<usize>,
    /// The line, where there is one.
    pub excerpt: Option<&'a Excerpt>,
    /// The way out.
    pub help: Option<&'a str>,
}

impl Diagnostic<'_> {
    /// In as many lines as it takes; the last one has no line break.
    #[must_use]
    pub fn draw(&self, paint: Paint) -> String {
        let Some(excerpt) = self.excerpt else { return self.without_a_line(paint) };
        let line = Snippet::source(&excerpt.line)
            .fold(false)
            .line_numbering(self.number.is_some())
            .line_start(self.number.unwrap_or(1))
            .annotation(AnnotationKind::Primary.span(excerpt.marked.clone()));
        let said =
            Group::with_title(Level::ERROR.no_name().primary_title(self.title)).element(line);
        let said = said.elements(self.help.map(|help| Level::HELP.message(help)));
        let renderer = match paint {
            Paint::Plain => Renderer::plain(),
            Paint::Colour => Renderer::styled(),
        };
        let drawn = renderer.decor_style(DecorStyle::Ascii).term_width(UNLIMITED).render(&[said]);
        // A log has no use for blanks at the end of a line.
        drawn.lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
    }

    /// The same shape where there is no line to be shown.
    fn without_a_line(&self, paint: Paint) -> String {
        let title = paint.tone(Tone::Strong, self.title);
        match self.help {
            Some(help) => format!(
                "{title}\n {} {}: {help}",
                paint.tone(Tone::Strong, "="),
                paint.tone(Tone::Strong, "help")
            ),
            None => title,
        }
    }
}
