//! The list of threads: its order, its filters, its counts, and the revisions and counters by which clients keep it
//! current.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::directory::{DESK, NURSES};
use crate::support::{TestApp, Text};

const SHARED: &str = "id status revision inboundCount answeredCount needsReply waitingSince escalatesAt replyBlock
    lastMessageAt lastActivityAt closedAt phoneNumber { id label } contact { id address phone name optedOut }
    assignee { id name } lastAssignee { id } extension { id } lastMessage { id body status failure { reason } }
    optOutHint { id } claimedAt";

/// Receives a text of each of these contacts at the desk, a minute apart, and returns their threads.
async fn threads_of(app: &TestApp, contacts: &[&str]) -> Vec<Value> {
    let mut threads = Vec::new();
    for (n, contact) in contacts.iter().enumerate() {
        let sid = format!("SMlist{n}");
        app.receive(Text::new(&sid).from(contact)).await;
        threads.push(json!(app.thread_of(&sid).await.id.to_string()));
        app.clock.advance(Duration::from_secs(60));
    }
    threads
}

async fn listed(app: &TestApp, user: &str, arguments: &str) -> Vec<Value> {
    let query = format!("{{ threads({arguments}) {{ nodes {{ id }} }} }}");
    let answer = app.graphql(&app.token("acme", user), &query, json!({})).await;
    let nodes = answer["data"]["threads"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    nodes.iter().map(|node| node["id"].clone()).collect()
}

async fn act(app: &TestApp, user: &str, mutation: &str, thread: &Value) -> Value {
    let input = format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..]);
    let document = format!(
        "mutation($input: {input}!) {{ {mutation}(input: $input) {{ thread {{ {SHARED} }} userErrors {{ code }} }} }}"
    );
    let answer = app.graphql(&app.token("acme", user), &document, json!({"input": {"threadId": thread}})).await;
    assert_eq!(answer["data"][mutation]["userErrors"], json!([]), "{answer}");
    answer["data"][mutation]["thread"].clone()
}

#[tokio::test]
async fn claims_and_closings_do_not_move_a_thread() {
    let app = TestApp::start().await;
    let threads = threads_of(&app, &["+13035560001", "+13035560002", "+13035560003"]).await;
    let newest_first: Vec<Value> = threads.iter().rev().cloned().collect();
    assert_eq!(listed(&app, "ana", "first: 9").await, newest_first);
    for mutation in ["claimThread", "releaseThread", "claimThread", "closeThread", "reopenThread"] {
        act(&app, "ana", mutation, &threads[0]).await;
        app.clock.advance(Duration::from_secs(60));
        assert_eq!(listed(&app, "ana", "first: 9").await, newest_first, "{mutation}");
    }
    app.receive(Text::new("SMagain").from("+13035560001")).await;
    assert_eq!(listed(&app, "ana", "first: 9").await[0], threads[0]);
}

#[tokio::test]
async fn counters_show_whether_a_contact_waits_and_since_when() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    let thread = threads_of(&app, &["+13035560001"]).await.remove(0);
    app.receive(Text::new("SMsecond")).await;
    let query = "query($id: ID!) { node(id: $id) { ... on Thread { inboundCount answeredCount needsReply waitingSince
        lastMessageAt unreadCount viewerSeenCount closedAt lastAssignee { key } } } }";
    let shown = async || app.graphql(&ben, query, json!({"id": thread})).await["data"]["node"].clone();
    let at = |minute: u32| json!(format!("2026-11-23T15:{minute:02}:00.000000Z"));
    let first = json!({"inboundCount": 2, "answeredCount": 0, "needsReply": true, "waitingSince": at(0),
        "lastMessageAt": at(1), "unreadCount": 2, "viewerSeenCount": null, "closedAt": null, "lastAssignee": null});
    assert_eq!(shown().await, first);
    app.clock.advance(Duration::from_secs(60));
    assert_eq!(app.reply(&ben, &thread, "on my way", json!({})).await["userErrors"], json!([]));
    let answered = json!({"inboundCount": 2, "answeredCount": 2, "needsReply": false, "waitingSince": null,
        "lastMessageAt": at(2), "unreadCount": 0, "viewerSeenCount": 2, "closedAt": null, "lastAssignee": null});
    assert_eq!(shown().await, answered);
    // A closed thread does not wait; the text that reopens it begins to.
    app.receive(Text::new("SMthird")).await;
    act(&app, "ben", "closeThread", &thread).await;
    let closed = shown().await;
    assert_eq!((&closed["needsReply"], &closed["waitingSince"]), (&json!(false), &Value::Null));
    assert_eq!((&closed["closedAt"], &closed["lastAssignee"]["key"]), (&at(2), &json!("ben")));
    app.clock.advance(Duration::from_secs(60));
    app.receive(Text::new("SMfourth")).await;
    let reopened = shown().await;
    assert_eq!((&reopened["waitingSince"], &reopened["closedAt"]), (&at(3), &Value::Null));
}

#[tokio::test]
async fn the_longest_waiting_thread_comes_first_on_every_page() {
    let app = TestApp::start().await;
    let contacts: Vec<String> = (0..9).map(|n| format!("+1303556900{n}")).collect();
    let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
    let threads = threads_of(&app, &contacts).await;
    let ben = app.token("acme", "ben");
    for answered in [0, 4] {
        let key = json!({"idempotencyKey": answered.to_string()});
        assert_eq!(app.reply(&ben, &threads[answered], "hello", key).await["userErrors"], json!([]));
    }
    act(&app, "ana", "closeThread", &threads[2]).await;
    // The first contact writes again and is now the last of those who wait.
    app.receive(Text::new("SMlate").from(contacts[0])).await;
    let expected: Vec<Value> = [1, 3, 5, 6, 7, 8, 0, 2, 4].iter().map(|n| threads[*n].clone()).collect();
    assert_eq!(listed(&app, "ana", "orderBy: LONGEST_WAITING").await, expected);
    let query = "query($at: String) { threads(orderBy: LONGEST_WAITING, first: 2, after: $at) {
        nodes { id } pageInfo { hasNextPage endCursor } } }";
    let (mut pages, mut at) = (Vec::new(), Value::Null);
    loop {
        let page = app.graphql(&ben, query, json!({"at": at})).await["data"]["threads"].clone();
        pages.extend(page["nodes"].as_array().unwrap().iter().map(|node| node["id"].clone()));
        at = page["pageInfo"]["endCursor"].clone();
        if page["pageInfo"]["hasNextPage"] == false {
            break;
        }
    }
    assert_eq!(pages, expected);
    let backwards = "{ threads(orderBy: LONGEST_WAITING, last: 2) { nodes { id } } }";
    let last = app.graphql(&ben, backwards, json!({})).await["data"]["threads"]["nodes"].clone();
    assert_eq!(last, json!([{"id": threads[2]}, {"id": threads[4]}]));
}

#[tokio::test]
async fn each_filter_returns_its_threads_only() {
    let app = TestApp::start().await;
    let threads = threads_of(&app, &["+13035560001", "+13035560002", "+13035560003"]).await;
    app.receive(Text::new("SMnurses").from("+13035560001").to(NURSES)).await;
    let nurses = json!(app.thread_of("SMnurses").await.id.to_string());
    act(&app, "ben", "claimThread", &threads[1]).await;
    app.receive(Text::new("SMextension").from("+13035560003").body("#101 please")).await;
    let (ben, extension) = (app.user_id("acme", "ben").await, app.extension_id("acme", "101").await);
    let (desk, other) = (app.number_id("acme", DESK).await, app.number_id("acme", NURSES).await);
    app.flag_a_message(&threads[0]).await;
    for (filter, expected) in [
        (format!("phoneNumberIds: [\"{desk}\"]"), vec![&threads[2], &threads[1], &threads[0]]),
        (format!("phoneNumberIds: [\"{other}\"]"), vec![&nurses]),
        (format!("phoneNumberIds: [\"{desk}\", \"{other}\", \"num_x\"], needsDecision: true"), vec![&threads[0]]),
        ("phoneNumberIds: [\"num_x\"]".to_owned(), vec![]),
        ("phoneNumberIds: [], needsDecision: true".to_owned(), vec![&threads[0]]),
        (format!("assigneeId: \"{ben}\""), vec![&threads[1]]),
        ("assigneeId: \"usr_x\"".to_owned(), vec![]),
        (format!("extensionId: \"{extension}\""), vec![&threads[2]]),
        ("lastMessageBefore: \"9998-01-01T00:00:00Z\", needsDecision: true".to_owned(), vec![&threads[0]]),
        ("lastMessageAfter: \"9998-01-01T00:00:00Z\"".to_owned(), vec![]),
        ("lastMessageBefore: \"2026-11-23T15:02:00Z\"".to_owned(), vec![&threads[1], &threads[0]]),
        ("lastMessageAfter: \"2026-11-23T15:01:00Z\", status: [UNCLAIMED]".to_owned(), vec![&nurses, &threads[2]]),
    ] {
        let mut found = listed(&app, "ana", &format!("filter: {{{filter}}}, first: 9")).await;
        let mut expected: Vec<Value> = expected.into_iter().cloned().collect();
        found.sort_by_key(Value::to_string);
        expected.sort_by_key(Value::to_string);
        assert_eq!(found, expected, "{filter}");
    }
    let without = listed(&app, "ana", "filter: {needsDecision: false}, first: 9").await;
    assert_eq!(without.len(), 3);
}

#[tokio::test]
async fn counts_agree_with_the_lists_for_each_number_and_viewer() {
    let app = TestApp::start().await;
    let threads = threads_of(&app, &["+13035560001", "+13035560002", "+13035560003", "+13035560004"]).await;
    app.receive(Text::new("SMnurses").to(NURSES)).await;
    act(&app, "ben", "claimThread", &threads[0]).await;
    act(&app, "ben", "claimThread", &threads[1]).await;
    act(&app, "ben", "markThreadRead", &threads[1]).await;
    act(&app, "ana", "closeThread", &threads[2]).await;
    let counts = "mine unclaimed open closed needsReply mineUnread";
    let query = format!(
        "query($desk: [ID!]) {{ threadCounts {{ {counts} }} desk: threadCounts(phoneNumberIds: $desk) {{ {counts} }}
         phoneNumbers {{ nodes {{ e164 threadCounts {{ {counts} }} }} }} }}"
    );
    let desk = app.number_id("acme", DESK).await;
    let seen = async |user: &str| {
        let answer = app.graphql(&app.token("acme", user), &query, json!({"desk": [desk]})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].clone()
    };
    let of = |numbers: [i32; 6]| {
        let [mine, unclaimed, open, closed, needs_reply, mine_unread] = numbers;
        json!({"mine": mine, "unclaimed": unclaimed, "open": open, "closed": closed, "needsReply": needs_reply,
            "mineUnread": mine_unread})
    };
    let ana = seen("ana").await;
    assert_eq!((&ana["threadCounts"], &ana["desk"]), (&of([0, 2, 4, 1, 4, 0]), &of([0, 1, 3, 1, 3, 0])));
    let ben = seen("ben").await;
    assert_eq!((&ben["threadCounts"], &ben["desk"]), (&of([2, 1, 3, 1, 3, 1]), &of([2, 1, 3, 1, 3, 1])));
    for number in ben["phoneNumbers"]["nodes"].as_array().unwrap() {
        let expected = if number["e164"] == DESK { of([2, 1, 3, 1, 3, 1]) } else { of([0; 6]) };
        assert_eq!(number["threadCounts"], expected, "{number}");
    }
    let ana = app.token("acme", "ana");
    let one = app.statements_during(app.graphql(&ana, "{ threadCounts { open mine closed } }", json!({})));
    assert_eq!(one.await, 1, "one statement for all counts");
}

#[tokio::test]
async fn a_page_with_all_shared_fields_takes_two_statements() {
    let app = TestApp::start().await;
    app.populate().await;
    app.receive(Text::new("SMhint").from("+13035560077").body("please take me off your list")).await;
    let ana = app.token("acme", "ana");
    for arguments in ["first: 100", "first: 100, orderBy: LONGEST_WAITING", "first: 1, filter: {needsReply: true}"] {
        let query = format!("{{ threads({arguments}) {{ nodes {{ {SHARED} }} }} }}");
        assert!(app.graphql(&ana, &query, json!({})).await.get("errors").is_none());
        let statements = app.statements_during(app.graphql(&ana, &query, json!({}))).await;
        assert!(statements <= 2, "{statements} statements: {arguments}");
    }
}

#[tokio::test]
async fn a_mutation_returns_the_revision_of_its_event() {
    let app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    let thread = threads_of(&app, &["+13035560001"]).await.remove(0);
    let live = "subscription($after: EventCursor) { threadUpdated(after: $after) { thread { revision } } }";
    let mut socket = app.socket(&ana).await;
    socket.subscribe("1", live, json!({"after": app.cursor(&ana).await})).await;
    let mut last = 1;
    for mutation in ["claimThread", "releaseThread", "claimThread", "closeThread", "reopenThread"] {
        let revision = act(&app, "ana", mutation, &thread).await["revision"].as_i64().unwrap();
        assert!(revision > last, "{mutation}");
        last = revision;
        assert_eq!(socket.event().await["threadUpdated"]["thread"]["revision"], revision, "{mutation}");
    }
    // A reply that claims the thread is two changes.
    let sent = app.graphql(
        &ana,
        "mutation($id: ID!) { sendMessage(input: {threadId: $id, body: \"hi\", idempotencyKey: \"k\"}) { thread { revision } } }",
        json!({"id": thread}),
    );
    assert_eq!(sent.await["data"]["sendMessage"]["thread"]["revision"], last + 2);
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn a_reply_block_names_the_reason_that_send_message_gives() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    let threads = threads_of(&app, &["+13035560001", "CLINIC", "+13035560002"]).await;
    app.receive(Text::new("SMstop").from("+13035560001").body("STOP")).await;
    let query = "query($id: ID!) { node(id: $id) { ... on Thread { replyBlock } } }";
    for (thread, block, code) in [
        (&threads[0], json!("OPTED_OUT"), json!("OPTED_OUT")),
        (&threads[1], json!("SENDER_CANNOT_RECEIVE"), json!("INVALID")),
        (&threads[2], Value::Null, Value::Null),
    ] {
        let shown = app.graphql(&ben, query, json!({"id": thread})).await;
        assert_eq!(shown["data"]["node"]["replyBlock"], block);
        let key = json!({"idempotencyKey": thread});
        assert_eq!(app.reply(&ben, thread, "hello", key).await["userErrors"][0]["code"], code);
    }
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: '{DESK}', active: false}}]}}]")).await;
    let shown = app.graphql(&app.token("acme", "ana"), query, json!({"id": threads[2]})).await;
    assert_eq!(shown["data"]["node"]["replyBlock"], "NUMBER_RELEASED");
}
