//! The table of wrapper programs (env, npm, uv), which run what the rest of their command line
//! names, in their place or below them.

use std::ffi::{OsStr, OsString};
use std::path::Path;

/// What a wrapper starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum WrappedCommand {
    Words(Vec<OsString>),
    /// An entry in the wrapper's own file, and the arguments to it.
    Entry(EntryFile, OsString, Vec<OsString>),
    Unclear,
}

/// The file that gives commands a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryFile {
    /// `scripts` in `package.json`; a name that is not there is a program of the packages.
    Package,
    /// `tasks` in `deno.json`, else as above.
    Deno,
    /// `scripts` in `Pipfile`; any other name is a program.
    Pipfile,
}

/// What follows the options of a wrapper.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Command,
    /// `NAME=VALUE`, then a command.
    Assignments,
    /// This many words, then a command.
    After(usize),
    /// A Python script, or a command.
    UvRun,
    Entry(EntryFile),
}

struct WrapperProgram {
    names: &'static [&'static str],
    /// The subcommand that starts a command, where there is one.
    subcommand: Option<&'static str>,
    /// Letters without a value.
    flags: &'static str,
    /// Letters with a value.
    values: &'static str,
    /// Long options with a value in the next word.
    long_values: &'static [&'static str],
    rest: Rest,
}

const PLAIN: WrapperProgram = WrapperProgram {
    names: &[],
    subcommand: None,
    flags: "",
    values: "",
    long_values: &[],
    rest: Rest::Command,
};

#[rustfmt::skip]
static WRAPPERS: &[WrapperProgram] = &[
    WrapperProgram { names: &["nohup", "chronic", "busybox"], ..PLAIN },
    WrapperProgram { names: &["exec"], flags: "cl", values: "a", ..PLAIN },
    WrapperProgram {
        names: &["env"],
        flags: "i0v",
        values: "u",
        long_values: &["--unset"],
        rest: Rest::Assignments,
        ..PLAIN
    },
    WrapperProgram { names: &["cross-env"], rest: Rest::Assignments, ..PLAIN },
    WrapperProgram {
        names: &["nice"],
        flags: "0123456789",
        values: "n",
        long_values: &["--adjustment"],
        ..PLAIN
    },
    WrapperProgram {
        names: &["ionice"],
        flags: "t",
        values: "cn",
        long_values: &["--class", "--classdata"],
        ..PLAIN
    },
    WrapperProgram { names: &["setsid"], flags: "cfw", ..PLAIN },
    WrapperProgram {
        names: &["stdbuf"],
        values: "ioe",
        long_values: &["--input", "--output", "--error"],
        ..PLAIN
    },
    WrapperProgram {
        names: &["timeout"],
        flags: "fpv",
        values: "ks",
        long_values: &["--kill-after", "--signal"],
        rest: Rest::After(1),
        ..PLAIN
    },
    WrapperProgram {
        names: &["tini", "docker-init", "catatonit"],
        flags: "svwg",
        values: "pe",
        ..PLAIN
    },
    WrapperProgram { names: &["dumb-init"], flags: "cv", values: "r", ..PLAIN },
    WrapperProgram { names: &["gosu", "su-exec"], rest: Rest::After(1), ..PLAIN },
    WrapperProgram { names: &["dotenv"], flags: "co", values: "efvp", ..PLAIN },
    WrapperProgram {
        names: &["uv"],
        subcommand: Some("run"),
        flags: "qvnUs",
        values: "pwPi",
        long_values: &[
            "--python", "--with", "--with-editable", "--with-requirements", "--extra", "--group",
            "--no-group", "--only-group", "--env-file", "--package", "--index", "--index-url",
            "--extra-index-url", "--find-links", "--cache-dir", "--color", "--config-file",
        ],
        rest: Rest::UvRun,
    },
    WrapperProgram { names: &["poetry"], subcommand: Some("run"), flags: "qvn", ..PLAIN },
    WrapperProgram {
        names: &["pdm", "rye", "hatch"],
        subcommand: Some("run"),
        flags: "qv",
        ..PLAIN
    },
    WrapperProgram {
        names: &["pipenv"],
        subcommand: Some("run"),
        flags: "qv",
        values: "",
        long_values: &["--python"],
        rest: Rest::Entry(EntryFile::Pipfile),
    },
    WrapperProgram {
        names: &["npx", "npx-cli.js", "bunx", "pnpx"],
        flags: "yq",
        values: "p",
        long_values: &["--package"],
        ..PLAIN
    },
    WrapperProgram {
        names: &["deno"],
        subcommand: Some("task"),
        flags: "q",
        rest: Rest::Entry(EntryFile::Deno),
        ..PLAIN
    },
];

/// The package managers of JavaScript; each also runs under the name of its own script.
const PACKAGE_MANAGERS: [&str; 6] = ["npm", "npm-cli.js", "pnpm", "pnpm.cjs", "yarn", "yarn.js"];

/// Options of theirs that choose another folder or package.
const ELSEWHERE: &[&str] =
    &["--prefix", "-C", "--dir", "--cwd", "-w", "--workspace", "--workspaces", "--filter", "-F"];

/// Returns whether a script of this base name is a wrapper: it then counts as what it starts.
pub(super) fn is_wrapper_script(base_name: &str) -> bool {
    let name = own_name(base_name);
    PACKAGE_MANAGERS.contains(&name)
        || matches!(name, "tsx" | "ts-node" | "ts-node-esm")
        || WRAPPERS.iter().any(|it| it.names.contains(&name))
}

/// Returns what the program `name` with these arguments starts; `None` if it is no wrapper.
pub(super) fn wrapped_command(name: &str, words: &[&OsStr]) -> Option<WrappedCommand> {
    let name = own_name(name);
    if PACKAGE_MANAGERS.contains(&name) {
        return Some(package_manager(name, words).unwrap_or(WrappedCommand::Unclear));
    }
    let wrapper = WRAPPERS.iter().find(|it| it.names.contains(&name))?;
    // What another subcommand of deno does is known from its options.
    let is_other = wrapper.rest == Rest::Entry(EntryFile::Deno)
        && words.first().is_none_or(|word| *word != "task");
    (!is_other).then(|| wrapper.wrapped_command(words).unwrap_or(WrappedCommand::Unclear))
}

fn own_name(name: &str) -> &str {
    [".exe", ".cmd"].iter().find_map(|extension| name.strip_suffix(extension)).unwrap_or(name)
}

impl WrapperProgram {
    fn wrapped_command(&self, words: &[&OsStr]) -> Option<WrappedCommand> {
        let mut words = words;
        if let Some(subcommand) = self.subcommand {
            words = self.after_options(words)?;
            words = words.split_first().filter(|(first, _)| **first == subcommand)?.1;
        }
        if self.names.contains(&"env")
            && let Some(line) = split_string(words)
        {
            return Some(line);
        }
        if self.rest == Rest::UvRun
            && let Some(at) = words.iter().position(|it| *it == "-m" || *it == "--module")
            && let Some((before, module)) = words.split_at_checked(at)
            && self.after_options(before).is_some_and(<[_]>::is_empty)
        {
            let rest = module.get(1..)?;
            return command([&[OsStr::new("python"), OsStr::new("-m")], rest].concat().as_slice());
        }
        words = self.after_options(words)?;
        match self.rest {
            Rest::Command => command(words),
            Rest::After(count) => command(words.get(count..)?),
            Rest::Assignments => command(after_assignments(words)),
            Rest::UvRun => {
                let first = words.first()?.to_str()?;
                if first == "-" || Path::new(first).extension() == Some(OsStr::new("py")) {
                    command([&[OsStr::new("python")], words].concat().as_slice())
                } else {
                    command(words)
                }
            }
            Rest::Entry(file) => {
                let (name, args) = words.split_first()?;
                Some(WrappedCommand::Entry(file, (*name).to_owned(), owned(args)))
            }
        }
    }

    /// `None` where an option is not known.
    fn after_options<'a, 'b>(&self, words: &'b [&'a OsStr]) -> Option<&'b [&'a OsStr]> {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            let Some(option) = word.to_str().filter(|word| word.starts_with('-') && *word != "-")
            else {
                break;
            };
            at += 1;
            if option == "--" {
                break;
            }
            if option.starts_with("--") {
                if matches!(option, "--directory" | "--project" | "--chdir") {
                    return None;
                }
                at += usize::from(self.long_values.contains(&option));
                continue;
            }
            let letters = option.trim_start_matches('-');
            let valued = letters.find(|letter| !self.flags.contains(letter));
            if let Some(valued) = valued {
                let letter = letters[valued..].chars().next()?;
                if !self.values.contains(letter) {
                    return None;
                }
                at += usize::from(valued + letter.len_utf8() == letters.len());
            }
        }
        words.get(at..)
    }
}

/// `env -S` splits its value into words.
fn split_string(words: &[&OsStr]) -> Option<WrappedCommand> {
    let (first, rest) = words.split_first()?;
    let option = first.to_str()?;
    let line = option
        .strip_prefix("--split-string=")
        .or_else(|| option.strip_prefix("-S"))
        .or_else(|| option.strip_prefix("-vS"))?;
    let (line, rest) = if line.is_empty() {
        let (line, rest) = rest.split_first()?;
        (line.to_str()?, rest)
    } else {
        (line, rest)
    };
    let line: Vec<&OsStr> = line.split_ascii_whitespace().map(OsStr::new).collect();
    command(after_assignments(&[line.as_slice(), rest].concat()))
}

/// Skips the words that set a variable.
pub(super) fn after_assignments<'a, 'b>(words: &'b [&'a OsStr]) -> &'b [&'a OsStr] {
    let is_assignment = |word: &&OsStr| {
        let (name, _) = word.to_str()?.split_once('=')?;
        let mut letters = name.chars();
        let first = letters.next()?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (is_name(first) && letters.all(is_name)).then_some(())
    };
    let count = words.iter().take_while(|word| is_assignment(word).is_some()).count();
    words.get(count..).unwrap_or_default()
}

fn package_manager(name: &str, words: &[&OsStr]) -> Option<WrappedCommand> {
    let is_option = |word: &&OsStr| word.as_encoded_bytes().starts_with(b"-");
    let before_name = |words: &mut &[&OsStr]| {
        while let Some((option, rest)) = words.split_first().filter(|(word, _)| is_option(word)) {
            let option = option.to_str()?;
            if ELSEWHERE.contains(&option.split('=').next().unwrap_or_default()) {
                return None;
            }
            *words = rest;
        }
        Some(())
    };
    let mut words = words;
    before_name(&mut words)?;
    let (first, mut rest) = words.split_first()?;
    let entry = match first.to_str()? {
        "exec" | "x" | "dlx" => {
            before_name(&mut rest)?;
            return command(rest);
        }
        "run" | "run-script" => {
            before_name(&mut rest)?;
            let (entry, after) = rest.split_first()?;
            rest = after;
            entry
        }
        "start" | "stop" | "restart" | "test" => first,
        // The others run any name of the package.
        _ if name.starts_with("npm") => return None,
        _ => first,
    };
    let args = if name.starts_with("npm") {
        let dashes = rest.iter().position(|word| *word == "--").unwrap_or(rest.len());
        let (own, passed) = rest.split_at(dashes);
        let own = own.iter().filter(|word| !is_option(word));
        own.chain(passed.iter().skip(1)).map(|word| (*word).to_owned()).collect()
    } else {
        owned(rest.strip_prefix(&[OsStr::new("--")]).unwrap_or(rest))
    };
    Some(WrappedCommand::Entry(EntryFile::Package, (*entry).to_owned(), args))
}

fn command(words: &[&OsStr]) -> Option<WrappedCommand> {
    (!words.is_empty()).then(|| WrappedCommand::Words(owned(words)))
}

fn owned(words: &[&OsStr]) -> Vec<OsString> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(line: &str) -> String {
        let words: Vec<&OsStr> = line.split(' ').map(OsStr::new).collect();
        let text = |words: Vec<OsString>| {
            words.iter().map(|word| word.to_str().unwrap()).collect::<Vec<_>>().join(" ")
        };
        match wrapped_command(words[0].to_str().unwrap(), &words[1..]) {
            None => "no wrapper".to_owned(),
            Some(WrappedCommand::Unclear) => "unclear".to_owned(),
            Some(WrappedCommand::Words(words)) => text(words),
            Some(WrappedCommand::Entry(file, name, args)) => {
                format!("{file:?} {} {}", name.display(), text(args)).trim_end().to_owned()
            }
        }
    }

    #[test]
    fn each_wrapper_starts_what_its_command_line_names() {
        for (line, expected) in [
            ("nohup python3 main.py", "python3 main.py"),
            ("env -i -u A B=c python3 main.py", "python3 main.py"),
            ("env -S python3 -u main.py", "python3 -u main.py"),
            ("env -C /srv python3 main.py", "unclear"),
            ("env", "unclear"),
            ("nice -n 5 ./bot", "./bot"),
            ("nice -5 ./bot", "./bot"),
            ("ionice -c2 -n 7 ./bot x", "./bot x"),
            ("setsid -w ./bot", "./bot"),
            ("stdbuf -oL python3 main.py", "python3 main.py"),
            ("stdbuf --output=L python3 main.py", "python3 main.py"),
            ("timeout -k 5 1h python3 main.py", "python3 main.py"),
            ("timeout --signal=INT 1h ./bot", "./bot"),
            ("exec python3 main.py", "python3 main.py"),
            ("tini -- ./bot -x", "./bot -x"),
            ("gosu bot ./bot", "./bot"),
            ("cross-env A=b node bot.js", "node bot.js"),
            ("uv run main.py -x", "python main.py -x"),
            ("uv run --with aiogram python main.py", "python main.py"),
            ("uv run --offline -m bot x", "python -m bot x"),
            ("uv run -- bot", "bot"),
            ("uv run -", "python -"),
            ("uv --quiet run bot", "bot"),
            ("uv run --directory /srv bot", "unclear"),
            ("uv sync", "unclear"),
            ("poetry run python main.py", "python main.py"),
            ("pipenv run bot x", "Pipfile bot x"),
            ("npm start", "Package start"),
            ("npm run start -- --debug", "Package start --debug"),
            ("npm run --silent start", "Package start"),
            ("npm --prefix bot start", "unclear"),
            ("npm exec tsx bot.ts", "tsx bot.ts"),
            ("npm install", "unclear"),
            ("npx -y tsx bot.ts", "tsx bot.ts"),
            ("pnpm bot x", "Package bot x"),
            ("pnpm run start --debug", "Package start --debug"),
            ("yarn start", "Package start"),
            ("yarn.js run start", "Package start"),
            ("deno task start", "Deno start"),
            ("deno run main.ts", "no wrapper"),
            ("python3 main.py", "no wrapper"),
        ] {
            assert_eq!(shown(line), expected, "{line}");
        }
    }
}
