//! The sending rate of a number, and its independence of other numbers.

use std::convert::Infallible;
use std::time::Duration;

use partyline::domain::{AgencyId, Direction, MessageId, MessageStatus, OutboxState, Purpose};
use partyline::entity::{message, outbox, thread};
use partyline::ports::Clock as _;
use partyline::store::bulk;
use partyline::store::writer::{Tx, Unit, UnitError};
use serde_json::json;

use crate::support::carrier::carrier;
use crate::support::directory::{DESK, NURSES};
use crate::support::{TestApp, Text, wait};

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn a_burst_is_followed_by_one_text_per_second_without_delaying_other_numbers() {
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
    // The clock stands still after one second: only the burst is sent.
    app.clock.advance(Duration::from_secs(1));
    let carried = |count: usize| {
        let carrier = &carrier;
        move || async move { (carrier.ledger().iter().filter(|text| text.from == DESK).count() == count).then_some(()) }
    };
    wait::until("the burst is sent", carried(5)).await;
    app.reply(&dev, &nurses, "at once", json!({})).await;
    let other = || async { carrier.ledger().into_iter().find(|text| text.from == NURSES) };
    wait::until("the other number's text", other).await;
    wait::until("only the burst is sent", carried(5)).await;
    let (began, step) = (app.clock.now(), Duration::from_millis(50));
    wait::until("one text per second", || async {
        app.clock.advance(step);
        let sent = carrier.ledger().iter().filter(|text| text.from == DESK).count();
        let seconds = (app.clock.now() - began).num_seconds();
        assert!(sent <= 5 + usize::try_from(seconds).unwrap(), "{sent} after {seconds} s");
        (sent == 8).then_some(())
    })
    .await;
    let bodies: Vec<String> =
        carrier.ledger().into_iter().filter(|text| text.from == DESK).map(|text| text.body).collect();
    assert_eq!(bodies, (0..8).map(|n| format!("text {n}")).collect::<Vec<_>>());
}

/// Queues ten thousand texts to twenty phones in one transaction.
struct Fill {
    agency: AgencyId,
    threads: Vec<thread::Model>,
    each: usize,
}

impl Unit for Fill {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let directory = tx.directory(self.agency).await?;
        let (mut messages, mut rows) = (Vec::new(), Vec::new());
        for n in 0..self.each {
            for thread in &self.threads {
                let id = MessageId(tx.new_id());
                messages.push(message::Model {
                    agency_id: self.agency,
                    id,
                    thread_id: thread.id,
                    direction: Direction::Outbound,
                    body: n.to_string(),
                    status: MessageStatus::Queued,
                    sender_id: None,
                    extension_id: None,
                    twilio_account_id: directory.number(thread.phone_number_id).unwrap().twilio_account_id,
                    provider_sid: None,
                    routed_by: None,
                    error_code: None,
                    segments: Some(1),
                    flagged_at: None,
                    pool_muted: false,
                    sends_at: None,
                    resends_id: None,
                    resent_as_id: None,
                    created_at: tx.now,
                });
                rows.push(outbox::Model {
                    agency_id: self.agency,
                    message_id: id,
                    thread_id: thread.id,
                    phone_number_id: thread.phone_number_id,
                    purpose: Purpose::Conversation,
                    sender_id: None,
                    turn: 0,
                    state: OutboxState::Queued,
                    attempts: 0,
                    due_at: tx.now,
                    attempted_at: None,
                });
            }
        }
        bulk::insert(tx.conn, messages).await?;
        Ok(bulk::insert(tx.conn, rows).await?)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "slow: part of `make test-full`"]
async fn ten_thousand_queued_texts_are_sent_in_order_after_a_restart() {
    const THREADS: usize = 20;
    const EACH: usize = 500;
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let pace = "pace: {perSecond: 1000, burst: 1000}";
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", {pace}}}]}}]")).await;
    for n in 0..THREADS {
        app.receive(Text::new(format!("SM{n}")).from(&format!("+1303557{n:04}"))).await;
    }
    let agency = app.agency("acme").await;
    let fill = Fill { agency, threads: app.threads(agency).await, each: EACH };
    app.services().writer.run(agency, fill).await.unwrap();
    let app = app.restart().await;
    assert_eq!(app.outbox().await.len(), THREADS * EACH);
    let workers = app.start_workers();
    // Sending all of them would take longer than a test may, so only the first 200 are checked.
    let sent = || async { (carrier.ledger().len() >= 200).then_some(()) };
    wait::until("the first 200 texts are sent", sent).await;
    wait::within("the workers stop", workers.stop(Duration::from_secs(60))).await;
    for phone in 0..THREADS {
        let to = format!("+1303557{phone:04}");
        let to_it = carrier.ledger().into_iter().filter(|text| text.to == to);
        let order: Vec<usize> = to_it.map(|text| text.body.parse().unwrap()).collect();
        assert!(!order.is_empty());
        assert_eq!(order, (0..order.len()).collect::<Vec<_>>(), "{to}");
    }
    assert_eq!(app.outbox().await.len(), THREADS * EACH - carrier.ledger().len());
}

/// Carriers count segments: a long text uses the rate of several short ones.
#[tokio::test]
async fn a_long_text_counts_by_its_segments() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.receive(Text::new("SM0")).await;
    let thread = json!(app.thread_of("SM0").await.id.to_string());
    let ben = app.token("acme", "ben");
    let long = "ten segments of text ".repeat(72);
    assert_eq!(app.reply(&ben, &thread, &long, json!({"idempotencyKey": "long"})).await["message"]["segments"], 10);
    app.reply(&ben, &thread, "short", json!({})).await;
    let _workers = app.start_workers();
    app.clock.advance(Duration::from_secs(1));
    let first = app.clock.now();
    let sent = |count: usize| {
        let carrier = &carrier;
        move || async move { (carrier.ledger().len() == count).then_some(()) }
    };
    wait::until("the long text", sent(1)).await;
    wait::until("the short text", || async {
        // Advancing the clock during a request could make it time out.
        if app.outbox().await.iter().all(|row| row.state == OutboxState::Queued) {
            app.clock.advance(Duration::from_millis(100));
        }
        sent(2)().await
    })
    .await;
    // Ten segments at one per second, up to five of them covered by the burst.
    let waited = (app.clock.now() - first).num_milliseconds();
    assert!(waited >= 6_000, "{waited} ms");
}

#[tokio::test]
async fn the_default_pace_depends_on_the_kind_of_number() {
    let app = TestApp::start().await;
    let numbers = r#"agencies: [{key: acme, phoneNumbers: [{number: "+18005550100"}, {number: "+13035550190"},
        {number: "+18335550100", pace: {perSecond: 1, burst: 2}}, {number: "+13035550191", pace: {perSecond: 40}}]}]"#;
    for _ in 0..2 {
        app.apply(numbers).await;
        let directory = app.directory("acme").await;
        for (e164, expected) in
            [("+18005550100", (3, 5)), ("+13035550190", (1, 5)), ("+18335550100", (1, 2)), ("+13035550191", (40, 5))]
        {
            let row = directory.numbers.iter().find(|row| row.e164 == e164).unwrap();
            assert_eq!((row.texts_per_second, row.texts_burst), expected, "{e164}");
        }
    }
    app.apply(r#"agencies: [{key: acme, phoneNumbers: [{number: "+18005550100", pace: {perSecond: 10}}]}]"#).await;
    app.apply(r#"agencies: [{key: acme, phoneNumbers: [{number: "+18005550100"}]}]"#).await;
    let directory = app.directory("acme").await;
    let row = directory.numbers.iter().find(|row| row.e164 == "+18005550100").unwrap();
    assert_eq!(row.texts_per_second, 10, "a configured pace is kept");
}
