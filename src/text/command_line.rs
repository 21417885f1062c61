//! Command lines as they are shown: quoted, printable, masked, and shortened where there is no
//! room.

use crate::text::{mask::secrets, quote::quote};

/// A command line as a person would type it: quoted where a shell needs it, printable, secrets
/// masked.
#[must_use]
pub fn command(args: &[String]) -> String {
    let words: Vec<String> = args.iter().map(|arg| word(arg)).collect();
    words.join(" ")
}

/// The same in about `width` characters: the program, the script and what else there is room for;
/// `…` where something is left out.
#[must_use]
pub fn shorten(args: &[String], width: usize) -> String {
    // A word and its blank take two characters: no more words than this are ever shown, however
    // many there are.
    let args = args.get(..=width).unwrap_or(args);
    let words: Vec<String> = args.iter().map(|arg| word(arg)).collect();
    let script = script(args);
    let mut kept: Vec<bool> =
        (0..words.len()).map(|index| index == 0 || Some(index) == script).collect();
    let mut shown = words.clone();
    if len(&join(&shown, &kept)) > width {
        for index in [Some(0), script].into_iter().flatten().filter(|index| *index < words.len()) {
            shown[index] = word(base_name(&args[index]));
        }
    }
    for index in 0..words.len() {
        let before = std::mem::replace(&mut kept[index], true);
        kept[index] = before || len(&join(&shown, &kept)) <= width;
    }
    cut(join(&shown, &kept), width)
}

/// Where the script is: the first argument that is named like one, else the first that is no flag.
fn script(args: &[String]) -> Option<usize> {
    const ENDINGS: [&str; 16] = [
        "py", "pyz", "js", "mjs", "cjs", "ts", "rb", "php", "pl", "lua", "sh", "jar", "exs", "dll",
        "go", "phar",
    ];
    let rest = || args.iter().enumerate().skip(1).filter(|(_, arg)| !arg.starts_with('-'));
    rest()
        .find(|(_, arg)| {
            arg.rsplit_once('.')
                .is_some_and(|(stem, ending)| !stem.is_empty() && ENDINGS.contains(&ending))
        })
        .or_else(|| rest().next())
        .map(|(index, _)| index)
}

fn base_name(arg: &str) -> &str {
    match arg.trim_end_matches('/').rsplit_once('/') {
        Some((_, name)) if !name.is_empty() => name,
        _ => arg,
    }
}

/// The kept words, with one `…` for each run of the others.
fn join(words: &[String], kept: &[bool]) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for (word, kept) in words.iter().zip(kept) {
        match (kept, parts.last()) {
            (true, _) => parts.push(word),
            (false, Some(&"…")) => {}
            (false, _) => parts.push("…"),
        }
    }
    parts.join(" ")
}

fn cut(text: String, width: usize) -> String {
    let too_many = len(&text).saturating_sub(width);
    if too_many == 0 {
        return text;
    }
    // The end is kept: a path's name is there.
    std::iter::once('…').chain(text.chars().skip(too_many + 1)).collect()
}

fn len(text: &str) -> usize {
    text.chars().count()
}

/// One argument, quoted if need be, masked.
fn word(arg: &str) -> String {
    secrets(&quote(arg))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

    fn args(args: &[&str]) -> Vec<String> {
        args.iter().map(|arg| (*arg).to_owned()).collect()
    }

    #[test]
    fn a_command_can_be_typed_again() {
        for (given, expected) in [
            (vec!["python3", "main.py", "--x=1"], "python3 main.py --x=1"),
            (vec!["sh", "-c", "a && b"], "sh -c 'a && b'"),
            (vec!["echo", "it's", ""], r"echo 'it'\''s' ''"),
            (vec!["echo", "a\nb\\'\u{1b}[2J\u{202e}"], r"echo $'a\nb\\\'\x1b[2J\u202e'"),
            (vec!["bot", "名前", "a\u{a0}b"], "bot 名前 'a\u{a0}b'"),
        ] {
            assert_eq!(command(&args(&given)), expected);
        }
        assert_eq!(
            command(&args(&["bot", &format!("--token=123456:{SECRET}")])),
            "bot --token=123456:***"
        );
        assert_eq!(
            command(&args(&["bot", &format!("a b 123456:{SECRET}")])),
            "bot 'a b 123456:***'"
        );
        assert_eq!(
            command(&args(&["bot", &format!("\n123456:{SECRET}\n")])),
            r"bot $'\n123456:***\n'"
        );
    }

    #[test]
    fn a_shortened_command_keeps_its_script() {
        let long = "x".repeat(60);
        for (given, width, expected) in [
            (vec!["python3", "main.py"], 40, "python3 main.py".to_owned()),
            (
                vec!["/usr/bin/python3", "-W", &long, "main.py", &long, "-v"],
                40,
                "/usr/bin/python3 -W … main.py … -v".to_owned(),
            ),
            (
                vec!["/usr/bin/python3", "-W", &long, "main.py", &long],
                22,
                "python3 -W … main.py …".to_owned(),
            ),
            (
                vec!["/usr/bin/python3", "/a/long/way/to/main.py", &long],
                20,
                "python3 main.py …".to_owned(),
            ),
            (vec!["python3", "-m", "bot.main", &long], 30, "python3 -m bot.main …".to_owned()),
            (
                vec!["node", "--require", "dotenv/config", "bot.js", &long],
                20,
                "node … bot.js …".to_owned(),
            ),
            (vec![&long], 10, format!("…{}", "x".repeat(9))),
            (vec![], 10, String::new()),
        ] {
            let shown = shorten(&args(&given), width);
            assert_eq!(shown, expected);
            assert!(len(&shown) <= width, "{shown}");
        }
    }

    #[test]
    fn cutting_never_uncovers_a_secret() {
        let given = args(&[
            "bot",
            &format!("--token=123456:{SECRET}"),
            "main.py",
            &format!("https://x/bot1:{SECRET}"),
        ]);
        for width in 0..120 {
            let shown = shorten(&given, width);
            assert!(!shown.contains("AAH") && !shown.contains("Dsaw"), "{shown}");
        }
    }
}
