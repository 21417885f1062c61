//! Command lines for display: quoted, printable, masked, and shortened.

use std::borrow::Cow;

use crate::text::mask::mask_secrets;
use crate::text::quote::shell_quote;

/// Formats a command line as it can be typed: quoted for a shell, printable and masked. A title is
/// printed as it is.
pub fn command_line(args: &[String]) -> String {
    let words: Vec<String> = split_title(args).iter().map(|arg| word(arg)).collect();
    words.join(" ")
}

/// Formats a command line in at most `width` characters: the program, the script, and what else
/// fits. `…` stands for the rest.
pub fn short_command_line(args: &[String], width: usize) -> String {
    let args = &*split_title(args);
    // Each word takes at least two characters including its space, so no more words can be shown.
    let args = args.get(..=width).unwrap_or(args);
    let words: Vec<String> = args.iter().map(|arg| word(arg)).collect();
    let script = script(args);
    let mut kept: Vec<bool> =
        (0..words.len()).map(|index| index == 0 || Some(index) == script).collect();
    let mut shown = words.clone();
    if width_of(&join(&shown, &kept)) > width {
        for index in [Some(0), script].into_iter().flatten().filter(|index| *index < words.len()) {
            shown[index] = word(base_name(&args[index]));
        }
    }
    for index in 0..words.len() {
        let before = std::mem::replace(&mut kept[index], true);
        kept[index] = before || width_of(&join(&shown, &kept)) <= width;
    }
    cut_start(join(&shown, &kept), width)
}

/// Splits a title, such as `npm run prod`, which a process has written over its command line. The
/// path of a program may have a space, too.
fn split_title(args: &[String]) -> Cow<'_, [String]> {
    let [title] = args else { return args.into() };
    let words: Vec<String> = title.split(' ').map(str::to_owned).collect();
    let is_title = words.iter().all(|it| !it.is_empty() && shell_quote(it) == *it)
        && words.first().is_some_and(|first| !first.contains('/'));
    if is_title { words.into() } else { args.into() }
}

/// Finds the script: the first argument with a script's extension, else the first that is no flag.
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

/// Joins the kept words, with one `…` for each run of others.
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

fn cut_start(text: String, width: usize) -> String {
    let too_many = width_of(&text).saturating_sub(width);
    if too_many == 0 {
        return text;
    }
    // Keep the end, which has the name in a path.
    std::iter::once('…').chain(text.chars().skip(too_many + 1)).collect()
}

fn width_of(text: &str) -> usize {
    text.chars().count()
}

fn word(arg: &str) -> String {
    mask_secrets(&shell_quote(arg))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw-";

    fn args(args: &[&str]) -> Vec<String> {
        args.iter().map(|arg| (*arg).to_owned()).collect()
    }

    #[test]
    fn a_title_is_shown_without_quotes() {
        for (given, expected) in [
            ("npm run prod", "npm run prod"),
            ("/srv/my bot/bot", "'/srv/my bot/bot'"),
            ("bot (it's up)", r"'bot (it'\''s up)'"),
            ("bot  x", "'bot  x'"),
        ] {
            assert_eq!(command_line(&args(&[given])), expected);
            assert_eq!(short_command_line(&args(&[given]), 80), expected);
        }
        assert_eq!(command_line(&args(&[&format!("bot 123456:{SECRET}")])), "bot 123456:***");
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
            assert_eq!(command_line(&args(&given)), expected);
        }
        assert_eq!(
            command_line(&args(&["bot", &format!("--token=123456:{SECRET}")])),
            "bot --token=123456:***"
        );
        assert_eq!(
            command_line(&args(&["bot", &format!("a b 123456:{SECRET}")])),
            "bot 'a b 123456:***'"
        );
        assert_eq!(
            command_line(&args(&["bot", &format!("\n123456:{SECRET}\n")])),
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
            let shown = short_command_line(&args(&given), width);
            assert_eq!(shown, expected);
            assert!(width_of(&shown) <= width, "{shown}");
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
            let shown = short_command_line(&given, width);
            assert!(!shown.contains("AAH") && !shown.contains("Dsaw"), "{shown}");
        }
    }
}
