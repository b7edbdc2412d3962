//! After a STOP nothing leaves, by whichever path.

use std::path::Path;
use std::time::Duration;

use partyline::domain::{MessageStatus, Purpose};
use partyline::simulator::{Fault, Match};
use serde_json::{Value, json};

use crate::support::carrier::{carrier, carrier_with, deliver};
use crate::support::directory::{ACCOUNT, DESK, NURSES, TOKEN};
use crate::support::{TestApp, Text, wait};

/// Every place of the source that puts a text into the outbox, and every one that sends.
const QUEUE: [&str; 2] = ["service/compose.rs", "store/writer/inbound_plan.rs"];
const SEND: [&str; 2] = [
    "service/sending/arrive.rs",
    // The code for a user's own phone, which is no contact's text; it asks the gate itself.
    "service/verify_phone.rs",
];

#[test]
fn the_paths_to_a_send_are_these() {
    let mut found: (Vec<String>, Vec<String>) = Default::default();
    let source = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/src"));
    let mut folders = vec![source.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let (text, name) = (std::fs::read_to_string(&path).unwrap(), path.strip_prefix(source).unwrap());
            let name = name.display().to_string();
            if text.contains("outbox::Model {") && !name.starts_with("entity") && !name.contains("/tx.rs") {
                found.0.push(name.clone());
            }
            if text.contains(".twilio.send(") {
                found.1.push(name);
            }
        }
    }
    found.0.sort();
    found.1.sort();
    assert_eq!(found.0, QUEUE, "a text is queued elsewhere: has it passed the gate?");
    assert_eq!(found.1, SEND, "a text is sent elsewhere: it must depart by service::sending::depart");
}

/// A departure is made by the gate's own function, and by nothing else.
#[test]
fn what_departs_has_passed_the_gate() {
    let depart = include_str!("../../../src/service/sending/depart.rs");
    let (before, after) = depart.split_once("begin_attempt(").unwrap();
    assert!(before.contains("match gate(row.purpose, wishes(&contact, &thread))"));
    assert!(before.contains("if is_forbidden_recipient(row.purpose, message.twilio_account_id, &holders)"));
    assert!(!after.contains("begin_attempt("));
}

#[tokio::test]
async fn after_a_stop_no_path_sends() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.receive(Text::new("SM0")).await;
    app.receive(Text::new("SM1").to(NURSES)).await;
    let (ben, chloe, dev) = (app.token("acme", "ben"), app.token("acme", "chloe"), app.token("acme", "dev"));
    let desk = json!(app.thread_of("SM0").await.id.to_string());
    let nurses = json!(app.thread_of("SM1").await.id.to_string());
    // One failed, to be sent again; one waits; one is to be tried again.
    carrier.set_fault(Fault::Failed { code: 30008 }, Match::any());
    let workers = app.start_workers();
    app.reply(&ben, &desk, "failed", json!({})).await;
    let failed = app.until_all("it has failed", |message| message.status == MessageStatus::Failed).await;
    carrier.set_fault(Fault::TooManyRequests { seconds: 60 }, Match::any());
    app.reply(&ben, &desk, "to be tried again", json!({})).await;
    wait::until("it is to be tried again", || async {
        app.outbox().await.pop().filter(|row| row.attempts == 1 && row.due_at > row.attempted_at.unwrap())
    })
    .await;
    wait::within("the workers stop", workers.stop(Duration::from_secs(60))).await;
    app.reply(&dev, &nurses, "waits", json!({})).await;
    let carried = carrier.ledger().len();

    app.receive(Text::new("SM2").to(NURSES).body("Stop")).await;
    // Reply, first text, again: refused at once, by users of either number.
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
    // What waits is given up when its turn comes.
    let app = app.restart().await;
    deliver(&carrier, app.address);
    app.clock.advance(Duration::from_secs(61));
    let _workers = app.start_workers();
    let all = wait::until("all are given up", || async {
        Some(app.outbound().await).filter(|all| all.iter().all(|message| message.status == MessageStatus::Failed))
    })
    .await;
    assert_eq!(all.len(), 3);
    let codes: Vec<_> = all.iter().map(|message| message.error_code.as_deref().unwrap()).collect();
    assert_eq!(codes, ["30008", "OPTED_OUT", "OPTED_OUT"]);
    assert_eq!(carrier.ledger().len(), carried);
    assert!(app.outbox().await.is_empty());
    // START to any number ends it.
    app.receive(Text::new("SM3").body("START")).await;
    assert_eq!(app.reply(&ben, &desk, "welcome back", json!({})).await["userErrors"], json!([]));
}

/// However a STOP and a text meet, no attempt is committed after the STOP.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_and_a_send_are_one_after_the_other() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    app.apply(&format!(
        "agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", pace: {{perSecond: 1000, burst: 1000}}}}]}}]"
    ))
    .await;
    let _workers = app.start_workers();
    let ben = app.token("acme", "ben");
    const TIMES: usize = 60;
    let meet = (0..TIMES).map(|n| {
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
    futures_util::future::join_all(meet).await;
    let all = app.until_settled().await;
    let events = app.events(app.agency("acme").await).await;
    for message in &all {
        let sent = matches!(message.status, MessageStatus::Sent | MessageStatus::Delivered);
        let reported = events.iter().find(|event| event.message_id == Some(message.id)).unwrap();
        let stop = events.iter().rfind(|event| {
            event.thread_id == Some(message.thread_id) && event.kind == partyline::domain::EventKind::InboundMessage
        });
        // Queued after the STOP it would have been refused; what was queued before it may have left before it.
        assert!(reported.position < stop.unwrap().position);
        assert!(sent || message.error_code.as_deref() == Some("OPTED_OUT"), "{:?}", message.status);
    }
    let carried = carrier.ledger().len();
    let sent = all.iter().filter(|message| message.status != MessageStatus::Failed).count();
    assert_eq!(carried, sent);
}

#[tokio::test]
async fn where_the_replies_are_ours_one_confirms_each_stop_and_one_helps() {
    let carrier = carrier_with(|settings| settings.opt_out_filter = false);
    let app = TestApp::start_with_carrier(&carrier).await;
    let ours = format!(
        "agencies: [{{key: acme, optOutReplies: PARTYLINE, optOutTexts: {{stop: \"No more.\"}}, \
         twilio: {{accountSid: {ACCOUNT}, authToken: {TOKEN}}}}}]"
    );
    app.apply(&ours).await;
    let _workers = app.start_workers();
    let expected = [("hello", 0), ("STOP", 1), ("STOP", 1), ("please stop", 1), ("HELP", 2), ("START", 2), ("stop", 3)];
    for (n, (body, count)) in expected.into_iter().enumerate() {
        app.receive(Text::new(format!("SM{n}")).body(body)).await;
        let sent = wait::until(body, || async {
            // The pace lets five leave at once.
            Some(app.until_settled().await).filter(|sent| sent.len() == count)
        })
        .await;
        assert!(sent.iter().all(|message| message.sender_id.is_none()), "{body}");
    }
    let bodies: Vec<String> = carrier.ledger().into_iter().map(|text| text.body).collect();
    assert_eq!(bodies[0], "No more.");
    assert!(bodies[1].starts_with("Acme Health: ") && bodies[1].contains("STOP"), "{}", bodies[1]);
    assert_eq!(bodies[2], "No more.");
    // The thread shows them, and nobody but the gate's own purpose passes.
    assert_eq!(app.thread_of("SM0").await.answered_count, 0);
    assert_eq!(
        partyline::domain::opt_out::gate(
            Purpose::Conversation,
            partyline::domain::opt_out::Wishes { opted_out: true, blocked: false },
        ),
        Err(partyline::domain::opt_out::Barred::OptedOut)
    );
}

#[tokio::test]
async fn an_admin_notes_a_wish_in_plain_words_with_a_reason() {
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
