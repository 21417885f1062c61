//! Parses the command line of an interpreter: which word is the script, module or code to run.

use std::ffi::OsStr;
use std::path::Path;

use crate::scan::command_context::CommandContext;
use crate::scan::interpreters::{BareOperand, Interpreter, Language, Opt, SingleDash};

pub(super) struct InterpreterCommand<'a> {
    pub(super) operand: Operand<'a>,
    pub(super) args: &'a [&'a OsStr],
    pub(super) context: CommandContext,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand<'a> {
    Script(&'a OsStr),
    Module(&'a OsStr),
    Code(&'a OsStr),
    Task(&'a OsStr),
    Input,
    Unclear,
}

impl Interpreter {
    /// Parses the words after the interpreter's name.
    pub(super) fn read<'a>(&self, words: &'a [&'a OsStr]) -> InterpreterCommand<'a> {
        let mut context = CommandContext::default();
        let (operand, args) = self.operand(words, &mut context);
        InterpreterCommand { operand, args, context }
    }

    fn operand<'a>(
        &self,
        words: &'a [&'a OsStr],
        context: &mut CommandContext,
    ) -> (Operand<'a>, &'a [&'a OsStr]) {
        let mut at = 0;
        let mut has_subcommand = false;
        let mut follows = Opt::Script;
        while let Some(word) = words.get(at) {
            let text = word.to_str().unwrap_or_default();
            let is_subcommand = !has_subcommand && self.subcommands.contains(&text);
            let is_option =
                text.starts_with('-') || self.language == Language::Shell && text.starts_with('+');
            if is_subcommand {
                has_subcommand = true;
                at += 1;
                continue;
            }
            if !is_option || text == "-" || text == "--" {
                break;
            }
            at += 1;
            let Some(ReadOption { name, effect, value }) = self.effect(text, context) else {
                return (Operand::Unclear, &[]);
            };
            let next = words.get(at).copied();
            let value = value.map(OsStr::new);
            match effect {
                Opt::Flag | Opt::Attached => context.options.extend(self.option(&name, value)),
                Opt::Value => {
                    at += usize::from(value.is_none());
                    context.options.extend(self.option(&name, value.or(next)));
                }
                Opt::Folder => {
                    at += usize::from(value.is_none());
                    context.enter(Path::new(value.or(next).unwrap_or_default()));
                }
                Opt::CodeFollows => follows = Opt::CodeFollows,
                Opt::Input => return (Operand::Input, &[]),
                Opt::OtherMode => return (Operand::Unclear, &[]),
                Opt::Code | Opt::Module | Opt::Script | Opt::Task => {
                    let after = at + usize::from(value.is_none());
                    let Some(value) = value.or(next) else {
                        return (Operand::Unclear, &[]);
                    };
                    return (Self::named(effect, value), words.get(after..).unwrap_or_default());
                }
            }
        }
        if words.get(at).is_some_and(|word| *word == "--") {
            at += 1;
        }
        let rest = words.get(at + 1..).unwrap_or_default();
        match words.get(at).copied() {
            None if self.bare == BareOperand::Unclear => (Operand::Unclear, rest),
            None => (Operand::Input, rest),
            Some(word) if follows == Opt::CodeFollows => (Operand::Code(word), rest),
            Some(word) if word == "-" => (Operand::Input, rest),
            Some(word) if Self::is_bare(word) => match self.bare {
                BareOperand::Script => (Operand::Script(word), rest),
                BareOperand::Task if !has_subcommand && is_mode_of_bun(word) => {
                    (Operand::Unclear, rest)
                }
                BareOperand::Task => (Operand::Task(word), rest),
                BareOperand::Unclear => (Operand::Unclear, rest),
            },
            Some(word) => (Operand::Script(word), rest),
        }
    }

    fn named(effect: Opt, value: &OsStr) -> Operand<'_> {
        match effect {
            Opt::Code | Opt::CodeFollows => Operand::Code(value),
            Opt::Module => Operand::Module(value),
            Opt::Task => Operand::Task(value),
            Opt::Script if value == "-" => Operand::Input,
            Opt::Script => Operand::Script(value),
            Opt::Input => Operand::Input,
            Opt::Flag | Opt::Attached | Opt::Value | Opt::Folder | Opt::OtherMode => {
                Operand::Unclear
            }
        }
    }

    fn is_bare(word: &OsStr) -> bool {
        let path = Path::new(word);
        path.extension().is_none() && path.components().count() == 1 && word != "."
    }

    /// Parses a word with options; `None` if one of them is unknown.
    fn effect<'a>(&self, option: &'a str, context: &mut CommandContext) -> Option<ReadOption<'a>> {
        let letters = option.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        if self.dash == SingleDash::Letters
            && let Some(letters) = letters.or_else(|| option.strip_prefix('+'))
        {
            return self.effect_of_letters(letters, context);
        }
        let (name, value) =
            option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let listed = self.long.iter().find(|(names, _)| names.contains(&name));
        let effect = listed.map_or(Opt::Flag, |(_, effect)| *effect);
        Some(ReadOption { name: name.to_owned(), effect, value })
    }

    /// Only the last letter can have an effect other than a flag's.
    fn effect_of_letters<'a>(
        &self,
        letters: &'a str,
        context: &mut CommandContext,
    ) -> Option<ReadOption<'a>> {
        let mut last = None;
        for (at, letter) in letters.char_indices() {
            let (_, effect) = self.short.iter().find(|(letters, _)| letters.contains(letter))?;
            let rest = letters.get(at + letter.len_utf8()..).filter(|rest| !rest.is_empty());
            let name = format!("-{letter}");
            let read = |value| Some(ReadOption { name: name.clone(), effect: *effect, value });
            match effect {
                Opt::Flag => {
                    context.options.extend(self.option(&name, None));
                    last = last.or_else(|| read(None));
                }
                Opt::OtherMode => return read(None),
                Opt::CodeFollows | Opt::Input => last = read(None),
                // `node -pe CODE`
                Opt::Code if rest.is_some_and(|rest| letters.starts_with('p') && rest == "e") => {
                    return read(None);
                }
                Opt::Value
                | Opt::Attached
                | Opt::Code
                | Opt::Module
                | Opt::Script
                | Opt::Folder
                | Opt::Task => return read(rest),
            }
        }
        last
    }
}

struct ReadOption<'a> {
    name: String,
    effect: Opt,
    value: Option<&'a str>,
}

/// Subcommands of bun that do not run a script.
fn is_mode_of_bun(word: &OsStr) -> bool {
    ["test", "build", "install", "add", "remove", "update", "exec", "x", "create", "init", "repl"]
        .iter()
        .any(|mode| word == *mode)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what a command line runs, with its arguments.
    fn read(line: &str) -> String {
        let words: Vec<&OsStr> = line.split(' ').map(OsStr::new).collect();
        let name = Path::new(words[0]).file_name().unwrap().to_str().unwrap();
        let Some(interpreter) = Interpreter::by_name(name) else { return "no interpreter".into() };
        let InterpreterCommand { operand, args: rest, .. } = interpreter.read(&words[1..]);
        let rest: Vec<_> = rest.iter().map(|word| word.to_str().unwrap()).collect();
        let (kind, word) = match operand {
            Operand::Script(word) => ("script", word),
            Operand::Module(word) => ("module", word),
            Operand::Code(word) => ("code", word),
            Operand::Task(word) => ("task", word),
            Operand::Input => return "input".into(),
            Operand::Unclear => return "unclear".into(),
        };
        format!("{kind} {} {}", word.display(), rest.join(" ")).trim_end().to_owned()
    }

    #[test]
    fn each_interpreter_runs_what_its_command_line_names() {
        for (line, expected) in [
            ("python main.py -x", "script main.py -x"),
            ("/opt/venv/bin/python3.12 -uB main.py --x", "script main.py --x"),
            ("python3 -X dev -W error -u ./main.py", "script ./main.py"),
            ("python3 -Xdev main.py", "script main.py"),
            ("python -- main.py", "script main.py"),
            ("pypy3 --jit off main", "script main"),
            ("python -m bot run", "module bot run"),
            ("python -um bot main.py", "module bot main.py"),
            ("python -mbot", "module bot"),
            ("python -c main.py x", "code main.py x"),
            ("python", "input"),
            ("python3 -u -", "input"),
            ("python -W main.py", "input"),
            ("python -V main.py", "unclear"),
            ("node --enable-source-maps dist/bot.mjs", "script dist/bot.mjs"),
            ("node --import tsx --env-file .env bot.ts", "script bot.ts"),
            ("node --env-file=.env -r dotenv/config bot.js a", "script bot.js a"),
            ("nodejs --max-old-space-size=512 .", "script ."),
            ("node inspect bot.js", "script bot.js"),
            ("node -e bot.js", "code bot.js"),
            ("node -pe 1", "code 1"),
            ("node --run start", "task start"),
            ("node", "input"),
            ("tsx watch --tsconfig t.json src/bot.ts", "script src/bot.ts"),
            ("ts-node -P t.json bot.ts", "script bot.ts"),
            ("bun run --watch src/bot.ts", "script src/bot.ts"),
            ("bun start", "task start"),
            ("bun run start x", "task start x"),
            ("bun -e 1", "code 1"),
            ("deno run -A --config d.json bot.ts x", "script bot.ts x"),
            ("deno run --allow-net=api.telegram.org -q bot.ts", "script bot.ts"),
            ("deno bot.ts", "script bot.ts"),
            ("deno fmt", "unclear"),
            ("ruby -w -I lib bot.rb", "script bot.rb"),
            ("ruby -rbundler/setup bot.rb", "script bot.rb"),
            ("ruby -C bot bot.rb", "unclear"),
            ("perl -Mstrict -Ilib bot.pl", "script bot.pl"),
            ("perl -ne bot.pl", "code bot.pl"),
            ("php -d memory_limit=1G artisan poll", "script artisan poll"),
            ("php -f bot.php", "script bot.php"),
            ("php -r 1;", "code 1;"),
            ("bash -eu ./start.sh x", "script ./start.sh x"),
            ("bash -o pipefail start.sh", "script start.sh"),
            ("bash -ec exit", "code exit"),
            ("sh -c -e exit", "code exit"),
            ("sh -s ./start.sh", "input"),
            ("bash --norc", "input"),
            ("java -Xmx1g -cp a:b -jar bot.jar x", "script bot.jar x"),
            ("java -cp bot.jar Main", "unclear"),
            ("java -p mods -m bot/com.x.Main", "unclear"),
            ("java Main.java", "script Main.java"),
            ("dotnet Bot.dll x", "script Bot.dll x"),
            ("dotnet exec --roll-forward Major Bot.dll", "script Bot.dll"),
            ("dotnet run", "unclear"),
            ("lua5.4 -l socket bot.lua", "script bot.lua"),
            ("python-bot main.py", "no interpreter"),
            ("vim main.py", "no interpreter"),
        ] {
            assert_eq!(read(line), expected, "{line}");
        }
    }
}
