//! Problems of the whole Twilio account: texts stay queued, admins are notified once, and sending resumes afterwards.

use std::time::Duration;

use partyline::domain::{AccountTrouble, AgencyId, MessageStatus, NotificationKind, OutboxState, TwilioRequest};
use partyline::entity::{account, notification};
use partyline::ports::Clock as _;
use partyline::service::sending::{begin_next_attempt, resolve_unknown_texts, send_attempt};
use partyline_simulator::{Fault, Match, Simulator};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::{Value, json};

use crate::support::carrier::carrier;
use crate::support::directory::{ACCOUNT, DESK, NURSES, TOKEN};
use crate::support::{TestApp, Text, wait};

/// The token that replaces the first one.
const PROMOTED: &str = "00112233445566778899aabbccddeeff";

/// Acme's account with these tokens.
fn tokens(tokens: &str) -> String {
    let fast = format!("{{number: \"{DESK}\", pace: {{perSecond: 100, burst: 100}}}}");
    format!("agencies: [{{key: acme, twilio: {{accountSid: {ACCOUNT}, {tokens}}}, phoneNumbers: [{fast}]}}]")
}

async fn start(carrier: &Simulator) -> (TestApp, Value) {
    let app = TestApp::start_with_carrier(carrier).await;
    app.apply(&tokens(&format!("authToken: {TOKEN}"))).await;
    app.receive(Text::new("SM0")).await;
    let thread = app.all_threads(&app.token("acme", "ben")).await[0].clone();
    (app, thread)
}

async fn send_text(app: &TestApp, thread: &Value, body: &str) {
    let ben = app.token("acme", "ben");
    assert_eq!(app.reply(&ben, thread, body, json!({})).await["userErrors"], json!([]));
}

async fn trouble(app: &TestApp) -> Option<(AccountTrouble, TwilioRequest)> {
    let found = account::Entity::find().filter(account::Column::AccountSid.eq(ACCOUNT)).one(app.db()).await.unwrap();
    let row = found.expect("acme's account");
    assert_eq!(row.trouble.is_some(), row.trouble_since.is_some());
    row.trouble.zip(row.trouble_request)
}

/// The users notified of a problem, in order, and whether each notification is resolved.
async fn notified(app: &TestApp) -> Vec<(String, bool)> {
    let rows = notification::Entity::find()
        .filter(notification::Column::Kind.eq(NotificationKind::CarrierAccountProblem))
        .order_by_asc(notification::Column::Id)
        .all(app.db())
        .await
        .unwrap();
    let mut notified = Vec::new();
    for row in rows {
        let directory = app.services().directories.get(row.agency_id).await.unwrap().unwrap();
        notified.push((directory.user(row.user_id).unwrap().key.clone(), row.resolved_at.is_some()));
    }
    notified.sort();
    notified
}

fn keys(notified: &[(String, bool)]) -> Vec<(&str, bool)> {
    notified.iter().map(|(key, resolved)| (key.as_str(), *resolved)).collect()
}

/// Advances the clock while no request is in flight that could time out.
///
/// A due text may start its attempt at any moment, so the clock then advances in steps too short for a timeout. It
/// jumps only while the first text of every thread has to wait, and no further than to the earliest due time.
async fn pass_time(app: &TestApp) {
    let mut rows = app.outbox().await;
    if rows.iter().any(|row| row.state != OutboxState::Queued) {
        return;
    }
    // The texts of a thread are sent in the order of their ids, so the later ones wait for the first.
    rows.sort_by_key(|row| (row.thread_id, row.message_id));
    rows.dedup_by_key(|row| row.thread_id);
    let Some(due) = rows.iter().map(|row| row.due_at).min() else { return };
    match due > app.clock.now() {
        true => app.clock.set(due),
        // The outbox is polled every second, and a number's rate may delay its texts further.
        false => app.clock.advance(Duration::from_millis(500)),
    }
}

async fn wait_until_delivered(app: &TestApp) {
    wait::until("every text is delivered", || async {
        pass_time(app).await;
        app.outbound().await.iter().all(|message| message.status == MessageStatus::Delivered).then_some(())
    })
    .await;
    wait::until("the account has no problem", || async { trouble(app).await.is_none().then_some(()) }).await;
}

async fn metrics(app: &TestApp) -> String {
    app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap()
}

async fn problem(app: &TestApp, user: &str) -> Value {
    let query = "{ agency { carrierProblem { kind since } } }";
    let mut answer = app.graphql(&app.token("acme", user), query, json!({})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["agency"]["carrierProblem"].take()
}

#[tokio::test]
async fn a_token_that_was_promoted_at_twilio_is_detected_and_stored() {
    let carrier = carrier();
    let (app, thread) = start(&carrier).await;
    app.apply(&tokens(&format!("authToken: {TOKEN}, secondaryAuthToken: {PROMOTED}"))).await;
    let _workers = app.start_workers();
    app.clock.advance(Duration::from_secs(1));
    send_text(&app, &thread, "before").await;
    wait_until_delivered(&app).await;
    carrier.promote_token(ACCOUNT, PROMOTED);
    for body in ["promoted", "promoted for good"] {
        send_text(&app, &thread, body).await;
        wait_until_delivered(&app).await;
        // The account is reloaded in the meantime.
        app.clock.advance(Duration::from_secs(2));
    }
    app.apply(&tokens(&format!("authToken: {PROMOTED}"))).await;
    app.clock.advance(Duration::from_secs(2));
    send_text(&app, &thread, "applied").await;
    wait_until_delivered(&app).await;
    assert_eq!(carrier.ledger().len(), 4);
    assert!(app.outbound().await.iter().all(|message| message.error_code.is_none()));
    assert!(notified(&app).await.is_empty());
}

#[tokio::test]
async fn rejected_credentials_hold_every_text_and_admins_are_notified_once() {
    let carrier = carrier();
    let (app, desk) = start(&carrier).await;
    app.receive(Text::new("SM1").to(NURSES).from("+13035560002")).await;
    let nurses = json!(app.thread_of("SM1").await.id.to_string());
    let cursor = app.cursor(&app.token("acme", "ana")).await;
    let _workers = app.start_workers();
    carrier.promote_token(ACCOUNT, PROMOTED);
    send_text(&app, &desk, "one").await;
    send_text(&app, &desk, "two").await;
    app.reply(&app.token("acme", "dev"), &nurses, "three", json!({})).await;
    wait::until("both threads' texts were tried three times", || async {
        let rows = app.outbox().await;
        let tried = rows.iter().filter(|row| row.state == OutboxState::Queued && row.attempts >= 3).count();
        if rows.len() == 3 && tried >= 2 {
            return Some(());
        }
        pass_time(&app).await;
        None
    })
    .await;
    assert_eq!(trouble(&app).await, Some((AccountTrouble::Credentials, TwilioRequest::Text)));
    let statuses: Vec<_> = app.outbound().await.iter().map(|message| message.status).collect();
    assert!(!statuses.contains(&MessageStatus::Failed), "{statuses:?}");
    assert_eq!(
        keys(&notified(&app).await),
        [("ana", false), ("sam", false)],
        "the admins of the account's agencies are notified once"
    );
    assert!(metrics(&app).await.contains("partyline_account_trouble{trouble=\"CREDENTIALS\"} 1"));
    assert_eq!(problem(&app, "ana").await["kind"], "CREDENTIALS");
    assert_eq!(problem(&app, "ben").await, Value::Null, "only admins can see the problem");

    app.apply(&tokens(&format!("authToken: {PROMOTED}"))).await;
    app.clock.advance(Duration::from_secs(2));
    wait_until_delivered(&app).await;
    assert_eq!(carrier.ledger().len(), 3);
    assert_eq!(keys(&notified(&app).await), [("ana", true), ("sam", true)]);
    assert!(metrics(&app).await.contains("partyline_account_trouble{trouble=\"CREDENTIALS\"} 0"));
    assert_eq!(problem(&app, "ana").await, Value::Null);

    // A later problem causes new notifications.
    carrier.suspend(ACCOUNT, true);
    send_text(&app, &desk, "four").await;
    wait::until("the admins are notified again", || async { (notified(&app).await.len() == 4).then_some(()) }).await;
    assert_eq!(trouble(&app).await, Some((AccountTrouble::Suspended, TwilioRequest::Text)));
    carrier.suspend(ACCOUNT, false);
    wait_until_delivered(&app).await;
    assert!(notified(&app).await.iter().all(|(_, resolved)| *resolved));
    assert_notified(&app, &cursor).await;
    app.assert_logs_are_gapless().await;
}

/// Asserts that a subscriber receives the notification.
async fn assert_notified(app: &TestApp, cursor: &Value) {
    let mut socket = app.socket(&app.token("acme", "ana")).await;
    let query = "subscription($after: EventCursor) { notificationAdded(after: $after) { notification { kind } } }";
    socket.subscribe("1", query, json!({"after": cursor})).await;
    loop {
        let event = socket.event().await;
        if event["notificationAdded"]["notification"]["kind"] == "CARRIER_ACCOUNT_PROBLEM" {
            break;
        }
    }
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn every_account_error_of_twilio_holds_the_texts() {
    use AccountTrouble::{CallbackUrl, Credentials, Forbidden, Suspended};
    let carrier = carrier();
    let (app, thread) = start(&carrier).await;
    let _workers = app.start_workers();
    let with = |status, code| Fault::RejectWith { status, code, seconds: None };
    for (fault, expected) in [
        (with(401, 20003), Credentials),
        (with(403, 20003), Credentials),
        (with(403, 20403), Forbidden),
        (with(403, 20005), Suspended),
        (with(400, 30002), Suspended),
        (with(403, 10001), Suspended),
        (Fault::Reject { code: 21609 }, CallbackUrl),
        (Fault::CallbackUnusable, CallbackUrl),
    ] {
        let before = notified(&app).await.len();
        carrier.set_fault(fault, Match::any());
        send_text(&app, &thread, &format!("{fault:?}")).await;
        wait::until("the problem is recorded", || async {
            (trouble(&app).await == Some((expected, TwilioRequest::Text))).then_some(())
        })
        .await;
        let waiting = app.outbox().await.pop().unwrap();
        assert_eq!(waiting.state, OutboxState::Queued, "{fault:?}");
        assert!(waiting.due_at - app.clock.now() >= chrono::TimeDelta::seconds(29), "{fault:?}");
        wait_until_delivered(&app).await;
        assert_eq!(notified(&app).await.len(), before + 2, "{fault:?}: ana and sam are notified");
    }
    assert_eq!(carrier.ledger().len(), 8);
}

#[tokio::test]
async fn a_text_that_is_held_for_too_long_expires() {
    let carrier = carrier();
    let (app, thread) = start(&carrier).await;
    let _workers = app.start_workers();
    carrier.suspend(ACCOUNT, true);
    send_text(&app, &thread, "hello").await;
    wait::until("the text is held", || async { trouble(&app).await.map(drop) }).await;
    app.clock.advance(Duration::from_secs(4 * 3600 + 1));
    let expired = wait::until("the text has expired", || async {
        app.clock.advance(Duration::from_secs(1));
        app.outbound().await.pop().filter(|message| message.status == MessageStatus::Failed)
    })
    .await;
    assert_eq!(expired.error_code.as_deref(), Some("EXPIRED"));
    assert_eq!(app.notifications_of(&expired).await[0].kind, NotificationKind::DeliveryFailed);
    assert!(carrier.ledger().is_empty());
}

/// Makes one attempt to send the next text of a number.
async fn send_one(app: &TestApp, agency: AgencyId, number: &str) {
    let number = app.directory("acme").await.numbers.iter().find(|row| row.e164 == number).unwrap().id;
    match begin_next_attempt(app.services(), agency, number).await.unwrap() {
        partyline::service::sending::NextStep::Send(attempt) => {
            send_attempt(app.services(), attempt, 0).await.unwrap();
        }
        other => panic!("{other:?}"),
    }
}

/// Two servers encounter the same problem in many requests at the same time.
#[tokio::test]
async fn concurrent_failures_notify_of_a_problem_once() {
    const TEXTS: usize = 12;
    let carrier = carrier();
    let (app, _) = start(&carrier).await;
    let second = app.start_second_server().await;
    let ben = app.token("acme", "ben");
    for n in 0..TEXTS {
        let sid = format!("SMmany{n}");
        app.receive(Text::new(sid.clone()).from(&format!("+1303557{n:04}"))).await;
        let thread = json!(app.thread_of(&sid).await.id.to_string());
        app.reply(&ben, &thread, "hello", json!({"idempotencyKey": sid})).await;
    }
    carrier.suspend(ACCOUNT, true);
    let agency = app.agency("acme").await;
    let mut attempts = Vec::new();
    for n in 0..TEXTS {
        let server = if n % 2 == 0 { &app } else { &second };
        let number = server.directory("acme").await.numbers.iter().find(|row| row.e164 == DESK).unwrap().id;
        match begin_next_attempt(server.services(), agency, number).await.unwrap() {
            partyline::service::sending::NextStep::Send(attempt) => attempts.push((server, attempt)),
            other => panic!("{other:?}"),
        }
    }
    let tried = attempts.into_iter().map(|(server, attempt)| send_attempt(server.services(), attempt, 0));
    for arrived in futures_util::future::join_all(tried).await {
        arrived.unwrap();
    }
    assert_eq!(trouble(&app).await, Some((AccountTrouble::Suspended, TwilioRequest::Text)));
    assert_eq!(keys(&notified(&app).await), [("ana", false), ("sam", false)]);
    app.assert_logs_are_gapless().await;
}

/// A successful request of one kind does not end a problem of another kind; otherwise admins would be notified
/// repeatedly.
#[tokio::test]
async fn a_successful_lookup_does_not_end_a_missing_permission_to_text() {
    let carrier = carrier();
    let (app, thread) = start(&carrier).await;
    let agency = app.agency("acme").await;
    carrier.map_origin(super::unreachable_webhooks());
    carrier.set_fault(Fault::DropAfterAccepting, Match::any());
    send_text(&app, &thread, "in doubt").await;
    send_one(&app, agency, DESK).await;
    carrier.set_fault(Fault::RejectWith { status: 403, code: 20403, seconds: None }, Match::any());
    send_text(&app, &thread, "held").await;
    send_one(&app, agency, DESK).await;
    let problem_found = Some((AccountTrouble::Forbidden, TwilioRequest::Text));
    assert_eq!(trouble(&app).await, problem_found);
    app.clock.advance(Duration::from_secs(5));
    resolve_unknown_texts(app.services()).await.unwrap();
    assert!(app.outbound().await[0].provider_sid.is_some(), "the lookup succeeded");
    assert_eq!(trouble(&app).await, problem_found);
    app.clock.advance(Duration::from_secs(60));
    send_one(&app, agency, DESK).await;
    assert_eq!(trouble(&app).await, None);
    assert_eq!(notified(&app).await.len(), 2);
}
