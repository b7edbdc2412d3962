//! Variables that are omitted, null, or given (GraphQL, sections 5.8.5, 6.1.2 and 6.4.1). For every argument and every
//! input field of the schema, a variable has the same effect as its value written as a literal, and an omitted variable
//! has the same effect as an absent argument. The documents are derived from the schema, so that new fields are tested
//! automatically.

mod fields;
mod mutations;
pub(crate) mod operations;
mod payloads;
mod requests;
pub(crate) mod schema;
mod subscriptions;
pub(crate) mod values;

use std::collections::BTreeMap;

use schema::{Field, Input, Schema, variable};
use secrecy::SecretString;
use serde_json::{Value, json};
use values::Values;

use crate::support::TestApp;
use crate::support::directory::{AGENCIES, DESK, EMPTY, NURSES};
use crate::support::socket::Socket;

/// A server with at least one node of each type. All instances have the same data, including ids.
pub(crate) struct Site {
    pub(crate) app: TestApp,
    pub(crate) ana: SecretString,
    pub(crate) schema: Schema,
    pub(crate) nodes: BTreeMap<String, Value>,
    event_cursor: Value,
}

impl Site {
    pub(crate) async fn start() -> Self {
        use crate::support::Text;
        // Quarantined texts belong to an agency only if it is the only one of the account.
        let app = TestApp::start_with(AGENCIES.split("  - key: sister").next().unwrap()).await;
        let ana = app.token("acme", "ana");
        let event_cursor = app.cursor(&ana).await;
        let photo = Text::new("SMphoto").field("NumMedia", "1").field("MediaUrl0", "https://media.example/1");
        app.receive(photo.field("MediaContentType0", "image/png").from("+13035560001").to(DESK)).await;
        app.receive(Text::new("SMhello").from("+13035560003").to(DESK)).await;
        app.receive(Text::new("SMnurse").from("+13035560001").to(NURSES)).await;
        app.receive(Text::new("SMadmins").from("88222").to(EMPTY)).await;
        app.receive(Text::new("SMnobody").from("+13035560004").to("+13035559999")).await;
        app.leave_voicemail("CAmissed").await;
        app.wait_for_call_log().await;
        let described = app.graphql(&ana, Schema::QUERY, json!({})).await;
        let schema = Schema::read(&described);
        let mut nodes = nodes(&app, &ana, &schema).await;
        // A user outside the number's pool, so that `addPoolMember` can succeed.
        nodes.insert("User".to_owned(), json!(app.user_id("acme", "dev").await));
        nodes.insert("PhoneNumber".to_owned(), json!(app.number_id("acme", DESK).await));
        Self { app, ana, schema, nodes, event_cursor }
    }

    fn values(&self) -> Values<'_> {
        let Self { schema, nodes, event_cursor, .. } = self;
        Values { schema, nodes, event_cursor, cursor: None, serial: 0 }
    }

    async fn ask(&self, document: &str, variables: &Value) -> Value {
        self.app.graphql(&self.ana, document, variables.clone()).await
    }

    /// Sends a query or mutation over a socket and returns its result in the form of an HTTP response.
    async fn ask_on(&self, socket: &mut Socket, document: &str, variables: &Value) -> Value {
        socket.subscribe("1", document, variables.clone()).await;
        let mut message = socket.next().await.unwrap();
        match message["type"].as_str() {
            Some("error") => json!({"errors": message["payload"]}),
            Some("next") => {
                assert_eq!(socket.next().await.unwrap()["type"], "complete");
                message["payload"].take()
            }
            _ => panic!("{message}"),
        }
    }
}

/// Finds a node of each type through the lists of the query. The thread is one that accepts a reply.
async fn nodes(app: &TestApp, ana: &SecretString, schema: &Schema) -> BTreeMap<String, Value> {
    let mut nodes = BTreeMap::new();
    let ask = async |document: String| {
        let answer = app.graphql(ana, &document, json!({})).await;
        assert!(answer.get("errors").is_none(), "{document:.300} {answer:.300}");
        answer
    };
    let threads = ask("{ threads { nodes { id contact { phone } phoneNumber { e164 } } } }".to_owned()).await;
    let mut threads = threads["data"]["threads"]["nodes"].as_array().unwrap().iter();
    let is_ours = |one: &&Value| one["contact"]["phone"] == "+13035560001" && one["phoneNumber"]["e164"] == DESK;
    let thread = threads.find(is_ours).unwrap()["id"].clone();
    nodes.insert("Thread".to_owned(), thread.clone());
    for act in ["claimThread", "releaseThread"] {
        let shown = "activity { nodes { __typename id } } messages { nodes { __typename id media { __typename id } } }";
        let act = format!(
            "mutation {{ {act}(input: {{threadId: {thread}}}) {{ thread {{ {shown} }} userErrors {{ code }} }} }}"
        );
        collect(&ask(act).await, &mut nodes);
    }
    for field in schema.of("Query").fields.iter().filter(|field| !schema.of(field.of.named()).fields.is_empty()) {
        if field.arguments.iter().all(|argument| !argument.is_required) {
            let selected = schema.select(field.of.named(), 2);
            collect(&ask(format!("{{ {} {{ {selected} }} }}", field.name)).await, &mut nodes);
        }
    }
    for (name, _) in schema.types().filter(|(_, of)| of.is_a("Node")) {
        assert!(nodes.contains_key(name), "no node of the type {name}");
    }
    nodes
}

fn collect(value: &Value, nodes: &mut BTreeMap<String, Value>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, nodes)),
        Value::Object(object) => {
            if let (Some(Value::String(of)), Some(id)) = (object.get("__typename"), object.get("id")) {
                nodes.entry(of.clone()).or_insert_with(|| id.clone());
            }
            object.values().for_each(|member| collect(member, nodes));
        }
        _ => {}
    }
}

/// A field with arguments, and the document around it.
struct Place<'a> {
    field: &'a Field,
    /// The text of the document before and after the field.
    around: (String, String),
    selection: String,
}

impl Place<'_> {
    fn document(&self, schema: &Schema, definitions: &str, arguments: &schema::Object) -> String {
        let arguments = schema.members(arguments, &self.field.arguments);
        let arguments = if arguments.is_empty() { arguments } else { format!("({arguments})") };
        let (before, after) = &self.around;
        let (operation, before) = before.split_once('{').unwrap();
        let field = &self.field.name;
        format!("{operation}{definitions} {{{before}{field}{arguments} {{ {}}}{after}", self.selection)
    }
}

/// Two equivalent requests: one with a variable, one with literals only.
struct Pair {
    what: String,
    document: String,
    variables: Value,
    literal: String,
    expected: Expected,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Expected {
    /// The same answer.
    Same,
    /// Both are rejected by validation.
    Refused,
    /// Both are rejected by validation, and the error of the first names the variable.
    RefusedByName,
    /// The first is rejected by validation with an error that names the variable; the other is accepted.
    Missing,
}

/// All pairs for one argument or input field: absent, null, and given; as the value of the variable, as a member of the
/// variable's value, as the default of the variable, and as an item of a list.
fn pairs(values: &mut Values<'_>, place: &Place<'_>, path: &[&Input]) -> Vec<Pair> {
    let (schema, inputs, leaf) = (values.schema, &place.field.arguments, path[path.len() - 1]);
    let names: Vec<_> = path.iter().map(|input| input.name.as_str()).collect();
    let mut pairs = Vec::new();
    for state in ["absent", "null", "given"] {
        values.serial += 1;
        let value = match state {
            "absent" => None,
            "null" => Some(Value::Null),
            _ => Some(values.value(&leaf.name, &leaf.of)),
        };
        let literal = values.with(inputs, path, value.clone());
        let refused = match &leaf.of {
            schema::TypeRef::NonNull(_) if state == "null" => true,
            _ => leaf.is_required && state == "absent",
        };
        let mut add = |how: &str, definitions: String, arguments: schema::Object, variables: Value, expected| {
            pairs.push(Pair {
                what: format!("{}({}) {state} {how}", place.field.name, names.join(".")),
                document: place.document(schema, &definitions, &arguments),
                variables,
                literal: place.document(schema, "", &literal),
                expected,
            });
        };
        let as_variable = values.with(inputs, path, Some(variable("v")));
        let variables = value.as_ref().map_or_else(|| json!({}), |value| json!({"v": value}));
        // A variable of a type that is not null is required, also where the input field has a default.
        let is_missing = matches!(&leaf.of, schema::TypeRef::NonNull(_)) && state == "absent";
        let expected = match (refused, is_missing) {
            (true, _) => Expected::RefusedByName,
            (false, true) => Expected::Missing,
            (false, false) => Expected::Same,
        };
        add("as a variable", format!("($v: {})", leaf.of), as_variable.clone(), variables, expected);
        if let [first, _, ..] = path {
            let whole = values.with(inputs, &[first], Some(variable("v")));
            let variables = json!({"v": literal[&first.name]});
            let expected = if refused { Expected::Refused } else { Expected::Same };
            add("within a variable", format!("($v: {})", first.of), whole, variables, expected);
        }
        if let Some(value) = value.filter(|_| state == "given") {
            let default = schema.literal(&value, leaf.of.named());
            let definitions = format!("($v: {} = {default})", leaf.of);
            add("as a default", definitions, as_variable, json!({}), Expected::Same);
            if let (Some(items), Some([item])) = (leaf.of.items(), value.as_array().map(Vec::as_slice)) {
                let arguments = values.with(inputs, path, Some(json!([variable("v")])));
                let variables = json!({"v": item});
                add("as an item", format!("($v: {items})"), arguments, variables, Expected::Same);
            }
        }
    }
    pairs
}

/// The part of a response that has to be equal: everything but the locations of errors in the document.
fn comparable(answer: &Value) -> Value {
    let mut answer = answer.clone();
    for error in answer["errors"].as_array_mut().into_iter().flatten() {
        error.as_object_mut().unwrap().remove("locations");
    }
    answer
}

/// Describes the difference between the two responses; `None` if they are as expected.
fn difference(pair: &Pair, answer: &Value, literal: &Value) -> Option<String> {
    let code = |answer: &Value| answer["errors"][0]["extensions"]["code"].clone();
    let refused = |answer: &Value| answer.get("data").is_none() && code(answer) == "GRAPHQL_VALIDATION_FAILED";
    let names = || answer["errors"][0]["message"].as_str().is_some_and(|message| message.contains("$v"));
    let right = match pair.expected {
        Expected::Same => literal.get("data").is_some() && comparable(answer) == comparable(literal),
        Expected::Refused => refused(answer) && refused(literal),
        Expected::RefusedByName => refused(answer) && refused(literal) && names(),
        Expected::Missing => refused(answer) && literal.get("data").is_some() && names(),
    };
    let Pair { what, document, variables, .. } = pair;
    (!right)
        .then(|| format!("{what}: {document:.300} {variables}\n  got      {answer:.1500}\n  expected {literal:.1500}"))
}
