//! Rows that are at hand are written straight to JSON, others by way of the library: nobody sees which.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::random::Random;

const SCHEMA: &str = "{ __schema { types { name kind fields { name args { name } \
                      type { name kind ofType { name kind ofType { name kind ofType { name kind } } } } } } } }";

/// The fields of each object type: whether arguments can be given, and the type that it leads to.
struct Schema(BTreeMap<String, Vec<Field>>);

struct Field {
    name: String,
    has_arguments: bool,
    /// `None` for what has no fields.
    of: Option<String>,
}

impl Schema {
    fn read(answer: &Value) -> Self {
        let types = answer["data"]["__schema"]["types"].as_array().unwrap();
        let objects = types.iter().filter(|one| one["kind"] == "OBJECT");
        Self(
            objects
                .map(|one| (text(&one["name"]), one["fields"].as_array().unwrap().iter().map(field).collect()))
                .collect(),
        )
    }

    /// Some of the fields of a type, in any order.
    fn select(&self, random: &mut Random, of: &str, depth: usize) -> String {
        let mut fields = String::new();
        for _ in 0..random.below(2 * self.0[of].len()) {
            let field = random.pick(&self.0[of]);
            // Most of those load what the library then resolves, and with them the whole list.
            if field.has_arguments && !random.chance(8) {
                continue;
            }
            let alias = if random.chance(6) { format!("{}0: ", field.name) } else { String::new() };
            let inner = match &field.of {
                Some(_) if depth == 0 => continue,
                Some(of) => format!(" {{ {} }}", self.select(random, of, depth - 1)),
                None => String::new(),
            };
            let directive = if random.chance(6) { " @include(if: true)" } else { "" };
            let one = format!("{alias}{}{directive}{inner}", field.name);
            fields += &match random.below(6) {
                0 => format!("... on {of} {{ {one} }} "),
                1 => format!("... {{ {one} }} "),
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
    Field {
        name: text(&field["name"]),
        has_arguments: !field["args"].as_array().unwrap().is_empty(),
        of: (of["kind"] == "OBJECT").then(|| text(&of["name"])),
    }
}

#[tokio::test]
async fn rows_show_the_same_directly_and_by_way_of_the_library() {
    let app = TestApp::start().await;
    app.populate().await;
    let mut compared = 0;
    let mut random = Random::from_environment("rows_show_the_same_directly_and_by_way_of_the_library");
    let ana = app.token("acme", "ana");
    let schema = Schema::read(&app.graphql(&ana, SCHEMA, json!({})).await);
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
                let fields = schema.select(&mut random, &of, 2);
                // What is selected twice at one place is the library's to put together.
                let once = format!("{{ {list}(first: 3) {{ {rows} {{ {fields} }} }} }}");
                let twice = format!("{{ {list}(first: 3) {{ {rows} {{ {fields} }} {rows} {{ {fields} }} }} }}");
                let directly = app.graphql_text(&token, &json!({"query": once})).await;
                let library = app.graphql_text(&token, &json!({"query": twice})).await;
                if library.contains("QUERY_TOO_COMPLEX") {
                    continue;
                }
                assert_eq!(directly, library, "{once}");
                assert!(directly.starts_with(r#"{"data":{""#), "{once}: {directly}");
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
    let token = app.token("acme", "ana");
    let thread = "id status claimedAt extension { digits } contact { name optedOut provider { key } } assignee { key } \
                  unreadCount viewerCanClaim lastActivityAt phoneNumber { label }";
    let message = "id body status direction errorCode errorMessage segments needsDecision providerSid createdAt \
                   routedBy sender { key } extension { digits }";
    let back = format!("lastMessage {{ thread {{ {thread} }} }}");
    let list = app.graphql(&token, "{ threads(first: 100) { nodes { id } } }", json!({})).await;
    for (row, line) in list["data"]["threads"]["nodes"].as_array().unwrap().iter().enumerate() {
        for fields in [thread, &format!("lastMessage {{ {message} }}"), &back, "claimedAt", "contact { optedOut }"] {
            let lines =
                app.graphql(&token, &format!("{{ threads(first: 100) {{ nodes {{ {fields} }} }} }}"), json!({})).await;
            let alone = format!("query($id: ID!) {{ node(id: $id) {{ ... on Thread {{ {fields} }} }} }}");
            let alone = app.graphql(&token, &alone, json!({"id": line["id"]})).await;
            assert!(alone["data"]["node"].is_object(), "{alone}");
            assert_eq!(lines["data"]["threads"]["nodes"][row], alone["data"]["node"], "{fields}");
        }
    }
}
