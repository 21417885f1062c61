//! Checks that the script which COMMAND's interpreter runs exists, before anything is touched.
//!
//! An interpreter starts well and fails only when it opens its script, after the healthy bot was
//! ended. Where it is not certain which argument is the script, nothing is checked.
#![expect(clippy::disallowed_methods, reason = "finds a file as the interpreter does")]

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::{Component, Path};
use std::{env, fs};

use crate::error::{Error, ExitStatus};
use crate::scan::command::Command;
use crate::text::printable;

impl Command {
    /// Requires that the script exists, where it is certain which argument that is.
    pub fn require_script(&self) -> Result<(), Error> {
        // A hook that this variable loads may find the script elsewhere.
        if env::var_os("NODE_OPTIONS").is_some()
            && Interpreter::by_name(&self.base_name()) == Some(Interpreter::Node)
        {
            return Ok(());
        }
        let Some(script) = self.script().map(Path::new) else { return Ok(()) };
        match fs::metadata(self.cwd.join(script)).map_err(|error| error.kind()) {
            Err(ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(missing(script, &self.cwd)),
            // It may exist where it cannot be seen.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Returns the first argument that is not an option, if no option before it takes a value.
    fn script(&self) -> Option<&str> {
        let interpreter = Interpreter::by_name(&self.base_name())?;
        let words = self.args.get(1..)?.iter().map(OsString::as_os_str);
        let mut rest =
            words.skip_while(|word| word.to_str().is_some_and(|word| interpreter.is_flag(word)));
        rest.next()?.to_str().filter(|word| interpreter.is_script(word))
    }
}

fn missing(script: &Path, cwd: &Path) -> Error {
    let shown = |path: &Path| printable(&path.to_string_lossy()).into_owned();
    // On Windows a path from the root is not absolute, as it has no drive, but needs no folder
    // either.
    let script = (shown(script), script.has_root());
    let (what, hint) = match script {
        (script, true) => (format!("`{script}` does not exist"), "check its path"),
        (script, false) => (
            format!("`{script}` is not in {}", shown(cwd)),
            "start it from the bot's folder, or give the script's full path",
        ),
    };
    Error::new(ExitStatus::NotFound, format!("COMMAND's script {what}")).with_hint(hint)
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Interpreter {
    Python,
    Node,
    Ruby,
    Perl,
    Php,
    Shell,
}

impl Interpreter {
    fn by_name(name: &str) -> Option<Interpreter> {
        let name = name.strip_suffix(".exe").unwrap_or(name);
        Some(match name.trim_end_matches(|c: char| c.is_ascii_digit() || c == '.') {
            "python" | "pypy" => Interpreter::Python,
            "node" | "nodejs" => Interpreter::Node,
            "ruby" => Interpreter::Ruby,
            "perl" => Interpreter::Perl,
            "php" => Interpreter::Php,
            "sh" | "bash" | "dash" => Interpreter::Shell,
            _ => return None,
        })
    }

    /// Returns whether `word` is an option without a value, after which a script follows.
    fn is_flag(self, word: &str) -> bool {
        let letters = match self {
            Interpreter::Python => "bBdEIOPqRsSuv",
            Interpreter::Shell => "eux",
            Interpreter::Perl | Interpreter::Ruby => "w",
            Interpreter::Node => {
                return matches!(
                    word,
                    "--enable-source-maps" | "--no-warnings" | "--trace-warnings"
                );
            }
            Interpreter::Php => return false,
        };
        word.strip_prefix('-').is_some_and(|flags| {
            !flags.is_empty() && flags.chars().all(|flag| letters.contains(flag))
        })
    }

    /// Returns whether `word` can only be the path of a script, by its extension or its folder: a
    /// shell searches `$PATH` for a bare name too, and node adds extensions.
    fn is_script(self, word: &str) -> bool {
        let extensions: &[&str] = match self {
            Interpreter::Python => &["py", "pyw", "pyc", "pyz"],
            Interpreter::Node => &["js", "mjs", "cjs", "ts", "mts"],
            Interpreter::Ruby => &["rb"],
            Interpreter::Perl => &["pl"],
            Interpreter::Php => &["php", "phar"],
            Interpreter::Shell => &[],
        };
        let path = Path::new(word);
        let has_extension = path
            .extension()
            .and_then(|extension| extension.to_str())
            .is_some_and(|extension| extensions.contains(&extension));
        let has_folder = self != Interpreter::Node
            && path.components().filter(|part| *part != Component::CurDir).count() > 1;
        let is_relative = self != Interpreter::Node && path.starts_with(".");
        // These files differ between processes.
        let is_special = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
        !word.starts_with('-') && !is_special && (has_extension || has_folder || is_relative)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::scan::command::ProgramKind;

    fn command(line: &str) -> Command {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let program = Path::new("/usr/bin/x").to_owned();
        Command {
            args,
            found: program.clone(),
            program,
            kind: ProgramKind::Binary,
            cwd: "/srv/bot".into(),
        }
    }

    #[test]
    fn the_script_is_found_where_it_is_certain() {
        for (line, script) in [
            ("python main.py", "main.py"),
            ("/opt/venv/bin/python3.12 -uB main.py --x", "main.py"),
            ("python3 -u bot/main", "bot/main"),
            ("pypy3 ./main", "./main"),
            ("node --enable-source-maps dist/bot.mjs", "dist/bot.mjs"),
            ("ruby -w bot.rb", "bot.rb"),
            ("perl bot.pl", "bot.pl"),
            ("php bot.php", "bot.php"),
            ("bash -eu ./start.sh", "./start.sh"),
            ("sh /srv/start", "/srv/start"),
        ] {
            assert_eq!(command(line).script(), Some(script), "{line}");
        }
    }

    #[test]
    fn no_script_is_found_in_doubt() {
        for line in [
            "python",
            "python -",
            "python -m bot",
            "python -c main.py",
            "python -um bot main.py",
            "python -W main.py",
            "python -X dev main.py",
            "python -V main.py",
            "python -- main.py",
            "python main",
            "python /dev/fd/63",
            "node bot",
            "node dist/bot",
            "node inspect bot.js",
            "node --require x.js bot.js",
            "node -e bot.js",
            "ruby -C bot bot.rb",
            "perl -ne bot.pl",
            "php artisan",
            "php -f bot.php",
            "bash start.sh",
            "bash -c ./start.sh",
            "sh -s ./start.sh",
            "uv run main.py",
            "env python main.py",
            "python-bot main.py",
            "deno run bot.ts",
            "./main.py x.py",
        ] {
            assert_eq!(command(line).script(), None, "{line}");
        }
    }

    #[test]
    fn the_error_names_the_folder() {
        let error = command("python3 main.py").require_script().unwrap_err();
        assert_eq!(error.status(), ExitStatus::NotFound);
        assert!(
            error.to_string().starts_with("COMMAND's script `main.py` is not in /srv/bot; "),
            "{error}"
        );
        let error = command("python3 /nowhere/main.py").require_script().unwrap_err();
        assert!(
            error.to_string().starts_with("COMMAND's script `/nowhere/main.py` does not exist; "),
            "{error}"
        );
        command("python3 /").require_script().unwrap();
    }
}
