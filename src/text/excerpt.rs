//! Cuts one line out of a text around a place in it: printable, secrets masked.

use std::ops::Range;

use crate::text::{mask::MASK, printable::push_printable};

/// The most characters of a line that are shown.
const WIDTH: usize = 100;
/// How many of them stand before the place at least, where there are as many.
const BEFORE: usize = 30;
/// Stands where something was cut off.
const CUT: &str = "…";
/// A tab stands for as many blanks, wherever it is: what is marked below it must not depend on a
/// terminal's tab stops.
const TAB: &str = "    ";

/// A line and a place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// What of the line is shown.
    pub line: String,
    /// What of it is marked, in bytes; empty where something is missing.
    pub marked: Range<usize>,
}

/// The line of `text` that `place` begins in, as it may be shown. `hidden` are the secrets in
/// `text`, in order.
#[must_use]
pub fn excerpt(text: &str, place: &Range<usize>, hidden: &[Range<usize>]) -> Excerpt {
    let line = line_range(text, place.start);
    let start = floor(text, place.start).min(line.end);
    let place = start..floor(text, place.end).clamp(start, line.end);
    let pieces = TextPieces { text, hidden };
    // No more than could be shown is looked at: a line may have a megabyte.
    let start = pieces.containing(place.start).start;
    let mut before: Vec<Range<usize>> = Vec::new();
    let (mut at, mut width) = (start, 0);
    while at > line.start && width <= WIDTH {
        let piece =
            pieces.containing(text[..at].char_indices().next_back().map_or(0, |(at, _)| at));
        (at, width) = (piece.start, width + pieces.shown(&piece).chars().count());
        before.push(piece);
    }
    let mut after: Vec<Range<usize>> = Vec::new();
    let (mut at, mut width_after) = (start, 0);
    while at < line.end && width_after <= WIDTH {
        let piece = pieces.containing(at);
        (at, width_after) = (piece.end, width_after + pieces.shown(&piece).chars().count());
        after.push(piece);
    }
    let room_before = if width + width_after <= WIDTH {
        WIDTH
    } else {
        BEFORE.max(WIDTH.saturating_sub(width_after))
    };
    let mut shown = String::new();
    let kept = fitting(&pieces, &before, room_before);
    if kept < before.len() {
        shown.push_str(CUT);
    }
    let mut room = WIDTH;
    for piece in before[..kept].iter().rev() {
        let part = pieces.shown(piece);
        room = room.saturating_sub(part.chars().count());
        shown.push_str(&part);
    }
    let mut marked = shown.len()..shown.len();
    let kept = fitting(&pieces, &after, room);
    for piece in &after[..kept] {
        shown.push_str(&pieces.shown(piece));
        if piece.start < place.end {
            marked.end = shown.len();
        }
    }
    if kept < after.len() {
        shown.push_str(CUT);
    }
    Excerpt { line: shown, marked }
}

/// The line that `at` is in, without what ends it.
pub(crate) fn line_range(text: &str, at: usize) -> Range<usize> {
    let at = floor(text, at);
    let start = text[..at].rfind('\n').map_or(0, |end| end + 1);
    let end = text[at..].find('\n').map_or(text.len(), |length| at + length);
    start..if text[start..end].ends_with('\r') { end - 1 } else { end }
}

/// The beginning of the character that `at` is in.
fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// How many of `pieces` fit into `room` characters.
fn fitting(pieces: &TextPieces<'_>, each: &[Range<usize>], room: usize) -> usize {
    let mut width = 0;
    each.iter()
        .take_while(|piece| {
            width += pieces.shown(piece).chars().count();
            width <= room
        })
        .count()
}

/// A text in pieces that are shown whole or not at all: a character, or a secret.
struct TextPieces<'a> {
    text: &'a str,
    hidden: &'a [Range<usize>],
}

impl TextPieces<'_> {
    /// The piece that the character at `at` is part of.
    fn containing(&self, at: usize) -> Range<usize> {
        let next = self.hidden.partition_point(|secret| secret.end <= at);
        match self.hidden.get(next) {
            Some(secret) if secret.start <= at => secret.clone(),
            Some(_) | None => at..at + self.text[at..].chars().next().map_or(0, char::len_utf8),
        }
    }

    fn shown(&self, piece: &Range<usize>) -> String {
        let next = self.hidden.partition_point(|secret| secret.end <= piece.start);
        if self.hidden.get(next).is_some_and(|secret| secret.start <= piece.start) {
            return MASK.to_owned();
        }
        self.text[piece.clone()].chars().fold(String::new(), |mut shown, c| {
            match c {
                '\t' => shown.push_str(TAB),
                c => push_printable(&mut shown, c),
            }
            shown
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::text::mask::secret_spans;

    const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

    /// The shown line with the marked part in guillemets; `place` is a part of `text`.
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
