//! The SQLite database reaches its maximum size in the middle of a batch.

use std::collections::HashSet;
use std::convert::Infallible;
use std::time::Duration;

use partyline::domain::{AccountId, AgencyId, QuarantineId, QuarantineReason, QuarantineState};
use partyline::entity::{message, quarantine};
use partyline::store::statements::{Kind, Statements as _};
use partyline::store::writer::{Tx, Unit, UnitError, WriteError};
use reqwest::StatusCode;
use sea_orm::{DbBackend, EntityTrait as _, IntoActiveModel as _, Statement};
use uuid::Uuid;

use crate::support::{TestApp, Text, wait};

/// Limits the growth of the file to this many pages. The limit belongs to the connection, which a failed batch closes;
/// the next connection has no limit.
struct Limit {
    pages: i64,
    /// Whether it is the writer's own connection or that of SeaORM.
    is_direct: bool,
}

impl Unit for Limit {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let pragma = |text: String| Statement::from_string(DbBackend::Sqlite, format!("PRAGMA {text}"));
        let count = tx.conn.rows(pragma("page_count".to_owned()), &[Kind::BigInt]).await?.remove(0).take::<i64>()?;
        tx.conn.rows(pragma(format!("max_page_count = {}", count + self.pages)), &[Kind::BigInt]).await?;
        Ok(())
    }

    fn is_direct(&self) -> bool {
        self.is_direct
    }
}

/// Work that exceeds the remaining space.
struct OversizedInsert(AccountId);

impl Unit for OversizedInsert {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let row = quarantine::Model {
            id: QuarantineId(Uuid::from_u128(1)),
            twilio_account_id: self.0,
            provider_sid: "SMglutton".to_owned(),
            to_address: String::new(),
            agency_id: None,
            reason: QuarantineReason::UnmatchedNumber,
            form: "x".repeat(4 << 20),
            state: QuarantineState::Held,
            created_at: tx.now,
            settled_at: None,
        };
        quarantine::Entity::insert(row.into_active_model()).exec_without_returning(tx.conn).await?;
        Ok(())
    }
}

async fn limit(app: &TestApp, agency: AgencyId, pages: i64) {
    for is_direct in [true, false] {
        app.services().writer.run(agency, Limit { pages, is_direct }).await.expect("the limit is set");
    }
}

/// A text of about ten pages from a new contact.
fn large_text(n: usize) -> Text {
    Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}")).body(&"long ".repeat(8_000))
}

/// Asserts that each text with a 200 is stored completely and once, and that no other text is stored.
async fn assert_stored_as_acknowledged(app: &TestApp, agency: AgencyId, texts: &[Text], answers: &[StatusCode]) {
    let stored: Vec<message::Model> = message::Entity::find().all(app.db()).await.unwrap();
    let events: HashSet<_> = app.events(agency).await.into_iter().filter_map(|event| event.message_id).collect();
    assert_eq!(events, stored.iter().map(|message| message.id).collect());
    for (n, (text, answer)) in texts.iter().zip(answers).enumerate() {
        let contacts = app.contacts_at(agency, &format!("+1303557{n:04}")).await.len();
        match *answer {
            StatusCode::OK => {
                let message = app.message(&text.sid).await;
                assert_eq!((contacts, app.notifications_of(&message).await.len()), (1, 2), "{}", text.sid);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                assert_eq!((contacts, app.messages_with(&text.sid).await.len()), (0, 0), "{}", text.sid);
            }
            other => panic!("{} got the unexpected status {other}", text.sid),
        }
    }
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
#[ignore = "SQLite only: limits the size of the file"]
async fn acknowledged_texts_are_stored_and_others_are_not_on_sqlite() {
    let (app, outage) = TestApp::start_with_outages().await;
    let acme = app.agency("acme").await;
    let texts: Vec<Text> = (0..120).map(large_text).collect();
    let mut answers = Vec::new();
    // Only some texts of each part fit, and the outage prevents a new connection without the limit.
    for part in texts.chunks(24) {
        limit(&app, acme, 100).await;
        let (first, rest) = part.split_at(8);
        answers.extend(app.post_as_one_batch(acme, first).await);
        outage.refuse_connections();
        let failures = app.failed_batches();
        let waiting = async {
            wait::until("a batch fails", async || (app.failed_batches() > failures).then_some(())).await;
            app.clock.advance(Duration::from_secs(9));
        };
        answers.extend(tokio::join!(app.post_as_one_batch(acme, rest), waiting).0);
        app.wait_for_lane_timeout(acme).await;
        outage.end();
    }
    let failed = answers.iter().filter(|status| **status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert!((1..texts.len()).contains(&failed), "{failed} failed");
    assert_stored_as_acknowledged(&app, acme, &texts, &answers).await;

    // Twilio sends them again.
    let again = app.post_all(&texts).await;
    assert_eq!(again, vec![StatusCode::OK; texts.len()]);
    assert_stored_as_acknowledged(&app, acme, &texts, &again).await;
}

#[tokio::test]
#[ignore = "SQLite only: limits the size of the file"]
async fn work_that_fills_the_disk_fails_and_texts_in_the_same_batch_are_stored_on_sqlite() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    app.receive(Text::new("SMwarm")).await;
    let account = app.message("SMwarm").await.twilio_account_id;
    limit(&app, acme, 50).await;
    let texts: Vec<Text> = (0..10).map(|n| Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}"))).collect();
    let held = app.block_writer(acme).await;
    let releasing = async {
        held.wait_for_queued(texts.len() + 1).await;
        held.unblock().await;
    };
    let oversized = app.services().writer.run(acme, OversizedInsert(account));
    let all = async { tokio::join!(oversized, app.post_all(&texts), releasing) };
    let (oversized, answers, ()) = app.with_running_clock(all).await;
    assert_eq!(oversized, Err(WriteError::Failed));
    assert_eq!(answers, vec![StatusCode::OK; texts.len()]);
    assert_stored_as_acknowledged(&app, acme, &texts, &answers).await;
}
