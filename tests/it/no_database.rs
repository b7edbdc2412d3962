//! The database does not answer: 503 in good time, nothing lost, and no secret in the message.

use std::time::Duration;

use partyline::app::{App, Ports, migrate_up};
use partyline::ports::{Clock as _, SystemClock, SystemIdGen};
use partyline::service::claim_thread::claim_thread;
use reqwest::StatusCode;
use sea_orm::ConnectionTrait as _;

use crate::support::{TestApp, Text, database, settings, wait};

/// When Twilio has to be told at the latest that it must send a text again.
const IN_TIME: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_locked_database_is_a_503_in_time_and_works_later() {
    if !database::is_sqlite() {
        return;
    }
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let thread = app.thread_of("SM0").await;
    let other = sea_orm::Database::connect(&app.database.url).await.unwrap();
    other.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let clock = SystemClock::new();
    let text = Text::new("SM1");
    let ben = app.viewer("acme", "ben").await;
    let answer = app.as_time_passes(app.post_text(&text)).await;
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, String::new()));
    assert!(clock.monotonic() < IN_TIME, "{:?}", clock.monotonic());

    other.execute_unprepared("COMMIT").await.unwrap();
    other.close().await.unwrap();
    // Stored or not by then, sent again it is there once.
    app.receive(text).await;
    app.message("SM1").await;
    claim_thread(app.services(), &ben, thread.id).await.unwrap().unwrap();
    app.assert_logs_are_whole().await;
}

#[tokio::test]
async fn a_writer_that_is_held_up_is_a_503_in_time() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let held = app.hold_writer(app.agency("acme").await).await;
    let text = Text::new("SM1");
    let waiting = async {
        held.until_waiting(1).await;
        app.clock.advance(Duration::from_secs(9));
    };
    let (answer, ()) = tokio::join!(app.post_text(&text), waiting);
    assert_eq!(answer, (StatusCode::SERVICE_UNAVAILABLE, String::new()));
    held.let_go().await;
    // Stored or not by then, sent again it is there once.
    app.receive(text).await;
    app.message("SM1").await;
}

#[tokio::test]
async fn a_database_that_goes_away_is_a_503_in_time() {
    if database::is_sqlite() {
        return;
    }
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    app.database.take_away().await;
    let clock = SystemClock::new();
    let texts = [Text::new("SM1"), Text::new("SM2").from("+13035569999")];
    let answers = app.as_time_passes(app.post_all(&texts)).await;
    assert_eq!(answers, [StatusCode::SERVICE_UNAVAILABLE; 2]);
    assert!(clock.monotonic() < IN_TIME, "{:?}", clock.monotonic());
    if app.database.url.starts_with("postgres") {
        // MariaDB keeps the connections to a database that is dropped, and answers on them.
        let ready = app.http.get(app.url("/readyz")).send().await.unwrap();
        assert_eq!(ready.status(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let alive = app.http.get(app.url("/healthz")).send().await.unwrap();
    assert_eq!(alive.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_server_does_not_start_without_its_database_and_does_not_tell_its_address() {
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
            let said = format!("{error:#} {error:?}");
            assert!(said.contains("the database cannot be reached"), "{said}");
            assert!(!format!("{error:#}").contains("canary"), "{said}");
        }
    }
}
