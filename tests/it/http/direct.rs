//! Rows are written to JSON directly where possible, otherwise by async-graphql; the output must be identical.

use std::collections::{BTreeMap, HashSet};

use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::random::Random;

const SCHEMA: &str = "{ __schema { types { name kind interfaces { name } fields { name \
                      type { name kind ofType { name kind ofType { name kind ofType { name kind } } } } } } } }";

/// The fields that the implementations of `DirectJson` write.
const DIRECT_FIELDS: [&str; 12] = [
    "actor",
    "assignee",
    "contact",
    "extension",
    "lastMessage",
    "node",
    "phoneNumber",
    "provider",
    "sender",
    "thread",
    "toUser",
    "user",
];

/// The object types with their fields and interfaces.
struct Schema {
    fields: BTreeMap<String, Vec<Field>>,
    nodes: HashSet<String>,
}

struct Field {
    name: String,
    /// The object type, or `None` for a leaf.
    of: Option<String>,
}

impl Schema {
    fn read(answer: &Value) -> Self {
        let types = answer["data"]["__schema"]["types"].as_array().unwrap();
        let objects = types.iter().filter(|one| one["kind"] == "OBJECT");
        let mut schema = Self { fields: BTreeMap::new(), nodes: HashSet::new() };
        for object in objects {
            let name = text(&object["name"]);
            if object["interfaces"].as_array().unwrap().iter().any(|one| one["name"] == "Node") {
                schema.nodes.insert(name.clone());
            }
            schema.fields.insert(name, object["fields"].as_array().unwrap().iter().filter_map(field).collect());
        }
        schema
    }

    /// A random selection of the fields of a type, in random order.
    fn select(&self, random: &mut Random, of: &str, depth: usize) -> String {
        let (mut fields, mut objects) = (String::new(), HashSet::new());
        for _ in 0..random.below(2 * self.fields[of].len()) {
            let field = random.pick(&self.fields[of]);
            // With most other fields, async-graphql resolves the whole list.
            let is_direct = field.of.is_none() || DIRECT_FIELDS.contains(&field.name.as_str());
            if !is_direct && !random.chance(40) {
                continue;
            }
            let inner = match &field.of {
                // A field with a selection that occurs twice would be resolved by async-graphql, too.
                Some(_) if depth == 0 || !objects.insert(&field.name) => continue,
                Some(of) => format!(" {{ {} }}", self.select(random, of, depth - 1)),
                None => String::new(),
            };
            let alias = if random.chance(6) { format!("{}0: ", field.name) } else { String::new() };
            let directive = match random.below(12) {
                0 => " @include(if: true)",
                1 => " @skip(if: $yes)",
                _ => "",
            };
            let one = format!("{alias}{}{directive}{inner}", field.name);
            fields += &match random.below(8) {
                0 => format!("... on {of} {{ {one} }} "),
                1 => format!("... {{ {one} }} "),
                2 if self.nodes.contains(of) => format!("... on Node {{ id }} {one} "),
                _ => format!("{one} "),
            };
        }
        if fields.is_empty() || random.chance(6) { fields + "__typename" } else { fields }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// `None` for a field whose type is a union, which has no fields of its own.
fn field(field: &Value) -> Option<Field> {
    let mut of = &field["type"];
    while !of["ofType"].is_null() {
        of = &of["ofType"];
    }
    let of = match of["kind"].as_str() {
        Some("UNION") => return None,
        Some("OBJECT") => Some(text(&of["name"])),
        _ => None,
    };
    Some(Field { name: text(&field["name"]), of })
}

/// Sends an operation whose variable `$yes` is true.
async fn ask(app: &TestApp, token: &SecretString, fields: &str) -> String {
    let query = format!("query($yes: Boolean!) {{ viewer @include(if: $yes) {{ id }} {fields} }}");
    app.graphql_text(token, &json!({"query": query, "variables": {"yes": true}})).await
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn rows_are_the_same_directly_and_through_async_graphql() {
    let app = TestApp::start().await;
    app.populate().await;
    let mut compared = 0;
    let mut random = Random::from_environment("rows_are_the_same_directly_and_through_async_graphql");
    let schema = Schema::read(&app.graphql(&app.token("acme", "ana"), SCHEMA, json!({})).await);
    let lists = [
        ("threads", "Thread"),
        ("contacts", "Contact"),
        ("notifications", "Notification"),
        ("calls", "Call"),
        ("users", "User"),
        ("phoneNumbers", "PhoneNumber"),
        ("extensions", "Extension"),
    ];
    for user in ["ana", "ben"] {
        let token = app.token("acme", user);
        for round in 0..24 {
            for (list, of) in lists {
                let (of, rows) = if round % 3 == 0 { (format!("{of}Edge"), "edges") } else { (of.to_owned(), "nodes") };
                let rows = format!("{rows} {{ {} }}", schema.select(&mut random, &of, 3));
                // A list that is selected twice is merged by async-graphql instead of being written directly.
                let directly = ask(&app, &token, &format!("{list}(first: 3) {{ {rows} }}")).await;
                let library = ask(&app, &token, &format!("{list}(first: 3) {{ {rows} {rows} }}")).await;
                if library.contains("QUERY_TOO_COMPLEX") {
                    continue;
                }
                assert_eq!(directly, library, "{list} {{ {rows} }}");
                assert!(directly.starts_with(r#"{"data":{"viewer""#), "{list} {{ {rows} }}: {directly}");
                compared += 1;
            }
        }
    }
    assert!(compared > 250, "{compared}");
}

/// The inbox's statement omits columns that are not selected; they must be present when they are.
#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_thread_in_the_inbox_equals_the_thread_queried_by_id() {
    let app = TestApp::start().await;
    app.populate().await;
    let mut random = Random::from_environment("a_thread_in_the_inbox_equals_the_thread_queried_by_id");
    let token = app.token("acme", "ana");
    let schema = Schema::read(&app.graphql(&token, SCHEMA, json!({})).await);
    let threads = app.all_threads(&token).await;
    let mut compared = 0;
    for _ in 0..60 {
        let fields = schema.select(&mut random, "Thread", 3);
        let lines = ask(&app, &token, &format!("threads(first: 100) {{ nodes {{ {fields} }} }}")).await;
        if lines.contains("QUERY_TOO_COMPLEX") {
            continue;
        }
        let lines: Value = serde_json::from_str(&lines).unwrap();
        for (row, id) in threads.iter().enumerate() {
            let alone = ask(&app, &token, &format!("node(id: {id}) {{ ... on Thread {{ {fields} }} }}")).await;
            let alone: Value = serde_json::from_str(&alone).unwrap();
            assert!(alone["data"]["node"].is_object(), "{fields}: {alone}");
            assert_eq!(lines["data"]["threads"]["nodes"][row], alone["data"]["node"], "{fields}");
            compared += 1;
        }
    }
    assert!(compared > 100, "{compared}");
}
