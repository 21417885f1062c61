//! The table of interpreters: their names and the options of their command lines.
//!
//! A row needs the names, the options that take a value, and those that run something else than a
//! script. Options that a row does not know make its command line unclear: nothing is guessed.

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
pub(super) enum Opt {
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
pub(super) enum BareOperand {
    Script,
    /// A script of `package.json`.
    Task,
    /// A subcommand, or the name of a class.
    Unclear,
}

/// Options that begin with one dash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SingleDash {
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
    pub(super) subcommands: &'static [&'static str],
    pub(super) dash: SingleDash,
    /// Letters and their effect.
    pub(super) short: &'static [(&'static str, Opt)],
    /// Options that are no flag, in one word.
    pub(super) long: &'static [(&'static [&'static str], Opt)],
    pub(super) bare: BareOperand,
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
}
