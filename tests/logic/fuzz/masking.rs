//! No form of a token survives masking, and text without a token stays as it is.

use std::sync::LazyLock;

use regex::Regex;

use monopoll::internals::text::{
    command_line, excerpt, mask_secrets, sanitize, secret_spans, short_command_line,
};

use super::configuration::SECRET;

/// Takes the encoding of each character of a token, then the text before it, NUL, and the text
/// after it.
pub(crate) fn check(data: &[u8]) {
    let token = format!("123456:{SECRET}");
    let (ways, rest) = data.split_at(data.len().min(token.len()));
    let rest = String::from_utf8_lossy(rest);
    let (before, after) = rest.split_once('\0').unwrap_or((&rest, ""));
    without_a_token(&rest);

    let mut ways = ways.iter().copied().chain(std::iter::repeat(0));
    let encoded = token.chars().map(|c| encode(c, ways.next().unwrap_or_default()));
    let encoded: Vec<String> = encoded.collect();
    let id = encoded[..7].concat();
    let text = format!("{before}{id}{}{after}", encoded[7..].concat());
    let secret = before.len() + id.len()..text.len() - after.len();
    let spans = secret_spans(&text);
    let mut uncovered = secret.start;
    for span in &spans {
        if span.start <= uncovered {
            uncovered = uncovered.max(span.end);
        }
    }
    stays_json(&text);
    assert!(uncovered >= secret.end, "{:?} of {text:?}", &text[uncovered..]);

    let words = ["python3".to_owned(), text.clone(), "main.py".to_owned()];
    let width = usize::from(data.first().copied().unwrap_or_default());
    let whole = excerpt(&text, &secret, &spans).line;
    for printed in [
        mask_secrets(&text),
        sanitize(&text),
        command_line(&words),
        short_command_line(&words, width),
        whole,
    ] {
        // Parts of it may stand elsewhere in the text, and quoting may add up to two digits.
        for part in SECRET.as_bytes().windows(8).map(|part| std::str::from_utf8(part).unwrap()) {
            let is_elsewhere = before.contains(&part[2..]) || after.contains(&part[2..]);
            assert!(is_elsewhere || !printed.contains(part), "{part} in {printed:?} of {text:?}");
        }
    }
}

/// Finds what may be a secret, and what may be an encoded character.
static MAY_BE_A_SECRET: LazyLock<Regex> = LazyLock::new(|| {
    let encoded = r"[\\%&=\u{FF01}-\u{FF5E}]";
    let pattern = format!(r"{encoded}|[0-9]:[A-Za-z0-9_-]{{20}}|AA[A-Za-z0-9_-]{{33}}|://");
    Regex::new(&pattern).unwrap()
});

fn without_a_token(text: &str) {
    stays_json(text);
    let spans = secret_spans(text);
    assert!(spans.is_sorted_by(|one, next| one.end <= next.start), "{spans:?} of {text:?}");
    assert!(spans.iter().all(|span| text.get(span.clone()).is_some()), "{spans:?} of {text:?}");
    let shown = sanitize(text);
    assert!(!shown.contains(|c: char| c.is_control()), "{shown:?}");
    if !MAY_BE_A_SECRET.is_match(text) {
        assert_eq!(mask_secrets(text), text);
    }
}

/// Whole JSON documents are masked.
fn stays_json(text: &str) {
    let json = mask_secrets(&serde_json::to_string(text).unwrap());
    let read = serde_json::from_str::<String>(&json);
    assert!(read.is_ok(), "{json} of {text:?}");
}

/// Encodes a character up to twice, in the ways that programs write it.
fn encode(c: char, way: u8) -> String {
    let inner = encode_once(c, way % 16);
    inner.chars().map(|c| encode_once(c, way / 16)).collect()
}

fn encode_once(c: char, way: u8) -> String {
    let code = u32::from(c);
    match way {
        _ if !c.is_ascii() => c.to_string(),
        1 => format!("%{code:02X}"),
        2 => format!("%25{code:02x}"),
        3 => format!("&#{code};"),
        4 => format!("&#x{code:X};"),
        5 => format!("\\x{code:02x}"),
        6 => format!("\\u{code:04x}"),
        7 => format!("\\\\u{code:04x}"),
        8 => format!("\\u{{{code:x}}}"),
        9 => format!("\\U{code:08x}"),
        10 => format!("\\{code:03o}"),
        11 => format!("={code:02X}"),
        12 if c.is_ascii_graphic() => char::from_u32(code - 0x21 + 0xFF01).into_iter().collect(),
        _ => c.to_string(),
    }
}
