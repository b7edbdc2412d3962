//! One execution serves many subscribers, and no subscriber gets data of another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use partyline::events::Subscription;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::directory::DESK;
use crate::support::socket::Socket;
use crate::support::{TestApp, wait};

/// The depth of the complete selection below the event.
const DEPTH: usize = 4;

/// A complete selection of a type to this depth: all fields without required arguments, and one row of each list with
/// pages.
struct CompleteSelection {
    /// Fields by type: name, result type, and whether the field takes `first`.
    fields: BTreeMap<String, Vec<(String, String, bool)>>,
}

impl CompleteSelection {
    async fn of(app: &TestApp, token: &SecretString) -> Self {
        let query = "{ __schema { types { name kind fields { name args { name type { kind } defaultValue }
            type { ...T ofType { ...T ofType { ...T ofType { ...T } } } } } } } }
            fragment T on __Type { name kind }";
        let answer = app.graphql(token, query, json!({})).await;
        let types = answer["data"]["__schema"]["types"].as_array().unwrap_or_else(|| panic!("{answer}"));
        let mut fields = BTreeMap::new();
        for each in types.iter().filter(|each| each["fields"].is_array()) {
            let own = each["fields"].as_array().unwrap().iter().filter_map(|field| {
                let args = field["args"].as_array().unwrap();
                let needs = args.iter().any(|arg| arg["type"]["kind"] == "NON_NULL" && arg["defaultValue"].is_null());
                let mut named = &field["type"];
                while !named["ofType"].is_null() {
                    named = &named["ofType"];
                }
                let paged = args.iter().any(|arg| arg["name"] == "first");
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                // A union has no fields of its own.
                (!needs && named["kind"] != "UNION").then(|| (text(&field["name"]), text(&named["name"]), paged))
            });
            fields.insert(each["name"].as_str().unwrap().to_owned(), own.collect());
        }
        Self { fields }
    }

    /// The complete selection of a type in several parts, one per level of nesting, because the cost of a subscription
    /// document is limited.
    fn selections(&self, of: &str, depth: usize) -> Vec<String> {
        // `cursor` is skipped and `edges` repeats `nodes`.
        let fields = self.fields[of].iter().filter(|(name, _, _)| name != "edges");
        let (objects, dropped): (Vec<_>, Vec<_>) =
            fields.partition(|(_, comes_to, _)| self.fields.contains_key(comes_to));
        let mut selections = vec![dropped.iter().map(|(name, _, _)| name.as_str()).collect::<Vec<_>>().join(" ")];
        for (name, comes_to, paged) in objects.into_iter().filter(|_| depth > 0) {
            let arguments = if *paged { "(first: 1)" } else { "" };
            let inner = self.selections(comes_to, depth - 1).into_iter();
            selections.extend(inner.map(|inner| format!("{name}{arguments} {{ {inner} }}")));
        }
        selections.retain(|selection| !selection.is_empty());
        selections
    }
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn subscriptions_deliver_exactly_what_the_user_can_query() {
    let app = TestApp::start().await;
    let tokens = ["ana", "ben", "chloe"].map(|user| app.token("acme", user));
    let complete = CompleteSelection::of(&app, &tokens[0]).await;
    // The subscribers differ in everything that can differ: read state, own phone, and visible threads.
    app.text("+13035560001", DESK, "for all to see").await;
    app.text("+13035560001", crate::support::directory::NURSES, "not for Ben").await;
    let threads = app.all_threads(&tokens[1]).await;
    let read = "mutation($thread: ID!) { markThreadRead(input: {threadId: $thread}) { userErrors { code } } }";
    app.graphql(&tokens[1], read, json!({"thread": threads[0]})).await;

    // One part of the fields at a time, because requests are limited.
    let mut differ = 0;
    let (mut tested, mut too_complex) = (0, 0);
    'selections: for selection in complete.selections("Thread", DEPTH - 1) {
        let subscription = format!(
            "subscription($after: EventCursor) {{ threadUpdated(after: $after) {{ thread {{ id {selection} }} }} }}"
        );
        let after = app.cursor(&tokens[0]).await;
        let mut sockets: Vec<Socket> = Vec::new();
        // Ben twice, so that at least his two subscriptions share an execution.
        for token in [&tokens[0], &tokens[1], &tokens[2], &tokens[1]] {
            let mut socket = app.socket(token).await;
            socket.subscribe("1", &subscription, json!({"after": after})).await;
            // Lists within lists exceed the limit of a subscription. The refusal comes before this answer.
            socket.subscribe("2", "{ viewer { key } }", json!({})).await;
            let first = socket.next().await.unwrap();
            if first["payload"][0]["extensions"]["code"] == "QUERY_TOO_COMPLEX" {
                too_complex += 1;
                continue 'selections;
            }
            assert_eq!((&first["id"], &first["type"]), (&json!("2"), &json!("next")), "{selection}: {first}");
            assert_eq!(socket.next().await.unwrap()["type"], "complete");
            sockets.push(socket);
        }
        tested += 1;
        app.text("+13035560001", DESK, format!("about {selection}")).await;
        let mut shown = Vec::new();
        for (socket, token) in sockets.iter_mut().zip([&tokens[0], &tokens[1], &tokens[2], &tokens[1]]) {
            let event = socket.event().await;
            let asked = app
                .graphql(
                    token,
                    &format!("query($id: ID!) {{ node(id: $id) {{ ... on Thread {{ id {selection} }} }} }}"),
                    json!({"id": threads[0]}),
                )
                .await;
            assert!(asked["data"]["node"].is_object(), "{selection}: {asked}");
            assert_eq!(event["threadUpdated"]["thread"], asked["data"]["node"], "{selection}");
            shown.push(event["threadUpdated"]["thread"].clone());
        }
        differ += usize::from(shown[1] != shown[2]);
    }
    assert!(tested > 2 * too_complex, "{tested} selections tested, {too_complex} too complex");
    // unreadCount, the threads of the contact, and everything that leads to a user's phone.
    assert!(differ >= 3, "only {differ} fields differ between two members");
}

#[tokio::test]
async fn one_execution_serves_all_subscribers_with_the_same_result() {
    let app = TestApp::start().await;
    let plain = "subscription($after: EventCursor) { inboundMessage(after: $after) { message { body }
        thread { contact { name phone } lastMessage { body } } } }";
    let mut costs = Vec::new();
    for subscribers in [1, 20] {
        let mut sockets = Vec::new();
        for n in 0..subscribers {
            let token = app.token("acme", ["ben", "chloe"][n % 2]);
            let after = app.cursor(&token).await;
            let mut socket = app.socket(&token).await;
            socket.subscribe("1", plain, json!({"after": after})).await;
            sockets.push(socket);
        }
        // The first text brings all subscribers up to date; afterwards, only the event itself costs statements.
        for body in ["the first", "the second"] {
            let before = app.services().database.statements();
            app.text("+13035560001", DESK, body).await;
            for socket in &mut sockets {
                assert_eq!(socket.event().await["inboundMessage"]["message"]["body"], body);
            }
            if body == "the second" {
                costs.push(app.services().database.statements() - before);
            }
        }
    }
    assert_eq!(costs[0], costs[1], "statements for one subscriber and for twenty");
}

/// The document of a live list: no field of it depends on the viewer.
const LIVE_LIST: &str = "subscription($after: EventCursor) { threadUpdated(after: $after) { cursor replayed threadId change
    item { __typename ... on Message { id body status createdAt } ... on Call { id status } ... on ThreadActivity { id kind } }
    thread { id status revision inboundCount answeredCount needsReply waitingSince lastMessageAt lastActivityAt
        phoneNumber { id label } contact { id address name } assignee { id name } lastMessage { id body status } } } }";

/// The document of a list with the viewer's own unread count and actions.
const VIEWER_LIST: &str = include_str!("documents/shared_viewer_list.graphql");

/// Members of the desk's pool.
const MEMBERS: [&str; 4] = ["ben", "chloe", "eve", "fay"];
/// The maximum number of subscriptions of a socket.
const PER_SOCKET: usize = 32;

/// A server with all [`MEMBERS`]. The documents of one user's subscriptions are limited, so there are several users.
async fn start_with_members() -> TestApp {
    let app = TestApp::start().await;
    let more = "users: [{key: eve, name: Eve}, {key: fay, name: Fay}]";
    let pool = format!("phoneNumbers: [{{number: '{DESK}', pool: [{{user: eve}}, {{user: fay}}]}}]");
    app.apply(&format!("agencies: [{{key: acme, {more}, {pool}}}]")).await;
    app
}

/// Opens sockets of the members in turn, each with this number of subscriptions to a document.
async fn subscribed(app: &TestApp, document: &str, sockets: usize, subscriptions: usize) -> Vec<Socket> {
    let mut open = Vec::new();
    for user in MEMBERS.into_iter().cycle().take(sockets) {
        let token = app.token("acme", user);
        let after = app.cursor(&token).await;
        let mut socket = app.socket(&token).await;
        for n in 0..subscriptions {
            socket.subscribe(&n.to_string(), document, json!({"after": after})).await;
        }
        open.push(socket);
    }
    open
}

/// How often a document was executed for an event since the server started.
async fn executions(app: &TestApp) -> u64 {
    let metrics = app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
    let count = metrics.lines().find_map(|line| line.strip_prefix("partyline_subscription_executions_total "));
    count.unwrap_or_else(|| panic!("{metrics}")).parse().unwrap()
}

/// Receives a text, waits until every subscription has its event, and returns the number of executions and statements.
async fn cost_of_text(app: &TestApp, sockets: &mut [Socket], subscriptions: usize, body: &str) -> (u64, u64) {
    let executed = executions(app).await;
    let before = app.services().database.statements();
    app.text("+13035560001", DESK, body).await;
    for socket in sockets {
        for _ in 0..subscriptions {
            assert_eq!(socket.event().await["threadUpdated"]["item"]["body"], body);
        }
    }
    let statements = app.services().database.statements() - before;
    (executions(app).await - executed, statements)
}

#[tokio::test]
async fn a_thousand_subscribers_of_a_live_list_share_one_execution_per_event() {
    const SOCKETS: usize = 32;
    let app = start_with_members().await;
    let mut costs = Vec::new();
    for (count, subscriptions) in [(2, 1), (SOCKETS, PER_SOCKET)] {
        let mut sockets = subscribed(&app, LIVE_LIST, count, subscriptions).await;
        // The first text brings all subscribers up to date; afterwards, only the event itself costs anything.
        cost_of_text(&app, &mut sockets, subscriptions, "the first").await;
        let (executed, statements) = cost_of_text(&app, &mut sockets, subscriptions, "the second").await;
        assert_eq!(executed, 1, "executions for {} subscriptions", count * subscriptions);
        costs.push(statements);
    }
    // The contact and the last message are read once per execution.
    assert_eq!(costs[0], costs[1], "statements for 2 subscriptions and for {}", SOCKETS * PER_SOCKET);
}

#[tokio::test]
async fn a_document_that_depends_on_the_viewer_is_executed_once_per_user() {
    let app = start_with_members().await;
    // Each member has two sockets.
    let mut sockets = subscribed(&app, VIEWER_LIST, 2 * MEMBERS.len(), PER_SOCKET).await;
    // An execution for the first text shows that the responses depend on the viewer; later ones are not shared between
    // users.
    cost_of_text(&app, &mut sockets, PER_SOCKET, "the first").await;
    for body in ["the second", "the third"] {
        let (executed, _) = cost_of_text(&app, &mut sockets, PER_SOCKET, body).await;
        assert_eq!(usize::try_from(executed).unwrap(), MEMBERS.len(), "executions for {body}");
    }
}

#[tokio::test]
async fn simultaneous_subscriptions_share_a_query_of_the_log() {
    const SUBSCRIBERS: u64 = 50;
    let app = TestApp::start().await;
    app.text("+13035560001", DESK, "before").await;
    let (agency, feeds) = (app.agency("acme").await, &app.services().feeds);
    let before = app.services().database.statements();
    let starting = (0..SUBSCRIBERS).map(|_| Subscription::begin(Arc::clone(feeds), agency, None));
    let mut subscribers: Vec<Subscription> =
        join_all(starting).await.into_iter().map(|begun| begun.ok().unwrap()).collect();
    for subscriber in &mut subscribers {
        assert!(poll!(Box::pin(subscriber.next())).is_pending(), "the subscription waits for new events");
    }
    let cost = app.services().database.statements() - before;
    assert!(cost < SUBSCRIBERS, "{cost} statements for {SUBSCRIBERS} simultaneous subscriptions");
    app.text("+13035560001", DESK, "after").await;
    let events = join_all(subscribers.iter_mut().map(Subscription::next)).await;
    let positions: BTreeSet<i64> = events.into_iter().map(|event| event.unwrap().event.position).collect();
    assert_eq!(positions.len(), 1, "all subscribers get the later event");
}

#[tokio::test]
async fn simultaneous_requests_share_a_query_of_the_directory() {
    let app = TestApp::start().await;
    let (agency, directories) = (app.agency("acme").await, &app.services().directories);
    // The request that runs the query is dropped; another one then takes over.
    let dropped = loop {
        app.clock.advance(Duration::from_secs(2));
        let mut dropped = Box::pin(directories.get(agency));
        // The database may respond before the first poll returns.
        if poll!(&mut dropped).is_pending() {
            break dropped;
        }
    };
    let before = app.services().database.statements();
    let mut others = Box::pin(join_all((0..50).map(|_| directories.get(agency))));
    assert!(poll!(&mut others).is_pending());
    drop(dropped);
    let found = wait::within("the directory", others).await;
    assert!(found.into_iter().all(|directory| directory.unwrap().unwrap().agency_id() == agency));
    let cost = app.services().database.statements() - before;
    assert!(cost <= 2, "{cost} statements for 51 simultaneous requests");
}

#[tokio::test]
async fn users_who_may_not_see_a_thread_get_no_shared_event() {
    let app = TestApp::start().await;
    let query = "subscription($after: EventCursor) { inboundMessage(after: $after) { message { body } } }";
    let mut sockets = Vec::new();
    for (agency, user) in [("acme", "ana"), ("acme", "ben"), ("acme", "chloe"), ("acme", "dev"), ("other", "olga")] {
        let token = app.token(agency, user);
        let mut socket = app.socket(&token).await;
        socket.subscribe("1", query, json!({"after": app.cursor(&token).await})).await;
        sockets.push((user, socket));
    }
    let nurses = crate::support::directory::NURSES;
    for (to, body) in [(DESK, "desk"), (nurses, "nurses")] {
        app.text("+13035560001", to, body).await;
    }
    let other = crate::support::Text::new("SMshared");
    let account = (crate::support::directory::OTHER_ACCOUNT, crate::support::directory::OTHER_TOKEN);
    app.receive(other.account(account.0, account.1).to(crate::support::directory::OTHER).body("other")).await;
    for (user, socket) in &mut sockets {
        let expected: &[&str] = match *user {
            "ana" | "chloe" => &["desk", "nurses"],
            "ben" => &["desk"],
            "dev" => &["nurses"],
            _ => &["other"],
        };
        for body in expected {
            assert_eq!(socket.event().await["inboundMessage"]["message"]["body"], *body, "{user}");
        }
        // No other event was sent, because the response to a query comes next.
        socket.subscribe("2", "{ viewer { key } }", json!({})).await;
        assert_eq!(socket.event().await["viewer"]["key"], *user);
    }
}
