//! During a database outage of a few seconds, webhooks are retried within their time limit and stored once, and all
//! other requests fail immediately.

use std::future::Future;
use std::time::Duration;

use partyline::domain::{CallStatus, MessageStatus};
use partyline::entity::message;
use partyline::ports::{Clock as _, SystemClock};
use partyline::service::claim_thread::claim_thread;
use partyline::service::{Error, Fault};
use partyline::store::writer::WriteError;
use reqwest::StatusCode;
use serde_json::json;

use crate::support::database_outage::Outage;
use crate::support::outbound::receipt_query;
use crate::support::voice::{INBOUND, PHONES, STATUS, attribute, form};
use crate::support::{EMPTY_RESPONSE, TestApp, Text, wait};

/// The duration of a restart of PostgreSQL.
const RESTART: Duration = Duration::from_secs(3);
/// The time limit for responses to webhooks.
const IN_TIME: Duration = Duration::from_secs(10);

/// Runs `work` during an outage of this duration by the mock clock, and afterwards until it finishes.
async fn during_outage<T>(app: &TestApp, outage: &Outage, away: Duration, work: impl Future<Output = T>) -> T {
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
        None => wait::within("the work finishes", app.with_running_clock(work)).await,
    };
    outage.wait_until_readable(app).await;
    done
}

fn accepted() -> (StatusCode, String) {
    (StatusCode::OK, EMPTY_RESPONSE.to_owned())
}

fn unavailable() -> (StatusCode, String) {
    (StatusCode::SERVICE_UNAVAILABLE, String::new())
}

async fn start() -> (TestApp, Outage) {
    let (app, outage) = TestApp::start_with_outages().await;
    app.apply(PHONES).await;
    (app, outage)
}

/// An outbound reply of Ben's that waits for its status callbacks.
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
    app.assert_logs_are_gapless().await;
}

/// Asserts that Ben, who has claimed the thread by replying, was notified once of the text SM1.
async fn assert_ben_was_notified_once(app: &TestApp) {
    let notifications = app.notifications_of(&app.message("SM1").await).await;
    assert_eq!(app.keys("acme", notifications.iter().map(|row| row.user_id)).await, ["ben"]);
}

/// Carla calls, nobody answers, and she is asked for a voicemail; returns the URL that the recording is sent to.
async fn reach_voicemail_prompt(app: &TestApp) -> String {
    let greeting = app.document(INBOUND, &form("CA1", &[])).await;
    let ringing = app.document(&attribute(&greeting, "action"), &form("CA1", &[("Digits", "")])).await;
    let unanswered = form("CA1", &[("DialCallStatus", "no-answer"), ("DialBridged", "false")]);
    let asked = app.document(&attribute(&ringing, "action"), &unanswered).await;
    app.wait_for_call_log().await;
    attribute(&asked, "action")
}

const RECORDED: [(&str, &str); 2] = [("RecordingSid", "RE1"), ("RecordingDuration", "5")];

async fn assert_one_voicemail(app: &TestApp) {
    let call = app.call("CA1").await;
    assert_eq!((call.status, app.voicemail_of(&call).await.is_some()), (CallStatus::Voicemail, true));
    assert_eq!(app.call_notifications(&call).await, ["Voicemail ben", "Voicemail chloe"]);
    app.assert_logs_are_gapless().await;
}

/// Carla calls; she hangs up during the greeting, which [`ENDED`] reports.
async fn start_call(app: &TestApp) {
    app.document(INBOUND, &form("CA1", &[])).await;
    app.wait_for_call_log().await;
}

const ENDED: [(&str, &str); 2] = [("CallStatus", "completed"), ("CallDuration", "4")];

async fn assert_missed_once(app: &TestApp) {
    let call = app.call("CA1").await;
    assert_eq!((call.status, call.duration_seconds), (CallStatus::NoAnswer, Some(4)));
    assert_eq!(app.call_notifications(&call).await, ["MissedCall ben", "MissedCall chloe"]);
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn texts_are_stored_once_after_three_seconds_without_a_database() {
    let (app, outage) = start().await;
    app.receive(Text::new("SM0")).await;
    let failures = app.failed_batches();
    let texts: Vec<Text> = (1..=5).map(|n| Text::new(format!("SM{n}"))).collect();
    let answers = during_outage(&app, &outage, RESTART, app.post_all(&texts)).await;
    assert_eq!(answers, [StatusCode::OK; 5]);
    assert!(app.failed_batches() > failures + 2, "the lane did not retry");
    for text in &texts {
        let message = app.message(&text.sid).await;
        assert_eq!(app.notifications_of(&message).await.len(), 2, "{}", text.sid);
    }
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn a_receipt_is_stored_once_after_three_seconds_without_a_database() {
    let (app, outage) = start().await;
    let message = reply(&app).await;
    let query = receipt_query(&message);
    let answer = during_outage(&app, &outage, RESTART, app.receipt(&query, &UNDELIVERED)).await;
    assert_eq!(answer, StatusCode::OK);
    assert_undelivered_once(&app, &message).await;
}

#[tokio::test]
async fn a_voicemail_is_stored_once_after_three_seconds_without_a_database() {
    let (app, outage) = start().await;
    let address = reach_voicemail_prompt(&app).await;
    let fields = form("CA1", &RECORDED);
    let (status, document) = during_outage(&app, &outage, RESTART, app.voice(&address, &fields)).await;
    assert_eq!(status, StatusCode::OK, "{document}");
    assert_one_voicemail(&app).await;
}

#[tokio::test]
async fn the_end_of_a_call_is_stored_once_after_three_seconds_without_a_database() {
    let (app, outage) = start().await;
    start_call(&app).await;
    let fields = form("CA1", &ENDED);
    assert_eq!(during_outage(&app, &outage, RESTART, app.voice(STATUS, &fields)).await.0, StatusCode::OK);
    assert_missed_once(&app).await;
}

/// Accounts, numbers, and directories are not cached yet.
#[tokio::test]
async fn a_server_that_has_just_started_also_retries() {
    let (first, outage) = start().await;
    let message = reply(&first).await;
    start_call(&first).await;
    // With SQLite only one server can run, and reads continue during the outage, so there is nothing to test.
    if outage.proxy().is_none() {
        return;
    }
    let query = receipt_query(&message);
    let second = first.start_second_server().await;
    let ended = form("CA1", &ENDED);
    let work = async { tokio::join!(second.voice(STATUS, &ended), second.receipt(&query, &UNDELIVERED)) };
    let (call, receipt) = during_outage(&second, &outage, RESTART, work).await;
    assert_eq!((call.0, receipt), (StatusCode::OK, StatusCode::OK));
    assert_missed_once(&second).await;
    assert_undelivered_once(&second, &message).await;

    let third = first.start_second_server().await;
    let text = Text::new("SM1");
    assert_eq!(during_outage(&third, &outage, RESTART, third.post_text(&text)).await, accepted());
    third.message("SM1").await;
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_longer_outage_is_a_503_in_time_and_nothing_is_stored_twice_afterwards() {
    let (app, outage) = start().await;
    let message = reply(&app).await;
    let (text, query) = (Text::new("SM1"), receipt_query(&message));
    let real = SystemClock::new();
    let acme = app.agency("acme").await;
    let work = async {
        let answers = tokio::join!(app.post_text(&text), app.receipt(&query, &UNDELIVERED));
        app.wait_for_lane_timeout(acme).await;
        answers
    };
    let (answer, receipt) = during_outage(&app, &outage, Duration::from_secs(20), work).await;
    assert_eq!((answer, receipt), (unavailable(), StatusCode::SERVICE_UNAVAILABLE));
    assert!(real.monotonic() < IN_TIME, "{:?}", real.monotonic());
    assert_eq!(app.with_running_clock(app.post_text(&Text::new("SM2"))).await, accepted());
    assert!(app.messages_with("SM1").await.is_empty());
    assert_eq!(app.outbound().await.remove(0), message);

    for _ in 0..2 {
        assert_eq!(app.post_text(&text).await, accepted());
        assert_eq!(app.receipt(&query, &UNDELIVERED).await, StatusCode::OK);
    }
    assert_ben_was_notified_once(&app).await;
    assert_undelivered_once(&app, &message).await;
}

#[tokio::test]
async fn other_work_than_webhooks_fails_immediately_during_an_outage() {
    let (app, outage) = start().await;
    app.receive(Text::new("SM0")).await;
    let (ben, thread) = (app.viewer("acme", "ben").await, app.thread_of("SM0").await);
    let text = Text::new("SM1");
    outage.begin(&app).await;
    let failures = app.failed_batches();
    let claiming = async {
        wait::until("the text has been attempted", async || (app.failed_batches() > failures).then_some(())).await;
        // The clock stands still, so the lane stays in its retry delay.
        let claimed = wait::within("a response", claim_thread(app.services(), &ben, thread.id)).await;
        assert!(matches!(claimed, Err(Error::Failed(Fault::Write(WriteError::Failed)))), "{claimed:?}");
        outage.end();
        app.clock.advance(Duration::from_millis(250));
    };
    let (answer, ()) = tokio::join!(app.post_text(&text), claiming);
    assert_eq!(answer, accepted());
    outage.wait_until_readable(&app).await;
    claim_thread(app.services(), &ben, thread.id).await.unwrap();
    app.message("SM1").await;
}

#[tokio::test]
async fn a_caller_does_not_wait_for_the_database() {
    let (app, outage) = start().await;
    let greeting = app.document(INBOUND, &form("CA1", &[])).await;
    let ringing = app.document(&attribute(&greeting, "action"), &form("CA1", &[("Digits", "")])).await;
    app.wait_for_call_log().await;
    outage.begin(&app).await;
    // The clock stands still, so nothing is retried.
    let unanswered = form("CA1", &[("DialCallStatus", "no-answer"), ("DialBridged", "false")]);
    let asked = app.document(&attribute(&ringing, "action"), &unanswered).await;
    assert!(asked.contains("<Record "), "{asked}");
    outage.end();
    outage.wait_until_readable(&app).await;
    let left = form("CA1", &RECORDED);
    app.with_running_clock(app.document(&attribute(&asked, "action"), &left)).await;
    assert_one_voicemail(&app).await;
}

/// The connection breaks between a COMMIT and its response, so the work is repeated after it was committed.
#[tokio::test]
async fn work_is_stored_once_when_the_response_to_its_commit_is_lost() {
    let (app, outage) = start().await;
    let Some(proxy) = outage.proxy() else { return };
    let message = reply(&app).await;
    let (text, query, ended) = (Text::new("SM1"), receipt_query(&message), form("CA1", &ENDED));

    proxy.drop_next_commit_response();
    assert_eq!(app.with_running_clock(app.post_text(&text)).await, accepted());
    assert!(proxy.has_dropped_response());
    assert_ben_was_notified_once(&app).await;

    proxy.drop_next_commit_response();
    assert_eq!(app.with_running_clock(app.receipt(&query, &UNDELIVERED)).await, StatusCode::OK);
    assert!(proxy.has_dropped_response());
    assert_undelivered_once(&app, &message).await;

    start_call(&app).await;
    proxy.drop_next_commit_response();
    assert_eq!(app.with_running_clock(app.voice(STATUS, &ended)).await.0, StatusCode::OK);
    assert!(proxy.has_dropped_response());
    assert_missed_once(&app).await;
}

#[tokio::test]
async fn a_voicemail_is_stored_once_when_the_response_to_its_commit_is_lost() {
    let (app, outage) = start().await;
    let Some(proxy) = outage.proxy() else { return };
    let address = reach_voicemail_prompt(&app).await;
    proxy.drop_next_commit_response();
    let fields = form("CA1", &RECORDED);
    assert_eq!(app.with_running_clock(app.voice(&address, &fields)).await.0, StatusCode::OK);
    assert!(proxy.has_dropped_response());
    assert_one_voicemail(&app).await;
}
