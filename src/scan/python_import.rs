//! Reads Python scripts that only import a function and call it, such as the scripts that pip, uv
//! and Poetry generate, and the `__main__.py` of most packages.

use std::path::Path;

use crate::scan::passing_failure::is_file;

/// A function that a script imports and calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ImportedFunction {
    /// The module, with dots.
    pub(super) module: String,
    /// The name of the function in the module, with dots.
    pub(super) function: String,
}

impl ImportedFunction {
    /// Returns the name with that of its module: `from bot import cli` and `cli.main()` call what
    /// `from bot.cli import main` and `main()` do.
    pub(super) fn full_name(&self) -> String {
        format!("{}.{}", self.module, self.function)
    }

    /// Returns the name of the package, or of the module that is in none.
    pub(super) fn package(&self) -> &str {
        self.module.split('.').next().unwrap_or_default()
    }

    /// Replaces the dots before a relative module by the package of the file that imports it.
    /// `None` if the file is in no package.
    pub(super) fn within(self, file: &Path) -> Option<ImportedFunction> {
        let rest = self.module.trim_start_matches('.');
        let dots = self.module.len() - rest.len();
        if dots == 0 {
            return Some(self);
        }
        let package = file.ancestors().nth(dots)?;
        let parents = package.ancestors().take_while(|it| is_file(&it.join("__init__.py")));
        let mut names: Vec<String> =
            parents.filter_map(|it| Some(it.file_name()?.to_string_lossy().into_owned())).collect();
        if names.is_empty() {
            names.push(package.file_name()?.to_string_lossy().into_owned());
        }
        names.reverse();
        names.extend(Some(rest.to_owned()).filter(|it| !it.is_empty()));
        Some(ImportedFunction { module: names.join("."), ..self })
    }
}

/// Returns the function that a script calls, if it does nothing else.
pub(super) fn imported_function(text: &str) -> Option<ImportedFunction> {
    let mut imported: Option<(String, String, String)> = None;
    let mut called: Option<String> = None;
    for line in statements(text) {
        if let Some(import) = import_of(line) {
            match import {
                Import::Library => {}
                Import::Module(module, name, alias) if imported.is_none() => {
                    imported = Some((module, name, alias));
                }
                Import::Module(..) | Import::Other => return None,
            }
        } else if let Some(call) = call_of(line) {
            if called.replace(call.to_owned()).is_some() {
                return None;
            }
        } else if !is_preparation(line) {
            return None;
        }
    }
    let (module, name, alias) = imported?;
    let called = called?;
    let rest = called.strip_prefix(&alias)?;
    let function = match (name.as_str(), rest.strip_prefix('.')) {
        // `import bot.cli` and `bot.cli.main()`
        ("", Some(function)) => function.to_owned(),
        ("", None) => return None,
        (name, None) if rest.is_empty() => name.to_owned(),
        (_, None) => return None,
        (name, Some(rest)) => format!("{name}.{rest}"),
    };
    Some(ImportedFunction { module, function })
}

/// Returns whether a module calls this function of its own where it runs as `__main__`, and does
/// nothing else there.
pub(super) fn calls_as_main(text: &str, function: &str) -> bool {
    let mut lines = statements(text).into_iter().skip_while(|line| !line.contains("__main__"));
    lines.next().is_some_and(is_main_guard) && lines.map(call_of).eq([Some(function)])
}

/// Returns whether a line only tells that the lines below it run as `__main__`.
fn is_main_guard(line: &str) -> bool {
    ["if __name__ == \"__main__\":", "if __name__ == '__main__':"].contains(&line)
}

/// Returns the lines without indentation, comments and strings of several lines.
fn statements(text: &str) -> Vec<&str> {
    let mut quote: Option<&str> = None;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(mark) = quote {
            if line.contains(mark) {
                quote = None;
            }
            continue;
        }
        let line = line.split_once(" #").map_or(line, |(before, _)| before.trim_end());
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mark = ["\"\"\"", "'''"].into_iter().find(|mark| line.starts_with(mark));
        match mark {
            // The first line of a script for a long path: `'''exec' "/…/python" "$0" "$@"`.
            Some(mark) => {
                if !line.get(mark.len()..).is_some_and(|rest| rest.contains(mark)) {
                    quote = Some(mark);
                }
            }
            None => found.push(line),
        }
    }
    found
}

enum Import {
    /// Modules of the standard library that a script may need to call the function.
    Library,
    /// A module, the name that is imported from it, and the name that is called.
    Module(String, String, String),
    Other,
}

fn import_of(line: &str) -> Option<Import> {
    let is_library =
        |name: &str| ["sys", "re", "os", "asyncio", "__future__"].contains(&name.trim());
    if let Some(names) = line.strip_prefix("import ") {
        if names.split(',').all(is_library) {
            return Some(Import::Library);
        }
        let (module, alias) = names.split_once(" as ").unwrap_or((names, names));
        let (module, alias) = (module.trim().to_owned(), alias.trim().to_owned());
        let is_one = is_name(&module) && is_name(&alias);
        return Some(if is_one {
            Import::Module(module, String::new(), alias)
        } else {
            Import::Other
        });
    }
    let (module, names) = line.strip_prefix("from ")?.split_once(" import ")?;
    if is_library(module) {
        return Some(Import::Library);
    }
    let (name, alias) = names.split_once(" as ").unwrap_or((names, names));
    let (module, name, alias) = (module.trim(), name.trim(), alias.trim());
    let is_one = is_name(module.trim_start_matches('.')) && is_name(name) && is_name(alias);
    // `from . import cli` imports a module.
    let is_one = is_one || module.chars().all(|c| c == '.') && is_name(name) && is_name(alias);
    Some(if is_one {
        Import::Module(module.to_owned(), name.to_owned(), alias.to_owned())
    } else {
        Import::Other
    })
}

/// Returns the function that a statement calls without arguments.
fn call_of(line: &str) -> Option<&str> {
    let within = |line: &'_ str| {
        let wrappers = ["sys.exit(", "exit(", "asyncio.run(", "raise SystemExit("];
        let (_, prefix) = wrappers.iter().map(|it| (line.starts_with(it), *it)).find(|it| it.0)?;
        Some((prefix.len(), line.strip_suffix(')')?.len()))
    };
    let mut line = line;
    while let Some((start, end)) = within(line) {
        line = line.get(start..end)?;
    }
    let name = line.strip_suffix("()")?;
    is_name(name).then_some(name)
}

/// The lines by which generated scripts remove an extension from the name of the program: how they
/// begin and end.
const WITHOUT_EXTENSION: [(&str, &str); 6] = [
    ("sys.argv[0] = re.sub(", ", '', sys.argv[0])"),
    ("sys.argv[0] = re.sub(", ", \"\", sys.argv[0])"),
    ("sys.argv[0] = sys.argv[0][:-", "]"),
    ("sys.argv[0] = sys.argv[0].removesuffix(", ")"),
    ("if sys.argv[0].endswith(", "):"),
    ("elif sys.argv[0].endswith(", "):"),
];

/// Returns whether a line only prepares the call: it tells that the script runs as `__main__`, or
/// changes the name of the program, as generated scripts do.
fn is_preparation(line: &str) -> bool {
    let is_one = |(start, end): &(&str, &str)| line.starts_with(start) && line.ends_with(end);
    is_main_guard(line) || WITHOUT_EXTENSION.iter().any(is_one)
}

/// Returns whether a text is a name of Python, with dots.
fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        !part.is_empty()
            && !part.starts_with(|c: char| c.is_ascii_digit())
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    text.split('.').all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_only_imports_and_calls_a_function_names_it() {
        let old = "#!/b/.venv/bin/python\n# -*- coding: utf-8 -*-\nimport re\nimport sys\n\
                   from bot.cli import main\nif __name__ == '__main__':\n\
                   \x20   sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])\n\
                   \x20   sys.exit(main())\n";
        let uv = "#!/b/.venv/bin/python3\n# -*- coding: utf-8 -*-\nimport sys\n\
                  from bot import main\nif __name__ == \"__main__\":\n\
                  \x20   if sys.argv[0].endswith(\"-script.pyw\"):\n\
                  \x20       sys.argv[0] = sys.argv[0][:-11]\n\
                  \x20   elif sys.argv[0].endswith(\".exe\"):\n\
                  \x20       sys.argv[0] = sys.argv[0][:-4]\n    sys.exit(main())\n";
        let long = "#!/bin/sh\n'''exec' \"/a b/python\" \"$0\" \"$@\"\n' '''\nimport sys\n\
                    from bot.cli import app\nsys.exit(app.main())\n";
        for (text, expected) in [
            (old, Some("bot.cli:main")),
            (uv, Some("bot:main")),
            (long, Some("bot.cli:app.main")),
            ("from .cli import main\n\nmain()\n", Some(".cli:main")),
            ("from . import cli\ncli.main()  # start\n", Some(".:cli.main")),
            (
                "\"\"\"Starts it.\n\nmain()\n\"\"\"\nfrom bot.cli import main as run\nrun()\n",
                Some("bot.cli:main"),
            ),
            ("import asyncio\nfrom main import main\nasyncio.run(main())\n", Some("main:main")),
            ("from bot.cli import main\nraise SystemExit(main())\n", Some("bot.cli:main")),
            ("import bot.cli\nbot.cli.main()\n", Some("bot.cli:main")),
            ("import main\nmain.run()\n", Some("main:run")),
            ("import main\n", None),
            ("from bot import main, web\nmain()\n", None),
            ("from bot import main\nimport bot.hooks\nmain()\n", None),
            ("from bot import main\nmain('alice')\n", None),
            ("from bot import main\nmain()\nmain()\n", None),
            ("from bot import main\nprint(1)\nmain()\n", None),
            ("from bot import main\nother()\n", None),
            ("from bot import main\nif __name__ == '__main__': BOT = 'x'\nmain()\n", None),
            ("from bot import main\nif __name__ == '__main__' and X:\n    main()\n", None),
            ("from bot import main\nsys.argv[0] = 'alice'\nmain()\n", None),
            ("from bot import main\nif sys.argv[0].endswith('x'): BOT = 'x'\nmain()\n", None),
            ("from bot import main\nsys.argv[0] = sys.argv[0][:-4] + 'x'\nmain()\n", None),
            (
                "import sys\nfrom bot import main\nif __name__ == '__main__':\n\
                 \x20   sys.argv[0] = sys.argv[0].removesuffix('.exe')\n    sys.exit(main())\n",
                Some("bot:main"),
            ),
            ("import time\ntime.sleep(1)\n", None),
            ("", None),
        ] {
            let shown = imported_function(text).map(|it| format!("{}:{}", it.module, it.function));
            assert_eq!(shown.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn a_module_calls_its_own_function_only_where_it_runs_as_main() {
        let guard = "if __name__ == '__main__':\n";
        for (text, expected) in [
            (format!("def main():\n    pass\n\n{guard}    main()\n"), true),
            (format!("{guard}    sys.exit(main())\n"), true),
            (format!("{guard}    asyncio.run(main())\n"), true),
            (format!("{guard}    main('alice')\n"), false),
            (format!("{guard}    test()\n"), false),
            (format!("{guard}    os.environ['BOT'] = 'x'\n    main()\n"), false),
            (format!("main()\n{guard}    test()\n"), false),
            ("main()\n".to_owned(), false),
            ("if __name__ == '__main__': BOT = 'x'\nmain()\n".to_owned(), false),
            ("if __name__ == '__main__' and DEBUG:\n    main()\n".to_owned(), false),
            (format!("if __name__ != '__main__': BOT = 'x'\n{guard}    main()\n"), false),
            (format!("{guard}    sys.argv[0] = 'alice'\n    main()\n"), false),
            ("if __name__ == \"__main__\":  # a bot\n    main()\n".to_owned(), true),
        ] {
            assert_eq!(calls_as_main(&text, "main"), expected, "{text}");
        }
    }
}
