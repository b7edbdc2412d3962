//! Authorization and validation of replies.

use serde_json::{Value, json};

use crate::support::directory::{DESK, NURSES};
use crate::support::{TestApp, Text};

const POLICY: &str = include_str!("../documents/sending_rules_policy.graphql");

fn code(payload: &Value) -> &Value {
    assert!(payload["message"].is_null(), "{payload}");
    &payload["userErrors"][0]["code"]
}

#[tokio::test]
async fn the_first_user_to_reply_claims_the_thread() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    app.receive(Text::new("SM2").body("are you there?")).await;
    let (ana, ben, chloe) = (app.token("acme", "ana"), app.token("acme", "ben"), app.token("acme", "chloe"));
    let thread = app.all_threads(&ben).await[0].clone();
    let sent = app.reply(&ben, &thread, "we are", json!({})).await;
    assert_eq!(sent["userErrors"], json!([]));
    assert_eq!(sent["message"]["status"], "QUEUED");
    assert_eq!((&sent["message"]["segments"], &sent["message"]["sender"]["key"]), (&json!(1), &json!("ben")));
    assert_eq!((&sent["thread"]["status"], &sent["thread"]["assignee"]["key"]), (&json!("CLAIMED"), &json!("ben")));
    // A reply marks the thread as read.
    assert_eq!(
        (&sent["thread"]["unreadCount"], &sent["thread"]["lastMessage"]["id"]),
        (&json!(0), &sent["message"]["id"])
    );
    // Only the assignee can reply, not even an admin, unless they take the thread over explicitly.
    for token in [&chloe, &ana] {
        assert_eq!(code(&app.reply(token, &thread, "me too", json!({})).await), "NOT_ASSIGNEE");
    }
    let take = "mutation($thread: ID!, $me: ID!) { transferThread(input: {threadId: $thread, toUserId: $me}) { userErrors { code } } }";
    app.graphql(&chloe, take, json!({"thread": thread, "me": app.user_id("acme", "chloe").await})).await;
    assert_eq!(app.reply(&chloe, &thread, "me too", json!({})).await["userErrors"], json!([]));
    // A reply to a closed thread claims it.
    let close = "mutation($thread: ID!) { closeThread(input: {threadId: $thread}) { userErrors { code } } }";
    app.graphql(&chloe, close, json!({"thread": thread})).await;
    let again = app.reply(&ben, &thread, "one thing more", json!({})).await;
    assert_eq!((&again["thread"]["status"], &again["thread"]["assignee"]["key"]), (&json!("CLAIMED"), &json!("ben")));
    assert_eq!(app.outbound().await.len(), 3);
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn replies_in_a_shared_pool_do_not_claim_the_thread() {
    let app = TestApp::start().await;
    let (ana, chloe, dev) = (app.token("acme", "ana"), app.token("acme", "chloe"), app.token("acme", "dev"));
    let number = app.number_id("acme", NURSES).await;
    app.graphql(&ana, POLICY, json!({"number": number, "policy": "SHARED"})).await;
    app.receive(Text::new("SM1").to(NURSES)).await;
    let thread = app.all_threads(&dev).await[0].clone();
    for (token, body) in [(&chloe, "one"), (&dev, "two"), (&ana, "three")] {
        let sent = app.reply(token, &thread, body, json!({})).await;
        assert_eq!((&sent["userErrors"], &sent["thread"]["status"]), (&json!([]), &json!("UNCLAIMED")));
    }
    // An explicitly claimed thread in a shared pool behaves as in any other pool.
    let claim = "mutation($thread: ID!) { claimThread(input: {threadId: $thread}) { userErrors { code } } }";
    app.graphql(&dev, claim, json!({"thread": thread})).await;
    assert_eq!(code(&app.reply(&chloe, &thread, "four", json!({})).await), "NOT_ASSIGNEE");
    // A reply to a closed thread in a shared pool reopens it without claiming it.
    let close = "mutation($thread: ID!) { closeThread(input: {threadId: $thread}) { userErrors { code } } }";
    app.graphql(&dev, close, json!({"thread": thread})).await;
    let sent = app.reply(&chloe, &thread, "five", json!({})).await;
    assert_eq!((&sent["userErrors"], &sent["thread"]["status"]), (&json!([]), &json!("UNCLAIMED")));
}

#[tokio::test]
async fn a_repeated_request_sends_one_text() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    app.receive(Text::new("SM2").from("+13035560002")).await;
    let (ben, chloe) = (app.token("acme", "ben"), app.token("acme", "chloe"));
    let threads = app.all_threads(&ben).await;
    let first = app.reply(&ben, &threads[0], "yes", json!({"idempotencyKey": "k"})).await;
    let again = app.reply(&ben, &threads[0], "yes", json!({"idempotencyKey": "k"})).await;
    assert_eq!(first["message"]["id"], again["message"]["id"]);
    assert_eq!(again["userErrors"], json!([]));
    for (thread, body) in [(&threads[0], "no"), (&threads[1], "yes")] {
        assert_eq!(code(&app.reply(&ben, thread, body, json!({"idempotencyKey": "k"})).await), "CONFLICT");
    }
    // The key is scoped to the user, and kept for a week.
    let other = app.reply(&chloe, &threads[1], "yes", json!({"idempotencyKey": "k"})).await;
    assert_ne!(other["message"]["id"], first["message"]["id"]);
    app.clock.advance_days(8);
    let ben = app.token("acme", "ben");
    let later = app.reply(&ben, &threads[0], "no", json!({"idempotencyKey": "k"})).await;
    assert_eq!(later["userErrors"], json!([]));
    partyline::service::purge_expired::purge_expired(app.services()).await.unwrap();
    let left = app.reply(&ben, &threads[0], "no", json!({"idempotencyKey": "k"})).await;
    assert_eq!(left["message"]["id"], later["message"]["id"]);
    assert_eq!(app.outbound().await.len(), 3);
}

#[tokio::test]
async fn a_request_repeated_concurrently_sends_one_text() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    let ben = app.token("acme", "ben");
    let thread = app.all_threads(&ben).await[0].clone();
    let all = (0..20).map(|_| app.reply(&ben, &thread, "yes", json!({"idempotencyKey": "k"})));
    let answers = futures_util::future::join_all(all).await;
    assert!(answers.iter().all(|answer| answer["message"]["id"] == answers[0]["message"]["id"]));
    assert_eq!((app.outbound().await.len(), app.outbox().await.len()), (1, 1));
}

#[tokio::test]
async fn invalid_replies_are_refused() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    app.receive(Text::new("SM2").from("TWILIO")).await;
    let (ben, dev) = (app.token("acme", "ben"), app.token("acme", "dev"));
    let threads = app.all_threads(&ben).await;
    let (name, thread) = (&threads[0], &threads[1]);
    for (body, more) in [
        ("", json!({})),
        (" \n ", json!({})),
        ("a\u{0}b", json!({})),
        (&*"a".repeat(1601), json!({})),
        ("hello", json!({"mediaUrls": ["https://media.test/1"]})),
        ("hello", json!({"idempotencyKey": ""})),
        ("hello", json!({"idempotencyKey": "k".repeat(129)})),
    ] {
        assert_eq!(code(&app.reply(&ben, thread, body, more).await), "INVALID", "{body:?}");
    }
    assert_eq!(code(&app.reply(&ben, name, "hello", json!({})).await), "INVALID");
    for more in [json!({"asExtensionId": "ext_1"}), json!({"lastSeenMessageId": "msg_1"})] {
        assert_eq!(code(&app.reply(&ben, thread, "hello", more).await), "NOT_FOUND");
    }
    assert_eq!(code(&app.reply(&dev, thread, "hello", json!({})).await), "NOT_FOUND");
    let long = app.reply(&ben, thread, &"é".repeat(1600), json!({"idempotencyKey": "long"})).await;
    assert_eq!((&long["userErrors"], &long["message"]["segments"]), (&json!([]), &json!(11)));
    // The number has been released.
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", active: false}}]}}]")).await;
    assert_eq!(code(&app.reply(&ben, thread, "still there?", json!({})).await), "INVALID");
    assert_eq!(app.outbound().await.len(), 1);
}

#[tokio::test]
async fn a_reply_as_an_extension_assigns_the_thread_to_the_extension() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    let ben = app.token("acme", "ben");
    let thread = app.all_threads(&ben).await[0].clone();
    let extensions = app.graphql(&ben, "{ extensions { nodes { id digits } } }", json!({})).await;
    let extensions = extensions["data"]["extensions"]["nodes"].as_array().unwrap().clone();
    let id = |digits: &str| extensions.iter().find(|row| row["digits"] == digits).unwrap()["id"].clone();
    let sent = app.reply(&ben, &thread, "for Dev", json!({"asExtensionId": id("101")})).await;
    assert_eq!(
        (&sent["message"]["extension"]["digits"], &sent["thread"]["extension"]["digits"]),
        (&json!("101"), &json!("101"))
    );
    // An extension of another number cannot be used.
    app.receive(Text::new("SM2").to(NURSES)).await;
    let dev = app.token("acme", "dev");
    let listed = app.graphql(&dev, "{ threads { nodes { id phoneNumber { e164 } } } }", json!({})).await;
    let nurses = listed["data"]["threads"]["nodes"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["phoneNumber"]["e164"] == NURSES)
        .unwrap()["id"]
        .clone();
    assert_eq!(code(&app.reply(&dev, &nurses, "hello", json!({"asExtensionId": id("102")})).await), "NOT_FOUND");
}
