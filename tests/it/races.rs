//! Concurrent duplicates are processed once.

use futures_util::future::join_all;
use partyline::domain::{EventKind, RoutingRung};
use reqwest::StatusCode;

use crate::support::directory::{DESK, NURSES};
use crate::support::{EMPTY_RESPONSE, TestApp, Text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_text_delivered_a_hundred_times_concurrently_is_one_message() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let before = app.events(acme).await.len();
    let text = Text::new("SMsame");
    let answers = join_all((0..100).map(|_| app.post_text(&text))).await;
    assert!(answers.iter().all(|answer| *answer == (StatusCode::OK, EMPTY_RESPONSE.to_owned())), "{answers:?}");

    let message = app.message("SMsame").await;
    assert_eq!(message.routed_by, Some(RoutingRung::Pool));
    let notified = app.notifications_of(&message).await.into_iter().map(|row| row.user_id);
    assert_eq!(app.keys("acme", notified).await, ["ben", "chloe"]);
    let events = app.events(acme).await;
    assert_eq!(events.len(), before + 1);
    let event = events.last().unwrap();
    assert_eq!((event.kind, event.message_id), (EventKind::InboundMessage, Some(message.id)));
    assert_eq!(app.thread_of("SMsame").await.inbound_count, 1);
    app.assert_logs_are_gapless().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_concurrent_first_texts_of_one_sender_create_one_thread() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let texts: Vec<Text> = (0..100).map(|n| Text::new(format!("SMfirst{n}")).from("+13035569999")).collect();
    let answers = app.post_all(&texts).await;
    assert_eq!(answers, vec![StatusCode::OK; 100]);

    assert_eq!(app.contacts_at(acme, "+13035569999").await.len(), 1);
    let threads = app.threads(acme).await;
    assert_eq!(threads.len(), 1);
    assert_eq!((threads[0].inbound_count, app.message_count().await), (100, 100));
    app.assert_logs_are_gapless().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn concurrent_first_texts_to_two_numbers_create_one_contact() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let to = |n: usize| if n.is_multiple_of(2) { DESK } else { NURSES };
    let texts: Vec<Text> = (0..20).map(|n| Text::new(format!("SM{n}")).from("+13035569999").to(to(n))).collect();
    assert_eq!(app.post_all(&texts).await, vec![StatusCode::OK; 20]);
    assert_eq!(app.contacts_at(acme, "+13035569999").await.len(), 1);
    let counts: Vec<i32> = app.threads(acme).await.iter().map(|thread| thread.inbound_count).collect();
    assert_eq!(counts, [10, 10]);
}

#[tokio::test]
async fn a_text_repeated_a_day_later_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    app.receive(Text::new("SMold")).await;
    let before = (app.thread_of("SMold").await, app.events(acme).await);
    app.clock.advance_days(1);
    app.receive(Text::new("SMold")).await;
    assert_eq!((app.thread_of("SMold").await, app.events(acme).await), before);
    assert_eq!(app.notifications_of(&app.message("SMold").await).await.len(), 2);
}

#[tokio::test]
async fn a_text_repeated_after_its_number_moved_is_not_shown_to_the_new_agency() {
    let app = TestApp::start().await;
    app.receive(Text::new("SMmoved")).await;
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", active: false}}]}}]")).await;
    app.apply(&format!("agencies: [{{key: sister, phoneNumbers: [{{number: \"{DESK}\", pool: [{{user: sam}}]}}]}}]"))
        .await;

    app.receive(Text::new("SMmoved")).await;
    assert_eq!(app.message("SMmoved").await.agency_id, app.agency("acme").await);
    assert!(app.quarantined().await.is_empty());
    // A new text belongs to the new agency.
    app.receive(Text::new("SMnew")).await;
    assert_eq!(app.message("SMnew").await.agency_id, app.agency("sister").await);
}
