//! Imports run downwards only, in the order of the plan in `src/lib.rs`, and features never import
//! features. This reads the `crate::` paths of the code and holds just that.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The floors from the top down; those on one floor know nothing of each other.
const FLOORS: [&[&str]; 8] = [
    &["cli"],
    &["server"],
    &["features"],
    &["web"],
    &["accounts"],
    &["mail", "captcha", "regions"],
    &["platform"],
    &["domain"],
];

#[test]
fn imports_run_downwards_only() {
    let mut wrong = Vec::new();
    for file in files() {
        let here = module(&file, 0);
        let Some(own_floor) = floor(&here) else { continue };
        for there in imported(&code(&file)) {
            let there = there.split("::").next().unwrap_or_default();
            if there != here && floor(there).is_some_and(|floor| floor <= own_floor) {
                wrong.push(format!("{} imports {there}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn features_never_import_features() {
    let features: Vec<_> = files().into_iter().filter(|file| module(file, 0) == "features").collect();
    let mut wrong = Vec::new();
    for file in &features {
        let (here, code) = (module(file, 1), code(file));
        let others =
            imported(&code).into_iter().filter_map(|path| path.strip_prefix("features::").map(str::to_owned));
        wrong.extend(
            others.filter(|other| *other != here).map(|other| format!("{} imports {other}", file.display())),
        );
        // From `features/x/mod.rs` one `super` leads to the others, from the files beside it two.
        let up = if file.ends_with("mod.rs") { "super::" } else { "super::super::" };
        for other in
            features.iter().map(|file| module(file, 1)).filter(|other| *other != here && other != "mod")
        {
            if code.contains(&format!("{up}{other}::")) {
                wrong.push(format!("{} imports {other}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_plan_names_every_module() {
    let plan = fs::read_to_string(source().join("lib.rs")).expect("the plan");
    for module in FLOORS.concat() {
        assert!(plan.contains(&format!("[`{module}`]")), "the plan says nothing of {module}");
    }
    for module in plan.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')) {
        assert!(floor(module).is_some(), "{module} has no floor");
    }
}

#[test]
fn paths_are_read_also_out_of_nested_braces() {
    let code = "use crate::{\n    a::{b, c},\n    d,\n};\nlet x = crate::e::f();\n// crate::g\nuse crate::features::{h, i::j};";
    let code: Vec<_> = code.lines().filter(|line| !line.starts_with("//")).collect();
    assert_eq!(imported(&code.join("\n")), ["a::b", "a::c", "d", "e::f", "features::h", "features::i"]);
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

fn floor(module: &str) -> Option<usize> {
    FLOORS.iter().position(|modules| modules.contains(&module))
}

/// Every file of code.
fn files() -> Vec<PathBuf> {
    let (mut found, mut ahead) = (Vec::new(), vec![source()]);
    while let Some(folder) = ahead.pop() {
        for entry in fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => ahead.push(path),
                false => found.extend(path.extension().is_some_and(|ending| ending == "rs").then_some(path)),
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "the code is not where it was");
    found
}

/// The module that a file belongs to, at a depth below `src`.
fn module(file: &Path, depth: usize) -> String {
    let inside = file.strip_prefix(source()).expect("a file of src");
    let name = inside.iter().nth(depth).unwrap_or_default().to_string_lossy();
    name.trim_end_matches(".rs").to_owned()
}

/// A file without its comments.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).expect("a file");
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// The first two names of every path that begins with `crate::`, those in braces one by one.
fn imported(code: &str) -> Vec<String> {
    let starts = code.match_indices("crate::").map(|(at, start)| &code[at + start.len()..]);
    starts.flat_map(names).collect()
}

fn names(path: &str) -> Vec<String> {
    heads(path)
        .into_iter()
        .flat_map(|(head, rest)| match rest.strip_prefix("::") {
            Some(rest) => heads(rest).into_iter().map(|(next, _)| format!("{head}::{next}")).collect(),
            None => vec![head],
        })
        .collect()
}

/// The names that a path begins with, each with what follows it: one, or those between its braces.
fn heads(path: &str) -> Vec<(String, &str)> {
    let name =
        |text: &str| -> String { text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect() };
    let Some(inside) = path.strip_prefix('{') else {
        let head = name(path);
        let rest = &path[head.len()..];
        return vec![(head, rest)];
    };
    let (mut depth, mut start, mut parts) = (0_usize, 0, Vec::new());
    for (at, c) in inside.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => {
                parts.push(&inside[start..at]);
                break;
            }
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inside[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    let parts = parts.into_iter().map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| (name(part), &part[name(part).len()..])).collect()
}
