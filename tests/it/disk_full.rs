//! SQLite's file can grow no more in the middle of a batch.

use std::collections::HashSet;
use std::time::Duration;

use partyline::domain::{AccountId, AgencyId, QuarantineId, QuarantineState};
use partyline::entity::{message, quarantine};
use partyline::store::writer::{Tx, Unit, WriteError};
use reqwest::StatusCode;
use sea_orm::{ConnectionTrait as _, DbBackend, DbErr, EntityTrait as _, IntoActiveModel as _, Statement};
use uuid::Uuid;

use crate::support::{TestApp, Text, database, wait};

/// Lets the file grow by so many pages and no further. A failed batch ends its connection, and the
/// limit with it: the next connection has room again.
struct Limit {
    pages: i64,
}

impl Unit for Limit {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let asked = Statement::from_string(DbBackend::Sqlite, "PRAGMA page_count");
        let row = tx.conn.query_one_raw(asked).await?.expect("a count");
        let limit = row.try_get_by_index::<i64>(0)? + self.pages;
        tx.conn.execute_unprepared(&format!("PRAGMA max_page_count = {limit}")).await.map(drop)
    }
}

/// Work that needs more room than there is.
struct Glutton(AccountId);

impl Unit for Glutton {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let row = quarantine::Model {
            id: QuarantineId(Uuid::from_u128(1)),
            twilio_account_id: self.0,
            provider_sid: "SMglutton".to_owned(),
            to_address: String::new(),
            agency_id: None,
            reason: "UNMATCHED".to_owned(),
            form: "x".repeat(4 << 20),
            state: QuarantineState::Held,
            created_at: tx.now,
            settled_at: None,
        };
        quarantine::Entity::insert(row.into_active_model()).exec_without_returning(tx.conn).await.map(drop)
    }
}

async fn limit(app: &TestApp, agency: AgencyId, pages: i64) {
    app.services().writer.run(agency, Limit { pages }).await.expect("a limit can be set");
}

/// A text that takes ten pages, of a contact of its own.
fn big(n: usize) -> Text {
    Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}")).body(&"long ".repeat(8_000))
}

/// What was answered 200 is there whole and once; what was not is not there at all.
async fn assert_answers_are_true(app: &TestApp, agency: AgencyId, texts: &[Text], answers: &[StatusCode]) {
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
            other => panic!("{} was answered {other}", text.sid),
        }
    }
    app.assert_logs_are_whole().await;
}

#[tokio::test]
async fn what_was_answered_ok_is_there_and_what_was_not_is_not() {
    if !database::is_sqlite() {
        return;
    }
    let (app, outage) = TestApp::start_with_outages().await;
    let acme = app.agency("acme").await;
    let texts: Vec<Text> = (0..120).map(big).collect();
    let mut answers = Vec::new();
    // Each part finds room for some of its texts only, and no new connection brings room again in time.
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
        app.until_lane_gave_up(acme).await;
        outage.end();
    }
    let failed = answers.iter().filter(|status| **status == StatusCode::SERVICE_UNAVAILABLE).count();
    assert!((1..texts.len()).contains(&failed), "{failed} failed");
    assert_answers_are_true(&app, acme, &texts, &answers).await;

    // Twilio sends them again.
    let again = app.post_all(&texts).await;
    assert_eq!(again, vec![StatusCode::OK; texts.len()]);
    assert_answers_are_true(&app, acme, &texts, &again).await;
}

#[tokio::test]
async fn work_that_fills_the_disk_fails_and_the_texts_beside_it_are_stored() {
    if !database::is_sqlite() {
        return;
    }
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    app.receive(Text::new("SMwarm")).await;
    let account = app.message("SMwarm").await.twilio_account_id;
    limit(&app, acme, 50).await;
    let texts: Vec<Text> = (0..10).map(|n| Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}"))).collect();
    let held = app.hold_writer(acme).await;
    let releasing = async {
        held.until_waiting(texts.len() + 1).await;
        held.let_go().await;
    };
    let glutton = app.services().writer.run(acme, Glutton(account));
    let all = async { tokio::join!(glutton, app.post_all(&texts), releasing) };
    let (glutton, answers, ()) = app.as_time_passes(all).await;
    assert_eq!(glutton, Err(WriteError::Failed));
    assert_eq!(answers, vec![StatusCode::OK; texts.len()]);
    assert_answers_are_true(&app, acme, &texts, &answers).await;
}
