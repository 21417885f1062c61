//! The table of interpreters: their names and command-line options.
//!
//! A row lists the names, the options that take a value, those that run something other than a
//! script, and those that never change what a program does. An unknown option letter makes the
//! command line unclear; nothing is guessed.

use std::ffi::OsStr;
use std::path::Path;

use crate::scan::command_context::CommandOption;

/// The language of a script. Interpreters of the same language may run the same script.
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

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opt {
    Flag,
    /// Takes an optional value: the rest of the word.
    Attached,
    /// Takes a value: the rest of the word, or the next word.
    Value,
    Code,
    /// The first operand is the code to run.
    CodeFollows,
    Module,
    Script,
    /// Takes the name of a script of the package.
    Task,
    /// Reads the program from standard input.
    Input,
    Folder,
    /// Does something other than running the program: checks or tests it, or prints a version.
    OtherMode,
}

/// The meaning of a first operand that has neither a folder nor an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BareOperand {
    Script,
    /// A script of `package.json`.
    Task,
    /// A subcommand or the name of a class.
    Unclear,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SingleDash {
    /// Each letter is an option: `-uB`.
    Letters,
    /// The word is one option: `-jar`.
    Words,
}

pub(super) struct Interpreter {
    pub(super) language: Language,
    /// The names, without a version at the end.
    names: &'static [&'static str],
    /// Subcommands that can be skipped: the rest means the same without them.
    pub(super) subcommands: &'static [&'static str],
    pub(super) dash: SingleDash,
    /// Option letters and their effects.
    pub(super) short: &'static [(&'static str, Opt)],
    /// Long options other than flags, and their effects.
    pub(super) long: &'static [(&'static [&'static str], Opt)],
    pub(super) bare: BareOperand,
    /// Options that never select another bot. A trailing `*` matches any rest of the name. All
    /// other options may select one.
    harmless: &'static [&'static str],
    /// Letters that stand for a long option.
    aliases: &'static [(&'static str, &'static str)],
}

const ALL: &[&str] = &["*"];

#[rustfmt::skip]
const NODE_HARMLESS: &[&str] = &[
    "-i", "-T", "-F", "-s", "-H", "-P", "-O", "-D", "-I", "--abort*", "--allow-*", "--cpu-prof*",
    "--debug-port", "--diagnostic-dir", "--disable-warning", "--disable-proto",
    "--disallow-code-generation-from-strings", "--dns-result-order", "--enable-*",
    "--experimental-*", "--expose*", "--force-*", "--frozen-intrinsics", "--gc*", "--harmony*",
    "--heap*", "--icu-data-dir", "--initial*", "--input-type", "--insecure-http-parser",
    "--inspect*", "--interpreted-frames-native-stack", "--jitless", "--max*", "--min*",
    "--network-family*", "--no-*", "--node-memory-debug", "--openssl*", "--optimize*",
    "--pending-deprecation", "--perf*", "--permission", "--preserve-symlinks*", "--prof*",
    "--redirect-warnings", "--report*", "--secure-heap*", "--semi*", "--stack*",
    "--throw-deprecation", "--title", "--tls*", "--trace*", "--track-heap-objects",
    "--unhandled-rejections", "--use-*", "--v8*", "--verify*", "--warnings", "--watch*",
    "--zero-fill-buffers", "--tsconfig", "--project", "--compiler*", "--ignore*", "--include",
    "--exclude", "--transpile*", "--type*", "--swc", "--esm", "--files", "--pretty", "--cache",
    "--scope*", "--clear-screen*",
];

/// Modes of node that do not simply run the program.
const NODE_MODES: &[&str] = &[
    "--test",
    "--test-only",
    "--check",
    "--build-snapshot",
    "--version",
    "--help",
    "--v8-options",
];

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

const NODE_ALIASES: &[(&str, &str)] = &[("-r", "--require"), ("-C", "--conditions")];

#[rustfmt::skip]
static INTERPRETERS: &[Interpreter] = &[
    Interpreter {
        language: Language::Python,
        names: &["python", "pythonw", "pypy", "ipython"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[
            ("bBdEiIOPqRsSuvx", Opt::Flag), ("WX", Opt::Value), ("c", Opt::Code),
            ("m", Opt::Module),
        ],
        long: &[(&["--check-hash-based-pycs", "--jit"], Opt::Value)],
        bare: BareOperand::Script,
        harmless: &[
            "-b", "-B", "-d", "-E", "-i", "-I", "-O", "-P", "-q", "-R", "-s", "-S", "-u", "-v",
            "-W", "-x", "--*",
        ],
        aliases: &[],
    },
    Interpreter {
        language: Language::JavaScript,
        names: &["node", "nodejs"],
        subcommands: &["inspect"],
        dash: SingleDash::Letters,
        short: &[
            ("i", Opt::Flag), ("rC", Opt::Value), ("ep", Opt::Code), ("chv", Opt::OtherMode),
        ],
        long: &[
            (NODE_VALUES, Opt::Value),
            (NODE_MODES, Opt::OtherMode),
            (&["--eval", "--print"], Opt::Code),
            (&["--run"], Opt::Task),
        ],
        bare: BareOperand::Script,
        harmless: NODE_HARMLESS,
        aliases: NODE_ALIASES,
    },
    Interpreter {
        language: Language::JavaScript,
        names: &[
            "tsx", "ts-node", "ts-node-cwd", "ts-node-esm", "ts-node-script",
            "ts-node-transpile-only",
        ],
        subcommands: &["watch"],
        dash: SingleDash::Letters,
        short: &[("TFsHi", Opt::Flag), ("rCPODI", Opt::Value), ("ep", Opt::Code)],
        long: &[
            (NODE_VALUES, Opt::Value),
            (NODE_MODES, Opt::OtherMode),
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
        harmless: NODE_HARMLESS,
        aliases: NODE_ALIASES,
    },
    Interpreter {
        language: Language::JavaScript,
        names: &["bun"],
        subcommands: &["run"],
        dash: SingleDash::Letters,
        short: &[("bi", Opt::Flag), ("rcd", Opt::Value), ("ep", Opt::Code), ("F", Opt::OtherMode)],
        long: &[
            (
                &[
                    "--preload", "--require", "--import", "--env-file", "--config", "--port",
                    "--conditions", "--define", "--loader", "--tsconfig-override", "--shell",
                ],
                Opt::Value,
            ),
            (&["--cwd"], Opt::Folder),
            (&["--filter", "--workspaces", "--test", "--version", "--help"], Opt::OtherMode),
            (&["--eval", "--print"], Opt::Code),
        ],
        bare: BareOperand::Task,
        harmless: &[
            "-b", "-i", "--bun", "--smol", "--watch", "--hot", "--inspect*", "--silent", "--no-*",
            "--install", "--prefer-*", "--max-*", "--shell", "--tsconfig-override", "--port",
            "--expose-gc", "--if-present",
        ],
        aliases: &[("-r", "--preload"), ("-c", "--config"), ("-d", "--define")],
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
        harmless: &[
            "-A", "-q", "-I", "-R", "-W", "-N", "-E", "-S", "-r", "-P", "-L", "-D", "--allow-*",
            "--deny-*", "--no-*", "--unstable*", "--watch*", "--check*", "--reload*",
            "--cached-only",
            "--lock*", "--frozen*", "--log-level", "--v8-flags", "--inspect*",
            "--node-modules-dir*", "--vendor*", "--quiet", "--cert", "--ext", "--permission-set",
            "--strace-ops", "--minimum-dependency-age",
        ],
        aliases: &[("-c", "--config")],
    },
    Interpreter {
        language: Language::Ruby,
        names: &["ruby", "jruby", "truffleruby"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[
            ("adlnpsUvw", Opt::Flag), ("c", Opt::OtherMode), ("FWT0iK", Opt::Attached),
            ("IrE", Opt::Value),
            ("e", Opt::Code),
        ],
        long: &[(
            &["--encoding", "--external-encoding", "--internal-encoding", "--enable", "--disable"],
            Opt::Value,
        )],
        bare: BareOperand::Script,
        harmless: &[
            "-a", "-d", "-l", "-n", "-p", "-s", "-U", "-v", "-w", "-F", "-W", "-T", "-0", "-i",
            "-K", "-E", "--*",
        ],
        aliases: &[],
    },
    Interpreter {
        language: Language::Perl,
        names: &["perl"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[
            ("afgnpstTuUwWX", Opt::Flag), ("c", Opt::OtherMode), ("0CDFilMm", Opt::Attached),
            ("I", Opt::Value),
            ("eE", Opt::Code),
        ],
        long: &[],
        bare: BareOperand::Script,
        harmless: &[
            "-a", "-f", "-g", "-n", "-p", "-s", "-t", "-T", "-u", "-U", "-w", "-W", "-X", "-0",
            "-C", "-D", "-F", "-i", "-l",
        ],
        aliases: &[],
    },
    Interpreter {
        language: Language::Php,
        names: &["php", "php-cli"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[
            ("enq", Opt::Flag), ("ilmsvw", Opt::OtherMode), ("dcz", Opt::Value),
            ("r", Opt::Code), ("f", Opt::Script),
        ],
        long: &[
            (&["--define", "--php-ini", "--zend-extension"], Opt::Value),
            (&["--run"], Opt::Code),
            (&["--file"], Opt::Script),
        ],
        bare: BareOperand::Script,
        harmless: &["-e", "-n", "-q", "--no-*"],
        aliases: &[("-d", "--define"), ("-c", "--php-ini"), ("-z", "--zend-extension")],
    },
    Interpreter {
        language: Language::Shell,
        names: &["sh", "bash", "dash", "zsh", "ksh", "mksh", "ash"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[
            ("abefhiklmpruvxBCEHPT", Opt::Flag), ("n", Opt::OtherMode), ("oO", Opt::Value),
            ("c", Opt::CodeFollows),
            ("s", Opt::Input),
        ],
        long: &[(&["--rcfile", "--init-file"], Opt::Value)],
        bare: BareOperand::Script,
        harmless: ALL,
        aliases: &[],
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
            (&["-m", "--module"], Opt::OtherMode),
        ],
        bare: BareOperand::Unclear,
        harmless: &[
            "-X*", "-ea*", "-da*", "-esa", "-dsa", "-enable*", "-disable*", "-server", "-client",
            "-verbose*", "-showversion", "--add-*", "--limit-modules", "--source", "--enable-*",
            "-javaagent*", "-agent*", "-Dfile.encoding", "-Djava.awt.headless", "-Djava.io.tmpdir",
            "-Djava.net.*", "-Djava.rmi.*", "-Djava.security.*", "-Djava.util.logging.*",
            "-Djavax.net.*", "-Dsun.*", "-Dcom.sun.*", "-Duser.country", "-Duser.language",
            "-Duser.timezone",
        ],
        aliases: &[
            ("-cp", "--class-path"), ("-classpath", "--class-path"), ("-p", "--module-path"),
        ],
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
        harmless: &["--fx-version", "--roll-forward"],
        aliases: &[],
    },
    Interpreter {
        language: Language::Lua,
        names: &["lua", "luajit", "texlua"],
        subcommands: &[],
        dash: SingleDash::Letters,
        short: &[("iEW", Opt::Flag), ("leOb", Opt::Value), ("j", Opt::Attached)],
        long: &[],
        bare: BareOperand::Script,
        harmless: &["-i", "-E", "-W", "-O", "-b", "-j"],
        aliases: &[],
    },
];

/// Options of node that load code or settings, unlike other `--experimental-*` options.
const NODE_SETTINGS: &[&str] =
    &["--experimental-loader", "--experimental-config-file", "--experimental-default-config-file"];

/// Settings that Python itself reads from `-X`. A program can read any other one.
#[rustfmt::skip]
const PYTHON_SETTINGS: &[&str] = &[
    "context_aware_warnings", "cpu_count", "dev", "disable_remote_debug", "disable-remote-debug",
    "faulthandler", "frozen_modules", "gil", "importtime", "int_max_str_digits", "lazy_imports",
    "no_debug_ranges", "pathconfig_warnings", "perf*", "pycache_prefix", "showalloccount",
    "showrefcount", "thread_inherit_context", "tlbc", "tracemalloc", "utf8",
    "warn_default_encoding",
];

/// PHP settings that never select another bot.
#[rustfmt::skip]
const PHP_SETTINGS: &[&str] = &[
    "memory_limit", "max_execution_time", "display_errors", "display_startup_errors",
    "error_reporting", "log_errors", "opcache*", "xdebug*", "zend.*",
];

/// Modules that only load the language or `.env`.
#[rustfmt::skip]
const LOADERS: &[&str] = &[
    "tsx", "tsx/cjs", "tsx/esm", "ts-node/register", "ts-node/esm", "ts-node/register/*",
    "dotenv/config", "source-map-support/register", "@swc-node/register*", "@babel/register",
    "esbuild-register", "tsconfig-paths/register", "bundler/setup", "strict", "warnings", "utf8",
    "feature",
];

/// Returns the usual interpreter of a script, by its extension.
pub(super) fn interpreter_by_extension(script: &Path) -> Option<&'static str> {
    Some(match script.extension()?.to_str()? {
        "py" => "python3",
        "js" | "mjs" | "cjs" => "node",
        "rb" => "ruby",
        "pl" => "perl",
        "php" => "php",
        "sh" => "sh",
        _ => return None,
    })
}

impl Interpreter {
    /// Finds the interpreter with this base name, ignoring versions.
    pub(super) fn by_name(name: &str) -> Option<&'static Interpreter> {
        let name = name.strip_suffix(".exe").unwrap_or(name);
        let name = name.strip_suffix("-dbg").unwrap_or(name);
        // Builds for free threading and debugging, such as `python3.13t`.
        let name = name
            .strip_suffix(['t', 'd'])
            .filter(|name| name.ends_with(|c: char| c.is_ascii_digit()))
            .unwrap_or(name);
        let name = name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-'));
        INTERPRETERS.iter().find(|it| it.names.contains(&name))
    }

    /// Returns an option in the form to compare; `None` if it never selects another bot.
    pub(super) fn option(&self, name: &str, value: Option<&OsStr>) -> Option<CommandOption> {
        let alias = self.aliases.iter().find(|(letter, _)| *letter == name);
        let name = alias.map_or(name, |(_, word)| word);
        let text = value.and_then(OsStr::to_str).unwrap_or_default();
        let setting = text.split('=').next().unwrap_or_default();
        let is_loader = matches!(
            name,
            "--require" | "--import" | "--loader" | "--experimental-loader" | "-r" | "-M" | "-m"
        ) && (is_listed(LOADERS, text)
            || ["/tsx/", "/ts-node/"].iter().any(|folder| text.contains(folder)));
        let is_harmless = is_listed(self.harmless, name) && !NODE_SETTINGS.contains(&name)
            || is_loader
            || name == "--define" && is_listed(PHP_SETTINGS, setting)
            || name == "-X"
                && self.language == Language::Python
                && is_listed(PYTHON_SETTINGS, setting);
        let value = value.map(|value| {
            OsStr::new(
                value.to_str().and_then(|it| it.strip_prefix("./")).map_or(value, OsStr::new),
            )
        });
        (!is_harmless).then(|| CommandOption {
            name: name.to_owned(),
            value: value.unwrap_or_default().to_owned(),
        })
    }
}

/// Returns whether a name is in a list. A trailing `*` in an entry matches any rest of the name.
pub(super) fn is_listed(list: &[&str], name: &str) -> bool {
    list.iter().any(|entry| match entry.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => *entry == name,
    })
}
