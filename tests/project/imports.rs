//! The imports between source files: parses the `use` trees and qualified paths of a crate, as far
//! as that is possible without a compiler. Test modules are ignored.

use std::collections::{BTreeMap, BTreeSet};

/// A path from the crate root to a module or to an item.
type Path = Vec<String>;

/// The source files of a crate: paths below `src/`, with `/`, and contents.
pub(crate) type Sources = BTreeMap<String, String>;

/// The modules of a crate and the paths they mention.
#[derive(Debug, Default)]
pub(crate) struct Crate {
    modules: BTreeMap<Path, Module>,
}

#[derive(Debug, Default)]
struct Module {
    file: String,
    /// The names imported by `use`, with their paths.
    imports: Vec<(String, Path)>,
    /// The modules imported as a whole: `use …::*`.
    globs: Vec<Path>,
    /// All other paths with more than one segment.
    mentions: Vec<Path>,
    /// The items declared in the module.
    items: BTreeSet<String>,
}

impl Crate {
    /// Reads the modules, starting at `lib.rs`.
    ///
    /// # Panics
    /// Panics if a module has no file, or a file no module.
    pub(crate) fn read(sources: &Sources) -> Crate {
        let mut read = Crate::default();
        let mut files = vec![(Vec::new(), "lib.rs".to_owned())];
        let mut seen = BTreeSet::from(["main.rs".to_owned()]);
        while let Some((module, file)) = files.pop() {
            let mut reader = Reader { found: &mut read, file: &file, children: Vec::new() };
            reader.module(&module, &tokens(&sources[&file]));
            for (child, tested) in reader.children {
                let folder = child.join("/");
                let file = [format!("{folder}.rs"), format!("{folder}/mod.rs")]
                    .into_iter()
                    .find(|file| sources.contains_key(file))
                    .unwrap_or_else(|| panic!("the module {child:?} of {file} has no file"));
                seen.insert(file.clone());
                if !tested {
                    files.push((child, file));
                }
            }
            seen.insert(file);
        }
        let unread: Vec<_> = sources.keys().filter(|file| !seen.contains(*file)).collect();
        assert!(unread.is_empty(), "no module is in {unread:?}");
        read
    }

    /// Returns all pairs of files of which the first mentions the second.
    pub(crate) fn imports(&self) -> BTreeSet<(String, String)> {
        let mut imports = BTreeSet::new();
        for (path, module) in &self.modules {
            let whole = module.globs.iter().map(|glob| self.absolute(path, glob));
            let named = module.imports.iter().map(|(_, import)| self.absolute(path, import));
            let mentioned = module.mentions.iter().map(|mention| self.absolute(path, mention));
            for target in whole.chain(named).chain(mentioned).flatten() {
                for file in self.files(&target, &mut BTreeSet::new()) {
                    if file != module.file {
                        imports.insert((module.file.clone(), file));
                    }
                }
            }
        }
        imports
    }

    /// Returns the path from the crate root, if it leads into the crate.
    fn absolute(&self, module: &Path, path: &Path) -> Option<Path> {
        let here = path.iter().take_while(|segment| *segment == "self").count();
        let rest = &path[here..];
        match rest.first().map(String::as_str) {
            Some("crate") => Some(rest[1..].to_vec()),
            Some("super") => {
                let ups = rest.iter().take_while(|segment| *segment == "super").count();
                let parent = &module[..module.len().checked_sub(ups)?];
                Some([parent, &rest[ups..]].concat())
            }
            Some(first) if here == 0 && !self.declares(module, first) => None,
            Some(_) | None => Some([module, rest].concat()),
        }
    }

    fn declares(&self, module: &Path, name: &str) -> bool {
        let child = [module.clone(), vec![name.to_owned()]].concat();
        self.modules.contains_key(&child)
            || self.modules[module].imports.iter().any(|(import, path)| {
                import == name && path.first().is_none_or(|first| first != name)
            })
    }

    /// Returns the files that declare what a path leads to. There are several if systems differ.
    fn files(&self, path: &[String], seen: &mut BTreeSet<Path>) -> BTreeSet<String> {
        if !seen.insert(path.to_vec()) {
            return BTreeSet::new();
        }
        let modules = (0..=path.len()).take_while(|end| self.modules.contains_key(&path[..*end]));
        let depth = modules.last().unwrap_or_default();
        let (here, rest) = path.split_at(depth);
        let module = &self.modules[here];
        let Some(name) = rest.first() else {
            return BTreeSet::from([module.file.clone()]);
        };
        let imports = module.imports.iter().filter(|(import, _)| import == name);
        let mut files = BTreeSet::new();
        for (_, import) in imports {
            if let Some(target) = self.absolute(&here.to_vec(), import) {
                files.extend(self.files(&[&target, &rest[1..]].concat(), seen));
            }
        }
        if files.is_empty() && !module.items.contains(name) {
            for glob in &module.globs {
                if let Some(target) = self.absolute(&here.to_vec(), glob)
                    && self.modules.get(&target).is_some_and(|it| it.items.contains(name))
                {
                    files.extend(self.files(&[&target, rest].concat(), seen));
                }
            }
        }
        if files.is_empty() {
            files.insert(module.file.clone());
        }
        files
    }
}

/// The parser of one file.
struct Reader<'a> {
    found: &'a mut Crate,
    file: &'a str,
    /// The modules with separate files, and whether they are for tests.
    children: Vec<(Path, bool)>,
}

impl Reader<'_> {
    fn module(&mut self, path: &Path, tokens: &[&str]) {
        let mut module = Module { file: self.file.to_owned(), ..Module::default() };
        let mut at = 0;
        let mut for_tests = false;
        while let Some(token) = tokens.get(at) {
            let next = tokens.get(at + 1).copied().unwrap_or_default();
            match *token {
                "#" => {
                    let open = if next == "!" { at + 2 } else { at + 1 };
                    let end = closing(tokens, open);
                    for_tests |= is_for_tests(&tokens[open..end]);
                    at = end + 1;
                    continue;
                }
                // `mod $name` is in a macro.
                "mod" if is_a_name(next) => {
                    let child = [path.clone(), vec![next.to_owned()]].concat();
                    module.items.insert(next.to_owned());
                    if tokens[at + 2] == ";" {
                        self.children.push((child, for_tests));
                        at += 3;
                    } else {
                        let end = closing(tokens, at + 2);
                        if !for_tests {
                            self.module(&child, &tokens[at + 3..end]);
                        }
                        at = end + 1;
                    }
                }
                "pub" if for_tests => {
                    at = if next == "(" { closing(tokens, at + 1) + 1 } else { at + 1 };
                    continue;
                }
                _ if for_tests => at = end_of_item(tokens, at),
                // `impl Trait + use<'a>` imports nothing.
                "use" if next != "<" => {
                    let end = at + tokens[at..].iter().position(|token| *token == ";").unwrap();
                    module.bring_in(&[], &tokens[at + 1..end]);
                    at = end + 1;
                }
                "fn" | "struct" | "enum" | "trait" | "const" | "static" | "type" => {
                    module.items.insert(next.to_owned());
                    at += 1;
                }
                word if is_a_name(word) && next == "::" && tokens[at.saturating_sub(1)] != "::" => {
                    let mut mention = vec![word.to_owned()];
                    while tokens[at + 1] == "::" && is_a_name(tokens[at + 2]) {
                        mention.push(tokens[at + 2].to_owned());
                        at += 2;
                    }
                    module.mentions.push(mention);
                    at += 1;
                }
                _ => at += 1,
            }
            for_tests = false;
        }
        self.found.modules.insert(path.clone(), module);
    }
}

impl Module {
    /// Reads a `use` tree after this prefix.
    fn bring_in(&mut self, prefix: &[&str], tree: &[&str]) {
        let mut path = prefix.to_vec();
        for (at, token) in tree.iter().enumerate() {
            match *token {
                "::" => {}
                "{" => {
                    for branch in branches(&tree[at + 1..closing(tree, at)]) {
                        self.bring_in(&path, branch);
                    }
                    return;
                }
                "*" => {
                    self.globs.push(owned(&path));
                    return;
                }
                "as" => {
                    self.imports.push((tree[at + 1].to_owned(), owned(&path)));
                    return;
                }
                "self" if !path.is_empty() => {}
                name => path.push(name),
            }
        }
        if let Some(name) = path.last() {
            self.imports.push(((*name).to_owned(), owned(&path)));
        }
    }
}

fn owned(path: &[&str]) -> Path {
    path.iter().map(|segment| (*segment).to_owned()).collect()
}

/// Splits at commas outside of braces.
fn branches<'a, 'b>(list: &'b [&'a str]) -> Vec<&'b [&'a str]> {
    let mut depth = 0;
    let parts = list.split(move |token| {
        match *token {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        depth == 0 && *token == ","
    });
    parts.filter(|part| !part.is_empty()).collect()
}

/// Returns the position of the matching closing bracket.
fn closing(tokens: &[&str], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match *token {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    panic!("a bracket is not closed: {:?}", &tokens[open..]);
}

/// Returns the end of the item that begins here: after its `;` or block.
fn end_of_item(tokens: &[&str], mut at: usize) -> usize {
    let is_an_import = tokens[at] == "use";
    loop {
        match tokens[at] {
            ";" => return at + 1,
            "{" if !is_an_import => return closing(tokens, at) + 1,
            "(" | "[" | "{" => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
}

/// Returns whether an attribute is `[cfg(test)]`, or combines it with other conditions.
fn is_for_tests(attribute: &[&str]) -> bool {
    matches!(attribute, ["[", "cfg", "(", "test", ..] | ["[", "cfg", "(", "all", "(", "test", ..])
}

fn is_a_name(token: &str) -> bool {
    token.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// Returns words, `::` and single characters. Comments and literals are skipped.
fn tokens(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").unwrap() + 2
        } else if let Some(length) = literal(rest) {
            length
        } else {
            let length = if is_a_name(rest) || first.is_ascii_digit() {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            if !first.is_whitespace() {
                tokens.push(&rest[..length]);
            }
            length
        };
        rest = &rest[length..];
    }
    tokens
}

/// Returns the length of the string, character or lifetime that begins here.
pub(crate) fn literal(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let begin = text.find(|c: char| !matches!(c, 'b' | 'c' | 'r')).filter(|begin| *begin <= 2)?;
    let is_raw = text[..begin].contains('r');
    let hashes = bytes[begin..].iter().take_while(|byte| **byte == b'#').count();
    if is_raw && bytes.get(begin + hashes) == Some(&b'"') {
        let end = format!("\"{}", "#".repeat(hashes));
        let from = begin + hashes + 1;
        return Some(from + text[from..].find(&end).unwrap() + end.len());
    }
    match bytes.get(begin)? {
        b'"' => {
            let mut at = begin + 1;
            while bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            Some(at + 1)
        }
        b'\'' if begin <= 1 => {
            let inside = &text[begin + 1..];
            if inside.starts_with('\\') {
                return Some(begin + 1 + 2 + inside[2..].find('\'').unwrap() + 1);
            }
            let character = inside.chars().next()?.len_utf8();
            let is_closed = inside[character..].starts_with('\'');
            // Otherwise it is a lifetime, whose name is read as a word.
            Some(begin + 1 + if is_closed { character + 1 } else { 0 })
        }
        _ => None,
    }
}
