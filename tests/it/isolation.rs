//! Ids of another agency behave like ids that do not exist. So do threads that a user cannot see.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use partyline::domain::access::{ThreadRelation, is_handler};
use partyline::service::Viewer;
use partyline::store::stand_ins::StandIns;
use partyline::store::threads;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::directory::{AGENCIES, DESK, EMPTY, OTHER, OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::socket::Socket;
use crate::support::{TestApp, Text};
use crate::variables::Site;
use crate::variables::operations::id_operations;

/// All ids that an admin can find, by the name of their placeholder.
async fn ids_of(app: &TestApp, token: &SecretString) -> Vec<(String, String)> {
    let everything = "{
        agency { id }
        users(first: 100) { nodes { id } }
        phoneNumbers { nodes { id pool { id assignments { id } } } }
        extensions { nodes { id } }
        contacts { nodes { id } }
        threads { nodes { id messages { nodes { id media { id } } } activity { nodes { id } } } }
        notifications { nodes { id } }
        calls { nodes { id voicemail { id } voicemails { id } } }
        quarantinedMessages { nodes { id } }
    }";
    let answer = app.graphql(token, everything, json!({})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    let mut ids = BTreeSet::new();
    collect(&answer["data"], &mut ids);
    ids.into_iter().map(|id| (id.split('_').next().unwrap().to_owned(), id)).collect()
}

fn collect(value: &Value, ids: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            ids.extend(map.get("id").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| collect(value, ids));
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, ids)),
        _ => {}
    }
}

/// An id of the same type that does not exist.
fn unknown_id(id: &str) -> String {
    let (prefix, _) = id.split_once('_').unwrap();
    format!("{prefix}_0192f000700080008000000000000000")
}

/// The nodes of the other agency, whose admin is the intruder.
async fn intrude(site: &Site) -> (SecretString, BTreeMap<String, Value>) {
    let (_, other) = AGENCIES.split_once("  - key: other").unwrap();
    site.app.apply(&format!("agencies:\n  - key: other{other}")).await;
    site.app.receive(Text::new("SMother").account(OTHER_ACCOUNT, OTHER_TOKEN).to(OTHER)).await;
    let olga = site.app.token("other", "olga");
    let mut own = BTreeMap::new();
    for (prefix, id) in ids_of(&site.app, &olga).await {
        let kind = match prefix.as_str() {
            "agy" => "Agency",
            "usr" => "User",
            "num" => "PhoneNumber",
            "thr" => "Thread",
            "msg" => "Message",
            "con" => "Contact",
            _ => continue,
        };
        own.insert(kind.to_owned(), json!(id));
    }
    assert_eq!(own.len(), 6, "{own:?}");
    (olga, own)
}

#[tokio::test]
async fn ids_of_another_agency_behave_like_unknown_ids() {
    let site = Site::start().await;
    let (olga, own) = intrude(&site).await;
    let before = site.app.graphql(&site.ana, SNAPSHOT, json!({})).await;
    let operations = id_operations(&site, &own);
    assert!(operations.len() >= 35, "{} operations take an id", operations.len());
    for operation in operations.iter().filter(|operation| operation.root != "Subscription") {
        let theirs = site.app.graphql(&olga, &operation.document(&operation.id), json!({})).await;
        let unknown = site.app.graphql(&olga, &operation.document(&unknown_id(&operation.id)), json!({})).await;
        assert_eq!(theirs, unknown, "{} with {}", operation.field, operation.path);
    }
    for id in site.nodes.values().filter_map(Value::as_str) {
        let query = "query($id: ID!) { node(id: $id) { __typename id } }";
        let theirs = site.app.graphql(&olga, query, json!({"id": id})).await;
        assert_eq!(theirs, json!({"data": {"node": null}}), "{id}");
    }
    let after = site.app.graphql(&site.ana, SNAPSHOT, json!({})).await;
    assert_eq!(before, after, "a user of another agency changed data");
}

#[tokio::test]
async fn a_subscription_to_an_id_of_another_agency_delivers_as_much_as_to_an_unknown_id() {
    let site = Site::start().await;
    let (olga, own) = intrude(&site).await;
    let operations = id_operations(&site, &own);
    let subscriptions = operations.iter().filter(|operation| operation.root == "Subscription");
    let mut sockets = Vec::new();
    for operation in subscriptions {
        let (mut theirs, mut unknown) = (site.app.socket(&olga).await, site.app.socket(&olga).await);
        theirs.subscribe("1", &operation.document(&operation.id), json!({})).await;
        unknown.subscribe("1", &operation.document(&unknown_id(&operation.id)), json!({})).await;
        sockets.push((operation, theirs, unknown));
    }
    assert!(!sockets.is_empty());
    let thread = site.nodes["Thread"].as_str().unwrap();
    let claim = format!("mutation {{ claimThread(input: {{threadId: \"{thread}\"}}) {{ userErrors {{ code }} }} }}");
    site.app.graphql(&site.ana, &claim, json!({})).await;
    let presence = "mutation($id: ID!) { setPresence(input: {threadId: $id, state: VIEWING}) { userErrors { code } } }";
    site.app.graphql(&site.ana, presence, json!({"id": thread})).await;
    site.app.text("+13035560001", DESK, "not for another agency").await;
    site.app.clock.advance(Duration::from_secs(1));
    for (operation, theirs, unknown) in &mut sockets {
        let (theirs, unknown) = (events_so_far(theirs).await, events_so_far(unknown).await);
        assert_eq!(theirs, unknown, "{} with {}", operation.field, operation.path);
    }
}

/// The events before the response to a query that is sent now.
async fn events_so_far(socket: &mut Socket) -> Vec<Value> {
    socket.subscribe("2", "{ viewer { key } }", json!({})).await;
    let mut events = Vec::new();
    loop {
        let event = socket.event().await;
        if event.get("viewer").is_some() {
            return events;
        }
        events.push(event);
    }
}

const SNAPSHOT: &str = include_str!("documents/isolation_snapshot.graphql");

#[tokio::test]
async fn a_cursor_of_another_agency_is_refused() {
    let app = TestApp::start().await;
    let ours = app.graphql(&app.token("acme", "ana"), "{ eventCursor }", json!({})).await;
    let cursor = ours["data"]["eventCursor"].as_str().unwrap().to_owned();
    let mut socket = app.socket(&app.token("other", "olga")).await;
    let query = "subscription($after: EventCursor) { threadUpdated(after: $after) { cursor } }";
    socket.subscribe("1", query, json!({"after": cursor})).await;
    let answer = socket.next().await.unwrap();
    assert_eq!(answer["type"], "error", "{answer}");
    assert_eq!(answer["payload"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
}

#[tokio::test]
async fn a_thread_does_not_exist_for_a_member_outside_its_pool() {
    let app = TestApp::start().await;
    app.populate().await;
    let ids = ids_of(&app, &app.token("acme", "ana")).await;
    let outsider = app.token("acme", "dev");
    for kind in ["thr", "msg", "act", "con", "ntf", "qtn", "med", "cal", "vml"] {
        for (_, id) in ids.iter().filter(|(found, _)| found == kind) {
            let answer = app.graphql(&outsider, "query($id: ID!) { node(id: $id) { id } }", json!({"id": id})).await;
            assert_eq!(answer, json!({"data": {"node": null}}), "{id}");
        }
    }
    let lists = "{ threads { totalCount } contacts { totalCount } notifications { totalCount } calls { totalCount }
        threadCounts { mine unclaimed open closed } }";
    let seen = app.graphql(&outsider, lists, json!({})).await;
    let none = json!({"data": {
        "threads": {"totalCount": 0}, "contacts": {"totalCount": 0}, "notifications": {"totalCount": 0},
        "calls": {"totalCount": 0},
        "threadCounts": {"mine": 0, "unclaimed": 0, "open": 0, "closed": 0},
    }});
    assert_eq!(seen, none);
}

#[tokio::test]
async fn operations_on_a_hidden_thread_behave_as_on_an_unknown_one() {
    let site = Site::start().await;
    // Not in the pool of the front desk.
    let outsider = site.app.token("acme", "dev");
    let operations = id_operations(&site, &BTreeMap::new());
    let mut tested = 0;
    for operation in operations.iter().filter(|operation| operation.id.starts_with("thr_")) {
        let hidden = site.app.graphql(&outsider, &operation.document(&operation.id), json!({})).await;
        let unknown = site.app.graphql(&outsider, &operation.document(&unknown_id(&operation.id)), json!({})).await;
        assert_eq!(hidden, unknown, "{} with {}", operation.field, operation.path);
        tested += 1;
    }
    assert!(tested > 8, "{tested} operations take a thread");
}

#[tokio::test]
async fn members_see_names_but_no_phones() {
    let app = TestApp::start().await;
    app.populate().await;
    let ben = app.token("acme", "ben");
    let users = app.graphql(&ben, "{ viewer { key } users { nodes { key name phone } }}", json!({})).await;
    for user in users["data"]["users"]["nodes"].as_array().unwrap() {
        assert!(user["name"].is_string());
        assert!(user["phone"].is_null() || user["key"] == "ben", "{user}");
    }
}

#[tokio::test]
async fn members_cannot_change_the_directory() {
    // What a member may do: text and call in visible threads, and change what is their own.
    const ALLOWED: [&str; 22] = [
        "abandonMessage",
        "cancelMessage",
        "claimThread",
        "closeThread",
        "discardDraft",
        "markNotificationsRead",
        "markThreadRead",
        "markThreadUnread",
        "markVoicemailHandled",
        "markVoicemailListened",
        "releaseThread",
        "reopenThread",
        "resendMessage",
        "saveDraft",
        "sendMessage",
        "setAvailability",
        "setPresence",
        "startCall",
        "startThread",
        "transferThread",
        "startPhoneVerification",
        "updateContact",
    ];
    let site = Site::start().await;
    let ben = site.app.token("acme", "ben");
    let mut refused = Vec::new();
    for operation in id_operations(&site, &BTreeMap::new()) {
        if operation.root != "Mutation" || ALLOWED.contains(&operation.field.as_str()) {
            continue;
        }
        let answer = site.app.graphql(&ben, &operation.document(&operation.id), json!({})).await;
        assert!(answer.to_string().contains("\"FORBIDDEN\""), "{} with {}: {answer}", operation.field, operation.path);
        refused.push(operation.field);
    }
    refused.dedup();
    assert!(refused.len() >= 7, "{refused:?}");
}

#[tokio::test]
async fn the_visibility_rule_in_sql_equals_the_rule_in_the_domain() {
    let app = TestApp::start().await;
    app.populate().await;
    // Dev is Tom's provider and is notified of a text to an empty pool; Ben closes a thread of his own.
    app.text("+13035560002", EMPTY, "for Dev").await;
    app.text("+13035560009", DESK, "#101 for Dev too").await;
    let close = "mutation($thread: ID!) { closeThread(input: {threadId: $thread}) { userErrors { code } } }";
    let bens = app.token("acme", "ben");
    app.graphql(&bens, close, json!({"thread": app.all_threads(&bens).await[1]})).await;
    app.apply("agencies: [{key: acme, users: [{key: chloe, active: false}]}]").await;

    let directory = app.directory("acme").await;
    let agency = directory.agency_id();
    let (mut seen, mut hidden) = (0, 0);
    for user in &directory.users {
        for thread in app.threads(agency).await {
            let stand_ins = StandIns::load(app.db(), &thread).await.unwrap();
            let standing = ThreadRelation {
                active: user.active,
                role: user.role,
                eligible: directory.is_eligible(thread.phone_number_id, user.id),
                assignee: thread.assignee_id == Some(user.id),
                stands_in: stand_ins.include(&directory, user.id),
                status: thread.status,
            };
            let in_sql = match Viewer::of(directory.clone(), user.id) {
                Some(viewer) => threads::visible(app.db(), &viewer.scope(), thread.id).await.unwrap().is_some(),
                None => false,
            };
            assert_eq!(in_sql, is_handler(&standing), "{} and {standing:?}", user.key);
            *if in_sql { &mut seen } else { &mut hidden } += 1;
        }
    }
    assert!(seen > 5 && hidden > 5, "{seen} seen, {hidden} hidden");
}
