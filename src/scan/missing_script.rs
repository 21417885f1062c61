//! Checks that the script of COMMAND's interpreter exists, before anything is touched.
//!
//! An interpreter would start successfully and fail only when it opens the script, after the
//! healthy bot was ended. Nothing is checked if it is not certain which argument is the script.
#![expect(clippy::disallowed_methods, reason = "finds a file as the interpreter does")]

use std::io::ErrorKind;
use std::path::{Component, Path};
use std::{env, fs};

use crate::error::{Error, ExitStatus};
use crate::scan::command::Command;
use crate::scan::interpreters::Language;
use crate::scan::invocation::Target;
use crate::text::printable;

impl Command {
    /// Requires that the script exists, if it is certain which argument is the script.
    pub fn require_script(&self) -> Result<(), Error> {
        let Some((script, language)) = self.script() else { return Ok(()) };
        // Hooks loaded by this variable may find the script elsewhere.
        if env::var_os("NODE_OPTIONS").is_some() && language == Language::JavaScript {
            return Ok(());
        }
        match fs::metadata(self.runs_in.join(script)).map_err(|error| error.kind()) {
            Err(ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                Err(missing(script, &self.runs_in))
            }
            // It may exist but be invisible to this user.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    fn script(&self) -> Option<(&Path, Language)> {
        match &self.runs.target {
            Target::Script(path, Some(language)) if is_certain(path, *language) => {
                Some((path, *language))
            }
            Target::Script(..)
            | Target::Program(_)
            | Target::Module(_)
            | Target::Code(..)
            | Target::Entry(..)
            | Target::Input => None,
        }
    }
}

/// Returns whether a word can only be the path of a script, by its extension or folder. For a bare
/// name, a shell also searches `$PATH`, and node adds extensions.
fn is_certain(path: &Path, language: Language) -> bool {
    let extensions: &[&str] = match language {
        Language::Python => &["py", "pyw", "pyc", "pyz"],
        Language::JavaScript => &["js", "mjs", "cjs", "ts", "mts"],
        Language::Ruby => &["rb"],
        Language::Perl => &["pl"],
        Language::Php => &["php", "phar"],
        Language::Java => &["jar", "java"],
        Language::DotNet => &["dll"],
        Language::Lua => &["lua"],
        Language::Shell => &[],
    };
    let has_extension = path
        .extension()
        .and_then(|extension| extension.to_str())
        .is_some_and(|extension| extensions.contains(&extension));
    let may_add_extension = language == Language::JavaScript;
    let has_folder = path.components().filter(|part| *part != Component::CurDir).count() > 1
        || path.starts_with(".");
    let is_url = path.to_str().is_some_and(|path| path.contains("://"));
    !is_url && (has_extension || has_folder && !may_add_extension)
}

fn missing(script: &Path, cwd: &Path) -> Error {
    let shown = |path: &Path| printable(&path.to_string_lossy()).into_owned();
    // On Windows, a path without a drive is not absolute, but may still start at the root.
    let is_tilde = script.starts_with("~");
    let script = (shown(script), script.has_root());
    let (what, hint) = match script {
        (script, _) if is_tilde => (
            format!("`{script}` does not exist"),
            "the shell does not expand a quoted `~`: leave out the quotes",
        ),
        (script, true) => (format!("`{script}` does not exist"), "check its path"),
        (script, false) => (
            format!("`{script}` is not in {}", shown(cwd)),
            "start it from the bot's folder, or give the script's full path",
        ),
    };
    Error::new(ExitStatus::NotFound, format!("COMMAND's script {what}")).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    use std::ffi::OsString;

    fn command(line: &str) -> Command {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        // The interpreters need not exist.
        Command::of_this_process(args, "/bin/program".into(), "/nowhere".into())
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
            ("python -X dev main.py", "main.py"),
            ("node --require x.js bot.js", "bot.js"),
            ("uv run main.py", "main.py"),
            ("deno run bot.ts", "bot.ts"),
            ("java -jar bot.jar", "bot.jar"),
            ("bash -eu ./start.sh", "./start.sh"),
            ("sh /srv/start", "/srv/start"),
        ] {
            let command = command(line);
            let found = command.script().map(|(path, _)| path);
            assert_eq!(found, Some(Path::new(script)), "{line}");
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
            "python -V main.py",
            "python main",
            "python /dev/fd/63",
            "node bot",
            "node dist/bot",
            "node -e bot.js",
            "ruby -C bot bot.rb",
            "perl -ne bot.pl",
            "php artisan",
            "bash start.sh",
            "bash -c ./start.sh",
            "sh -s ./start.sh",
            "python-bot main.py",
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
            error.to_string().starts_with("COMMAND's script `main.py` is not in /nowhere; "),
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
