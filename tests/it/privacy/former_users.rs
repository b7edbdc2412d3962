//! A user who loses access sees nothing more of what they lost: not through any field of the schema, an id or a URL
//! that they kept, or an event, live or replayed.

use std::collections::{BTreeMap, BTreeSet};

use partyline::domain::cursor::Cursor;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};

use super::walk::Walk;
use super::world::{
    CASES, Case, DESK, QUARANTINED_BODY, RECORDING_PATH, SENTINEL, assert_accepted, collect, create_failures, start,
    transfer,
};
use crate::support::socket::{Closed, Socket};
use crate::support::voice::{INBOUND, form};
use crate::support::{PUBLIC_URL, TestApp, Text};
use crate::variables::schema::Schema;
use crate::variables::values::Values;

/// Sockets, each with its number of subscriptions.
type Sockets = Vec<(Socket, usize)>;

/// The subscriptions to which `flush` delivers nothing: to changes that concern only the user, and to state.
const NOT_FLUSHED: [&str; 3] = ["viewerUpdated", "presenceUpdated", "threadCountsUpdated"];
/// The server's limit of subscriptions per socket.
const PER_SOCKET: usize = 32;

struct Site {
    app: TestApp,
    ana: SecretString,
    schema: Schema,
    roots: Vec<String>,
    nodes: BTreeMap<String, Vec<String>>,
    subscriptions: Vec<String>,
    /// The selections of each mutation's payload.
    mutations: BTreeMap<String, Vec<String>>,
    /// The ids that an admin can find, by type.
    ids: BTreeMap<String, BTreeSet<String>>,
    flushed: u32,
}

impl Site {
    async fn start() -> Self {
        let app = start().await;
        create_failures(&app).await;
        let ana = app.token("acme", "ana");
        let schema = Schema::read(&app.graphql(&ana, Schema::QUERY, json!({})).await);
        let walk = Walk::new(&schema);
        let (roots, nodes, subscriptions) = (walk.roots(), walk.nodes(), walk.subscriptions());
        let mutations = schema.of("Mutation").fields.iter().map(|field| (field.name.clone(), walk.payload(field)));
        let mutations = mutations.collect();
        walk.assert_complete();
        let ids = BTreeMap::new();
        let mut site = Self { app, ana, schema, roots, nodes, subscriptions, mutations, ids, flushed: 0 };
        site.find_ids().await;
        site
    }

    /// Collects all ids that an admin can find. Fails if an object type never occurs in the responses.
    async fn find_ids(&mut self) {
        for text in self.replayed(&self.ana.clone()).await {
            collect(&serde_json::from_str(&text).unwrap(), &mut self.ids);
        }
        let mut ids = std::mem::take(&mut self.ids);
        for document in &self.roots {
            collect(&self.ask(&self.ana, document, json!({})).await, &mut ids);
        }
        self.ids = ids;
        for answer in self.nodes_as(&self.ana).await {
            collect(&answer, &mut self.ids);
        }
        let of_mutations = |name: &str| name.ends_with("Payload") || name.ends_with("Error");
        let roots = ["Query", "Mutation", "Subscription"];
        let objects = self.schema.types().filter(|(_, of)| of.kind == "OBJECT").map(|(name, _)| name);
        let missing: Vec<_> = objects
            .filter(|name| !self.ids.contains_key(*name) && !of_mutations(name) && !roots.contains(&name.as_str()))
            .collect();
        assert!(
            missing.is_empty(),
            "types that no response to an admin contained: {missing:?}. Add them to the world."
        );
    }

    async fn ask(&self, token: &SecretString, document: &str, variables: Value) -> Value {
        let answer = self.app.graphql(token, document, variables).await;
        assert!(answer.get("data").is_some(), "{document}: {answer}");
        answer
    }

    async fn nodes_as(&self, token: &SecretString) -> Vec<Value> {
        let mut answers = Vec::new();
        for (of, documents) in &self.nodes {
            for id in self.ids.get(of).into_iter().flatten() {
                for document in documents {
                    answers.push(self.ask(token, document, json!({"id": id})).await);
                }
            }
        }
        answers
    }

    /// All responses of queries and REST endpoints to a user.
    async fn all_responses(&self, token: &SecretString) -> Vec<String> {
        let mut texts = Vec::new();
        for document in &self.roots {
            texts.push(self.ask(token, document, json!({})).await.to_string());
        }
        texts.extend(self.nodes_as(token).await.iter().map(Value::to_string));
        for path in ["/api/sms-numbers/agency/acme/assignments", "/api/extensions/agency/acme"] {
            let asked = self.app.http.get(self.app.url(path)).bearer_auth(token.expose_secret());
            texts.push(asked.send().await.unwrap().text().await.unwrap());
        }
        texts
    }

    /// The responses of every mutation, called with ids that the user has lost access to.
    async fn mutations(&self, token: &SecretString, thread: &str, begin: &Value) -> Vec<String> {
        let mut nodes: BTreeMap<String, Value> =
            self.ids.iter().filter_map(|(of, ids)| Some((of.clone(), json!(ids.first()?)))).collect();
        nodes.insert("Thread".to_owned(), json!(thread));
        let (schema, nodes) = (&self.schema, &nodes);
        let mut values = Values { schema, nodes, event_cursor: begin, cursor: None, serial: 0 };
        let mut texts = Vec::new();
        for field in &self.schema.of("Mutation").fields {
            for selection in &self.mutations[&field.name] {
                values.serial += 1;
                let input = self.schema.members(&values.with(&field.arguments, &[], None), &field.arguments);
                let input = if input.is_empty() { input } else { format!("({input})") };
                let document = format!("mutation {{ {}{input} {{ {selection} }} }}", field.name);
                texts.push(self.ask(token, &document, json!({})).await.to_string());
            }
        }
        texts
    }

    /// A cursor before all events.
    async fn start_cursor(&self) -> Value {
        let directory = self.app.directory("acme").await;
        json!(Cursor { agency: directory.agency_id(), epoch: directory.epoch, position: 0 }.to_string())
    }

    async fn subscribe(&self, token: &SecretString, after: &Value) -> Sockets {
        let mut sockets = Vec::new();
        for documents in self.subscriptions.chunks(PER_SOCKET) {
            let mut socket = self.app.socket(token).await;
            for (index, document) in documents.iter().enumerate() {
                socket.subscribe(&index.to_string(), document, json!({"after": after})).await;
            }
            let is_flushed = |document: &&String| !NOT_FLUSHED.iter().any(|name| document.contains(name));
            sockets.push((socket, documents.iter().filter(is_flushed).count()));
        }
        sockets
    }

    /// Triggers an event for every subscription that is not in `NOT_FLUSHED`, and returns everything delivered until then.
    async fn flush(&mut self, sockets: Sockets) -> Vec<String> {
        self.flushed += 1;
        let before = position(&self.app.cursor(&self.ana).await);
        let (serial, from) = (self.flushed, "+13035560199");
        self.app.receive(Text::new(format!("SMsentinel{serial}")).from(from).to(SENTINEL).body("sentinel")).await;
        self.app.document(INBOUND, &form(&format!("CAsentinel{serial}"), &[("From", from), ("To", SENTINEL)])).await;
        self.app.wait_for_call_log().await;
        let availability = if serial.is_multiple_of(2) { "AVAILABLE" } else { "AWAY" };
        let document = format!(
            "mutation {{ setAvailability(input: {{availability: {availability}}}) {{ userErrors {{ message }} }} }}"
        );
        assert_accepted(&self.ask(&self.app.token("acme", "chloe"), &document, json!({})).await);
        let mut texts = Vec::new();
        for (mut socket, count) in sockets {
            let mut done = BTreeSet::new();
            while done.len() < count {
                let message = socket.next().await.unwrap();
                assert_eq!(message["type"], "next", "{message}");
                let events = message["payload"]["data"].as_object().unwrap_or_else(|| panic!("{message}"));
                let is_last = |(field, event): (&String, &Value)| {
                    !NOT_FLUSHED.contains(&field.as_str()) && position(&event["cursor"]) > before
                };
                if events.iter().any(is_last) {
                    done.insert(message["id"].to_string());
                }
                texts.push(message["payload"].to_string());
            }
        }
        texts
    }

    /// All events so far, as this user may see them now.
    async fn replayed(&mut self, token: &SecretString) -> Vec<String> {
        let begin = self.start_cursor().await;
        let sockets = self.subscribe(token, &begin).await;
        self.flush(sockets).await
    }

    async fn fetch(&self, address: &str) -> StatusCode {
        let path = address.strip_prefix(PUBLIC_URL).unwrap();
        self.app.http.get(self.app.url(path)).send().await.unwrap().status()
    }

    /// Asserts that the user sees everything of the cases; returns the URLs of their recordings.
    async fn assert_access(&mut self, token: &SecretString, marks: &[&str]) -> Vec<String> {
        let (asked, replayed) = (self.all_responses(token).await, self.replayed(token).await);
        for case in marks.iter().map(|mark| Case::of(mark)) {
            for canary in case.canaries().iter().map(String::as_str).chain([RECORDING_PATH]) {
                for (how, texts) in [("queries", &asked), ("replayed events", &replayed)] {
                    assert!(texts.iter().any(|text| text.contains(canary)), "{canary} is missing from the {how}");
                }
            }
        }
        // Notifications are visible only to their user, so their ids are collected here.
        for text in asked.iter().filter(|text| text.starts_with("{\"data\"")) {
            collect(&serde_json::from_str(text).unwrap(), &mut self.ids);
        }
        let urls = asked.iter().flat_map(|text| text.split('"')).filter(|text| text.contains(RECORDING_PATH));
        let urls: BTreeSet<String> = urls.map(str::to_owned).collect();
        for url in &urls {
            assert_eq!(self.fetch(url).await, StatusCode::OK, "{url}");
        }
        urls.into_iter().collect()
    }

    /// Asserts that a user has access, then runs `revoke` and asserts that the user sees nothing more.
    async fn assert_access_ends(&mut self, user: &str, marks: &[&str], revoke: impl AsyncFnOnce(&TestApp)) {
        let token = self.app.token("acme", user);
        let urls = self.assert_access(&token, marks).await;
        let now = self.app.cursor(&token).await;
        let live = self.subscribe(&token, &now).await;
        revoke(&self.app).await;
        for case in &CASES {
            case.create_events(&self.app, 1).await;
        }
        let mut texts = self.flush(live).await;
        texts.extend(self.replayed(&token).await);
        texts.extend(self.all_responses(&token).await);
        let found = "{ contacts(search: \"zq\") { totalCount } threads(filter: {search: \"zq\"}) { totalCount } }";
        let none = json!({"data": {"contacts": {"totalCount": 0}, "threads": {"totalCount": 0}}});
        assert_eq!(self.ask(&token, found, json!({})).await, none);
        for url in urls {
            assert_eq!(self.fetch(&url).await, StatusCode::NOT_FOUND, "{url}");
        }
        let thread = self.app.thread_of(&format!("SM{}0", marks[0])).await.id.to_string();
        texts.extend(self.mutations(&token, &thread, &now).await);
        assert_no_canary(&texts);
    }
}

fn position(cursor: &Value) -> i64 {
    cursor.as_str().unwrap().parse::<Cursor>().unwrap().position
}

fn assert_no_canary(texts: &[String]) {
    let canaries = CASES.iter().flat_map(|case| [case.mark, case.phone]).chain([QUARANTINED_BODY, RECORDING_PATH]);
    let shown = canaries.flat_map(|canary| texts.iter().filter(move |text| text.contains(canary)));
    let shown: Vec<_> = shown.map(|text| format!("{text:.1000}")).take(5).collect();
    assert!(shown.is_empty(), "{}", shown.join("\n"));
}

/// Applies a change to the agency's directory.
async fn apply(app: &TestApp, agency: &str) {
    app.apply(&format!("agencies: [{{key: acme, {agency}}}]")).await;
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_user_who_was_removed_from_the_pool_sees_nothing_more() {
    let mut site = Site::start().await;
    let ana = site.ana.clone();
    site.assert_access_ends("ben", &["zqdesk"], async |app| {
        let (number, user) = (app.number_id("acme", DESK).await, app.user_id("acme", "ben").await);
        let remove = "mutation($number: ID!, $user: ID!) {
            removePoolMember(input: {phoneNumberId: $number, userId: $user}) { userErrors { message } } }";
        assert_accepted(&app.graphql(&ana, remove, json!({"number": number, "user": user})).await);
    })
    .await;
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_user_whose_extension_is_deactivated_or_reassigned_sees_nothing_more_of_it() {
    let mut site = Site::start().await;
    let ana = site.ana.clone();
    let extension = async |app: &TestApp, digits: &str| {
        let directory = app.directory("acme").await;
        directory.extensions.iter().find(|row| row.digits == digits).unwrap().id.to_string()
    };
    site.assert_access_ends("dev", &["zqdev"], async |app| {
        let deactivate = "mutation($id: ID!) {
            deactivateExtension(input: {extensionId: $id}) { userErrors { message } } }";
        assert_accepted(&app.graphql(&ana, deactivate, json!({"id": extension(app, "101").await})).await);
    })
    .await;
    site.assert_access_ends("gus", &["zqgus"], async |app| {
        let update = "mutation($id: ID!, $user: ID!) {
            updateExtension(input: {extensionId: $id, userId: $user}) { userErrors { message } } }";
        let variables = json!({"id": extension(app, "103").await, "user": app.user_id("acme", "chloe").await});
        assert_accepted(&app.graphql(&ana, update, variables).await);
    })
    .await;
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_user_who_transfers_their_thread_sees_nothing_more_of_it() {
    let mut site = Site::start().await;
    let ana = site.ana.clone();
    site.assert_access_ends("fay", &["zqnurses"], async |app| {
        let chloe = app.user_id("acme", "chloe").await;
        transfer(app, &ana, "zqnurses", &chloe).await;
    })
    .await;
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_former_provider_and_a_former_default_user_see_nothing_more() {
    let mut site = Site::start().await;
    site.assert_access_ends("pia", &["zqprovider"], async |app| {
        apply(app, "contacts: [{phone: \"+13035560105\", name: zqprovider Ruiz, provider: chloe}]").await;
    })
    .await;
    site.assert_access_ends("ulf", &["zqdefault"], async |app| apply(app, "defaultUser: chloe").await).await;
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_former_admin_sees_nothing_more() {
    let mut site = Site::start().await;
    let marks: Vec<_> = CASES.iter().map(|case| case.mark).collect();
    site.assert_access_ends("abe", &marks, async |app| apply(app, "users: [{key: abe, role: MEMBER}]").await).await;
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_deactivated_user_gets_no_data_at_all() {
    let mut site = Site::start().await;
    let eve = site.app.token("acme", "eve");
    let urls = site.assert_access(&eve, &["zqdesk"]).await;
    let now = site.app.cursor(&eve).await;
    let live = site.subscribe(&eve, &now).await;
    apply(&site.app, "users: [{key: eve, active: false}]").await;
    Case::of("zqdesk").create_events(&site.app, 1).await;
    let mut texts = Vec::new();
    for (mut socket, _) in live {
        let closed = loop {
            match socket.next().await {
                Ok(message) => texts.push(message.to_string()),
                Err(closed) => break closed,
            }
        };
        assert_eq!(closed, Closed(Some(4403)));
    }
    let documents = site.roots.iter().chain(site.nodes.values().flatten());
    let id = &site.ids["Thread"].first().unwrap();
    for document in documents {
        let answer = site.app.graphql(&eve, document, json!({"id": id})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAUTHENTICATED", "{answer}");
        texts.push(answer.to_string());
    }
    for url in urls {
        assert_eq!(site.fetch(&url).await, StatusCode::NOT_FOUND, "{url}");
    }
    assert_no_canary(&texts);
}
