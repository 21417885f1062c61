//! Cuts a text into parts that fit into Telegram's messages.
//!
//! A part is as long as it may be, ends at a paragraph, a line or a word where one ends late enough
//! in it, and never within what a person sees as one character.

use unicode_segmentation::UnicodeSegmentation;

/// The most UTF-16 code units that Telegram takes in one message; it counts text and entities in
/// these.
pub(crate) const MAX_UNITS: usize = 4096;

/// The parts of `text`, none of them empty or longer than `most` UTF-16 code units; blanks around a
/// cut are left out.
pub(crate) fn split(text: &str, most: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let (part, after) = rest.split_at(end_of_part(rest, most));
        let part = part.trim_end();
        if !part.is_empty() {
            parts.push(part.to_owned());
        }
        rest = after.trim_start();
    }
    parts
}

/// Where the first part of `text` ends; never 0.
fn end_of_part(text: &str, most: usize) -> usize {
    let fits = fitting(text, most);
    if fits == text.len() {
        return fits;
    }
    let window = text.get(..fits).unwrap_or(text);
    // An end in the first half would make a part of a few words; the blank right behind the window
    // is an end too.
    let late = |at: &usize| *at >= fits / 2;
    let blank_follows =
        text.get(fits..).is_some_and(|after| after.starts_with(char::is_whitespace));
    let paragraph = window.rfind("\n\n").filter(late);
    let word = || {
        if blank_follows {
            Some(fits)
        } else {
            window.rfind(char::is_whitespace).filter(|at| *at > 0)
        }
    };
    paragraph.or_else(|| window.rfind('\n').filter(late)).or_else(word).unwrap_or(fits)
}

/// How much of `text` fits, up to the end of a grapheme.
fn fitting(text: &str, most: usize) -> usize {
    let mut units = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        units += grapheme.chars().map(char::len_utf16).sum::<usize>();
        if units > most {
            return if at > 0 { at } else { fitting_chars(text, most) };
        }
    }
    text.len()
}

/// A grapheme that is longer than a whole message, a letter under a thousand accents, is the one
/// that is cut: between its characters.
fn fitting_chars(text: &str, most: usize) -> usize {
    let mut units = 0;
    for (at, c) in text.char_indices() {
        units += c.len_utf16();
        if units > most && at > 0 {
            return at;
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn units(text: &str) -> usize {
        text.encode_utf16().count()
    }

    #[test]
    fn a_text_that_fits_is_one_part_and_nothing_is_none() {
        assert_eq!(split("hello", 5), ["hello"]);
        for empty in ["", " ", "\n\n\t "] {
            assert!(split(empty, 5).is_empty());
        }
    }

    #[test]
    fn a_paragraph_is_a_better_end_than_a_line_and_a_line_than_a_word() {
        assert_eq!(split("one two\n\nthree\nfour five", 15), ["one two", "three\nfour five"]);
        assert_eq!(split("one two\nthree four", 13), ["one two", "three four"]);
        assert_eq!(split("one two three", 9), ["one two", "three"]);
        assert_eq!(split("one two three", 7), ["one two", "three"]);
    }

    #[test]
    fn an_end_that_comes_too_early_is_passed_over() {
        assert_eq!(split("a\n\nbcdefgh ijklmnop", 12), ["a\n\nbcdefgh", "ijklmnop"]);
    }

    #[test]
    fn a_word_without_an_end_is_cut_where_it_must_be() {
        assert_eq!(split("abcdefgh", 3), ["abc", "def", "gh"]);
    }

    #[test]
    fn what_is_one_character_to_a_person_stays_whole() {
        // A family of four: 11 code units; a flag: 4; e with an accent of its own: 2.
        assert_eq!(split("👨‍👩‍👧‍👦👨‍👩‍👧‍👦", 12), ["👨‍👩‍👧‍👦", "👨‍👩‍👧‍👦"]);
        assert_eq!(split("🇩🇪🇫🇷", 6), ["🇩🇪", "🇫🇷"]);
        assert_eq!(split("e\u{301}e\u{301}", 3), ["e\u{301}", "e\u{301}"]);
        assert_eq!(split("a😀b", 2), ["a", "😀", "b"]);
    }

    #[test]
    fn a_letter_under_more_accents_than_a_message_holds_is_cut_between_them() {
        let tower = format!("e{}", "\u{301}".repeat(9));
        let parts = split(&tower, 4);
        assert!(parts.iter().all(|part| units(part) <= 4));
        assert_eq!(parts.concat(), tower);
    }

    #[test]
    fn a_million_letters_take_no_time_to_speak_of() {
        assert_eq!(split(&"a".repeat(1 << 20), MAX_UNITS).len(), 256);
        assert_eq!(
            split(&"word ".repeat(1 << 18), MAX_UNITS).concat().matches("word").count(),
            1 << 18
        );
    }

    proptest! {
        #[test]
        fn every_part_fits_and_nothing_but_blanks_is_lost(text in "(\\PC|[\n ]|[a-z]{1,12} \
            |👨‍👩‍👧‍👦|e\u{301}){0,200}", most in 11_usize..64) {
            let parts = split(&text, most);
            let solid =
                |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            let fits = |part: &str| (1..=most).contains(&units(part)) && part.trim() == part;
            prop_assert!(parts.iter().all(|part| fits(part)));
            prop_assert_eq!(solid(&parts.concat()), solid(&text));
        }

        #[test]
        fn no_grapheme_is_cut(text in "([a-z]|👨‍👩‍👧‍👦|🇩🇪|e\u{301}){0,200}", most in 11_usize..64) {
            let whole: Vec<&str> = text.graphemes(true).collect();
            let parts = split(&text, most);
            let cut: Vec<&str> = parts.iter().flat_map(|part| part.graphemes(true)).collect();
            prop_assert_eq!(cut, whole);
        }
    }
}
