//! Words as a shell reads them back.

/// `word` as a person would type it: quoted where a shell needs that, with nothing in it that a
/// terminal acts on.
#[must_use]
pub fn quote(word: &str) -> String {
    let plain = |c: char| {
        c.is_ascii_alphanumeric()
            || "_-./:=@%+,^".contains(c)
            || (!c.is_ascii() && !is_active(c) && !c.is_whitespace())
    };
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.contains(is_active) {
        format!("$'{}'", word.chars().map(ansi_c).collect::<String>())
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Whether `c` changes what is around it instead of being seen itself.
#[must_use]
pub fn is_active(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// As bash's `$'…'` writes it.
fn ansi_c(c: char) -> String {
    match c {
        '\n' => r"\n".to_owned(),
        '\t' => r"\t".to_owned(),
        '\r' => r"\r".to_owned(),
        '\'' => r"\'".to_owned(),
        '\\' => r"\\".to_owned(),
        _ if !is_active(c) => c.to_string(),
        _ if c.is_ascii() => format!(r"\x{:02x}", u32::from(c)),
        _ if u32::from(c) <= 0xffff => format!(r"\u{:04x}", u32::from(c)),
        _ => format!(r"\U{:08x}", u32::from(c)),
    }
}
