//! The code with which `poetry run` starts a script of `pyproject.toml`, installed or not:
//! `python -c "import sys; …; sys.argv = ['bot', '-v']; sys.exit(import_module('app').main())"`.

use std::ffi::OsString;
use std::path::Path;

const BEGIN: &str = "import sys; from importlib import import_module; sys.argv = [";

/// The code after the arguments. A project with its modules in `src` has the folder added.
const ENDS: [&str; 2] =
    ["]; sys.exit(import_module(", "]; sys.path.append('src'); sys.exit(import_module("];

/// Returns the name of the script that this code runs, and its arguments.
pub(super) fn script_of_poetry(code: &str) -> Option<Vec<OsString>> {
    let rest = code.strip_prefix(BEGIN)?;
    let (args, call) = ENDS.iter().find_map(|end| rest.rsplit_once(end))?;
    // One call of one function, and nothing else.
    let is_call = |c: char| c.is_alphanumeric() || "_.'()".contains(c);
    let call = call.strip_suffix("())").filter(|call| call.chars().all(is_call))?;
    call.contains("').").then_some(())?;
    let mut words = strings(args)?;
    // The path of an installed script.
    let name = Path::new(words.first()?).file_name()?.to_owned();
    *words.first_mut()? = name;
    Some(words)
}

/// Reads the strings of a list of Python, as `repr` writes them. `None` if one has a backslash.
fn strings(list: &str) -> Option<Vec<OsString>> {
    let mut strings = Vec::new();
    let mut rest = list;
    loop {
        let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
        let (string, after) = rest[1..].split_once(quote)?;
        if string.contains('\\') {
            return None;
        }
        strings.push(OsString::from(string));
        match after.strip_prefix(", ") {
            Some(after) => rest = after,
            None => return after.is_empty().then_some(strings),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_poetry_names_its_script_and_arguments() {
        let code = |args: &str, end: &str| format!("{BEGIN}{args}{end}");
        let end = "]; sys.exit(import_module('tgbot.app').main())";
        let in_src = "]; sys.path.append('src'); sys.exit(import_module('a').b.c())";
        for (code, expected) in [
            (code("'tgbot'", end), Some("tgbot")),
            (code("'tgbot', '-c', \"it's\", ''", in_src), Some("tgbot|-c|it's|")),
            (code("'/srv/bot/.venv/bin/tgbot', 'a, b'", end), Some("tgbot|a, b")),
            (code("", end), None),
            (code("'a\\n'", end), None),
            (code("'a'", "]; sys.exit(import_module('a').b()); x()"), None),
            (code("'a'", "]; x(); sys.exit(import_module('a').b())"), None),
            ("import sys; sys.argv = ['a']".to_owned(), None),
        ] {
            let words = script_of_poetry(&code).map(|words| {
                words.iter().map(|it| it.to_str().unwrap()).collect::<Vec<_>>().join("|")
            });
            assert_eq!(words.as_deref(), expected, "{code}");
        }
    }
}
