//! An unresponsive database leads to a 503 in time, loses nothing, and discloses no secret in the error.

use std::time::Duration;

use partyline::app::{App, Ports, migrate_up};
use partyline::ports::{Clock as _, SystemClock, SystemIdGen};
use partyline::service::claim_thread::claim_thread;
use reqwest::StatusCode;
use sea_orm::ConnectionTrait as _;

use crate::support::{TestApp, Text, settings, wait};

/// The time limit for responses to Twilio, which then retries.
const IN_TIME: Duration = Duration::from_secs(10);

#[tokio::test]
#[ignore = "SQLite only: locks the file"]
async fn a_locked_database_is_a_503_in_time_and_works_later_on_sqlite() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let thread = app.thread_of("SM0").await;
    let other = sea_orm::Database::connect(&app.database.url).await.unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let clock = SystemClock::new();
    let text = Text::new("SM1");
    let ben = app.viewer("acme", "ben").await;
    let answer = app.with_running_clock(app.post_text(&text)).await;
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, String::new()));
    assert!(clock.monotonic() < IN_TIME, "{:?}", clock.monotonic());

    other.execute_unprepared("COMMIT").await.unwrap();
    other.close().await.unwrap();
    // Whether or not the text was stored, a repeated request leaves it stored once.
    app.receive(text).await;
    app.message("SM1").await;
    claim_thread(app.services(), &ben, thread.id).await.unwrap();
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn a_blocked_writer_is_a_503_in_time() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let held = app.block_writer(app.agency("acme").await).await;
    let text = Text::new("SM1");
    let waiting = async {
        held.wait_for_queued(1).await;
        app.clock.advance(Duration::from_secs(9));
    };
    let (answer, ()) = tokio::join!(app.post_text(&text), waiting);
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, String::new()));
    held.unblock().await;
    // Whether or not the text was stored, a repeated request leaves it stored once.
    app.receive(text).await;
    app.message("SM1").await;
}

#[tokio::test]
#[ignore = "database servers only: drops the database"]
async fn a_dropped_database_is_a_503_in_time_on_a_server() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    app.database.drop_while_in_use().await;
    let clock = SystemClock::new();
    let texts = [Text::new("SM1"), Text::new("SM2").from("+13035569999")];
    let answers = app.with_running_clock(app.post_all(&texts)).await;
    assert_eq!(answers, [StatusCode::SERVICE_UNAVAILABLE; 2]);
    assert!(clock.monotonic() < IN_TIME, "{:?}", clock.monotonic());
    if app.database.url.starts_with("postgres") {
        // MariaDB keeps connections to a dropped database open and responds on them.
        let ready = app.http.get(app.url("/readyz")).send().await.unwrap();
        assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let alive = app.http.get(app.url("/healthz")).send().await.unwrap();
    assert_eq!(alive.status(), StatusCode::OK);
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_server_does_not_start_without_its_database_and_does_not_disclose_its_url() {
    for url in [
        "postgres://canary-user:canary-password@127.0.0.1:9/canary-name",
        "mysql://canary-user:canary-password@127.0.0.1:9/canary-name",
        "sqlite:///nowhere/canary-password/canary-name.db?mode=rwc",
    ] {
        let settings = settings(url);
        let migrated = wait::within("an error", migrate_up(&settings)).await;
        let ports =
            Ports { clock: std::sync::Arc::new(SystemClock::new()), ids: std::sync::Arc::new(SystemIdGen::new()) };
        let opened = wait::within("an error", App::open(settings, ports)).await.map(drop);
        for error in [migrated.unwrap_err(), opened.unwrap_err()] {
            let error = format!("{error:#} {error:?}");
            assert!(error.contains("the database cannot be reached"), "{error}");
            assert!(!format!("{error:#}").contains("canary"), "{error}");
        }
    }
}
