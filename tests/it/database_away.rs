//! The database is away for some seconds: what webhooks bring is stored within the time that they have, once, and
//! everything else is answered at once.

use std::future::Future;
use std::time::Duration;

use partyline::domain::{CallStatus, MessageStatus};
use partyline::entity::message;
use partyline::ports::{Clock as _, SystemClock};
use partyline::service::Fault;
use partyline::service::claim_thread::claim_thread;
use partyline::store::writer::WriteError;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::database_outage::Outage;
use crate::support::outbound::named;
use crate::support::voice::{INBOUND, PHONES, STATUS, attribute, form};
use crate::support::{EMPTY_RESPONSE, TestApp, Text, wait};

/// A restart of PostgreSQL.
const RESTART: Duration = Duration::from_secs(3);
/// When a webhook has to be answered at the latest.
const IN_TIME: Duration = Duration::from_secs(10);

/// Does the work while the database is away for so long by the test's clock, and then for as long as it takes.
async fn during<T>(app: &TestApp, outage: &Outage, away: Duration, work: impl Future<Output = T>) -> T {
    const STEP: Duration = Duration::from_millis(250);
    outage.begin(app).await;
    let mut work = Box::pin(work);
    let passing = async {
        let mut ticks = wait::ticks(Duration::from_millis(20));
        let mut passed = Duration::ZERO;
        while passed < away {
            ticks.tick().await;
            app.clock.advance(STEP);
            passed += STEP;
        }
    };
    let early = tokio::select! {
        done = &mut work => Some(done),
        () = passing => None,
    };
    outage.end();
    let done = match early {
        Some(done) => done,
        None => wait::within("the work is done", app.as_time_passes(work)).await,
    };
    outage.until_readable(app).await;
    done
}

fn taken() -> (StatusCode, String) {
    (StatusCode::OK, EMPTY_RESPONSE.to_owned())
}

fn refused() -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, String::new())
}

async fn start() -> (TestApp, Outage) {
    let (app, outage) = TestApp::start_with_outages().await;
    app.apply(PHONES).await;
    (app, outage)
}

/// A reply of Ben's that waits for its receipts.
async fn reply(app: &TestApp) -> message::Model {
    app.receive(Text::new("SM0")).await;
    let ben = app.token("acme", "ben");
    let thread = app.all_threads(&ben).await[0].clone();
    assert_eq!(app.reply(&ben, &thread, "hello", json!({})).await["userErrors"], json!([]));
    app.outbound().await.remove(0)
}

const UNDELIVERED: [(&str, &str); 3] =
    [("MessageSid", "SMout"), ("MessageStatus", "undelivered"), ("ErrorCode", "30005")];

async fn assert_undelivered_once(app: &TestApp, message: &message::Model) {
    let after = app.outbound().await.remove(0);
    assert_eq!((after.id, after.status), (message.id, MessageStatus::Undelivered));
    assert_eq!(app.notifications_of(&after).await.len(), 1);
    app.assert_logs_are_whole().await;
}

/// The one text SM1 told Ben, who has claimed the thread by his reply.
async fn assert_ben_was_told_once(app: &TestApp) {
    let told = app.notifications_of(&app.message("SM1").await).await;
    assert_eq!(app.keys("acme", told.iter().map(|row| row.user_id)).await, ["ben"]);
}

/// Carla calls, nobody answers, and she is asked for a voicemail: the address of what she says.
async fn asked_for_a_voicemail(app: &TestApp) -> String {
    let greeting = app.document(INBOUND, &form("CA1", &[])).await;
    let ringing = app.document(&attribute(&greeting, "action"), &form("CA1", &[("Digits", "")])).await;
    let unanswered = form("CA1", &[("DialCallStatus", "no-answer"), ("DialBridged", "false")]);
    let asked = app.document(&attribute(&ringing, "action"), &unanswered).await;
    app.calls_written().await;
    attribute(&asked, "action")
}

const RECORDED: [(&str, &str); 2] = [("RecordingSid", "RE1"), ("RecordingDuration", "5")];

async fn assert_one_voicemail(app: &TestApp) {
    let call = app.call("CA1").await;
    assert_eq!((call.status, app.voicemail_of(&call).await.is_some()), (CallStatus::Voicemail, true));
    assert_eq!(app.told_of(&call).await, ["Voicemail ben", "Voicemail chloe"]);
    app.assert_logs_are_whole().await;
}

/// Carla calls and hangs up while she hears the greeting: how the call ended.
async fn begin_call(app: &TestApp) {
    app.document(INBOUND, &form("CA1", &[])).await;
    app.calls_written().await;
}

const ENDED: [(&str, &str); 2] = [("CallStatus", "completed"), ("CallDuration", "4")];

async fn assert_missed_once(app: &TestApp) {
    let call = app.call("CA1").await;
    assert_eq!((call.status, call.duration_seconds), (CallStatus::NoAnswer, Some(4)));
    assert_eq!(app.told_of(&call).await, ["MissedCall ben", "MissedCall chloe"]);
    app.assert_logs_are_whole().await;
}

#[tokio::test]
async fn texts_are_stored_once_after_three_seconds_without_a_database() {
    let (app, outage) = start().await;
    app.receive(Text::new("SM0")).await;
    let failures = app.failed_batches();
    let texts: Vec<Text> = (1..=5).map(|n| Text::new(format!("SM{n}"))).collect();
    let answers = during(&app, &outage, RESTART, app.post_all(&texts)).await;
    assert_eq!(answers, [StatusCode::OK; 5]);
    assert!(app.failed_batches() > failures + 1, "the lane tried only once");
    for text in &texts {
        let message = app.message(&text.sid).await;
        assert_eq!(app.notifications_of(&message).await.len(), 2, "{}", text.sid);
    }
    app.assert_logs_are_whole().await;
}

#[tokio::test]
async fn a_receipt_is_stored_once_after_three_seconds_without_a_database() {
    let (app, outage) = start().await;
    let message = reply(&app).await;
    let query = named(&message);
    let answer = during(&app, &outage, RESTART, app.receipt(&query, &UNDELIVERED)).await;
    assert_eq!(answer, StatusCode::OK);
    assert_undelivered_once(&app, &message).await;
}

#[tokio::test]
async fn a_voicemail_is_stored_once_after_three_seconds_without_a_database() {
    let (app, outage) = start().await;
    let address = asked_for_a_voicemail(&app).await;
    let fields = form("CA1", &RECORDED);
    let (status, document) = during(&app, &outage, RESTART, app.voice(&address, &fields)).await;
    assert_eq!(status, StatusCode::OK, "{document}");
    assert_one_voicemail(&app).await;
}

#[tokio::test]
async fn the_end_of_a_call_is_stored_once_after_three_seconds_without_a_database() {
    let (app, outage) = start().await;
    begin_call(&app).await;
    let fields = form("CA1", &ENDED);
    assert_eq!(during(&app, &outage, RESTART, app.voice(STATUS, &fields)).await.0, StatusCode::OK);
    assert_missed_once(&app).await;
}

/// Accounts, numbers and directories are not in memory yet.
#[tokio::test]
async fn a_server_that_has_just_started_waits_for_its_database_too() {
    let (first, outage) = start().await;
    let message = reply(&first).await;
    begin_call(&first).await;
    // On SQLite one server writes, and reading goes on: there is nothing to wait for.
    if outage.proxy().is_none() {
        return;
    }
    let query = named(&message);
    let second = first.beside().await;
    let ended = form("CA1", &ENDED);
    let work = async { tokio::join!(second.voice(STATUS, &ended), second.receipt(&query, &UNDELIVERED)) };
    let (call, receipt) = during(&second, &outage, RESTART, work).await;
    assert_eq!((call.0, receipt), (StatusCode::OK, StatusCode::OK));
    assert_missed_once(&second).await;
    assert_undelivered_once(&second, &message).await;

    let third = first.beside().await;
    let text = Text::new("SM1");
    assert_eq!(during(&third, &outage, RESTART, third.post_text(&text)).await, taken());
    third.message("SM1").await;
}

#[tokio::test]
async fn a_database_that_stays_away_is_a_503_in_time_and_nothing_is_stored_twice_later() {
    let (app, outage) = start().await;
    let message = reply(&app).await;
    let (text, query) = (Text::new("SM1"), named(&message));
    let real = SystemClock::new();
    let acme = app.agency("acme").await;
    let work = async {
        let answers = tokio::join!(app.post_text(&text), app.receipt(&query, &UNDELIVERED));
        app.until_lane_gave_up(acme).await;
        answers
    };
    let (answer, receipt) = during(&app, &outage, Duration::from_secs(20), work).await;
    assert_eq!((answer, receipt), (refused(), StatusCode::SERVICE_UNAVAILABLE));
    assert!(real.monotonic() < IN_TIME, "{:?}", real.monotonic());
    assert_eq!(app.as_time_passes(app.post_text(&Text::new("SM2"))).await, taken());
    assert!(app.messages_with("SM1").await.is_empty());
    assert_eq!(app.outbound().await.remove(0), message);

    for _ in 0..2 {
        assert_eq!(app.post_text(&text).await, taken());
        assert_eq!(app.receipt(&query, &UNDELIVERED).await, StatusCode::OK);
    }
    assert_ben_was_told_once(&app).await;
    assert_undelivered_once(&app, &message).await;
}

#[tokio::test]
async fn work_that_no_webhook_waits_for_fails_at_once_while_the_database_is_away() {
    let (app, outage) = start().await;
    app.receive(Text::new("SM0")).await;
    let (ben, thread) = (app.viewer("acme", "ben").await, app.thread_of("SM0").await);
    let text = Text::new("SM1");
    let failures = app.failed_batches();
    outage.begin(&app).await;
    let claiming = async {
        wait::until("the text is tried", async || (app.failed_batches() > failures).then_some(())).await;
        // The clock stands still: the lane waits before it tries the text again.
        let claimed = wait::within("an answer", claim_thread(app.services(), &ben, thread.id)).await;
        assert!(matches!(claimed, Err(Fault::Write(WriteError::Failed))), "{claimed:?}");
        outage.end();
        app.clock.advance(Duration::from_millis(250));
    };
    let (answer, ()) = tokio::join!(app.post_text(&text), claiming);
    assert_eq!(answer, taken());
    outage.until_readable(&app).await;
    claim_thread(app.services(), &ben, thread.id).await.unwrap().unwrap();
    app.message("SM1").await;
}

#[tokio::test]
async fn a_caller_on_the_line_does_not_wait_for_the_database() {
    let (app, outage) = start().await;
    let greeting = app.document(INBOUND, &form("CA1", &[])).await;
    let ringing = app.document(&attribute(&greeting, "action"), &form("CA1", &[("Digits", "")])).await;
    app.calls_written().await;
    outage.begin(&app).await;
    // The clock stands still, so nothing is tried again.
    let unanswered = form("CA1", &[("DialCallStatus", "no-answer"), ("DialBridged", "false")]);
    let asked = app.document(&attribute(&ringing, "action"), &unanswered).await;
    assert!(asked.contains("<Record "), "{asked}");
    outage.end();
    outage.until_readable(&app).await;
    let left = form("CA1", &RECORDED);
    app.as_time_passes(app.document(&attribute(&asked, "action"), &left)).await;
    assert_one_voicemail(&app).await;
}

/// The connection breaks between the COMMIT and its answer, so the same work is done again after it was committed.
#[tokio::test]
async fn work_whose_commit_was_not_answered_is_stored_once() {
    let (app, outage) = start().await;
    let Some(proxy) = outage.proxy() else { return };
    let message = reply(&app).await;
    let (text, query, ended) = (Text::new("SM1"), named(&message), form("CA1", &ENDED));

    proxy.lose_answer_to_commit();
    assert_eq!(app.as_time_passes(app.post_text(&text)).await, taken());
    assert!(proxy.has_lost_answer());
    assert_ben_was_told_once(&app).await;

    proxy.lose_answer_to_commit();
    assert_eq!(app.as_time_passes(app.receipt(&query, &UNDELIVERED)).await, StatusCode::OK);
    assert!(proxy.has_lost_answer());
    assert_undelivered_once(&app, &message).await;

    begin_call(&app).await;
    proxy.lose_answer_to_commit();
    assert_eq!(app.as_time_passes(app.voice(STATUS, &ended)).await.0, StatusCode::OK);
    assert!(proxy.has_lost_answer());
    assert_missed_once(&app).await;
}

#[tokio::test]
async fn a_voicemail_whose_commit_was_not_answered_is_stored_once() {
    let (app, outage) = start().await;
    let Some(proxy) = outage.proxy() else { return };
    let address = asked_for_a_voicemail(&app).await;
    proxy.lose_answer_to_commit();
    let fields = form("CA1", &RECORDED);
    assert_eq!(app.as_time_passes(app.voice(&address, &fields)).await.0, StatusCode::OK);
    assert!(proxy.has_lost_answer());
    assert_one_voicemail(&app).await;
}
