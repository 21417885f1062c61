//! Splits a shell script into its simple commands.

use std::collections::BTreeSet;

/// A simple command, without the keywords before it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) text: String,
    pub(super) place: Place,
    pub(super) end: Separator,
}

/// Whether a command is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Always,
    /// In a condition, loop, function or subshell, or depending on the command before.
    Perhaps,
}

/// What follows a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Separator {
    Line,
    Pipe,
    And,
    Or,
    Background,
    Open,
    Close,
}

/// Words that open a block.
pub(super) const OPENING: [&str; 5] = ["if", "while", "until", "case", "{"];

/// Words that close one.
pub(super) const CLOSING: [&str; 4] = ["fi", "done", "esac", "}"];

/// Those that are followed by a condition.
const CONDITIONAL: [&str; 3] = ["if", "while", "until"];

/// Conditions of a loop that ends by `break` alone.
const ENDLESS: [(&str, &str); 6] = [
    ("while", ":"),
    ("while", "true"),
    ("while", "/bin/true"),
    ("while", "[ 1 ]"),
    ("while", "[ true ]"),
    ("until", "false"),
];

/// Commands whose success is a condition of the next one: `[ -f x ] && …`.
const TESTS: [&str; 8] = ["[", "[[", "test", "grep", "command", "which", "pgrep", "case"];

/// Returns the end of a block whose opening bracket is before this text.
pub(super) fn end_of_block(text: &str, opening: char, closing: char) -> Option<usize> {
    let (mut depth, mut quote) = (1_u32, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) => quote = quote.filter(|_| c != open),
            (None, '\'' | '"') => quote = Some(c),
            (None, _) if c == opening => depth += 1,
            (None, _) if c == closing => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            (None, _) => {}
        }
    }
    None
}

pub(super) fn statements(text: &str) -> Vec<Statement> {
    let mut statements = Vec::new();
    // For each open block, whether it certainly runs.
    let mut blocks: Vec<bool> = Vec::new();
    let (mut brackets, mut depends) = (0_u32, false);
    for (piece, end) in pieces(&without_documents(text)) {
        let mut text = piece.trim();
        let runs = |blocks: &[bool]| blocks.iter().all(|it| *it);
        let mut is_in_sure_block = runs(&blocks);
        loop {
            let (word, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
            if OPENING.contains(&word) {
                blocks.push(end == Separator::Line && is_endless(word, rest));
                // The condition runs before the block.
                is_in_sure_block &= CONDITIONAL.contains(&word);
            } else if CLOSING.contains(&word) {
                blocks.pop();
                is_in_sure_block = runs(&blocks);
            } else if ["then", "do", "else", "elif"].contains(&word) {
                is_in_sure_block = runs(&blocks);
            } else if !["!", "time"].contains(&word) {
                break;
            }
            text = if word == "case" { "" } else { rest.trim() };
        }
        let first = text.split_whitespace().next().unwrap_or_default();
        // The body of a loop follows after `do`.
        if matches!(first, "for" | "select") {
            blocks.push(false);
            is_in_sure_block = false;
        }
        let is_sure = is_in_sure_block && brackets == 0 && !depends;
        match end {
            Separator::Open => brackets += 1,
            Separator::Close => brackets = brackets.saturating_sub(1),
            Separator::Line
            | Separator::Pipe
            | Separator::And
            | Separator::Or
            | Separator::Background => {}
        }
        depends = match end {
            Separator::And => depends || TESTS.contains(&first),
            Separator::Or => true,
            Separator::Pipe => depends,
            Separator::Line | Separator::Background | Separator::Open | Separator::Close => false,
        };
        if !text.is_empty() {
            let place = if is_sure { Place::Always } else { Place::Perhaps };
            statements.push(Statement { text: text.to_owned(), place, end });
        } else if end == Separator::Pipe
            && let Some(last) = statements.last_mut()
        {
            // The output of a block: `{ echo alice; } | ./bot`.
            last.end = end;
        }
    }
    statements
}

/// Returns the names of the functions of a script.
pub(super) fn functions(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(function_name).collect()
}

/// Returns the name of the function that a line begins.
pub(super) fn function_name(line: &str) -> Option<String> {
    let line = line.trim_start();
    let name = match line.strip_prefix("function ") {
        Some(rest) => rest.split(['(', '{', ' ']).next()?,
        None => line.split_once("()")?.0,
    };
    let name = name.trim();
    let is_part = |c: char| c.is_alphanumeric() || "_-".contains(c);
    (!name.is_empty() && name.chars().all(is_part)).then(|| name.to_owned())
}

/// Returns whether the block of this condition certainly runs.
fn is_endless(word: &str, condition: &str) -> bool {
    let condition = condition.trim();
    ENDLESS.contains(&(word, condition)) || word == "while" && condition.starts_with("sleep ")
}

/// Removes the lines of here-documents.
pub(super) fn without_documents(text: &str) -> String {
    let mut kept = String::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        kept.push_str(line);
        kept.push('\n');
        let Some((_, after)) = line.split_once("<<").filter(|(_, it)| !it.starts_with('<')) else {
            continue;
        };
        let word = after.trim_start_matches('-').split_whitespace().next().unwrap_or_default();
        let end = word.trim_matches(['\'', '"', ')', ';']);
        if !end.is_empty() {
            lines.by_ref().take_while(|line| line.trim() != end).for_each(drop);
        }
    }
    kept
}

/// Splits a script at each operator outside of quotes.
pub(super) fn pieces(text: &str) -> Vec<(String, Separator)> {
    let mut pieces = Vec::new();
    let mut piece = String::new();
    let mut chars = text.chars().peekable();
    let mut quote: Option<char> = None;
    // Brackets of `$(…)` and `${…}`.
    let mut inner: Vec<char> = Vec::new();
    let mut before = '\n';
    while let Some(c) = chars.next() {
        let last = std::mem::replace(&mut before, c);
        if c == '\\' && quote != Some('\'') {
            match chars.next() {
                Some('\n') => piece.push(' '),
                Some(next) => piece.extend([c, next]),
                None => {}
            }
            before = ' ';
            continue;
        }
        if let Some(open) = quote {
            piece.push(c);
            quote = quote.filter(|_| c != open);
            continue;
        }
        if let Some(close) = inner.last() {
            piece.push(c);
            if c == *close {
                inner.pop();
            } else if c == '(' {
                inner.push(')');
            } else if c == '{' {
                inner.push('}');
            }
            continue;
        }
        let separator = match c {
            '\'' | '"' | '`' => {
                quote = Some(c);
                None
            }
            '(' if matches!(last, '$' | '<' | '>' | '=') => {
                inner.push(')');
                None
            }
            '{' if last == '$' => {
                inner.push('}');
                None
            }
            '#' if last.is_whitespace() || ";&|()".contains(last) => {
                while chars.next_if(|c| *c != '\n').is_some() {}
                continue;
            }
            // `name()` begins a function.
            '(' if chars.peek() == Some(&')') => {
                chars.next();
                piece.clear();
                before = '\n';
                continue;
            }
            '(' => Some(Separator::Open),
            ')' => Some(Separator::Close),
            '\n' | ';' => Some(Separator::Line),
            '&' if chars.next_if_eq(&'&').is_some() => Some(Separator::And),
            '&' if matches!(last, '>' | '<') || chars.peek() == Some(&'>') => None,
            '&' => Some(Separator::Background),
            '|' if last == '>' => None,
            '|' if chars.next_if_eq(&'|').is_some() => Some(Separator::Or),
            '|' => {
                chars.next_if_eq(&'&');
                Some(Separator::Pipe)
            }
            _ => None,
        };
        match separator {
            Some(end) => pieces.push((std::mem::take(&mut piece), end)),
            None => piece.push(c),
        }
    }
    pieces.push((piece, Separator::Line));
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_split_into_commands_and_conditions_are_known() {
        for (text, expected) in [
            ("a; b\nc", "a, b, c"),
            ("a 'x; y' \"z & $(b; c)\" && d || e\nf", "a 'x; y' \"z & $(b; c)\", d, e?, f"),
            ("a \\\n  b # c; d\ne", "a    b, e"),
            ("if [ x ]; then\n  a\nelse b; fi\nc", "[ x ], a?, b?, c"),
            ("if a; b; then c; elif d; then e; fi", "a, b?, c?, d?, e?"),
            ("while true; do a; sleep 2; done", "true, a, sleep 2"),
            ("while :; do\n[ x ] && a\nif b; then c; fi\nd; done", ":, [ x ], a?, b, c?, d"),
            ("if x; then while true; do a; done; fi", "x, true?, a?"),
            ("while sleep 1; do a; done & b", "sleep 1, a, b"),
            ("until a; do b; done", "a, b?"),
            ("while read x; do a; done", "read x, a?"),
            ("for x in 1 2; do\na $x &\ndone\nwait", "for x in 1 2?, a $x?, wait"),
            ("case \"$1\" in\n  a|b) c ;;\n  *) d ;;\nesac\ne", "a?, b?, c?, *?, d?, e"),
            ("run() {\n  a \"$@\"\n}\nrun x", "a \"$@\"?, run x"),
            ("(cd x; a)\nb", "cd x?, a?, b"),
            ("[ -f x ] && a\ncd x && b", "[ -f x ], a?, cd x, b"),
            ("a > log 2>&1 | b |& c", "a > log 2>&1, b, c"),
            ("a &> log\nb > >(c)", "a &> log, b > >(c)"),
            ("cat <<EOF\na; b\nEOF\nc", "cat <<EOF, c"),
            ("A=$(cd x && pwd) && b", "A=$(cd x && pwd), b"),
        ] {
            let shown: Vec<String> = statements(text)
                .into_iter()
                .map(|it| it.text + if it.place == Place::Perhaps { "?" } else { "" })
                .collect();
            assert_eq!(shown.join(", "), expected, "{text}");
        }
    }
}
