//! Questions of a start script: it reads on its standard input which bot it starts. Two runs of the
//! one script with other answers may be two bots.

use std::ffi::OsStr;

use crate::scan::command::Command;
use crate::scan::harmless_line::{assignment, is_harmless_line};
use crate::scan::script_reader::reads_a_file;
use crate::scan::shell_statements::{
    CLOSING, OPENING, Place, Separator, Statement, pieces, statements, without_documents,
};
use crate::scan::shell_words::is_name_char;
use crate::scan::substituted_code::substitutions;

/// Built-in commands that read variables, with the variable that they set without a name.
const READING: [(&str, &str); 3] =
    [("mapfile", "MAPFILE"), ("read", "REPLY"), ("readarray", "MAPFILE")];

/// The letters of the options of `read` that have a value, and those of the others.
const WITH_VALUE: &str = "Nadinptu";
const WITH_VALUE_OF_LINES: &str = "COcdnsu";

/// Programs that let a person choose, and print the answer.
#[rustfmt::skip]
const MENUS: [&str; 13] = [
    "Xdialog", "dialog", "dmenu", "fzf", "gum", "kdialog", "peco", "percol", "rofi", "sk", "smenu",
    "whiptail", "zenity",
];

/// Programs that print their standard input, if they are given no file.
const COPYING: [&str; 4] = ["cat", "head", "line", "tail"];

/// Commands that name a variable without a `$`.
const NAMING: [&str; 6] = ["declare", "export", "let", "local", "readonly", "typeset"];

/// The use of what a script reads from its standard input.
enum Answer {
    /// The values of these variables.
    Variables(Vec<String>),
    /// It is used at once.
    Used,
}

/// Returns whether a script reads from its standard input, or a terminal, what may choose the bot.
/// `is_exported` tells whether its bot gets a variable, as the script was given it.
fn asks_for_the_bot(text: &str, is_exported: impl Fn(&str) -> bool) -> bool {
    let text = without_documents(text);
    let exports_all = text.contains("allexport") || text.contains("set -a");
    let is_used = |name: &String| {
        !name.starts_with('_') && (exports_all || is_exported(name) || is_used(name, &text))
    };
    answers(&text).iter().any(|answer| match answer {
        Answer::Variables(names) => names.iter().any(is_used),
        Answer::Used => true,
    })
}

impl Command {
    /// Reads what its scripts, and those of the commands that it starts, ask for and read of their
    /// caller's folder. A file that cannot be read later would be no reason to doubt.
    pub(super) fn read_questions(&mut self) {
        self.asks = self.finds_question();
        self.reads_caller = self.find_reads_of_caller();
        for started in &mut self.started {
            started.command.read_questions();
        }
    }

    /// Returns whether a script of this command asks on its standard input which bot it starts.
    fn finds_question(&self) -> bool {
        let mut commands = self.with_started();
        let is_exported = |name: &str| self.variable(OsStr::new(name), &[]).is_some();
        commands.any(|command| asks_for_the_bot(&command.long_script_text(), is_exported))
    }
}

/// A block of a script while it is read.
struct Block {
    /// The number of answers before it.
    before: usize,
    /// Another command writes its input.
    is_piped: bool,
}

/// Returns what a script reads from its standard input. In a block with another input, such as
/// `while read …; done < names`, it reads that.
fn answers(text: &str) -> Vec<Answer> {
    let mut answers: Vec<Answer> = Vec::new();
    let (mut blocks, mut brackets): (Vec<Block>, Vec<Block>) = (Vec::new(), Vec::new());
    let mut before = Separator::Line;
    // Where the bracket began that the piece before has closed.
    let mut closed = None;
    for (piece, end) in pieces(text) {
        let is_piped = before == Separator::Pipe;
        let opens = |answers: &Vec<Answer>| Block { before: answers.len(), is_piped };
        let mut rest = piece.trim();
        if let Some(start) = closed.take().filter(|_| reads_elsewhere(rest)) {
            answers.truncate(start);
        }
        let (mut is_case, mut is_loop) = (false, false);
        loop {
            let (word, after) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            let is_header = ["for", "select"].contains(&word);
            if OPENING.contains(&word) || is_header {
                blocks.push(opens(&answers));
                is_case |= word == "case";
                is_loop |= is_header;
            } else if CLOSING.contains(&word) {
                if let Some(block) = blocks.pop()
                    && (block.is_piped || reads_elsewhere(after))
                {
                    answers.truncate(block.before);
                }
            } else if !["then", "do", "else", "elif", "!", "time"].contains(&word) {
                break;
            }
            if word == "select" {
                answers.push(Answer::Used);
            }
            if is_case || is_loop {
                rest = after;
                break;
            }
            rest = after.trim();
        }
        if is_exec_with_input(rest) {
            break;
        }
        let is_own_input = !is_piped && !reads_elsewhere(rest);
        let own = is_own_input.then(|| answer(rest)).flatten().filter(|_| !is_case && !is_loop);
        answers.extend(own);
        if is_own_input && has_question(rest) {
            let name = rest.split_whitespace().find_map(assignment).map(|(name, _)| name);
            answers.push(match name.filter(|_| !is_case) {
                Some(name) => Answer::Variables(vec![name.to_owned()]),
                None => Answer::Used,
            });
        }
        match end {
            Separator::Open => brackets.push(opens(&answers)),
            Separator::Close => {
                if let Some(bracket) = brackets.pop() {
                    if bracket.is_piped {
                        answers.truncate(bracket.before);
                    }
                    closed = Some(bracket.before);
                }
            }
            Separator::Line
            | Separator::Pipe
            | Separator::And
            | Separator::Or
            | Separator::Background => {}
        }
        before = end;
    }
    answers
}

/// Returns what one command reads.
fn answer(command: &str) -> Option<Answer> {
    let mut words = command.split_whitespace().skip_while(|it| assignment(it).is_some());
    let first = words.find(|word| !["builtin", "command"].contains(word))?;
    let Some((_, unnamed)) = READING.iter().find(|(name, _)| *name == first) else {
        // It writes the answer to a file.
        return (is_menu(first) && command.contains('>')).then_some(Answer::Used);
    };
    let text = command.split_once(first).map(|(_, text)| text)?;
    let ReadOptions { mut names, descriptor } = read_options(first, &words_of(text));
    if descriptor.is_some_and(|number| number != "0") {
        return None;
    }
    names.retain(|name| name.chars().all(is_name_char));
    if names.is_empty() {
        names.push((*unnamed).to_owned());
    }
    Some(Answer::Variables(names))
}

/// The arguments of `read`, `mapfile` or `readarray`.
pub(super) struct ReadOptions {
    /// The variables that it sets, if they are named.
    pub(super) names: Vec<String>,
    /// The descriptor that it reads, if it is given.
    descriptor: Option<String>,
}

/// Reads the words after `read`, `mapfile` or `readarray`: `-p PROMPT`, `-rpPROMPT`, `-a ARRAY`.
pub(super) fn read_options(command: &str, words: &[String]) -> ReadOptions {
    let with_value = if command == "read" { WITH_VALUE } else { WITH_VALUE_OF_LINES };
    let mut read = ReadOptions { names: Vec::new(), descriptor: None };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let Some(options) = word.strip_prefix('-') else {
            read.names.push(word.clone());
            continue;
        };
        let Some(at) = options.find(|c| with_value.contains(c)) else { continue };
        let (option, value) = options[at..].split_at(1);
        let value = Some(value.to_owned()).filter(|it| !it.is_empty());
        let value = value.or_else(|| words.next().cloned());
        match option {
            "a" => read.names.extend(value),
            "u" => read.descriptor = value,
            _ => {}
        }
    }
    read
}

/// Returns the words of a command without their quotes.
fn words_of(text: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    let mut is_word = false;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '\'' | '"') => (quote, is_word) = (Some(c), true),
            None if c.is_whitespace() => {
                if std::mem::take(&mut is_word) {
                    words.push(std::mem::take(&mut word));
                }
            }
            None if matches!(c, '<' | '>' | '|') => break,
            Some(_) | None => {
                word.push(c);
                is_word = true;
            }
        }
    }
    words.extend(is_word.then_some(word));
    words
}

/// Returns whether a substitution of a command asks.
fn has_question(command: &str) -> bool {
    let codes = substitutions(command).unwrap_or_default();
    codes.into_iter().any(prints_an_answer)
}

/// Returns whether the commands of a substitution print what they read from the standard input of
/// the script.
fn prints_an_answer(code: &str) -> bool {
    let is_input = |file: &str| ["-", "/dev/stdin", "/dev/tty"].contains(&file);
    let mut before = Separator::Line;
    let mut has_menu = false;
    for (piece, end) in pieces(code) {
        let words = words_of(&piece);
        let words = words.iter().map(String::as_str).skip_while(|it| assignment(it).is_some());
        let words: Vec<&str> = words.collect();
        has_menu |= words.first().is_some_and(|first| is_menu(first));
        if let Some((first, args)) = words.split_first()
            && COPYING.contains(first)
            && before != Separator::Pipe
            && !reads_elsewhere(&piece)
        {
            let is_file = |arg: &&&str| {
                !is_input(arg) && !arg.starts_with('-') && arg.parse::<u32>().is_err()
            };
            if !args.iter().any(|arg| is_file(&arg)) {
                return true;
            }
        }
        before = end;
    }
    let reads_input = ["</dev/stdin", "</dev/tty"];
    has_menu
        || reads_input.iter().any(|it| code.replace(' ', "").contains(it))
        || !answers(code).is_empty()
}

fn is_menu(program: &str) -> bool {
    MENUS.contains(&program.rsplit('/').next().unwrap_or(program))
}

/// Returns whether a command reads a file or a text instead of the standard input of its script.
fn reads_elsewhere(command: &str) -> bool {
    let plain = command.replace(' ', "");
    reads_a_file(command) && !["</dev/tty", "</dev/stdin"].iter().any(|it| plain.contains(it))
        || plain.contains("</dev/null")
}

/// Returns whether all later commands read a file.
fn is_exec_with_input(command: &str) -> bool {
    let words = words_of(command);
    words.len() == 1 && words[0] == "exec" && reads_elsewhere(command)
}

/// Returns whether the value of a variable may choose the bot: it is used by more than harmless
/// commands and by conditions of these.
fn is_used(name: &str, text: &str) -> bool {
    let is_case = |(piece, _): &(String, Separator)| {
        piece.split_whitespace().any(|word| word == "case") && expands(piece, name)
    };
    let mut calculations = text.split("((").skip(1).filter_map(|it| it.split("))").next());
    if pieces(text).iter().any(is_case) || calculations.any(|it| names(it, name)) {
        return true;
    }
    let statements = statements(text);
    let uses = statements.iter().enumerate().filter(|(_, it)| mentions(&it.text, name));
    let mut uses = uses.filter(|(_, it)| !is_own_setting(&it.text, name));
    uses.any(|(at, statement)| {
        let first = statement.text.split_whitespace().next().unwrap_or_default();
        if ["[", "[[", "test"].contains(&first) {
            let depends = |it: &&Statement| it.place == Place::Perhaps;
            let mut dependent = statements[at + 1..].iter().take_while(depends);
            return statement.place == Place::Perhaps
                && statements[at + 1..].iter().all(|it| it.place == Place::Perhaps)
                || !dependent.all(|it| is_harmless_step(&it.text));
        }
        statement.end == Separator::Pipe || !is_harmless_step(&statement.text)
    })
}

/// Returns whether a command before the bot does not affect which one it is. What it reads is a
/// question of its own.
fn is_harmless_step(command: &str) -> bool {
    let words = words_of(command);
    let is_reading = |first: &String| READING.iter().any(|(name, _)| name == first);
    words.first().is_some_and(is_reading) || is_harmless_line(&words, command)
}

/// Returns whether a command only reads this variable, or gives it a default.
fn is_own_setting(command: &str, name: &str) -> bool {
    let mut words = command.split_whitespace();
    let first = words.next().unwrap_or_default();
    let is_default = assignment(first).is_some_and(|(set, _)| set == name);
    is_default && words.next().is_none() || matches!(answer(command), Some(Answer::Variables(_)))
}

/// Returns whether a command names a variable.
fn mentions(command: &str, name: &str) -> bool {
    let first = command.split_whitespace().next().unwrap_or_default();
    expands(command, name) || NAMING.contains(&first) && names(command, name)
}

fn names(text: &str, name: &str) -> bool {
    text.split(|c| !is_name_char(c)).any(|word| word == name)
}

/// Returns whether a command expands a variable: `$BOT`, `${BOT}`, `${#BOT}`, `${BOTS[0]}`.
fn expands(command: &str, name: &str) -> bool {
    command.match_indices('$').any(|(at, _)| {
        let rest = command[at + 1..].trim_start_matches(['{', '#', '!']);
        rest.strip_prefix(name).is_some_and(|rest| !rest.starts_with(is_name_char))
    })
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "writes the scripts that ask")]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::engine::likeness::CommandDoubt;
    use crate::scan::same_command::RunningCommand;

    #[test]
    fn what_a_script_asks_and_reads_is_known_from_when_command_was_found() {
        let outer = tempfile::tempdir().unwrap();
        let folder = outer.path().canonicalize().unwrap();
        let script = folder.join("run.sh");
        for (text, cwd, expected) in [
            ("read BOT; ./bot $BOT", &*folder, CommandDoubt::Question),
            ("D=$(pwd); cd /; ./bot $D", Path::new("/"), CommandDoubt::CallerFolder),
        ] {
            fs::write(&script, text).unwrap();
            let args = ["bash".into(), script.clone().into_os_string()];
            let command = Command::find(args.to_vec(), folder.clone()).unwrap();
            let process = RunningCommand {
                args: vec![OsStr::new("bash"), script.as_os_str()],
                cwd: Some(cwd),
                exe: &|| Some(command.program.clone()),
                executes: &|program| program == command.program,
                environ: &Vec::new,
                sees: &|_, _| true,
                opens: &|_| false,
            };
            let seen = command.compare(&process);
            assert!(seen.likeness.is_same(), "{text}: {seen:?}");
            assert_eq!(seen.doubt, Some(expected.clone()), "{text}");
            // As where there are too many open files, it cannot be read now.
            fs::write(&script, "").unwrap();
            assert_eq!(command.compare(&process).doubt, Some(expected), "{text}");
        }
    }

    #[test]
    fn a_question_counts_if_its_answer_is_used() {
        for text in [
            "read BOT; cd $BOT; ./bot",
            "read BOT < /dev/tty; ./bot \"${BOT}\"",
            "read -rp 'Bot: ' BOT; ./bot ${BOT:-x}",
            "read -t 5 -n1 n; [ $n = 1 ] || BOT=bob; ./bot $BOT",
            "read yn; [ $yn = y ] && cd alice; ./bot",
            "if read BOT; then ./bot $BOT; fi",
            "main() { read a; [ $a = 1 ] && echo; ./bot; }; main",
            "read BOT; echo $BOT > .env; ./bot",
            "read BOT; echo $BOT | ./bot",
            "read TOKEN; export TOKEN; ./bot",
            "select B in a b; do break; done; ./bot $B",
            "BOT=$(ls bots | fzf); ./bot $BOT",
            "./bot \"$(gum choose a b)\"",
            "BOT=$(whiptail --menu x 9 9 2 a b 3>&1 1>&2 2>&3); ./bot $BOT",
            "dialog --menu x 9 9 2 a b 2> choice; ./bot $(cat choice)",
            "BOT=$(cat); ./bot $BOT",
            "BOT=`head -1`; ./bot $BOT",
            "BOT=$(cat /dev/stdin); ./bot $BOT",
            "BOT=$(</dev/stdin); ./bot $BOT",
            "BOT=$(read x; echo $x); ./bot $BOT",
            "for i in 1 2; do read b; ./bot $b & done; wait",
            "read HOST; ./bot",
            "read n; (( n == 2 )) && cd alice; ./bot",
            "mapfile -n 1 -t B; ./bot ${B[0]}",
            "readarray B; ./bot \"${B[@]}\"",
            "read -p\"Bot token\" BOT; ./bot $BOT",
            "read -rp\"Name of it\" BOT; ./bot $BOT",
            "read -rn 1 BOT; ./bot $BOT",
            "read -u0 BOT; ./bot $BOT",
            "read -raBOTS; ./bot ${BOTS[0]}",
            "read -p '-u 3' BOT; ./bot $BOT",
        ] {
            assert!(asks_for_the_bot(text, |name| name == "HOST"), "{text}");
        }
        for text in [
            "read; ./bot",
            "read -p 'Press Enter' _; ./bot",
            "read -n 1 -s -r -p \"Press 'x'\"; ./bot",
            "read -s -p 'Key' key; ./bot",
            "while read -r x; do export $x; done < .env; ./bot",
            "while IFS== read -r k v; do\n export $k=$v\ndone <.env\n./bot",
            "cat .env | while read x; do export $x; done; ./bot",
            "cat .env | { read x; export $x; }; ./bot",
            "(read x; export $x) < .env; ./bot",
            "read V < version; ./bot $V",
            "read -r V <<< 1.2; ./bot $V",
            "read -u 3 V; ./bot $V",
            "read -u3 V; ./bot $V",
            "read -ru 3 V; ./bot $V",
            "mapfile -tu3 V; ./bot ${V[0]}",
            "exec < names; read V; ./bot $V",
            "read V < <(cat version); ./bot $V",
            "read yn; yn=${yn:-y}; if [ $yn = y ]; then\n git pull\n npm ci\nfi\n./bot",
            "read yn; [ \"$yn\" = y ] || exit 1; ./bot",
            "read a; echo \"you said $a\"; ./bot",
            "until [ \"$a\" = y ]; do read a; done\n./bot",
            "./bot\nread a",
            "V=$(cat version); ./bot $V",
            "V=$(ls | head -n 1); ./bot $V",
            "N=$(nproc); ./bot $N",
            "echo 'read BOT'; ./bot $BOT",
            "# read BOT\n./bot $BOT",
        ] {
            assert!(!asks_for_the_bot(text, |name| name == "HOST"), "{text}");
        }
    }
}
