//! Suggests the correct name for a misspelled one, and joins lists of names.

/// A longer name is no misspelling of a known one.
const MAX_NAME: usize = 64;

/// Returns the name that `wrong` was most likely meant to be.
pub fn closest_name<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if wrong.len() > MAX_NAME {
        return None;
    }
    // `onConflict` and `on-conflict` follow other conventions and are not misspelled.
    let fold = |text: &str| text.to_lowercase().replace('-', "_");
    let wrong = fold(wrong);
    names
        .into_iter()
        .map(|name| (strsim::osa_distance(&wrong, &fold(name)), name))
        .filter(|(distance, name)| *distance <= allowed_edits(name))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

fn allowed_edits(name: &str) -> usize {
    // One edit per four letters.
    ((name.chars().count() + 2) / 4).clamp(1, 3)
}

/// Joins words as `a, b and c`.
pub fn join_and(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    join(words, "and")
}

/// Joins words as `a, b or c`.
pub fn join_or(words: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    join(words, "or")
}

fn join(words: impl IntoIterator<Item = impl AsRef<str>>, conjunction: &str) -> String {
    let mut words: Vec<String> = words.into_iter().map(|word| word.as_ref().to_owned()).collect();
    match (words.pop(), words.as_slice()) {
        (None, _) => String::new(),
        (Some(only), []) => only,
        (Some(last), most) => format!("{} {conjunction} {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelling_is_close_and_another_word_is_not() {
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
            assert_eq!(closest_name(wrong, names), expected, "{wrong}");
        }
    }
}
