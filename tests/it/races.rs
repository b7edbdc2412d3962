//! What happens at once happens once.

use std::collections::HashSet;
use std::fmt::Write as _;

use futures_util::future::join_all;
use partyline::domain::{EventKind, RoutingRung, ThreadStatus};
use partyline::service::RefusalCode;
use partyline::service::claim_thread::claim_thread;
use reqwest::StatusCode;

use crate::support::directory::{DESK, NURSES};
use crate::support::{EMPTY_RESPONSE, TestApp, Text};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_text_a_hundred_times_at_once_is_one_message() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let before = app.events(acme).await.len();
    let text = Text::new("SMsame");
    let answers = join_all((0..100).map(|_| app.post_text(&text))).await;
    assert!(answers.iter().all(|answer| *answer == (StatusCode::OK, EMPTY_RESPONSE.to_owned())), "{answers:?}");

    let message = app.message("SMsame").await;
    assert_eq!(message.routed_by, Some(RoutingRung::Pool));
    let told = app.notifications_of(&message).await.into_iter().map(|row| row.user_id);
    assert_eq!(app.keys("acme", told).await, ["ben", "chloe"]);
    let events = app.events(acme).await;
    assert_eq!(events.len(), before + 1);
    let event = events.last().unwrap();
    assert_eq!((event.kind, event.message_id), (EventKind::InboundMessage, Some(message.id)));
    assert_eq!(app.thread_of("SMsame").await.inbound_count, 1);
    app.assert_logs_are_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_first_texts_of_one_stranger_make_one_thread() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let texts: Vec<Text> = (0..100).map(|n| Text::new(format!("SMfirst{n}")).from("+13035569999")).collect();
    let answers = app.post_all(&texts).await;
    assert_eq!(answers, vec![StatusCode::OK; 100]);

    assert_eq!(app.contacts_at(acme, "+13035569999").await.len(), 1);
    let threads = app.threads(acme).await;
    assert_eq!(threads.len(), 1);
    assert_eq!((threads[0].inbound_count, app.message_count().await), (100, 100));
    app.assert_logs_are_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_texts_of_one_stranger_to_two_numbers_make_one_contact() {
    let app = TestApp::start().await;
    let acme = app.agency("acme").await;
    let to = |n: usize| if n.is_multiple_of(2) { DESK } else { NURSES };
    let texts: Vec<Text> = (0..20).map(|n| Text::new(format!("SM{n}")).from("+13035569999").to(to(n))).collect();
    assert_eq!(app.post_all(&texts).await, vec![StatusCode::OK; 20]);
    assert_eq!(app.contacts_at(acme, "+13035569999").await.len(), 1);
    let counts: Vec<i32> = app.threads(acme).await.iter().map(|thread| thread.inbound_count).collect();
    assert_eq!(counts, [10, 10]);
}

/// An agency in which `users` members share one number.
fn crowd(users: usize) -> String {
    let mut yaml = "agencies:\n  - key: acme\n    name: Acme\n    timeZone: Etc/UTC\n    twilio: {accountSid: \
                    AC00000000000000000000000000000001, authToken: 0123456789abcdef0123456789abcdef}\n    users:\n      \
                    - {key: ana, name: Ana, role: ADMIN}\n"
        .to_owned();
    let mut pool = String::new();
    for n in 0..users {
        writeln!(yaml, "      - {{key: u{n}, name: User {n}, role: MEMBER}}").unwrap();
        writeln!(pool, "          - {{user: u{n}}}").unwrap();
    }
    write!(yaml, "    phoneNumbers:\n      - number: \"{DESK}\"\n        pool:\n{pool}").unwrap();
    yaml
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_claim_a_thread_at_once_and_one_has_it() {
    const USERS: usize = 50;
    const THREADS: usize = 20;
    let app = TestApp::start_with(&crowd(USERS)).await;
    let texts: Vec<Text> = (0..THREADS).map(|n| Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}"))).collect();
    assert_eq!(app.post_all(&texts).await, vec![StatusCode::OK; THREADS]);
    let mut viewers = Vec::new();
    for n in 0..USERS {
        viewers.push(app.viewer("acme", &format!("u{n}")).await);
    }

    let acme = app.agency("acme").await;
    let mut winners = HashSet::new();
    for thread in app.threads(acme).await {
        let tries = viewers.iter().map(|viewer| claim_thread(app.services(), viewer, thread.id));
        let outcomes = join_all(tries).await.into_iter().map(|outcome| outcome.expect("the database works"));
        let (won, lost): (Vec<_>, Vec<_>) = outcomes.partition(Result::is_ok);
        let [Ok(winner)] = won.as_slice() else { panic!("{} winners", won.len()) };
        let by = winner.assignee_id.expect("a claimed thread has an assignee");
        let at = winner.claimed_at.expect("a claimed thread was claimed at some time");
        assert_eq!(lost.len(), USERS - 1);
        for refusal in lost {
            assert_eq!(refusal.unwrap_err().code, RefusalCode::AlreadyClaimed { by, at });
        }
        let stored = app.thread(acme, thread.id).await;
        assert_eq!((stored.status, stored.assignee_id), (ThreadStatus::Claimed, Some(by)));
        winners.insert(by);
    }
    assert!(!winners.is_empty());
    app.assert_logs_are_whole().await;
}

#[tokio::test]
async fn the_same_text_a_day_later_changes_nothing() {
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
async fn a_text_that_comes_again_after_its_number_moved_is_not_told_to_the_new_agency() {
    let app = TestApp::start().await;
    app.receive(Text::new("SMmoved")).await;
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", active: false}}]}}]")).await;
    app.apply(&format!("agencies: [{{key: sister, phoneNumbers: [{{number: \"{DESK}\", pool: [{{user: sam}}]}}]}}]"))
        .await;

    app.receive(Text::new("SMmoved")).await;
    assert_eq!(app.message("SMmoved").await.agency_id, app.agency("acme").await);
    assert!(app.quarantined().await.is_empty());
    // A new text is the new agency's.
    app.receive(Text::new("SMnew")).await;
    assert_eq!(app.message("SMnew").await.agency_id, app.agency("sister").await);
}
