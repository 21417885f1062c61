//! A number with its noun.

/// Returns a number with the noun that it takes: `1 process`, `2 processes`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
