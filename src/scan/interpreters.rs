//! The table of interpreters: which word of their command line is the script, the module or the
//! code that they run.
//!
//! A row needs the names, the options that take a value, and those that run something else than a
//! script. Options that a row does not know make its command line unclear: nothing is guessed.

use std::ffi::OsStr;
use std::path::Path;

/// The language of a script: interpreters of one language may run the same script.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Language {
    Python,
    JavaScript,
    Ruby,
    Perl,
    Php,
    Shell,
    Java,
    DotNet,
    Lua,
}

/// The effect of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opt {
    Flag,
    /// Its value is the rest of the word, if it has one.
    Attached,
    /// Its value is the rest of the word, else the next word.
    Value,
    /// Its value is the code to run.
    Code,
    /// The first word that is no option is the code to run.
    CodeFollows,
    /// Its value is the module to run.
    Module,
    /// Its value is the script to run.
    Script,
    /// Its value is a script of the package.
    Task,
    /// The program is read from standard input.
    Input,
}

/// The meaning of a first operand without a folder and without an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BareOperand {
    Script,
    /// A script of `package.json`.
    Task,
    /// A subcommand, or the name of a class.
    Unclear,
}

/// Options that begin with one dash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SingleDash {
    /// One letter each: `-uB`.
    Letters,
    /// A word each: `-jar`.
    Words,
}

pub(super) struct Interpreter {
    pub(super) language: Language,
    /// Without a version at the end.
    names: &'static [&'static str],
    /// First words that are followed by what would stand there without them.
    subcommands: &'static [&'static str],
    dash: SingleDash,
    /// Letters and their effect.
    short: &'static [(&'static str, Opt)],
    /// Options that are no flag, in one word.
    long: &'static [(&'static [&'static str], Opt)],
    bare: BareOperand,
}

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

const NODE_VALUES: &[&str] = &[
    "--require",
    "--import",
    "--loader",
    "--experimental-loader",
    "--env-file",
    "--env-file-if-exists",
    "--conditions",
    "--inspect-port",
    "--debug-port",
    "--input-type",
    "--icu-data-dir",
    "--openssl-config",
    "--title",
    "--redirect-warnings",
    "--diagnostic-dir",
    "--disable-warning",
    "--dns-result-order",
    "--experimental-default-type",
    "--max-http-header-size",
    "--unhandled-rejections",
    "--tls-cipher-list",
    "--watch-path",
    "--report-directory",
    "--report-dir",
    "--report-filename",
    "--report-signal",
    "--heapsnapshot-signal",
    "--secure-heap",
    "--secure-heap-min",
    "--localstorage-file",
    "--cpu-prof-dir",
    "--cpu-prof-name",
    "--heap-prof-dir",
    "--heap-prof-name",
    "--trace-event-categories",
    "--trace-event-file-pattern",
    "--tls-keylog",
    "--network-family-autoselection-attempt-timeout",
];

#[rustfmt::skip]
static INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        language: Language::Python,
        names: &["python", "pythonw", "pypy"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[
            ("bBdEiIOPqRsSuvx", Opt::Flag), ("WX", Opt::Value), ("c", Opt::Code),
            ("m", Opt::Module),
        ],
        long: &[(&["--check-hash-based-pycs", "--jit"], Opt::Value)],
        bare: BareOperand::Script,
    },
    Interpreter {
        language: Language::JavaScript,
        names: &["node", "nodejs"],
        subcommands: &["inspect"],
        dash: SingleDash::Letters,
        short: &[("ic", Opt::Flag), ("rC", Opt::Value), ("ep", Opt::Code)],
        long: &[
            (NODE_VALUES, Opt::Value),
            (&["--eval", "--print"], Opt::Code),
            (&["--run"], Opt::Task),
        ],
        bare: BareOperand::Script,
    },
    Interpreter {
        language: Language::JavaScript,
        names: &["tsx", "ts-node", "ts-node-esm", "ts-node-script", "ts-node-transpile-only"],
        subcommands: &["watch"],
        dash: SingleDash::Letters,
        short: &[("TFsHi", Opt::Flag), ("rCPODI", Opt::Value), ("ep", Opt::Code)],
        long: &[
            (NODE_VALUES, Opt::Value),
            (
                &[
                    "--tsconfig", "--project", "--compiler", "--compilerOptions",
                    "--ignoreDiagnostics", "--ignore", "--include", "--exclude",
                ],
                Opt::Value,
            ),
            (&["--eval", "--print"], Opt::Code),
        ],
        bare: BareOperand::Script,
    },
    Interpreter {
        language: Language::JavaScript,
        names: &["bun"],
        subcommands: &["run"],
        dash: SingleDash::Letters,
        short: &[("bi", Opt::Flag), ("rcd", Opt::Value), ("ep", Opt::Code)],
        long: &[
            (
                &[
                    "--preload", "--require", "--import", "--env-file", "--config", "--port",
                    "--conditions", "--define", "--loader", "--tsconfig-override", "--shell",
                ],
                Opt::Value,
            ),
            (&["--eval", "--print"], Opt::Code),
        ],
        bare: BareOperand::Task,
    },
    Interpreter {
        language: Language::JavaScript,
        names: &["deno"],
        subcommands: &["run", "serve"],
        dash: SingleDash::Letters,
        short: &[("AqI", Opt::Flag), ("RWNESrP", Opt::Attached), ("cLD", Opt::Value)],
        long: &[(
            &[
                "--config", "--import-map", "--cert", "--location", "--seed", "--log-level",
                "--ext", "--preload", "--import", "--require", "--minimum-dependency-age",
            ],
            Opt::Value,
        )],
        bare: BareOperand::Unclear,
    },
    Interpreter {
        language: Language::Ruby,
        names: &["ruby", "jruby", "truffleruby"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[
            ("acdlnpsUvw", Opt::Flag), ("FWT0iK", Opt::Attached), ("IrE", Opt::Value),
            ("e", Opt::Code),
        ],
        long: &[(
            &["--encoding", "--external-encoding", "--internal-encoding", "--enable", "--disable"],
            Opt::Value,
        )],
        bare: BareOperand::Script,
    },
    Interpreter {
        language: Language::Perl,
        names: &["perl"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[
            ("acfgnpstTuUwWX", Opt::Flag), ("0CDFilMm", Opt::Attached), ("I", Opt::Value),
            ("eE", Opt::Code),
        ],
        long: &[],
        bare: BareOperand::Script,
    },
    Interpreter {
        language: Language::Php,
        names: &["php", "php-cli"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[
            ("enqs", Opt::Flag), ("dcz", Opt::Value), ("r", Opt::Code), ("f", Opt::Script),
        ],
        long: &[
            (&["--define", "--php-ini", "--zend-extension"], Opt::Value),
            (&["--run"], Opt::Code),
            (&["--file"], Opt::Script),
        ],
        bare: BareOperand::Script,
    },
    Interpreter {
        language: Language::Shell,
        names: &["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[
            ("abefhiklmnpruvxBCEHPT", Opt::Flag), ("oO", Opt::Value), ("c", Opt::CodeFollows),
            ("s", Opt::Input),
        ],
        long: &[(&["--rcfile", "--init-file"], Opt::Value)],
        bare: BareOperand::Script,
    },
    Interpreter {
        language: Language::Java,
        names: &["java"],
        subcommands: &[],
        dash: SingleDash::Words,
        short: &[],
        long: &[
            (
                &[
                    "-cp", "-classpath", "--class-path", "-p", "--module-path", "--add-modules",
                    "--add-opens", "--add-exports", "--add-reads", "--limit-modules",
                    "--upgrade-module-path", "--source", "--enable-native-access",
                ],
                Opt::Value,
            ),
            (&["-jar"], Opt::Script),
        ],
        bare: BareOperand::Unclear,
    },
    Interpreter {
        language: Language::DotNet,
        names: &["dotnet"],
        subcommands: &["exec"],
        dash: SingleDash::Letters,
        short: &[],
        long: &[(
            &[
                "--depsfile", "--runtimeconfig", "--additionalprobingpath",
                "--additional-deps", "--fx-version", "--roll-forward",
            ],
            Opt::Value,
        )],
        bare: BareOperand::Unclear,
    },
    Interpreter {
        language: Language::Lua,
        names: &["lua", "luajit", "texlua"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[("iEW", Opt::Flag), ("leOb", Opt::Value), ("j", Opt::Attached)],
        long: &[],
        bare: BareOperand::Script,
    },
];

impl Interpreter {
    /// Finds the interpreter with this base name, whatever its version.
    pub(super) fn by_name(name: &str) -> Option<&'static Interpreter> {
        let name = name.strip_suffix(".exe").unwrap_or(name);
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
        INTERPRETERS.iter().find(|it| it.names.contains(&name))
    }

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
