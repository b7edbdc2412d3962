//! The pace of a number, and what it does to others.

use std::time::Duration;

use partyline::domain::{MessageStatus, OutboxState};
use partyline::ports::Clock as _;
use serde_json::json;

use crate::support::carrier::carrier;
use crate::support::directory::{DESK, NURSES};
use crate::support::{TestApp, Text, wait};

#[tokio::test]
async fn a_burst_then_one_a_second_and_no_other_number_waits() {
    const BACKLOG: usize = 500;
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.receive(Text::new("SM0")).await;
    app.receive(Text::new("SM1").to(NURSES).from("+13035560002")).await;
    let (ben, dev) = (app.token("acme", "ben"), app.token("acme", "dev"));
    let desk = json!(app.thread_of("SM0").await.id.to_string());
    let nurses = json!(app.thread_of("SM1").await.id.to_string());
    for n in 0..BACKLOG {
        app.reply(&ben, &desk, &format!("text {n}"), json!({})).await;
    }
    let _workers = app.start_workers();
    // The clock stands still: the burst leaves, and nothing more.
    app.clock.advance(Duration::from_secs(1));
    let carried = |count: usize| {
        let carrier = &carrier;
        move || async move { (carrier.ledger().iter().filter(|text| text.from == DESK).count() == count).then_some(()) }
    };
    wait::until("the burst has left", carried(5)).await;
    app.reply(&dev, &nurses, "at once", json!({})).await;
    let other = || async { carrier.ledger().into_iter().find(|text| text.from == NURSES) };
    wait::until("the other number's text", other).await;
    wait::until("the burst is all that left", carried(5)).await;
    let (began, step) = (app.clock.now(), Duration::from_millis(50));
    wait::until("one a second", || async {
        app.clock.advance(step);
        let left = carrier.ledger().iter().filter(|text| text.from == DESK).count();
        let seconds = (app.clock.now() - began).num_seconds();
        assert!(left <= 5 + usize::try_from(seconds).unwrap(), "{left} after {seconds} s");
        (left == 8).then_some(())
    })
    .await;
    let bodies: Vec<String> =
        carrier.ledger().into_iter().filter(|text| text.from == DESK).map(|text| text.body).collect();
    assert_eq!(bodies, (0..8).map(|n| format!("text {n}")).collect::<Vec<_>>());
}

/// Many queued texts survive a restart, and leave in order in each thread.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_queued_leave_in_order_after_a_restart() {
    const THREADS: usize = 20;
    const EACH: usize = 500;
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let pace = "pace: {perSecond: 1000, burst: 1000}";
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", {pace}}}]}}]")).await;
    let ben = app.viewer("acme", "ben").await;
    let mut threads = Vec::new();
    for n in 0..THREADS {
        app.receive(Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}"))).await;
        threads.push(app.thread_of(&format!("SM{n}")).await.id);
    }
    for n in 0..EACH {
        let all = threads.iter().map(|thread| {
            let draft = partyline::service::compose::Draft {
                body: format!("{n}"),
                media_urls: Vec::new(),
                extension: None,
                last_seen: None,
                idempotency_key: format!("{thread} {n}"),
            };
            partyline::service::send_message::send_message(app.services(), &ben, *thread, draft)
        });
        for sent in futures_util::future::join_all(all).await {
            sent.unwrap().unwrap();
        }
    }
    let app = app.restart().await;
    assert_eq!(app.outbox().await.iter().filter(|row| row.state == OutboxState::Queued).count(), THREADS * EACH);
    let workers = app.start_workers();
    // A part of them leaves; the others leave the same way, and take longer than a test may.
    let left = || async { (carrier.ledger().len() >= 300).then_some(()) };
    wait::until("the first hundreds have left", left).await;
    drop(workers);
    for phone in 0..THREADS {
        let to = format!("+1303557{phone:04}");
        let order: Vec<usize> =
            carrier.ledger().into_iter().filter(|text| text.to == to).map(|text| text.body.parse().unwrap()).collect();
        assert_eq!(order, (0..order.len()).collect::<Vec<_>>(), "{to}");
    }
    let statuses = app.outbound().await;
    assert_eq!(statuses.len(), THREADS * EACH);
    assert!(statuses.iter().all(|message| message.status != MessageStatus::Failed));
}
