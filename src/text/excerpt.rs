//! Cuts an excerpt of one line around a place in it: printable and masked.

use std::iter::successors;
use std::ops::Range;

use crate::text::mask::MASK;
use crate::text::printable::push_printable;

/// The maximum width of the shown line.
const WIDTH: usize = 100;
/// The minimum number of characters shown before the place.
const BEFORE: usize = 30;
const CUT: &str = "…";
/// Replaces a tab, so that the mark below does not depend on tab stops.
const TAB: &str = "    ";

/// A line and a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    pub line: String,
    /// The marked part, in bytes; empty if something is missing there.
    pub marked: Range<usize>,
}

/// Cuts an excerpt of the line in which `place` begins. `secrets` are the sorted spans of the
/// secrets in `text`.
pub fn excerpt(text: &str, place: &Range<usize>, secrets: &[Range<usize>]) -> Excerpt {
    let line = line_range(text, place.start);
    let start = text.floor_char_boundary(place.start).min(line.end);
    let end = text.floor_char_boundary(place.end).clamp(start, line.end);
    let pieces = Pieces { text, line, secrets };
    let start = pieces.containing(start).span.start;
    let before = pieces.before(start);
    let after = pieces.after(start);
    let room_before = if width(&before) + width(&after) <= WIDTH {
        WIDTH
    } else {
        BEFORE.max(WIDTH.saturating_sub(width(&after)))
    };
    let shown_before = fitting(&before, room_before);
    let shown_after = fitting(&after, WIDTH.saturating_sub(width(shown_before)));
    let mut line = String::new();
    if shown_before.len() < before.len() {
        line.push_str(CUT);
    }
    line.extend(shown_before.iter().rev().map(|piece| piece.shown.as_str()));
    let mut marked = line.len()..line.len();
    for piece in shown_after {
        line.push_str(&piece.shown);
        if piece.span.start < end {
            marked.end = line.len();
        }
    }
    if shown_after.len() < after.len() {
        line.push_str(CUT);
    }
    Excerpt { line, marked }
}

pub(crate) fn line_range(text: &str, at: usize) -> Range<usize> {
    let at = text.floor_char_boundary(at);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    start..if text[start..end].ends_with('\r') { end - 1 } else { end }
}

/// A line, split into pieces that are shown as a whole or not at all.
struct Pieces<'a> {
    text: &'a str,
    line: Range<usize>,
    secrets: &'a [Range<usize>],
}

struct Piece {
    span: Range<usize>,
    shown: String,
}

impl Pieces<'_> {
    /// Returns the pieces before `at`, nearest first, but no more than can be shown, because a line
    /// may have megabytes.
    fn before(&self, at: usize) -> Vec<Piece> {
        let previous = |at: usize| {
            let (at, _) = self.text.get(self.line.start..at)?.char_indices().next_back()?;
            Some(self.containing(self.line.start + at))
        };
        showable(successors(previous(at), |piece| previous(piece.span.start)))
    }

    fn after(&self, at: usize) -> Vec<Piece> {
        let next = |at: usize| (at < self.line.end).then(|| self.containing(at));
        showable(successors(next(at), |piece| next(piece.span.end)))
    }

    fn containing(&self, at: usize) -> Piece {
        let next = self.secrets.partition_point(|secret| secret.end <= at);
        if let Some(secret) = self.secrets.get(next).filter(|secret| secret.start <= at) {
            return Piece { span: secret.clone(), shown: MASK.to_owned() };
        }
        let c = self.text[at..].chars().next();
        let mut shown = String::new();
        match c {
            Some('\t') => shown.push_str(TAB),
            Some(c) => push_printable(&mut shown, c),
            None => {}
        }
        Piece { span: at..at + c.map_or(0, char::len_utf8), shown }
    }
}

fn showable(pieces: impl Iterator<Item = Piece>) -> Vec<Piece> {
    let mut width = 0;
    let narrow = |piece: &Piece| {
        let is_narrow = width <= WIDTH;
        width += piece.width();
        is_narrow
    };
    pieces.take_while(narrow).collect()
}

fn fitting(pieces: &[Piece], room: usize) -> &[Piece] {
    let fits = |count: &usize| width(&pieces[..*count]) <= room;
    &pieces[..(0..=pieces.len()).rev().find(fits).unwrap_or(0)]
}

fn width(pieces: &[Piece]) -> usize {
    pieces.iter().map(Piece::width).sum()
}

impl Piece {
    fn width(&self) -> usize {
        self.shown.chars().count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::text::mask::secret_spans;

    const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

    /// Returns the shown line with the marked part in guillemets. `place` is a part of `text`.
    fn shown(text: &str, place: &str) -> String {
        let start = text.find(place).unwrap();
        let Excerpt { line, marked } =
            excerpt(text, &(start..start + place.len()), &secret_spans(text));
        format!("{}«{}»{}", &line[..marked.start], &line[marked.clone()], &line[marked.end..])
    }

    #[test]
    fn the_place_is_marked_in_its_line_alone() {
        for (text, place, expected) in [
            ("a = 1\nb = 2\nc = 3", "2", "b = «2»"),
            ("a = 1\r\nb = 2\r\n", "b", "«b» = 2"),
            ("a = 1\r\nb = 2", "1\r\nb", "a = «1»"),
            ("a = [\n1]", "[\n1]", "a = «[»"),
            ("\ta\t=\t1", "1", "    a    =    «1»"),
            ("é = \"寿司\" # ü", "寿", "é = \"«寿»司\" # ü"),
            ("", "", "«»"),
        ] {
            assert_eq!(shown(text, place), expected);
        }
    }

    #[test]
    fn what_is_missing_is_marked_where_it_is_missing() {
        for (text, at, expected) in [
            ("a =\nb = 1", 3, "a ="),
            ("a =\r\n", 3, "a ="),
            ("a =\r\n", 4, "a ="),
            ("a =", 99, "a ="),
            ("\n", 1, ""),
        ] {
            assert_eq!(
                excerpt(text, &(at..at + 1), &[]),
                Excerpt { line: expected.to_owned(), marked: expected.len()..expected.len() }
            );
        }
    }

    #[test]
    fn a_secret_is_masked_and_the_mark_stays_where_it_belongs() {
        let text = format!("a = \"1:{SECRET}\" b = \"2:{SECRET}\" # \u{202e}3:{SECRET}");
        assert_eq!(shown(&text, "b"), "a = \"1:***\" «b» = \"2:***\" # \\u{202e}3:***");
        assert_eq!(
            shown(&text, &format!("\"2:{SECRET}\"")),
            "a = \"1:***\" b = «\"2:***\"» # \\u{202e}3:***"
        );
        assert_eq!(shown(&text, "Tcv"), "a = \"1:«***»\" b = \"2:***\" # \\u{202e}3:***");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place_and_a_secret_at_the_edge_stays_masked() {
        let long = "x".repeat(500_000);
        for (text, expected_start, expected_end) in [
            (format!("a = 1 # {long}"), "a = «1» # xxx", "xxx…"),
            (format!("# {long} 1"), "…xxx", "x «1»"),
            (format!("{long} 1 {long}"), "…xxx", "xxx…"),
        ] {
            let shown = shown(&text, "1");
            assert!(shown.starts_with(expected_start) && shown.ends_with(expected_end), "{shown}");
            assert!(shown.contains("«1»") && shown.chars().count() <= WIDTH + 4, "{shown}");
        }
        let long = "x".repeat(WIDTH);
        for distance in 0..WIDTH + 50 {
            let text = format!(
                "7:{SECRET}{}!{}8:{SECRET}{long}",
                " ".repeat(distance),
                " ".repeat(distance)
            );
            let shown = shown(&text, "!");
            assert!(
                shown.contains("«!»")
                    && !SECRET
                        .as_bytes()
                        .windows(4)
                        .any(|part| shown.contains(str::from_utf8(part).unwrap())),
                "{shown}"
            );
        }
    }

    #[test]
    fn a_place_that_is_longer_than_the_room_begins_in_sight() {
        let text = format!("instance = \"{}\" # the end", "b".repeat(400));
        let Excerpt { line, marked } = excerpt(&text, &(11..413), &[]);
        assert!(line.starts_with("instance = \"bbb") && line.ends_with("b…"), "{line}");
        assert_eq!(marked, 11..line.len() - CUT.len());
    }
}
