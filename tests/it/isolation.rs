//! Ids of another agency behave like ids that do not exist. So do threads that a user cannot see.

use std::collections::BTreeSet;

use partyline::domain::access::{ThreadRelation, is_handler};
use partyline::service::Viewer;
use partyline::store::stand_ins::StandIns;
use partyline::store::threads;
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::TestApp;
use crate::support::directory::{DESK, EMPTY};

/// Every operation that takes an id; `$names` are placeholders for ids. The responses must not depend on whether the
/// ids belong to another agency or do not exist.
const OPERATIONS: [(&str, &str); 31] = [
    ("threads", "query { threads(filter: {phoneNumberId: $number}) { totalCount nodes { id } } }"),
    ("threads by contact", "query { threads(filter: {contactId: $contact}) { totalCount nodes { id } } }"),
    (
        "addPoolMember",
        "mutation { addPoolMember(input: {phoneNumberId: $number, userId: $user}) { assignment { id } userErrors { code message path } } }",
    ),
    (
        "addPoolMember, own number",
        "mutation { addPoolMember(input: {phoneNumberId: $ownNumber, userId: $user}) { assignment { id } userErrors { code message path } } }",
    ),
    (
        "updatePoolMember",
        "mutation { updatePoolMember(input: {phoneNumberId: $number, userId: $user, smsEnabled: false}) { assignment { id } userErrors { code message path } } }",
    ),
    (
        "removePoolMember",
        "mutation { removePoolMember(input: {phoneNumberId: $number, userId: $user}) { assignment { id } userErrors { code message path } } }",
    ),
    (
        "updatePool",
        "mutation { updatePool(input: {phoneNumberId: $number, policy: SHARED}) { pool { id } userErrors { code message path } } }",
    ),
    (
        "createExtension",
        "mutation { createExtension(input: {digits: \"777\", userId: $user}) { extension { id } userErrors { code message path } } }",
    ),
    (
        "createExtension, number",
        "mutation { createExtension(input: {digits: \"777\", userId: $ownUser, phoneNumberId: $number}) { extension { id } userErrors { code message path } } }",
    ),
    (
        "updateExtension",
        "mutation { updateExtension(input: {extensionId: $extension, digits: \"778\"}) { extension { id } userErrors { code message path } } }",
    ),
    (
        "deactivateExtension",
        "mutation { deactivateExtension(input: {extensionId: $extension}) { extension { id } userErrors { code message path } } }",
    ),
    (
        "claimThread",
        "mutation { claimThread(input: {threadId: $thread}) { thread { id } userErrors { code message path } } }",
    ),
    (
        "releaseThread",
        "mutation { releaseThread(input: {threadId: $thread}) { thread { id } userErrors { code message path } } }",
    ),
    (
        "transferThread",
        "mutation { transferThread(input: {threadId: $thread, toUserId: $ownUser}) { thread { id } userErrors { code message path } } }",
    ),
    (
        "closeThread",
        "mutation { closeThread(input: {threadId: $thread}) { thread { id } userErrors { code message path } } }",
    ),
    (
        "reopenThread",
        "mutation { reopenThread(input: {threadId: $thread}) { thread { id } userErrors { code message path } } }",
    ),
    (
        "markThreadRead",
        "mutation { markThreadRead(input: {threadId: $thread}) { thread { id } userErrors { code message path } } }",
    ),
    (
        "markNotificationsRead",
        "mutation { markNotificationsRead(input: {ids: [$notification]}) { notifications { id } userErrors { code message path } } }",
    ),
    (
        "setAvailability",
        "mutation { setAvailability(input: {availability: AVAILABLE}) { user { id } userErrors { code message path } } }",
    ),
    (
        "sendMessage",
        "mutation { sendMessage(input: {threadId: $thread, body: \"x\", idempotencyKey: \"k\"}) { message { id } userErrors { code message path } } }",
    ),
    (
        "sendMessage, last seen",
        "mutation { sendMessage(input: {threadId: $ownThread, body: \"x\", lastSeenMessageId: $message, idempotencyKey: \"l\"}) { message { id } userErrors { code message path } } }",
    ),
    (
        "sendMessage, extension",
        "mutation { sendMessage(input: {threadId: $ownThread, body: \"x\", asExtensionId: $extension, idempotencyKey: \"m\"}) { message { id } userErrors { code message path } } }",
    ),
    (
        "startThread",
        "mutation { startThread(input: {phoneNumberId: $number, to: \"+13035560099\", body: \"x\", idempotencyKey: \"n\"}) { message { id } userErrors { code message path } } }",
    ),
    (
        "resendMessage",
        "mutation { resendMessage(input: {messageId: $message, idempotencyKey: \"o\"}) { message { id } userErrors { code message path } } }",
    ),
    (
        "abandonMessage",
        "mutation { abandonMessage(input: {messageId: $message}) { message { id } userErrors { code message path } } }",
    ),
    (
        "startCall",
        "mutation { startCall(input: {threadId: $thread}) { call { id } userErrors { code message path } } }",
    ),
    (
        "startCall, number",
        "mutation { startCall(input: {phoneNumberId: $number, to: \"+13035560099\"}) { call { id } userErrors { code message path } } }",
    ),
    (
        "markVoicemailListened",
        "mutation { markVoicemailListened(input: {voicemailId: $voicemail}) { call { id } userErrors { code message path } } }",
    ),
    (
        "startPhoneVerification",
        "mutation { startPhoneVerification(input: {phone: \"911\"}) { user { id } userErrors { code message path } } }",
    ),
    (
        "confirmPhoneVerification",
        "mutation { confirmPhoneVerification(input: {code: \"1\"}) { user { id } userErrors { code message path } } }",
    ),
    (
        "setOptOut",
        "mutation { setOptOut(input: {contactId: $contact, optedOut: true, reason: \"said so\"}) { contact { id } userErrors { code message path } } }",
    ),
];

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

/// The document with its placeholders replaced by ids.
fn substitute(document: &str, ids: &[(String, String)], own: &[(String, String)]) -> String {
    let of = |ids: &[(String, String)], prefix: &str| {
        let found = ids.iter().find(|(kind, _)| kind == prefix);
        format!("\"{}\"", found.map(|(_, id)| id.as_str()).unwrap_or_else(|| panic!("no id for {prefix}")))
    };
    let mut document = document.to_owned();
    for (name, prefix) in [("ownNumber", "num"), ("ownUser", "usr"), ("ownThread", "thr")] {
        document = document.replace(&format!("${name}"), &of(own, prefix));
    }
    for (name, prefix) in [
        ("number", "num"),
        ("user", "usr"),
        ("extension", "ext"),
        ("thread", "thr"),
        ("message", "msg"),
        ("contact", "con"),
        ("notification", "ntf"),
        ("voicemail", "vml"),
    ] {
        document = document.replace(&format!("${name}"), &of(ids, prefix));
    }
    document
}

#[test]
fn every_mutation_is_in_the_list() {
    let sdl = partyline::graphql::sdl();
    let (_, mutations) = sdl.split_once("type Mutation {").unwrap();
    let (mutations, _) = mutations.split_once("\n}").unwrap();
    let named = mutations.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix('('));
    let named: Vec<&str> = named.filter(|name| name.bytes().all(|b| b.is_ascii_alphabetic())).collect();
    assert!(named.len() > 20, "too few mutations were found: {named:?}");
    for name in named {
        assert!(OPERATIONS.iter().any(|(operation, _)| *operation == name), "{name} is not tested for isolation");
    }
}

#[tokio::test]
async fn ids_of_another_agency_behave_like_unknown_ids() {
    let app = TestApp::start().await;
    app.populate().await;
    let ours = ids_of(&app, &app.token("acme", "ana")).await;
    let intruder = app.token("other", "olga");
    let own = ids_of(&app, &intruder).await;
    for (_, id) in &ours {
        let ask = |id: String| {
            let intruder = intruder.clone();
            let app = &app;
            async move {
                app.graphql(&intruder, "query($id: ID!) { node(id: $id) { __typename id } }", json!({"id": id})).await
            }
        };
        let theirs = ask(id.clone()).await;
        assert_eq!(theirs, ask(unknown_id(id)).await, "{id}");
        assert_eq!(theirs, json!({"data": {"node": null}}), "{id}");
    }
    let before = app.graphql(&app.token("acme", "ana"), SNAPSHOT, json!({})).await;
    let unknown_ids: Vec<_> = ours.iter().map(|(kind, id)| (kind.clone(), unknown_id(id))).collect();
    for (name, document) in OPERATIONS {
        let theirs = app.graphql(&intruder, &substitute(document, &ours, &own), json!({})).await;
        let missing = app.graphql(&intruder, &substitute(document, &unknown_ids, &own), json!({})).await;
        assert_eq!(theirs, missing, "{name}");
    }
    let after = app.graphql(&app.token("acme", "ana"), SNAPSHOT, json!({})).await;
    assert_eq!(before, after, "a user of another agency changed data");
}

const SNAPSHOT: &str = "{
    users { nodes { id name active availability accessingNumbersCount } }
    phoneNumbers { nodes { id pool { policy assignments { id smsEnabled } } } }
    extensions { nodes { id digits active } }
    threads { nodes { id status assignee { id } unreadCount } }
    notifications { nodes { id readAt resolvedAt } }
    calls { nodes { id status voicemail { listenedAt } } }
    eventCursor
}";

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
    let own = ids_of(&app, &app.token("acme", "ana")).await;
    for kind in ["thr", "msg", "act", "con", "ntf", "qtn", "med", "cal", "vml"] {
        for (_, id) in ids.iter().filter(|(found, _)| found == kind) {
            let answer = app.graphql(&outsider, "query($id: ID!) { node(id: $id) { id } }", json!({"id": id})).await;
            assert_eq!(answer, json!({"data": {"node": null}}), "{id}");
        }
    }
    let unknown_ids: Vec<_> = ids.iter().map(|(kind, id)| (kind.clone(), unknown_id(id))).collect();
    for (name, document) in OPERATIONS.iter().filter(|(_, document)| document.contains("$thread")) {
        let hidden = app.graphql(&outsider, &substitute(document, &ids, &own), json!({})).await;
        let missing = app.graphql(&outsider, &substitute(document, &unknown_ids, &own), json!({})).await;
        assert_eq!(hidden, missing, "{name}");
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
async fn members_see_names_but_no_phones_and_cannot_change_the_directory() {
    let app = TestApp::start().await;
    app.populate().await;
    let ids = ids_of(&app, &app.token("acme", "ana")).await;
    let ben = app.token("acme", "ben");
    let users = app.graphql(&ben, "{ viewer { key } users { nodes { key name phone } }}", json!({})).await;
    for user in users["data"]["users"]["nodes"].as_array().unwrap() {
        assert!(user["name"].is_string());
        assert!(user["phone"].is_null() || user["key"] == "ben", "{user}");
    }
    for (name, document) in OPERATIONS.iter().filter(|(_, document)| !document.contains("$thread")) {
        // A member can text in visible threads and has their own notifications.
        let allowed_to_members = [
            "sendMessage",
            "startThread",
            "resendMessage",
            "abandonMessage",
            "markNot",
            "setAv",
            "startCall",
            "markVoice",
            "startPhone",
            "confirmPhone",
        ];
        if !document.starts_with("mutation") || allowed_to_members.iter().any(|own| name.starts_with(own)) {
            continue;
        }
        let answer = app.graphql(&ben, &substitute(document, &ids, &ids), json!({})).await;
        assert!(answer.to_string().contains("\"FORBIDDEN\""), "{name}: {answer}");
    }
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
            let stand_ins = StandIns::of(app.db(), &thread).await.unwrap();
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
