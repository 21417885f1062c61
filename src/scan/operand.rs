//! Reads the command line of an interpreter: which word is the script, the module or the code that
//! it runs.

use std::ffi::OsStr;
use std::path::Path;

use crate::scan::interpreters::{BareOperand, Interpreter, Language, Opt, SingleDash};

/// The program that a command line names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operand<'a> {
    Script(&'a OsStr),
    Module(&'a OsStr),
    Code(&'a OsStr),
    Task(&'a OsStr),
    /// Standard input.
    Input,
    Unclear,
}

impl Interpreter {
    /// Returns the program that follows the interpreter's name, and the arguments to it.
    pub(super) fn operand<'a>(&self, words: &'a [&'a OsStr]) -> (Operand<'a>, &'a [&'a OsStr]) {
        let subcommand = words.first().and_then(|word| word.to_str());
        let is_subcommand = subcommand.is_some_and(|word| self.subcommands.contains(&word));
        let mut at = usize::from(is_subcommand);
        let mut follows = Opt::Script;
        while let Some(word) = words.get(at) {
            let text = word.to_str().unwrap_or_default();
            let is_option =
                text.starts_with('-') || self.language == Language::Shell && text.starts_with('+');
            if !is_option || text == "-" || text == "--" {
                break;
            }
            at += 1;
            let (effect, value) = self.effect(text);
            let next = || words.get(at).copied();
            match effect {
                None => return (Operand::Unclear, &[]),
                Some(Opt::Flag | Opt::Attached) => {}
                Some(Opt::Value) => at += usize::from(value.is_none()),
                Some(Opt::CodeFollows) => follows = Opt::CodeFollows,
                Some(Opt::Input) => return (Operand::Input, &[]),
                Some(of @ (Opt::Code | Opt::Module | Opt::Script | Opt::Task)) => {
                    let after = at + usize::from(value.is_none());
                    let Some(value) = value.map(OsStr::new).or_else(next) else {
                        return (Operand::Unclear, &[]);
                    };
                    return (Self::named(of, value), words.get(after..).unwrap_or_default());
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
            Opt::Flag | Opt::Attached | Opt::Value => Operand::Unclear,
        }
    }

    fn is_bare(word: &OsStr) -> bool {
        let path = Path::new(word);
        path.extension().is_none() && path.components().count() == 1 && word != "."
    }

    /// Returns the effect of an option, `None` if that is not known, and the value in its own word.
    fn effect<'a>(&self, option: &'a str) -> (Option<Opt>, Option<&'a str>) {
        let letters = option.strip_prefix('-').filter(|rest| !rest.starts_with('-'));
        if self.dash == SingleDash::Letters
            && let Some(letters) = letters.or_else(|| option.strip_prefix('+'))
        {
            return self.effect_of_letters(letters);
        }
        let (name, value) =
            option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let listed = self.long.iter().find(|(names, _)| names.contains(&name));
        (Some(listed.map_or(Opt::Flag, |(_, effect)| *effect)), value)
    }

    /// Only the last letter can have an effect besides that of a flag.
    fn effect_of_letters<'a>(&self, letters: &'a str) -> (Option<Opt>, Option<&'a str>) {
        let mut last = Opt::Flag;
        for (at, letter) in letters.char_indices() {
            let listed = self.short.iter().find(|(letters, _)| letters.contains(letter));
            let Some((_, effect)) = listed else { return (None, None) };
            let rest = letters.get(at + letter.len_utf8()..).filter(|rest| !rest.is_empty());
            match effect {
                Opt::Flag => {}
                Opt::CodeFollows | Opt::Input => last = *effect,
                // `node -pe CODE`
                Opt::Code if rest.is_some_and(|rest| letters.starts_with('p') && rest == "e") => {
                    return (Some(Opt::Code), None);
                }
                Opt::Value | Opt::Attached | Opt::Code | Opt::Module | Opt::Script | Opt::Task => {
                    return (Some(*effect), rest);
                }
            }
        }
        (Some(last), None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a command line runs, and the arguments to it.
    fn read(line: &str) -> String {
        let words: Vec<&OsStr> = line.split(' ').map(OsStr::new).collect();
        let name = Path::new(words[0]).file_name().unwrap().to_str().unwrap();
        let Some(interpreter) = Interpreter::by_name(name) else { return "no interpreter".into() };
        let (operand, rest) = interpreter.operand(&words[1..]);
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
