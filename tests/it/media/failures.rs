//! Files that cannot be fetched end in a clear state, and the thread stays readable.

use std::time::Duration;

use partyline::domain::fetching::DAY;
use partyline::service::fetch_media::fetch_media;
use partyline_simulator::{MediaFault, MediaFile};
use serde_json::{Value, json};

use super::{PNG, is_pending, outcome, picture, row, send, send_faulty};
use crate::support::TestApp;
use crate::support::carrier::carrier;
use crate::support::wait;

const HALF_A_DAY: Duration = Duration::from_secs(13 * 3600);

fn failed(failure: &str) -> (String, Value) {
    ("FAILED".to_owned(), json!(failure))
}

#[tokio::test]
async fn a_file_that_vanished_is_given_up_after_some_minutes() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let at_the_api = send_faulty(&carrier, MediaFault::not_yet_available(u32::MAX)).await;
    let at_the_host = send_faulty(&carrier, MediaFault::ContentStatus { status: 404, times: u32::MAX }).await;
    for attempts in 1..=6 {
        fetch_media(app.services()).await.unwrap();
        for text in [&at_the_api, &at_the_host] {
            assert!(is_pending(&row(&app, text).await));
            assert_eq!(row(&app, text).await.attempts, attempts);
        }
        app.clock.advance(Duration::from_secs(900));
    }
    fetch_media(app.services()).await.unwrap();
    assert_eq!(outcome(&app, &at_the_api).await, failed("MISSING"));
    assert_eq!(outcome(&app, &at_the_host).await, failed("MISSING"));
    assert!(!is_pending(&row(&app, &at_the_api).await), "it is not requested again");
}

#[tokio::test]
async fn a_file_that_is_too_large_is_given_up_at_once() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let large = |size: usize| MediaFile::new("image/png", [PNG, &vec![0; size - PNG.len()]].concat());
    let limit = 25 * 1024 * 1024;
    let too_large = send(&carrier, [large(30_000_000)]).await;
    let endless = send_faulty(&carrier, MediaFault::Endless).await;
    let allowed = send(&carrier, [large(limit)]).await;
    fetch_media(app.services()).await.unwrap();
    assert_eq!(outcome(&app, &too_large).await, failed("TOO_LARGE"));
    assert_eq!(outcome(&app, &endless).await, failed("TOO_LARGE"));
    assert_eq!(outcome(&app, &allowed).await.0, "READY");
    assert_eq!(row(&app, &allowed).await.byte_size, i32::try_from(limit).ok());
}

#[tokio::test]
async fn a_slow_file_is_tried_again_and_given_up_after_a_day() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let slow = send_faulty(&carrier, MediaFault::Stalled { after: 20 }).await;
    // An attempt whose response has not begun when the clock is advanced is not counted.
    wait::until("the file is given up", || async {
        let fetching = tokio::spawn({
            let services = app.services().clone();
            async move { fetch_media(&services).await }
        });
        let is_finished = || {
            app.clock.advance(Duration::from_secs(61));
            std::future::ready(fetching.is_finished().then_some(()))
        };
        wait::until("the attempt has ended", is_finished).await;
        fetching.await.unwrap().unwrap();
        app.clock.advance(HALF_A_DAY);
        (!is_pending(&row(&app, &slow).await)).then_some(())
    })
    .await;
    assert_eq!(outcome(&app, &slow).await, failed("UNREACHABLE"));
    assert_eq!(usize::try_from(row(&app, &slow).await.attempts), Ok(DAY - 1));
}

#[tokio::test]
async fn a_broken_file_is_tried_again_and_given_up_after_a_day() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let faults = [MediaFault::Truncated { after: 20 }, MediaFault::ContentStatus { status: 403, times: u32::MAX }];
    for fault in faults {
        let broken = send_faulty(&carrier, fault.clone()).await;
        for attempts in 1..=9 {
            fetch_media(app.services()).await.unwrap();
            assert!(is_pending(&row(&app, &broken).await));
            assert_eq!(row(&app, &broken).await.attempts, attempts);
            app.clock.advance(HALF_A_DAY);
        }
        fetch_media(app.services()).await.unwrap();
        assert_eq!(outcome(&app, &broken).await, failed("UNREACHABLE"), "{fault:?}");
    }
}

#[tokio::test]
async fn an_error_of_the_account_never_abandons_a_file() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    for status in [401, 403, 429, 500, 503] {
        let text = send_faulty(&carrier, MediaFault::Status { status, seconds: None, times: 12 }).await;
        for _ in 0..12 {
            fetch_media(app.services()).await.unwrap();
            let row = row(&app, &text).await;
            assert_eq!((is_pending(&row), row.attempts), (true, 0), "{status}");
            app.clock.advance(HALF_A_DAY);
        }
        fetch_media(app.services()).await.unwrap();
        assert_eq!(outcome(&app, &text).await, ("READY".to_owned(), Value::Null), "{status}");
    }
}

#[tokio::test]
async fn admins_are_notified_once_that_files_cannot_be_fetched() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let problems = async || {
        let query = "{ notifications(first: 100) { nodes { kind resolvedAt } } }";
        let answer = app.graphql(&app.token("acme", "ana"), query, Value::Null).await;
        let all = answer["data"]["notifications"]["nodes"].as_array().unwrap().clone();
        let problems = all.into_iter().filter(|row| row["kind"] == "CARRIER_ACCOUNT_PROBLEM");
        problems.map(|row| row["resolvedAt"].is_string()).collect::<Vec<_>>()
    };
    for _ in 0..2 {
        send_faulty(&carrier, MediaFault::Status { status: 403, seconds: None, times: 2 }).await;
    }
    for _ in 0..2 {
        fetch_media(app.services()).await.unwrap();
        assert_eq!(problems().await, [false]);
        app.clock.advance(Duration::from_secs(301));
    }
    fetch_media(app.services()).await.unwrap();
    assert_eq!(problems().await, [true]);
}

#[tokio::test]
async fn a_bad_file_does_not_affect_the_others_of_its_text() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let page = MediaFile::new("image/png", "<html>");
    let files = [page, picture(), picture().with_fault(MediaFault::not_yet_available(u32::MAX)), picture()];
    let text = send(&carrier, files).await;
    fetch_media(app.services()).await.unwrap();
    let states: Vec<_> = super::shown(&app, "ben", &text).await.iter().map(|file| file["state"].clone()).collect();
    assert_eq!(states, ["FAILED", "READY", "PENDING", "READY"]);
}
