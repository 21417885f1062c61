//! How user input is said back: masked, on one line, not too long; and the nearest of the names
//! that would have been right.

use crate::{config::redact::masked, text::mask::printable};

/// More characters than this of somebody's input are cut.
const MOST_SHOWN: usize = 80;
/// A longer name is no misspelling of ours.
const LONGEST_NAME: usize = 64;

/// `text` in backticks, fit to be printed.
#[must_use]
pub fn quote(text: &str) -> String {
    let text = clean(text);
    match text.char_indices().nth(MOST_SHOWN) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// `text` without secrets and without anything that a terminal would act on.
#[must_use]
pub fn clean(text: &str) -> String {
    printable(&masked(text)).into_owned()
}

/// The one of `names` that `wrong` was most likely meant to be.
#[must_use]
pub fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.len() > LONGEST_NAME {
        return None;
    }
    // `onConflict` and `on-conflict` are habits from elsewhere, not misspellings.
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let wrong = fold(wrong);
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&wrong, &fold(name)), name))
        .filter(|(distance, name)| *distance <= slips(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many slips a misspelling of `name` may have: one in four letters, at most three.
fn slips(name: &str) -> usize {
    ((name.chars().count() + 2) / 4).clamp(1, 3)
}

/// `a, b and c`.
#[must_use]
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    joined(names, "and")
}

/// `a, b or c`.
pub(crate) fn either<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    joined(names, "or")
}

fn joined<'a>(names: impl IntoIterator<Item = &'a str>, word: &str) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.as_slice() {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [first @ .., last] => format!("{} {word} {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_secret_half_of_a_token_is_masked_wherever_it_stands() {
        let secret = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw";
        for (text, expected) in [
            (format!("123456:{secret}"), "123456:***"),
            (
                format!("https://api.telegram.org/bot123456:{secret}/getMe"),
                "https://api.telegram.org/bot123456:***/getMe",
            ),
            (format!("1:{secret} 2:{secret}"), "1:*** 2:***"),
            ("12:30:00".to_owned(), "12:30:00"),
            (
                "a:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw".to_owned(),
                "a:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
            ),
            ("é:".to_owned(), "é:"),
        ] {
            assert_eq!(clean(&text), expected);
        }
    }

    #[test]
    fn what_a_terminal_would_act_on_is_escaped_and_what_is_long_is_cut() {
        assert_eq!(quote("a\u{1b}[2Jb\nc"), "`a\\u{1b}[2Jb\\nc`");
        assert_eq!(quote(&"é".repeat(200)).chars().count(), MOST_SHOWN + 3);
    }

    #[test]
    fn a_slip_is_near_and_another_word_is_not() {
        let names = ["match", "rules", "timeouts", "on_conflict", "lock"];
        for (wrong, expected) in [
            ("mtach", Some("match")),
            ("rule", Some("rules")),
            ("timouts", Some("timeouts")),
            ("onConflict", Some("on_conflict")),
            ("on-conflict", Some("on_conflict")),
            ("log", None),
            ("database", None),
        ] {
            assert_eq!(nearest(wrong, names), expected, "{wrong}");
        }
    }
}
