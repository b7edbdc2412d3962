//! Checks of the source: the dependency rule of `src/lib.rs`, and the length of files.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
const MAX_LINES: usize = 500;

/// The dependency rule as printed in `src/lib.rs`: the modules that each module may use. Modules that are not listed
/// are the wiring.
fn rule() -> BTreeMap<String, BTreeSet<String>> {
    let printed = include_str!("../../src/lib.rs");
    let lines = printed.lines().filter_map(|line| line.strip_prefix("//! ")?.split_once(" -> "));
    let names = |list: &str| list.split(", ").map(str::to_owned).collect::<BTreeSet<_>>();
    let rule: BTreeMap<String, BTreeSet<String>> = lines
        .map(|(module, list)| (module.to_owned(), names(list.trim_start_matches("nothing, and no framework"))))
        .collect();
    assert!(rule.len() >= 14, "the rule is printed in src/lib.rs: {rule:?}");
    rule
}

/// A rule with a cycle would allow any dependency.
#[test]
fn the_dependency_rule_has_no_cycle() {
    let mut open = rule();
    while !open.is_empty() {
        let done: Vec<String> = open
            .iter()
            .filter(|(_, uses)| !uses.iter().any(|used| open.contains_key(used)))
            .map(|(module, _)| module.clone())
            .collect();
        assert!(!done.is_empty(), "these modules depend on each other: {:?}", open.keys());
        open.retain(|module, _| !done.contains(module));
    }
}

/// Frameworks that the domain does not depend on.
const FRAMEWORKS: [&str; 8] = ["sea_orm", "axum", "tokio", "async_graphql", "reqwest", "tracing", "sqlx", "hyper_util"];

fn files() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::from(SOURCE)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(found.len() > 50, "the source files were not found");
    found
}

fn relative_path(path: &Path) -> String {
    path.strip_prefix(SOURCE).unwrap().display().to_string()
}

/// The code of a file without comments and unit tests; tests may depend on more.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The modules that follow `crate::` in a file: `crate::store::…`, and each of `crate::{a, b::c}`.
fn dependencies(code: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` and `other_crate::` refer to other crates.
        if code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$' || c == '(')
            && !code[..at].ends_with('(')
        {
            continue;
        }
        let rest = &code[at + "crate::".len()..];
        match rest.strip_prefix('{') {
            None => parts.extend(first_word(rest)),
            Some(list) => {
                let mut depth = 0;
                let mut begins = true;
                for (at, c) in list.char_indices() {
                    match c {
                        '}' if depth == 0 => break,
                        '{' => depth += 1,
                        '}' => depth -= 1,
                        ',' if depth == 0 => begins = true,
                        c if begins && !c.is_whitespace() => {
                            parts.extend(first_word(&list[at..]));
                            begins = false;
                        }
                        _ => {}
                    }
                }
            }
        }
    }
    parts
}

fn first_word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

#[test]
fn dependencies_are_found_in_every_form_of_path() {
    let code = "use crate::{domain::{A, B}, store};\nuse crate::ports::Clock;\nfn f(x: crate::entity::user::Model) {}\n\
                $crate::nothing(); pub(crate) fn g() {} other_crate::thing();";
    let expected = ["domain", "entity", "ports", "store"].map(str::to_owned);
    assert_eq!(dependencies(code), BTreeSet::from(expected));
}

#[test]
fn dependencies_point_one_way() {
    let (mut violations, rule) = (Vec::new(), rule());
    for path in files() {
        let name = relative_path(&path);
        let part = name.split(['/', '.']).next().unwrap_or_default();
        let Some(allowed) = rule.get(part) else { continue };
        for dependency in dependencies(&code(&path)) {
            if dependency != part && !allowed.contains(&dependency) {
                violations.push(format!("{name} depends on crate::{dependency}"));
            }
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn the_domain_depends_on_no_framework() {
    let mut violations = Vec::new();
    for path in files().into_iter().filter(|path| relative_path(path).starts_with("domain")) {
        let code = code(&path);
        let found = FRAMEWORKS.iter().filter(|name| code.contains(&format!("{name}::")));
        violations.extend(found.map(|name| format!("{} depends on {name}", relative_path(&path))));
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

/// A query in a transport would bypass `store` and its scoping by agency.
#[test]
fn transports_never_query() {
    let mut violations = Vec::new();
    for path in files() {
        let name = relative_path(&path);
        let is_transport =
            ["graphql", "twilio", "rest", "worker", "simulator"].iter().any(|part| name.starts_with(part));
        let code = code(&path);
        if is_transport
            && ["sea_orm::EntityTrait", "QueryFilter", "Entity::find", "Statement::"]
                .iter()
                .any(|word| code.contains(word))
        {
            violations.push(name);
        }
    }
    assert!(violations.is_empty(), "{}", violations.join("\n"));
}

#[test]
fn no_file_exceeds_the_maximum_length() {
    let lengths =
        files().into_iter().map(|path| (std::fs::read_to_string(&path).unwrap().lines().count(), relative_path(&path)));
    let long: Vec<_> = lengths.filter(|(length, _)| *length > MAX_LINES).collect();
    assert!(long.is_empty(), "{long:?}");
}
