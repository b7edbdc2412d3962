//! One text that cannot be stored costs no other text anything.

use partyline::domain::{AgencyId, QuarantineState, ThreadId};
use partyline::entity::{message, quarantine};
use partyline::store::writer::{Tx, Unit, WriteError};
use reqwest::StatusCode;
use sea_orm::{DbErr, EntityTrait as _, IntoActiveModel as _};

use crate::support::{TestApp, Text};

const BATCH: usize = 64;

/// A batch of one contact each, with `poison` in its middle.
fn batch_with(poison: Text) -> Vec<Text> {
    let mut texts: Vec<Text> =
        (1..BATCH).map(|n| Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}"))).collect();
    texts.insert(37, poison);
    texts
}

/// A server that has been texted once, so that all texts take the same lane.
async fn warm() -> (TestApp, AgencyId) {
    let app = TestApp::start().await;
    app.receive(Text::new("SMwarm")).await;
    let acme = app.agency("acme").await;
    (app, acme)
}

async fn assert_the_others_are_stored(app: &TestApp, texts: &[Text], poison: &str) {
    for text in texts.iter().filter(|text| text.sid != poison) {
        let message = app.message(&text.sid).await;
        assert_eq!(app.notifications_of(&message).await.len(), 2, "{}", text.sid);
    }
    app.assert_logs_are_whole().await;
}

async fn assert_held(app: &TestApp, acme: AgencyId, sid: &str) -> quarantine::Model {
    let mut rows = app.quarantined().await;
    assert_eq!(rows.len(), 1);
    let row = rows.remove(0);
    assert_eq!((row.provider_sid.as_str(), row.reason.as_str(), row.agency_id), (sid, "REFUSED", Some(acme)));
    assert_eq!(row.state, QuarantineState::Held);
    assert!(app.messages_with(sid).await.is_empty());
    row
}

#[tokio::test]
async fn a_batch_is_one_transaction() {
    let (app, acme) = warm().await;
    let before = app.services().writer.figures().counts().batches;
    let texts = batch_with(Text::new("SMnone"));
    assert_eq!(app.post_as_one_batch(acme, &texts).await, vec![StatusCode::OK; BATCH]);
    // One for the work that held the writer up.
    assert_eq!(app.services().writer.figures().counts().batches, before + 2);
    assert_the_others_are_stored(&app, &texts, "").await;
}

#[tokio::test]
async fn a_sender_that_is_too_long_goes_to_quarantine_alone() {
    let (app, acme) = warm().await;
    let sender = "9".repeat(65);
    let poison = Text::new("SMpoison").from(&sender);
    let texts = batch_with(poison.clone());
    assert_eq!(app.post_as_one_batch(acme, &texts).await, vec![StatusCode::OK; BATCH]);
    assert_the_others_are_stored(&app, &texts, "SMpoison").await;
    let row = assert_held(&app, acme, "SMpoison").await;
    assert!(row.form.contains(&sender), "the form is kept whole");
    assert_eq!(app.services().writer.figures().counts().refused_items, 1);
    // Again, it is a duplicate.
    app.receive(poison).await;
    assert_held(&app, acme, "SMpoison").await;
}

#[tokio::test]
async fn a_nul_is_stored_or_held_and_spoils_nothing() {
    let (app, acme) = warm().await;
    let texts = batch_with(Text::new("SMpoison").body("a\u{0}b"));
    assert_eq!(app.post_as_one_batch(acme, &texts).await, vec![StatusCode::OK; BATCH]);
    assert_the_others_are_stored(&app, &texts, "SMpoison").await;
    if app.database.url.starts_with("postgres") {
        assert_held(&app, acme, "SMpoison").await;
    } else {
        assert_eq!(app.message("SMpoison").await.body, "a\u{0}b");
        assert!(app.quarantined().await.is_empty());
    }
}

#[tokio::test]
async fn a_poison_in_every_field_is_answered_and_kept() {
    let app = TestApp::start().await;
    for (n, name) in ["From", "To", "Body", "MediaUrl0", "MediaContentType0", "OptOutType"].into_iter().enumerate() {
        for (m, value) in ["\u{0}", &"x".repeat(3000)].into_iter().enumerate() {
            let text = Text::new(format!("SM{n}{m}")).field("NumMedia", "1").field("MediaUrl0", "https://media.test/0");
            app.receive(text.field(name, value)).await;
        }
    }
    assert_eq!(app.message_count().await + app.quarantined().await.len() as u64, 12);
    app.assert_logs_are_whole().await;
}

#[tokio::test]
async fn an_id_that_clashes_costs_nobody_their_text() {
    let (app, acme) = warm().await;
    let taken = app.message("SMwarm").await.id;
    let texts = batch_with(Text::new("SMnone"));
    // A text of a stranger takes ids for its contact, its thread, itself and its two notifications, in some
    // order: wherever the clash falls, nothing is lost. This one is the 21st text's own or near it.
    for (round, after) in [100, 101, 102, 103, 104].into_iter().enumerate() {
        let texts: Vec<Text> =
            texts.iter().map(|text| Text::new(format!("{}r{round}", text.sid)).from("+13035578888")).collect();
        app.ids.repeat(taken.0, after);
        assert_eq!(app.post_as_one_batch(acme, &texts).await, vec![StatusCode::OK; BATCH]);
        assert!(!app.ids.is_repeat_due());
        assert_the_others_are_stored(&app, &texts, "").await;
    }
    assert!(app.quarantined().await.is_empty());
    assert_eq!(app.message("SMwarm").await.id, taken);
}

/// Work of which one row clashes, after it has appended to the log.
struct Clashing {
    agency: AgencyId,
    thread: ThreadId,
    row: message::Model,
}

impl Unit for Clashing {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        tx.thread_updated(self.agency, self.thread, &[], Vec::new())?;
        message::Entity::insert(self.row.clone().into_active_model()).exec_without_returning(tx.conn).await.map(drop)
    }
}

#[tokio::test]
async fn a_unit_that_is_refused_leaves_no_hole_in_the_log() {
    let (app, acme) = warm().await;
    let row = app.message("SMwarm").await;
    let events = app.events(acme).await.len();
    let texts = batch_with(Text::new("SMnone"));
    let held = app.hold_writer(acme).await;
    let clashing = app.services().writer.run(acme, Clashing { agency: acme, thread: row.thread_id, row: row.clone() });
    let releasing = async {
        held.until_waiting(BATCH + 1).await;
        held.let_go().await;
    };
    let (refused, answers, ()) = tokio::join!(clashing, app.post_all(&texts), releasing);
    assert_eq!(refused, Err(WriteError::Refused));
    assert_eq!(answers, vec![StatusCode::OK; BATCH]);
    assert_the_others_are_stored(&app, &texts, "").await;
    assert_eq!(app.events(acme).await.len(), events + BATCH);
}
