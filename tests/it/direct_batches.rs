//! On SQLite, batches that need no query of SeaORM's are written on the writer's own connection, and all others on
//! SeaORM's.

use partyline::service::claim_thread::claim_thread;
use serde_json::json;

use crate::support::database::is_sqlite;
use crate::support::voice::form;
use crate::support::{TestApp, Text};

const INBOUND: &str = "/api/twilio/voice/inbound";

fn direct_batches(app: &TestApp) -> u64 {
    app.services().writer.figures().direct_batches.get()
}

#[tokio::test]
async fn texts_claims_and_calls_are_written_directly_on_sqlite_only() {
    let app = TestApp::start_with_phones().await;
    // Loads the directory.
    app.receive(Text::new("SM0")).await;
    let (ben, thread) = (app.viewer("acme", "ben").await, app.thread_of("SM0").await);
    let is_direct = |before: u64, what: &str| {
        assert_eq!(direct_batches(&app) > before, is_sqlite(), "{what}");
        direct_batches(&app)
    };
    let mut before = direct_batches(&app);
    app.receive(Text::new("SM1")).await;
    before = is_direct(before, "a text");
    app.receive(Text::new("SM2").body("STOP")).await;
    before = is_direct(before, "a STOP");
    claim_thread(app.services(), &ben, thread.id).await.unwrap();
    before = is_direct(before, "a claim");
    app.document(INBOUND, &form("CA1", &[])).await;
    app.wait_for_call_log().await;
    is_direct(before, "a call");
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn a_batch_that_needs_both_connections_is_written_once() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let acme = app.agency("acme").await;
    let (ben, thread) = (app.viewer("acme", "ben").await, app.thread_of("SM0").await);
    let before = direct_batches(&app);
    let blocked = app.block_writer(acme).await;
    let releasing = async {
        blocked.wait_for_queued(3).await;
        blocked.unblock().await;
    };
    let (text, id) = (Text::new("SM1"), json!(thread.id.to_string()));
    let claiming = claim_thread(app.services(), &ben, thread.id);
    let (answer, claimed, (), ()) = tokio::join!(app.post_text(&text), claiming, app.flag_a_message(&id), releasing);
    assert_eq!(answer.0, 200);
    assert_eq!(claimed.unwrap().assignee_id, Some(ben.id()));
    assert_eq!(direct_batches(&app), before);
    app.message("SM1").await;
    assert!(app.message("SM0").await.flagged_at.is_some());
    app.assert_logs_are_gapless().await;
}
