//! The dependency rule of `src/lib.rs`, and the size of files, kept by reading the source.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
const LONGEST: usize = 500;

/// What each part of the house may name. Whatever is not here is the wiring, which names everything.
fn allowed(part: &str) -> Option<&'static [&'static str]> {
    Some(match part {
        "domain" => &[],
        "entity" | "ports" => &["domain"],
        "admission" => &["domain", "ports"],
        "store" => &["entity", "domain", "ports"],
        "events" => &["store", "entity", "domain", "ports"],
        "service" => &["store", "entity", "domain", "ports", "events"],
        "graphql" | "twilio" | "rest" | "worker" => {
            &["service", "store", "entity", "domain", "ports", "events", "rest", "admission"]
        }
        // It shares no code with the server that it talks to.
        "simulator" => &["ports"],
        _ => return None,
    })
}

/// Frameworks that the innermost part does not know.
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
    assert!(found.len() > 50, "the source is where it is looked for");
    found
}

fn shown(path: &Path) -> String {
    path.strip_prefix(SOURCE).unwrap().display().to_string()
}

/// The code of a file without its comments and strings' worth of tests, which may name more.
fn code(path: &Path) -> String {
    let text = std::fs::read_to_string(path).unwrap();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    code.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// The parts that follow `crate::` in a file: `crate::store::…`, and each of `crate::{a, b::c}`.
fn named_parts(code: &str) -> BTreeSet<String> {
    let mut parts = BTreeSet::new();
    for (at, _) in code.match_indices("crate::") {
        // `$crate::` and `other_crate::` are not ours.
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
fn paths_are_read_in_every_form() {
    let code = "use crate::{domain::{A, B}, store};\nuse crate::ports::Clock;\nfn f(x: crate::entity::user::Model) {}\n\
                $crate::nothing(); pub(crate) fn g() {} other_crate::thing();";
    let expected = ["domain", "entity", "ports", "store"].map(str::to_owned);
    assert_eq!(named_parts(code), BTreeSet::from(expected));
}

#[test]
fn dependencies_point_one_way() {
    let mut broken = Vec::new();
    for path in files() {
        let name = shown(&path);
        let part = name.split(['/', '.']).next().unwrap_or_default();
        let Some(allowed) = allowed(part) else { continue };
        for named in named_parts(&code(&path)) {
            if named != part && !allowed.contains(&named.as_str()) {
                broken.push(format!("{name} names crate::{named}"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn the_domain_knows_no_framework() {
    let mut broken = Vec::new();
    for path in files().into_iter().filter(|path| shown(path).starts_with("domain")) {
        let code = code(&path);
        let found = FRAMEWORKS.iter().filter(|name| code.contains(&format!("{name}::")));
        broken.extend(found.map(|name| format!("{} names {name}", shown(&path))));
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A transport that builds a statement has found its way around `store` and its agency.
#[test]
fn transports_never_query() {
    let mut broken = Vec::new();
    for path in files() {
        let name = shown(&path);
        let is_transport =
            ["graphql", "twilio", "rest", "worker", "simulator"].iter().any(|part| name.starts_with(part));
        let code = code(&path);
        if is_transport
            && ["sea_orm::EntityTrait", "QueryFilter", "Entity::find", "Statement::"]
                .iter()
                .any(|word| code.contains(word))
        {
            broken.push(name);
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn no_file_is_longer_than_one_can_read() {
    let lengths =
        files().into_iter().map(|path| (std::fs::read_to_string(&path).unwrap().lines().count(), shown(&path)));
    let long: Vec<_> = lengths.filter(|(length, _)| *length > LONGEST).collect();
    assert!(long.is_empty(), "{long:?}");
}
