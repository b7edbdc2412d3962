//! Rows that are at hand are written straight to JSON, others by way of the library: nobody sees which.

use std::collections::{BTreeMap, HashSet};

use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::random::Random;

const SCHEMA: &str = "{ __schema { types { name kind interfaces { name } fields { name \
                      type { name kind ofType { name kind ofType { name kind ofType { name kind } } } } } } } }";

/// What `impl Direct` knows of.
const AT_HAND: [&str; 12] = [
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

/// The object types with their fields, and which of them are nodes.
struct Schema {
    fields: BTreeMap<String, Vec<Field>>,
    nodes: HashSet<String>,
}

struct Field {
    name: String,
    /// `None` for what has no fields.
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
            schema.fields.insert(name, object["fields"].as_array().unwrap().iter().map(field).collect());
        }
        schema
    }

    /// Some of the fields of a type, in any order.
    fn select(&self, random: &mut Random, of: &str, depth: usize) -> String {
        let (mut fields, mut objects) = (String::new(), HashSet::new());
        for _ in 0..random.below(2 * self.fields[of].len()) {
            let field = random.pick(&self.fields[of]);
            // With most others the library resolves the whole list.
            let usual = field.of.is_none() || AT_HAND.contains(&field.name.as_str());
            if !usual && !random.chance(40) {
                continue;
            }
            let inner = match &field.of {
                // What has fields and is selected twice is the library's, too.
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

fn field(field: &Value) -> Field {
    let mut of = &field["type"];
    while !of["ofType"].is_null() {
        of = &of["ofType"];
    }
    Field { name: text(&field["name"]), of: (of["kind"] == "OBJECT").then(|| text(&of["name"])) }
}

/// Sends an operation whose variable `$yes` is true.
async fn ask(app: &TestApp, token: &SecretString, fields: &str) -> String {
    let query = format!("query($yes: Boolean!) {{ viewer @include(if: $yes) {{ id }} {fields} }}");
    app.graphql_text(token, &json!({"query": query, "variables": {"yes": true}})).await
}

#[tokio::test]
async fn rows_show_the_same_directly_and_by_way_of_the_library() {
    let app = TestApp::start().await;
    app.populate().await;
    let mut compared = 0;
    let mut random = Random::from_environment("rows_show_the_same_directly_and_by_way_of_the_library");
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
                // What is selected twice at one place is the library's to put together.
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

/// What the inbox's statement leaves out when nobody asks for it is there when somebody does.
#[tokio::test]
async fn a_line_of_the_inbox_shows_what_the_thread_alone_shows() {
    let app = TestApp::start().await;
    app.populate().await;
    let mut random = Random::from_environment("a_line_of_the_inbox_shows_what_the_thread_alone_shows");
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
