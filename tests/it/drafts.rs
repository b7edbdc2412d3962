//! Drafts: private, in place of the earlier one, and gone when the user sends a text or after 30 days.

use std::time::Duration;

use partyline::service::purge_expired::purge_expired;
use serde_json::{Value, json};

use crate::support::{TestApp, Text};

const SAVE: &str = "mutation($input: SaveDraftInput!) { saveDraft(input: $input) {
    draft { body asExtension { id } basedOnMessage { id } updatedAt } userErrors { code path } } }";
const DRAFT: &str = "query($id: ID!) { node(id: $id) { ... on Thread { viewerDraft { body } } } }";

async fn save(app: &TestApp, user: &str, input: Value) -> Value {
    let answer = app.graphql(&app.token("acme", user), SAVE, json!({"input": input})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["saveDraft"].clone()
}

async fn draft(app: &TestApp, user: &str, thread: &Value) -> Value {
    let answer = app.graphql(&app.token("acme", user), DRAFT, json!({"id": thread})).await;
    answer["data"]["node"]["viewerDraft"]["body"].clone()
}

async fn thread(app: &TestApp) -> Value {
    app.receive(Text::new("SM0")).await;
    json!(app.thread_of("SM0").await.id.to_string())
}

#[tokio::test]
async fn a_draft_is_private_and_replaced_by_the_next_one() {
    let app = TestApp::start().await;
    let thread = thread(&app).await;
    let message = json!(app.message("SM0").await.id.to_string());
    let extension = app.extension_id("acme", "102").await;
    save(&app, "ben", json!({"threadId": thread, "body": "first words"})).await;
    let input =
        json!({"threadId": thread, "body": "better words", "asExtensionId": extension, "basedOnMessageId": message});
    let saved = save(&app, "ben", input).await;
    let expected = json!({"body": "better words", "asExtension": {"id": extension}, "basedOnMessage": {"id": message},
        "updatedAt": "2026-11-23T15:00:00.000000Z"});
    assert_eq!(saved, json!({"draft": expected, "userErrors": []}));
    assert_eq!(draft(&app, "ben", &thread).await, "better words");
    for other in ["ana", "chloe"] {
        assert_eq!(draft(&app, other, &thread).await, Value::Null, "{other}");
    }
    let discard = "mutation($id: ID!) { discardDraft(input: {threadId: $id}) { threadId userErrors { code } } }";
    for _ in 0..2 {
        let answer = app.graphql(&app.token("acme", "ben"), discard, json!({"id": thread})).await;
        assert_eq!(answer["data"]["discardDraft"], json!({"threadId": thread, "userErrors": []}));
    }
    assert_eq!(draft(&app, "ben", &thread).await, Value::Null);
}

#[tokio::test]
async fn sending_a_text_deletes_the_senders_draft_only() {
    let app = TestApp::start().await;
    let (thread, ben) = (thread(&app).await, app.token("acme", "ben"));
    let live =
        "subscription($after: EventCursor) { viewerUpdated(after: $after) { change thread { viewerDraft { body } } } }";
    let mut socket = app.socket(&ben).await;
    socket.subscribe("1", live, json!({"after": app.cursor(&ben).await})).await;
    for user in ["ben", "chloe"] {
        save(&app, user, json!({"threadId": thread, "body": format!("of {user}")})).await;
    }
    assert_eq!(app.reply(&ben, &thread, "of ben", json!({})).await["userErrors"], json!([]));
    assert_eq!(draft(&app, "ben", &thread).await, Value::Null);
    assert_eq!(draft(&app, "chloe", &thread).await, "of chloe");
    let mut changes = Vec::new();
    while changes.len() < 3 {
        let event = socket.event().await["viewerUpdated"].clone();
        changes.push(event["change"].as_str().unwrap().to_owned());
    }
    changes.sort();
    assert_eq!(changes, ["DRAFT", "DRAFT", "THREAD_READ"]);
    // A refused text keeps the draft.
    let refused = app.reply(&app.token("acme", "chloe"), &thread, "of chloe", json!({})).await;
    assert_eq!(refused["userErrors"][0]["code"], "NOT_ASSIGNEE");
    assert_eq!(draft(&app, "chloe", &thread).await, "of chloe");
}

#[tokio::test]
async fn sending_an_earlier_text_again_keeps_the_draft() {
    let app = TestApp::start().await;
    let (thread, ben) = (thread(&app).await, app.token("acme", "ben"));
    let canceled = app.reply(&ben, &thread, "earlier", json!({"holdSeconds": 10})).await["message"]["id"].clone();
    save(&app, "ben", json!({"threadId": thread, "body": "unfinished"})).await;
    for document in [
        "mutation($id: ID!) { cancelMessage(input: {messageId: $id}) { userErrors { code } } }",
        "mutation($id: ID!) { resendMessage(input: {messageId: $id, idempotencyKey: \"again\"}) { userErrors { code } } }",
    ] {
        let answer = app.graphql(&ben, document, json!({"id": canceled})).await;
        let payload = answer["data"].as_object().unwrap().values().next().unwrap();
        assert_eq!(payload["userErrors"], json!([]), "{document}");
    }
    assert_eq!(draft(&app, "ben", &thread).await, "unfinished");
}

#[tokio::test]
async fn invalid_drafts_and_those_of_hidden_threads_are_refused() {
    let app = TestApp::start().await;
    let thread = thread(&app).await;
    app.receive(Text::new("SM1").from("+13035560009")).await;
    let other = app.message("SM1").await.id.to_string();
    for (user, change, code, field) in [
        ("ben", json!({"body": " "}), "INVALID", "body"),
        ("ben", json!({"body": "a".repeat(4_001)}), "INVALID", "body"),
        ("ben", json!({"asExtensionId": "ext_x"}), "NOT_FOUND", "asExtensionId"),
        ("ben", json!({"basedOnMessageId": other}), "NOT_FOUND", "basedOnMessageId"),
        ("dev", json!({}), "NOT_FOUND", "threadId"),
    ] {
        let mut input = json!({"threadId": thread, "body": "hello"});
        for (name, value) in change.as_object().unwrap() {
            input[name] = value.clone();
        }
        let saved = save(&app, user, input).await;
        assert_eq!(
            saved,
            json!({"draft": null, "userErrors": [{"code": code, "path": ["input", field]}]}),
            "{change:.60}"
        );
    }
}

#[tokio::test]
async fn a_draft_is_deleted_after_thirty_days() {
    let app = TestApp::start().await;
    let thread = thread(&app).await;
    save(&app, "ben", json!({"threadId": thread, "body": "forgotten"})).await;
    app.clock.advance(Duration::from_secs(29 * 24 * 60 * 60));
    save(&app, "chloe", json!({"threadId": thread, "body": "fresh"})).await;
    app.clock.advance(Duration::from_secs(2 * 24 * 60 * 60));
    purge_expired(app.services()).await.unwrap();
    assert_eq!(draft(&app, "ben", &thread).await, Value::Null);
    assert_eq!(draft(&app, "chloe", &thread).await, "fresh");
}
