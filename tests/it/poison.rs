//! A text that cannot be stored does not affect the other texts of its batch.

use std::convert::Infallible;

use partyline::domain::{AgencyId, QuarantineReason, QuarantineState};
use partyline::entity::{message, quarantine, thread};
use partyline::store::writer::{Tx, Unit, UnitError, WriteError};
use reqwest::StatusCode;
use sea_orm::{EntityTrait as _, IntoActiveModel as _};

use crate::support::{TestApp, Text};

const BATCH: usize = 64;

/// A batch of texts from different contacts, with `poison` in the middle.
fn batch_with(poison: Text) -> Vec<Text> {
    let mut texts: Vec<Text> =
        (1..BATCH).map(|n| Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}"))).collect();
    texts.insert(37, poison);
    texts
}

/// A server that has received one text, so that all texts use the same lane.
async fn start_with_one_text() -> (TestApp, AgencyId) {
    let app = TestApp::start().await;
    app.receive(Text::new("SMwarm")).await;
    let acme = app.agency("acme").await;
    (app, acme)
}

async fn assert_others_stored(app: &TestApp, texts: &[Text], poison: &str) {
    for text in texts.iter().filter(|text| text.sid != poison) {
        let message = app.message(&text.sid).await;
        assert_eq!(app.notifications_of(&message).await.len(), 2, "{}", text.sid);
    }
    app.assert_logs_are_gapless().await;
}

async fn assert_held(app: &TestApp, acme: AgencyId, sid: &str) -> quarantine::Model {
    let mut rows = app.quarantined().await;
    assert_eq!(rows.len(), 1);
    let row = rows.remove(0);
    assert_eq!((row.provider_sid.as_str(), row.reason, row.agency_id), (sid, QuarantineReason::Refused, Some(acme)));
    assert_eq!(row.state, QuarantineState::Held);
    assert!(app.messages_with(sid).await.is_empty());
    row
}

#[tokio::test]
async fn a_batch_is_one_transaction() {
    let (app, acme) = start_with_one_text().await;
    let before = app.services().writer.figures().batches.get();
    let texts = batch_with(Text::new("SMnone"));
    assert_eq!(app.post_as_one_batch(acme, &texts).await, vec![StatusCode::OK; BATCH]);
    // One batch for the blocking work, and one for the texts.
    assert_eq!(app.services().writer.figures().batches.get(), before + 2);
    assert_others_stored(&app, &texts, "").await;
}

#[tokio::test]
async fn only_the_text_with_an_overlong_sender_goes_to_quarantine() {
    let (app, acme) = start_with_one_text().await;
    let sender = "9".repeat(65);
    let poison = Text::new("SMpoison").from(&sender);
    let texts = batch_with(poison.clone());
    assert_eq!(app.post_as_one_batch(acme, &texts).await, vec![StatusCode::OK; BATCH]);
    assert_others_stored(&app, &texts, "SMpoison").await;
    let row = assert_held(&app, acme, "SMpoison").await;
    assert!(row.form.contains(&sender), "the complete form is stored");
    assert_eq!(app.services().writer.figures().rejected_items.get(), 1);
    // A repetition is a duplicate.
    app.receive(poison).await;
    assert_held(&app, acme, "SMpoison").await;
}

#[tokio::test]
async fn a_text_with_a_nul_is_stored_or_quarantined_without_affecting_others() {
    let (app, acme) = start_with_one_text().await;
    let texts = batch_with(Text::new("SMpoison").body("a\u{0}b"));
    assert_eq!(app.post_as_one_batch(acme, &texts).await, vec![StatusCode::OK; BATCH]);
    assert_others_stored(&app, &texts, "SMpoison").await;
    if app.database.url.starts_with("postgres") {
        assert_held(&app, acme, "SMpoison").await;
    } else {
        assert_eq!(app.message("SMpoison").await.body, "a\u{0}b");
        assert!(app.quarantined().await.is_empty());
    }
}

#[tokio::test]
async fn a_poisoned_value_in_any_field_is_acknowledged_and_stored() {
    let app = TestApp::start().await;
    for (n, name) in ["From", "To", "Body", "MediaUrl0", "MediaContentType0", "OptOutType"].into_iter().enumerate() {
        for (m, value) in ["\u{0}", &"x".repeat(3000)].into_iter().enumerate() {
            let text = Text::new(format!("SM{n}{m}")).field("NumMedia", "1").field("MediaUrl0", "https://media.test/0");
            app.receive(text.field(name, value)).await;
        }
    }
    assert_eq!(app.message_count().await + app.quarantined().await.len() as u64, 12);
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn an_id_conflict_loses_no_text() {
    let (app, acme) = start_with_one_text().await;
    let taken = app.message("SMwarm").await.id;
    let texts = batch_with(Text::new("SMnone"));
    // A text of an unknown sender takes ids for its contact, thread, message, and two notifications. Wherever the
    // conflict occurs, nothing is lost. These ids are taken by the 21st text or one next to it.
    for (round, after) in [100, 101, 102, 103, 104].into_iter().enumerate() {
        let texts: Vec<Text> =
            texts.iter().map(|text| Text::new(format!("{}r{round}", text.sid)).from("+13035578888")).collect();
        app.ids.repeat(taken.0, after);
        assert_eq!(app.post_as_one_batch(acme, &texts).await, vec![StatusCode::OK; BATCH]);
        assert!(!app.ids.is_repeat_due());
        assert_others_stored(&app, &texts, "").await;
    }
    assert!(app.quarantined().await.is_empty());
    assert_eq!(app.message("SMwarm").await.id, taken);
}

/// A unit that inserts a conflicting row after it has appended to the log.
struct ConflictingInsert {
    thread: thread::Model,
    row: message::Model,
}

impl Unit for ConflictingInsert {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        tx.thread_updated(&mut self.thread, None, &[], Vec::new())?;
        message::Entity::insert(self.row.clone().into_active_model()).exec_without_returning(tx.conn).await?;
        Ok(())
    }
}

#[tokio::test]
async fn a_failed_unit_leaves_no_gap_in_the_log() {
    let (app, acme) = start_with_one_text().await;
    let row = app.message("SMwarm").await;
    let events = app.events(acme).await.len();
    let texts = batch_with(Text::new("SMnone"));
    let held = app.block_writer(acme).await;
    let thread = app.thread_of("SMwarm").await;
    let conflicting = app.services().writer.run(acme, ConflictingInsert { thread, row: row.clone() });
    let releasing = async {
        held.wait_for_queued(BATCH + 1).await;
        held.unblock().await;
    };
    let (refused, answers, ()) = tokio::join!(conflicting, app.post_all(&texts), releasing);
    assert_eq!(refused, Err(WriteError::Rejected));
    assert_eq!(answers, vec![StatusCode::OK; BATCH]);
    assert_others_stored(&app, &texts, "").await;
    assert_eq!(app.events(acme).await.len(), events + BATCH);
}
