//! Texts based on a stale view are refused.

use futures_util::future::join;
use serde_json::json;

use crate::support::directory::{DESK, NURSES};
use crate::support::{TestApp, Text};

/// Two users reply to the same thread at the same time, on the same view: one text is sent.
async fn race(policy: &str) {
    const TIMES: usize = 200;
    let app = TestApp::start().await;
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{NURSES}\", policy: {policy}}}]}}]")).await;
    let (chloe, dev) = (app.token("acme", "chloe"), app.token("acme", "dev"));
    for n in 0..TIMES {
        app.receive(Text::new(format!("SM{n}")).to(NURSES).from(&format!("+1303557{n:04}"))).await;
        let message = app.message(&format!("SM{n}")).await;
        let (thread, seen) = (json!(message.thread_id.to_string()), json!(message.id.to_string()));
        let reply = |token, body: &'static str| {
            let more = json!({"lastSeenMessageId": seen, "idempotencyKey": format!("{body} {n}")});
            let (app, thread) = (&app, &thread);
            async move { app.reply(token, thread, body, more).await }
        };
        let (one, other) = join(reply(&chloe, "from Chloe"), reply(&dev, "from Dev")).await;
        let (won, lost) = if one["message"].is_null() { (other, one) } else { (one, other) };
        assert_eq!(won["userErrors"], json!([]), "{n}");
        let error = &lost["userErrors"][0];
        assert!(lost["message"].is_null() && error["code"] == "STALE_VIEW", "{n}: {lost}");
        assert_eq!(error["newerMessage"]["id"], won["message"]["id"]);
    }
    assert_eq!((app.outbound().await.len(), app.outbox().await.len()), (TIMES, TIMES));
    app.assert_logs_are_gapless().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: part of `make test-full`"]
async fn of_two_simultaneous_replies_one_is_refused_with_the_others_text() {
    race("FIRST_CLAIM").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: part of `make test-full`"]
async fn of_two_simultaneous_replies_in_a_shared_pool_one_is_refused() {
    race("SHARED").await;
}

#[tokio::test]
async fn own_texts_and_inbound_texts_do_not_make_a_view_stale() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1")).await;
    let seen = app.message("SM1").await;
    let ben = app.token("acme", "ben");
    let thread = json!(seen.thread_id.to_string());
    let stale = json!({"lastSeenMessageId": seen.id.to_string()});
    assert_eq!(app.reply(&ben, &thread, "one", stale.clone()).await["userErrors"], json!([]));
    app.receive(Text::new("SM2").body("and?")).await;
    assert_eq!(app.reply(&ben, &thread, "two", stale.clone()).await["userErrors"], json!([]));
    // A message of another thread is not a valid last seen message.
    app.receive(Text::new("SM3").to(DESK).from("+13035560002")).await;
    let elsewhere = json!({"lastSeenMessageId": app.message("SM3").await.id.to_string()});
    assert_eq!(app.reply(&ben, &thread, "three", elsewhere).await["userErrors"][0]["code"], "NOT_FOUND");
}
