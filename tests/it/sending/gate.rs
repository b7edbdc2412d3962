//! After a STOP, no code path sends a text to the contact.

use std::time::Duration;

use partyline::domain::opt_out::{GateRefusal, OptOutState, gate};
use partyline::domain::{MessageStatus, Purpose};
use partyline_simulator::{Fault, Match};
use serde_json::{Value, json};

use crate::support::carrier::{carrier, carrier_with, deliver};
use crate::support::directory::{ACCOUNT, DESK, NURSES, TOKEN};
use crate::support::{TestApp, Text, wait};

#[tokio::test]
async fn after_a_stop_nothing_is_sent_by_any_path() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.receive(Text::new("SM0")).await;
    app.receive(Text::new("SM1").to(NURSES)).await;
    let (ben, chloe, dev) = (app.token("acme", "ben"), app.token("acme", "chloe"), app.token("acme", "dev"));
    let desk = json!(app.thread_of("SM0").await.id.to_string());
    let nurses = json!(app.thread_of("SM1").await.id.to_string());
    // One text that has failed and can be resent, one that is queued, and one that waits for a retry.
    carrier.set_fault(Fault::Failed { code: 30008 }, Match::any());
    let workers = app.start_workers();
    app.reply(&ben, &desk, "failed", json!({})).await;
    let failed = app.wait_until_all("the text has failed", |message| message.status == MessageStatus::Failed).await;
    carrier.set_fault(Fault::TooManyRequests { seconds: 60 }, Match::any());
    app.reply(&ben, &desk, "to be retried", json!({})).await;
    wait::until("the text waits for a retry", || async {
        app.outbox().await.pop().filter(|row| row.attempts == 1 && row.due_at > row.attempted_at.unwrap())
    })
    .await;
    wait::within("the workers stop", workers.stop(Duration::from_secs(60))).await;
    app.reply(&dev, &nurses, "waits", json!({})).await;
    let carried = carrier.ledger().len();

    app.receive(Text::new("SM2").to(NURSES).body("Stop")).await;
    // A reply, a first text, and a resend are refused immediately, for users of either number.
    let code = |payload: &Value| payload["userErrors"][0]["code"].clone();
    for (token, thread) in [(&ben, &desk), (&dev, &nurses), (&app.token("acme", "ana"), &desk)] {
        let refused = code(&app.reply(token, thread, "one thing more", json!({})).await);
        assert!(["OPTED_OUT", "NOT_ASSIGNEE"].contains(&refused.as_str().unwrap()), "{refused}");
    }
    let number = json!({"phoneNumberId": app.number_id("acme", DESK).await});
    let started = app.start_thread(&chloe, "+13035560001", number).await;
    assert!(started["message"].is_null(), "{started}");
    let resend = "mutation($id: ID!) { resendMessage(input: {messageId: $id, idempotencyKey: \"r\"}) { message { id } userErrors { code } } }";
    let resent = app.graphql(&ben, resend, json!({"id": failed[0].id.to_string()})).await;
    assert_eq!(resent["data"]["resendMessage"]["userErrors"][0]["code"], "OPTED_OUT");
    // Queued texts fail when their turn comes.
    let app = app.restart().await;
    deliver(&carrier, app.address);
    app.clock.advance(Duration::from_secs(61));
    let _workers = app.start_workers();
    let all = wait::until("all texts have failed", || async {
        Some(app.outbound().await).filter(|all| all.iter().all(|message| message.status == MessageStatus::Failed))
    })
    .await;
    assert_eq!(all.len(), 3);
    let codes: Vec<_> = all.iter().map(|message| message.error_code.as_deref().unwrap()).collect();
    assert_eq!(codes, ["30008", "OPTED_OUT", "OPTED_OUT"]);
    assert_eq!(carrier.ledger().len(), carried);
    assert!(app.outbox().await.is_empty());
    // START sent to any number reverses the STOP.
    app.receive(Text::new("SM3").body("START")).await;
    assert_eq!(app.reply(&ben, &desk, "welcome back", json!({})).await["userErrors"], json!([]));
}

/// However a STOP and a text interleave, no attempt is committed after the STOP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_and_a_send_are_serialized() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.apply(&format!(
        "agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", pace: {{perSecond: 1000, burst: 1000}}}}]}}]"
    ))
    .await;
    let _workers = app.start_workers();
    let ben = app.token("acme", "ben");
    const TIMES: usize = 60;
    let interleaved = (0..TIMES).map(|n| {
        let (app, ben) = (&app, &ben);
        async move {
            let from = format!("+1303557{n:04}");
            app.receive(Text::new(format!("SM{n}")).from(&from)).await;
            let thread = json!(app.thread_of(&format!("SM{n}")).await.id.to_string());
            let stop = Text::new(format!("SMstop{n}")).from(&from).body("STOP");
            let reply = app.reply(ben, &thread, "hello", json!({"idempotencyKey": format!("k{n}")}));
            futures_util::future::join(app.receive(stop), reply).await;
        }
    });
    futures_util::future::join_all(interleaved).await;
    let all = app.wait_until_none_pending().await;
    let events = app.events(app.agency("acme").await).await;
    for message in &all {
        let sent = matches!(message.status, MessageStatus::Sent | MessageStatus::Delivered);
        let reported = events.iter().find(|event| event.message_id == Some(message.id)).unwrap();
        let stop = events.iter().rfind(|event| {
            event.thread_id == Some(message.thread_id) && event.kind == partyline::domain::EventKind::InboundMessage
        });
        // A text queued after the STOP would have been refused; one queued before it may have been sent before it.
        assert!(reported.position < stop.unwrap().position);
        assert!(sent || message.error_code.as_deref() == Some("OPTED_OUT"), "{:?}", message.status);
    }
    let carried = carrier.ledger().len();
    let sent = all.iter().filter(|message| message.status != MessageStatus::Failed).count();
    assert_eq!(carried, sent);
}

#[tokio::test]
async fn partylines_own_replies_confirm_each_stop_once_and_answer_help() {
    let carrier = carrier_with(|settings| settings.opt_out_filter = false);
    let app = TestApp::start_with_carrier(&carrier).await;
    let agencies = format!(
        "agencies: [{{key: acme, optOutReplies: PARTYLINE, optOutTexts: {{stop: \"No more.\"}}, \
         twilio: {{accountSid: {ACCOUNT}, authToken: {TOKEN}}}}}]"
    );
    app.apply(&agencies).await;
    let _workers = app.start_workers();
    let expected = [("hello", 0), ("STOP", 1), ("STOP", 1), ("please stop", 1), ("HELP", 2), ("START", 2), ("stop", 3)];
    for (n, (body, count)) in expected.into_iter().enumerate() {
        app.receive(Text::new(format!("SM{n}")).body(body)).await;
        let sent = wait::until(body, || async {
            // The burst allows five texts at once.
            Some(app.wait_until_none_pending().await).filter(|sent| sent.len() == count)
        })
        .await;
        assert!(sent.iter().all(|message| message.sender_id.is_none()), "{body}");
    }
    let bodies: Vec<String> = carrier.ledger().into_iter().map(|text| text.body).collect();
    assert_eq!(bodies[0], "No more.");
    assert!(bodies[1].starts_with("Acme Health: ") && bodies[1].contains("STOP"), "{}", bodies[1]);
    assert_eq!(bodies[2], "No more.");
    // They do not count as answers in the thread, and a conversation does not pass the gate.
    assert_eq!(app.thread_of("SM0").await.answered_count, 0);
    let opted_out = OptOutState { opted_out: true, blocked: false };
    assert_eq!(gate(Purpose::Conversation, opted_out), Err(GateRefusal::OptedOut));
}

#[tokio::test]
async fn an_admin_can_set_an_opt_out_with_a_reason() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM0")).await;
    let (ana, ben) = (app.token("acme", "ana"), app.token("acme", "ben"));
    let thread = app.all_threads(&ben).await[0].clone();
    let contact = app.thread_of("SM0").await.contact_id.to_string();
    let set = "mutation($id: ID!, $out: Boolean!, $reason: String!) {
        setOptOut(input: {contactId: $id, optedOut: $out, reason: $reason}) { contact { optedOut } userErrors { code } } }";
    let ask = async |token, out: bool, reason: &str| {
        let answer = app.graphql(token, set, json!({"id": contact, "out": out, "reason": reason})).await;
        answer["data"]["setOptOut"].clone()
    };
    assert_eq!(ask(&ben, true, "said so").await["userErrors"][0]["code"], "FORBIDDEN");
    assert_eq!(ask(&ana, true, " ").await["userErrors"][0]["code"], "INVALID");
    assert_eq!(ask(&ana, true, "asked us on the phone to stop").await["contact"]["optedOut"], true);
    assert_eq!(app.reply(&ben, &thread, "hello", json!({})).await["userErrors"][0]["code"], "OPTED_OUT");
    let history =
        "query($id: ID!) { node(id: $id) { ... on Thread { activity { nodes { kind note actor { key } } } } } }";
    let shown = app.graphql(&ben, history, json!({"id": thread})).await;
    let line = &shown["data"]["node"]["activity"]["nodes"][0];
    assert_eq!((&line["kind"], &line["note"]), (&json!("OPTED_OUT"), &json!("asked us on the phone to stop")));
    assert_eq!(ask(&ana, false, "called again").await["contact"]["optedOut"], false);
    assert_eq!(app.reply(&ben, &thread, "hello", json!({})).await["userErrors"], json!([]));
}
