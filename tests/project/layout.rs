//! The layout of `src/`: modules import only from lower layers, no two files import each other, and
//! file names are unique.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::Path;

use crate::imports::{Crate, Sources};

/// The rooms, lowest first. `lib.rs` and `main.rs` are above all of them.
const ROOMS: [&str; 18] = [
    "text",
    "error",
    "engine",
    "sys",
    "config",
    "state",
    "lease",
    "scan",
    "terminate",
    "telegram",
    "guard",
    "supervise",
    "doctor",
    "report",
    "serve",
    "library",
    "teloxide",
    "cli",
];

/// The systems that a folder or file may be specific to. Such files have the same names on each
/// system.
const SYSTEMS: [&str; 5] = ["linux", "macos", "portable", "unix", "windows"];

/// Known exceptions. An entry must be removed once it no longer applies.
const KNOWN_UPWARD: [(&str, &str); 0] = [];
const KNOWN_CIRCLES: [&str; 0] = [];
const KNOWN_STEMS: [&str; 0] = [];

type Imports = BTreeSet<(String, String)>;

/// Returns the module of a file: `scan/linux/mod.rs` is `scan/linux`.
fn module(file: &str) -> &str {
    let module = file.strip_suffix(".rs").unwrap();
    if module == "lib" { "" } else { module.strip_suffix("/mod").unwrap_or(module) }
}

fn room(file: &str) -> &str {
    module(file).split('/').next().unwrap()
}

/// Returns the imports from rooms that are not below the importing one.
fn upward_imports(imports: &Imports) -> Imports {
    let height = |file: &str| ROOMS.iter().position(|name| *name == room(file));
    let is_upward = |(from, to): &&(String, String)| match (height(from), height(to)) {
        (Some(from), Some(to)) => from < to,
        (None, _) => !room(from).is_empty(),
        (_, None) => true,
    };
    imports.iter().filter(is_upward).cloned().collect()
}

/// Returns the shortest import cycle through each file. A module and its submodules may import each
/// other.
fn circles(imports: &Imports) -> BTreeSet<Vec<&str>> {
    let is_within =
        |inner: &str, outer: &str| outer.is_empty() || inner.starts_with(&format!("{outer}/"));
    let mut graph: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (from, to) in imports {
        let (inner, outer) = (module(from), module(to));
        if !is_within(inner, outer) && !is_within(outer, inner) {
            graph.entry(from).or_default().insert(to);
        }
    }
    let circles = graph.keys().filter_map(|start| {
        let mut reached: BTreeMap<&str, &str> = BTreeMap::new();
        let mut waiting = VecDeque::from([*start]);
        while let Some(file) = waiting.pop_front() {
            for next in graph.get(file).into_iter().flatten() {
                if !reached.contains_key(next) {
                    reached.insert(next, file);
                    waiting.push_back(next);
                }
            }
        }
        let mut circle = vec![*reached.get(start)?];
        while circle.last() != Some(start) {
            circle.push(reached[circle.last().unwrap()]);
        }
        circle.reverse();
        let first = (0..circle.len()).min_by_key(|at| circle[*at]).unwrap();
        circle.rotate_left(first);
        Some(circle)
    });
    circles.collect()
}

/// Returns the names shared by several files, unless they implement the same thing for different
/// systems.
fn repeated_stems(sources: &Sources) -> BTreeMap<&str, BTreeSet<String>> {
    let mut things: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for file in sources.keys() {
        let module = module(file);
        let stem = module.rsplit('/').next().unwrap();
        if !SYSTEMS.contains(&stem) && stem != "tests" && !file.ends_with("/mod.rs") {
            let thing = module.split('/').filter(|folder| !SYSTEMS.contains(folder));
            things.entry(stem).or_default().insert(thing.collect::<Vec<_>>().join("/"));
        }
    }
    things.retain(|_, places| places.len() > 1);
    things
}

fn own_sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Sources::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension() == Some("rs".as_ref()) {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
                sources.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    sources
}

#[test]
fn rooms_import_downwards_only() {
    let imports = Crate::read(&own_sources()).imports();
    let found = upward_imports(&imports);
    let is_known = |from: &str, to: &str| KNOWN_UPWARD.contains(&(room(from), room(to)));
    let new: Vec<_> = found.iter().filter(|(from, to)| !is_known(from, to)).collect();
    assert!(new.is_empty(), "imports that point upwards: {new:#?}");
    for (from, to) in KNOWN_UPWARD {
        let is_needed = found.iter().any(|(file, other)| room(file) == from && room(other) == to);
        assert!(is_needed, "{from} imports nothing from {to} any more: remove it from the list");
    }
}

#[test]
fn no_two_files_import_each_other() {
    let imports = Crate::read(&own_sources()).imports();
    let found = circles(&imports);
    let new: Vec<_> = found.iter().filter(|it| !KNOWN_CIRCLES.contains(&room(it[0]))).collect();
    assert!(new.is_empty(), "circles of imports: {new:#?}");
    for known in KNOWN_CIRCLES {
        let is_needed = found.iter().any(|circle| room(circle[0]) == known);
        assert!(is_needed, "{known} has no circle any more: remove it from the list");
    }
}

#[test]
fn no_files_name_stands_twice() {
    let sources = own_sources();
    let found = repeated_stems(&sources);
    let new: Vec<_> = found.iter().filter(|(stem, _)| !KNOWN_STEMS.contains(stem)).collect();
    assert!(new.is_empty(), "names that stand twice: {new:#?}");
    for known in KNOWN_STEMS {
        assert!(found.contains_key(known), "`{known}` stands once: remove it from the list");
    }
}

/// A crate in memory: the paths and contents of its files.
fn made_up(files: &[(&str, &str)]) -> Sources {
    let rooms = "pub mod text; mod engine; mod scan; mod cli;";
    let mut sources: Sources = [
        ("lib.rs", rooms),
        ("text.rs", "pub fn plain() {}"),
        ("engine/mod.rs", "mod plan; pub use plan::Plan;"),
        ("engine/plan.rs", "use crate::text; pub struct Plan; fn f() { text::plain() }"),
        ("scan/mod.rs", "mod look; pub mod linux;"),
        ("scan/look.rs", "use crate::engine::Plan;"),
        ("scan/linux/mod.rs", ""),
        ("cli.rs", "use crate::{engine::{self, Plan}, scan::look};"),
    ]
    .map(|(file, text)| (file.to_owned(), text.to_owned()))
    .into();
    sources.extend(files.iter().map(|(file, text)| ((*file).to_owned(), (*text).to_owned())));
    sources
}

#[test]
fn a_planted_upward_import_is_found_however_it_is_written() {
    let found = |file: &str, text: &str| {
        upward_imports(&Crate::read(&made_up(&[(file, text)])).imports())
            .into_iter()
            .map(|(from, to)| format!("{from} -> {to}"))
            .collect::<Vec<_>>()
    };
    assert_eq!(found("text.rs", ""), [] as [&str; 0]);
    for text in [
        "use crate::scan::look;",
        "use crate::{engine::Plan, scan::{self, look::{Look, Glance as G}}};",
        "use super::{super::scan::look::*};",
        "pub(crate) use self::super::super::scan::look as eyes;",
        "fn f() { crate::scan::look::glance(); }",
        "fn f() -> u32 { println!(\"{}\", crate::scan::look::GLANCE) }",
        "use crate::scan; fn f() { scan::look::glance(); }",
        "const QUOTE: char = '\"'; use crate::scan::look; const C: &str = \"\\\"\";",
    ] {
        let found = found("engine/plan.rs", text);
        assert!(found.contains(&"engine/plan.rs -> scan/look.rs".into()), "{text}: {found:?}");
    }
    for text in [
        "// use crate::scan::look;",
        "//! [`crate::scan::look`]",
        "/* use crate::scan::look; */",
        "const C: &str = \"crate::scan::look\"; const D: &str = r#\"\"crate::scan\"#;",
        "#[cfg(test)] mod tests { use crate::scan::look; }",
        "#[cfg(test)] use crate::scan::look; use std::fs;",
        "use scan::look; fn f<'a>(x: &'a str) { other::scan() }",
    ] {
        assert_eq!(found("engine/plan.rs", text), [] as [&str; 0], "{text}");
    }
    let through_the_root = made_up(&[
        ("lib.rs", "pub mod text; mod engine; mod scan; mod cli; pub use scan::look::Look;"),
        ("text.rs", "use crate::Look;"),
    ]);
    let through_the_root = upward_imports(&Crate::read(&through_the_root).imports());
    assert_eq!(through_the_root, [("text.rs".into(), "scan/look.rs".into())].into());
}

#[test]
fn a_planted_circle_is_found_also_through_a_parents_reexport() {
    let found = |files: &[(&str, &str)]| {
        let imports = Crate::read(&made_up(files)).imports();
        circles(&imports).into_iter().map(|circle| circle.join(" ")).collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), [] as [&str; 0]);
    let parent = "mod plan; mod rules; pub use plan::Plan; pub use rules::*;";
    for (plan, rules) in [
        ("use super::rules::Rule;", "use crate::engine::plan::Plan;"),
        ("use super::Rule;", "pub struct Rule; use super::Plan;"),
        ("fn f() { super::rules::rule() }", "use crate::engine; fn f(p: engine::Plan) {}"),
    ] {
        let files =
            [("engine/mod.rs", parent), ("engine/plan.rs", plan), ("engine/rules.rs", rules)];
        assert_eq!(found(&files), ["engine/plan.rs engine/rules.rs"], "{plan} {rules}");
    }
    let of_three = [
        ("engine/mod.rs", "mod a; mod b; mod c; mod plan; pub use plan::Plan;"),
        ("engine/a.rs", "use super::b;"),
        ("engine/b.rs", "use super::c;"),
        ("engine/c.rs", "use super::a;"),
    ];
    assert_eq!(found(&of_three), ["engine/a.rs engine/b.rs engine/c.rs"]);
}

#[test]
fn a_planted_name_that_stands_twice_is_found() {
    let found = |files: &[(&str, &str)]| {
        repeated_stems(&made_up(files)).into_keys().map(ToOwned::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), [] as [&str; 0]);
    assert_eq!(found(&[("scan/plan.rs", "")]), ["plan"]);
    assert_eq!(found(&[("scan/engine.rs", "")]), [] as [&str; 0], "a folder is no file");
    let systems = [
        ("scan/linux/poll.rs", ""),
        ("scan/portable/poll.rs", ""),
        ("scan/poll.rs", ""),
        ("cli/windows.rs", ""),
        ("scan/windows.rs", ""),
    ];
    assert_eq!(found(&systems), [] as [&str; 0]);
}

#[test]
#[should_panic(expected = "no module is in [\"engine/forgotten.rs\"]")]
fn a_file_that_no_module_names_is_found() {
    Crate::read(&made_up(&[("engine/forgotten.rs", "")]));
}
