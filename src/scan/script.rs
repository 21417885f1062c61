//! The script that COMMAND has its interpreter run: whether it is there, found out before anything
//! is touched.
//!
//! An interpreter that is found starts well, and only then sees that it has nothing to run – when
//! the healthy bot has gone already. In doubt which argument is the script, nothing is said.
#![expect(clippy::disallowed_methods, reason = "a file is looked at as the interpreter would")]

use std::{
    env,
    ffi::OsString,
    fs,
    io::ErrorKind,
    path::{Component, Path},
};

use crate::{
    error::{Error, ExitStatus},
    scan::command::Command,
    text::printable,
};

impl Command {
    /// Insists that the script which COMMAND names is there, where it is plain which argument that
    /// is.
    ///
    /// # Errors
    /// 127: it is not.
    pub fn insist_on_its_script(&self) -> Result<(), Error> {
        // A hook that this loads may find the script elsewhere.
        if env::var_os("NODE_OPTIONS").is_some()
            && Interpreter::called(&self.base_name()) == Some(Interpreter::Node)
        {
            return Ok(());
        }
        let Some(script) = self.script().map(Path::new) else { return Ok(()) };
        match fs::metadata(self.cwd.join(script)).map_err(|error| error.kind()) {
            Err(ErrorKind::NotFound | ErrorKind::NotADirectory) => Err(missing(script, &self.cwd)),
            // What cannot be looked at may be there.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// The first argument that is no option, where every option before it is known to have no value
    /// of its own.
    fn script(&self) -> Option<&str> {
        let interpreter = Interpreter::called(&self.base_name())?;
        let words = self.args.get(1..)?.iter().map(OsString::as_os_str);
        let mut rest = words
            .skip_while(|word| word.to_str().is_some_and(|word| interpreter.passes_over(word)));
        rest.next()?.to_str().filter(|word| interpreter.reads(word))
    }
}

fn missing(script: &Path, cwd: &Path) -> Error {
    let shown = |path: &Path| printable(&path.to_string_lossy()).into_owned();
    // On Windows a path that begins at the root is not absolute, as it names no drive; the folder
    // has no part in it all the same.
    let script = (shown(script), script.has_root());
    let (what, way_out) = match script {
        (script, true) => (format!("`{script}` is not there"), "check its path"),
        (script, false) => (
            format!("`{script}` is not in {}", shown(cwd)),
            "start it from the bot's folder, or write the script's whole path",
        ),
    };
    Error::new(ExitStatus::NotFound, format!("COMMAND's script {what}")).with_hint(way_out)
}

/// A program whose first argument behind its options is a file that it runs.
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
    /// By the name that was written, a version behind it or not.
    fn called(name: &str) -> Option<Interpreter> {
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

    /// Whether `word` is an option that has no value, and after which there is a script all the
    /// same.
    fn passes_over(self, word: &str) -> bool {
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

    /// Whether `word` can be nothing but the path of a script: by its ending, or by its folder. A
    /// shell looks for a bare name in `$PATH` too, and node for what it makes of one that has no
    /// ending.
    fn reads(self, word: &str) -> bool {
        let endings: &[&str] = match self {
            Interpreter::Python => &["py", "pyw", "pyc", "pyz"],
            Interpreter::Node => &["js", "mjs", "cjs", "ts", "mts"],
            Interpreter::Ruby => &["rb"],
            Interpreter::Perl => &["pl"],
            Interpreter::Php => &["php", "phar"],
            Interpreter::Shell => &[],
        };
        let path = Path::new(word);
        let ends = path
            .extension()
            .and_then(|ending| ending.to_str())
            .is_some_and(|ending| endings.contains(&ending));
        let in_a_folder = self != Interpreter::Node
            && path.components().filter(|part| *part != Component::CurDir).count() > 1;
        let here = self != Interpreter::Node && path.starts_with(".");
        // What is open in one process may not be in another.
        let special = ["/dev", "/proc"].iter().any(|folder| path.starts_with(folder));
        !word.starts_with('-') && !special && (ends || in_a_folder || here)
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
    fn the_script_is_found_where_it_is_plain() {
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
    fn in_doubt_there_is_none() {
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
    fn the_folder_is_named() {
        let error = command("python3 main.py").insist_on_its_script().unwrap_err();
        assert_eq!(error.status(), ExitStatus::NotFound);
        assert!(
            error.to_string().starts_with("COMMAND's script `main.py` is not in /srv/bot; "),
            "{error}"
        );
        let error = command("python3 /nowhere/main.py").insist_on_its_script().unwrap_err();
        assert!(
            error.to_string().starts_with("COMMAND's script `/nowhere/main.py` is not there; "),
            "{error}"
        );
        command("python3 /").insist_on_its_script().unwrap();
    }
}
