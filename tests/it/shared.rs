//! One execution for many subscribers: nobody gets what is another's.

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

/// How deep the selection of everything goes below the event.
const DEPTH: usize = 4;

/// Everything that can be selected of a type, written out to this depth: fields that need no argument,
/// of lists with pages one row.
struct Everything {
    /// Fields by type: name, the type it comes to, whether it takes `first`.
    fields: BTreeMap<String, Vec<(String, String, bool)>>,
}

impl Everything {
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
                (!needs).then(|| (text(&field["name"]), text(&named["name"]), paged))
            });
            fields.insert(each["name"].as_str().unwrap().to_owned(), own.collect());
        }
        Self { fields }
    }

    /// Everything of a type in several selections, because a subscription document may cost little: the fields without
    /// fields of their own at each place of the tree.
    fn selections(&self, of: &str, depth: usize) -> Vec<String> {
        // A cursor of a list says nothing new, and `edges` repeats `nodes`.
        let fields = self.fields[of].iter().filter(|(name, _, _)| name != "edges");
        let (objects, leaves): (Vec<_>, Vec<_>) =
            fields.partition(|(_, comes_to, _)| self.fields.contains_key(comes_to));
        let mut selections = vec![leaves.iter().map(|(name, _, _)| name.as_str()).collect::<Vec<_>>().join(" ")];
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
async fn everybody_is_shown_exactly_what_they_may_ask_for() {
    let app = TestApp::start().await;
    let tokens = ["ana", "ben", "chloe"].map(|user| app.token("acme", user));
    let everything = Everything::of(&app, &tokens[0]).await;
    // They differ in all that can differ: what each has read, whose phone is whose, who sees which threads.
    app.text("+13035560001", DESK, "for all to see").await;
    app.text("+13035560001", crate::support::directory::NURSES, "not for Ben").await;
    let threads = app.all_threads(&tokens[1]).await;
    let read = "mutation($thread: ID!) { markThreadRead(input: {threadId: $thread}) { userErrors { code } } }";
    app.graphql(&tokens[1], read, json!({"thread": threads[0]})).await;

    // The fields are taken some at a time, so that no bound of one request is met.
    let mut differ = 0;
    // Pages of each thread of a contact cost more than a subscription document may.
    let is_allowed =
        |selection: &String| !(selection.starts_with("contact { threads {") && selection.contains("(first: 1)"));
    for selection in everything.selections("Thread", DEPTH - 1).into_iter().filter(is_allowed) {
        let subscription = format!(
            "subscription($after: EventCursor) {{ threadUpdated(after: $after) {{ thread {{ id {selection} }} }} }}"
        );
        let after = app.cursor(&tokens[0]).await;
        let mut sockets: Vec<Socket> = Vec::new();
        // Ben twice: he must share, at least with himself.
        for token in [&tokens[0], &tokens[1], &tokens[2], &tokens[1]] {
            let mut socket = app.socket(token).await;
            socket.subscribe("1", &subscription, json!({"after": after})).await;
            sockets.push(socket);
        }
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
    // unreadCount; contact, by its threads; whatever leads to a user's phone.
    assert!(differ >= 3, "only {differ} fields differ between two members");
}

#[tokio::test]
async fn one_execution_serves_all_who_would_get_the_same() {
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
        // The first text finds each of them where it waits: afterwards only the event costs anything.
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

#[tokio::test]
async fn many_who_subscribe_at_once_share_a_look_at_the_log() {
    const SUBSCRIBERS: u64 = 50;
    let app = TestApp::start().await;
    app.text("+13035560001", DESK, "before").await;
    let (agency, feeds) = (app.agency("acme").await, &app.services().feeds);
    let before = app.services().database.statements();
    let beginning = (0..SUBSCRIBERS).map(|_| Subscription::begin(Arc::clone(feeds), agency, None));
    let mut subscribers: Vec<Subscription> =
        join_all(beginning).await.into_iter().map(|begun| begun.ok().unwrap()).collect();
    for subscriber in &mut subscribers {
        assert!(poll!(Box::pin(subscriber.next())).is_pending(), "they follow from now on");
    }
    let cost = app.services().database.statements() - before;
    assert!(cost < SUBSCRIBERS, "{cost} statements for {SUBSCRIBERS} who begin at once");
    app.text("+13035560001", DESK, "after").await;
    let events = join_all(subscribers.iter_mut().map(Subscription::next)).await;
    let positions: BTreeSet<i64> = events.into_iter().map(|event| event.unwrap().event.position).collect();
    assert_eq!(positions.len(), 1, "all get the event that came after");
}

#[tokio::test]
async fn many_who_need_the_directory_at_once_share_a_look_at_it() {
    let app = TestApp::start().await;
    let (agency, directories) = (app.agency("acme").await, &app.services().directories);
    // Who looks for all may leave: then another one does.
    let leaves = loop {
        app.clock.advance(Duration::from_secs(2));
        let mut leaves = Box::pin(directories.get(agency));
        // A database may answer before it is waited for.
        if poll!(&mut leaves).is_pending() {
            break leaves;
        }
    };
    let before = app.services().database.statements();
    let mut others = Box::pin(join_all((0..50).map(|_| directories.get(agency))));
    assert!(poll!(&mut others).is_pending());
    drop(leaves);
    let found = wait::within("the directory", others).await;
    assert!(found.into_iter().all(|directory| directory.unwrap().unwrap().agency_id() == agency));
    let cost = app.services().database.statements() - before;
    assert!(cost <= 2, "{cost} statements for 51 who ask at once");
}

#[tokio::test]
async fn who_may_not_see_a_thread_gets_nothing_of_what_is_shared() {
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
        // Nothing else is on its way: the answer to a query comes next.
        socket.subscribe("2", "{ viewer { key } }", json!({})).await;
        assert_eq!(socket.event().await["viewer"]["key"], *user);
    }
}
