//! Admins assign and discard the quarantined texts of their agency.

use futures_util::future::join_all;
use partyline::domain::{MessageStatus, QuarantineState, RoutingRung};
use partyline::ports::Clock as _;
use partyline::service::quarantine::{assign, assign_as_operator, discard};
use partyline::service::{Error, RefusalCode};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{held, release};
use crate::support::directory::{DESK, EMPTY, NURSES, OTHER_ACCOUNT, OTHER_TOKEN, SISTER};
use crate::support::{TestApp, Text, refusal};

const ASSIGN: &str = "mutation($text: ID!, $number: ID!) {
    assignQuarantinedMessage(input: {quarantinedMessageId: $text, phoneNumberId: $number}) {
        message { id body createdAt media { state } }
        thread { id status phoneNumber { e164 } inboundCount }
        userErrors { __typename code path }
    } }";
const DISCARD: &str = "mutation($text: ID!) {
    discardQuarantinedMessage(input: {quarantinedMessageId: $text}) {
        quarantinedMessageId userErrors { __typename code path }
    } }";

async fn assign_as(app: &TestApp, token: &SecretString, text: impl ToString, number: &str) -> Value {
    let variables = json!({"text": text.to_string(), "number": number});
    let mut answer = app.graphql(token, ASSIGN, variables).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["assignQuarantinedMessage"].take()
}

async fn discard_as(app: &TestApp, token: &SecretString, text: impl ToString) -> Value {
    let mut answer = app.graphql(token, DISCARD, json!({"text": text.to_string()})).await;
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"]["discardQuarantinedMessage"].take()
}

/// The user error of a rejected mutation, which has only one.
fn error(of: &str, code: &str, field: Option<&str>) -> Value {
    json!([{"__typename": of, "code": code, "path": field.map(|field| ["input", field])}])
}

/// A server whose front desk number is released.
async fn start() -> TestApp {
    let app = TestApp::start().await;
    release(&app, "acme", DESK).await;
    app
}

#[tokio::test]
async fn an_assigned_text_is_routed_as_if_it_arrived_now() {
    let app = start().await;
    let photo = Text::new("SM1").body("hello?").field("NumMedia", "1").field("MediaUrl0", "https://media.example/1");
    app.receive(photo.field("MediaContentType0", "image/png")).await;
    app.clock.advance_days(1);
    let (ana, chloe) = (app.token("acme", "ana"), app.token("acme", "chloe"));
    let mut socket = app.socket(&chloe).await;
    let live = "subscription($after: EventCursor) { inboundMessage(after: $after) { message { body } } }";
    socket.subscribe("1", live, json!({"after": app.cursor(&chloe).await})).await;

    let (text, number) = (held(&app).await.id, app.number_id("acme", NURSES).await);
    let payload = assign_as(&app, &ana, text, &number).await;
    let (message, thread) = (app.message("SM1").await, app.thread_of("SM1").await);
    let expected = json!({
        "message": {
            "id": message.id.to_string(), "body": "hello?", "createdAt": payload["message"]["createdAt"],
            "media": [{"state": "PENDING"}],
        },
        "thread": {
            "id": thread.id.to_string(), "status": "UNCLAIMED", "phoneNumber": {"e164": NURSES}, "inboundCount": 1,
        },
        "userErrors": [],
    });
    assert_eq!(payload, expected);
    assert_eq!(message.created_at, app.clock.now());
    assert_eq!((message.routed_by, message.status), (Some(RoutingRung::Pool), MessageStatus::Received));
    let notified = app.notifications_of(&message).await.into_iter().map(|row| row.user_id);
    assert_eq!(app.keys("acme", notified).await, ["chloe", "dev"]);
    assert_eq!(socket.event().await["inboundMessage"]["message"]["body"], "hello?");
    let unread = app.graphql(&chloe, "{ threads { nodes { unreadCount } } }", json!({})).await;
    assert_eq!(unread["data"]["threads"]["nodes"], json!([{"unreadCount": 1}]));
    let row = held(&app).await;
    assert_eq!((row.state, row.settled_at), (QuarantineState::Assigned, Some(app.clock.now())));

    // Neither a second assignment nor a repetition of the webhook stores it again.
    let again = assign_as(&app, &ana, text, &number).await;
    assert_eq!(again["userErrors"], error("NotFoundError", "NOT_FOUND", Some("quarantinedMessageId")));
    app.receive(Text::new("SM1").body("hello?")).await;
    app.message("SM1").await;
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn both_mutations_are_in_the_audit_log_without_the_text() {
    let app = start().await;
    for sid in ["SM1", "SM2"] {
        app.receive(Text::new(sid).body("confidential")).await;
    }
    let (ana, rows, before) = (app.token("acme", "ana"), app.quarantined().await, app.audits().await.len());
    assign_as(&app, &ana, rows[0].id, &app.number_id("acme", NURSES).await).await;
    discard_as(&app, &ana, rows[1].id).await;
    let (agency, actor) = (app.agency("acme").await, Some(app.user("acme", "ana").await));
    let entries: Vec<_> = app.audits().await.split_off(before);
    let actions = ["assignQuarantinedMessage", "discardQuarantinedMessage"];
    assert_eq!(entries.len(), actions.len());
    for ((entry, action), row) in entries.iter().zip(actions).zip(&rows) {
        assert_eq!((entry.agency_id, entry.actor_id, entry.action.as_str()), (agency, actor, action));
        assert_eq!((&entry.node_id, &entry.note), (&row.id.to_string(), &None));
    }
}

#[tokio::test]
async fn only_admins_of_the_agency_that_a_text_is_shown_to_handle_it() {
    let app = start().await;
    app.receive(Text::new("SM1")).await;
    app.receive(Text::new("SM2").to("+13035550199")).await;
    let rows = app.quarantined().await;
    let (ours, operators) = (rows[0].id, rows[1].id);
    let (nurses, sister) = (app.number_id("acme", NURSES).await, app.number_id("sister", SISTER).await);
    let not_found = error("NotFoundError", "NOT_FOUND", Some("quarantinedMessageId"));
    let forbidden = error("ForbiddenError", "FORBIDDEN", None);
    for (agency, user, text, number, expected) in [
        ("acme", "ben", ours.to_string(), &nurses, &forbidden),
        ("sister", "sam", ours.to_string(), &sister, &not_found),
        ("acme", "ana", operators.to_string(), &nurses, &not_found),
        ("acme", "ana", "qtn_0192f000700080008000000000000000".to_owned(), &nurses, &not_found),
        ("acme", "ana", "nothing".to_owned(), &nurses, &not_found),
    ] {
        let token = app.token(agency, user);
        let assigned = assign_as(&app, &token, &text, number).await;
        assert_eq!(assigned, json!({"message": null, "thread": null, "userErrors": expected}), "{user} {text}");
        let discarded = discard_as(&app, &token, &text).await;
        assert_eq!(discarded, json!({"quarantinedMessageId": null, "userErrors": expected}), "{user} {text}");
    }
    assert_eq!((app.quarantined().await, app.message_count().await), (rows, 0));
}

#[tokio::test]
async fn a_text_is_assigned_only_to_an_active_number_of_the_agency_and_of_its_account() {
    let app = start().await;
    app.receive(Text::new("SM1")).await;
    let moved = format!(
        "agencies: [{{key: acme, twilio: {{accountSid: {OTHER_ACCOUNT}, authToken: {OTHER_TOKEN}}},
            phoneNumbers: [{{number: '+13035550177'}}]}}]"
    );
    app.apply(&moved).await;
    let (ana, text) = (app.token("acme", "ana"), held(&app).await.id);
    let not_found = error("NotFoundError", "NOT_FOUND", Some("phoneNumberId"));
    for (number, expected) in [
        (app.number_id("acme", DESK).await, &not_found),
        (app.number_id("sister", SISTER).await, &not_found),
        ("nothing".to_owned(), &not_found),
        (app.number_id("acme", "+13035550177").await, &error("InputError", "INVALID", Some("phoneNumberId"))),
    ] {
        let payload = assign_as(&app, &ana, text, &number).await;
        assert_eq!(payload, json!({"message": null, "thread": null, "userErrors": expected}), "{number}");
    }
    assert_eq!((held(&app).await.state, app.message_count().await), (QuarantineState::Held, 0));
}

/// Between the check of a request and its transaction, the number moves to another agency, or the admin loses the role.
#[tokio::test]
async fn an_assignment_is_checked_again_when_it_is_written() {
    let app = start().await;
    app.receive(Text::new("SM1")).await;
    let (ana, text) = (app.viewer("acme", "ana").await, held(&app).await.id);
    let number = |e164: &str| ana.directory.numbers.iter().find(|number| number.e164 == e164).unwrap().id;
    release(&app, "acme", EMPTY).await;
    app.apply(&format!("agencies: [{{key: sister, phoneNumbers: [{{number: '{EMPTY}'}}]}}]")).await;
    let refused = refusal(assign(app.services(), &ana, text, number(EMPTY)).await);
    assert_eq!(refused.code, RefusalCode::Invalid);
    app.apply("agencies: [{key: acme, users: [{key: ana, role: MEMBER}, {key: ben, role: ADMIN}]}]").await;
    let refused = refusal(assign(app.services(), &ana, text, number(NURSES)).await);
    assert_eq!(refused.code, RefusalCode::Invalid);
    assert_eq!(refusal(discard(app.services(), &ana, text).await).code, RefusalCode::Forbidden);
    assert_eq!((held(&app).await.state, app.message_count().await), (QuarantineState::Held, 0));
    let ben = app.viewer("acme", "ben").await;
    assign(app.services(), &ben, text, number(NURSES)).await.unwrap();
    assert_eq!(app.message("SM1").await.agency_id, ben.agency());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_simultaneous_assignments_and_discards_one_succeeds() {
    let app = start().await;
    app.apply("agencies: [{key: acme, users: [{key: abe, name: Abe Stein, role: ADMIN}]}]").await;
    let admins = [app.token("acme", "ana"), app.token("acme", "abe")];
    let numbers = [app.number_id("acme", NURSES).await, app.number_id("acme", EMPTY).await];
    let before = app.audits().await.len();
    for round in 0..5_usize {
        let sid = format!("SM{round}");
        app.receive(Text::new(&sid)).await;
        let text = app.quarantined().await.pop().unwrap().id;
        let mutations = join_all((0..16).map(|n| {
            let (app, admin, number) = (&app, &admins[n % 2], &numbers[n / 2 % 2]);
            async move {
                // In some rounds nothing is discarded.
                let payload = if round.is_multiple_of(2) && n.is_multiple_of(3) {
                    discard_as(app, admin, text).await
                } else {
                    assign_as(app, admin, text, number).await
                };
                payload["userErrors"].clone()
            }
        }));
        let operator = assign_as_operator(app.services(), text, SISTER);
        let repetitions = vec![Text::new(&sid); 4];
        let (answers, operated, statuses) = tokio::join!(mutations, operator, app.post_all(&repetitions));
        assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
        let mut succeeded = answers.iter().filter(|errors| **errors == json!([])).count();
        for errors in answers.iter().filter(|errors| **errors != json!([])) {
            assert!(["CONFLICT", "NOT_FOUND"].contains(&errors[0]["code"].as_str().unwrap()), "{errors}");
        }
        match operated {
            Ok(_) => succeeded += 1,
            Err(Error::Refused(refusal)) => {
                assert!(matches!(refusal.code, RefusalCode::NotFound | RefusalCode::Conflict), "{refusal:?}");
            }
            Err(Error::Failed(fault)) => panic!("{fault}"),
        }
        assert_eq!(succeeded, 1, "{answers:?}");
        let row = app.quarantined().await.pop().unwrap();
        let stored = app.messages_with(&sid).await.len();
        assert_eq!(stored, usize::from(row.state == QuarantineState::Assigned));
        assert_ne!(row.state, QuarantineState::Held);
        assert_eq!(app.audits().await.len(), before + round + 1);
    }
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn a_late_webhook_of_a_text_that_is_assigned_in_the_same_batch_adds_nothing() {
    let app = start().await;
    app.receive(Text::new("SM1")).await;
    let (ana, text) = (app.viewer("acme", "ana").await, held(&app).await.id);
    // The webhook would find the number active.
    app.apply(&format!("agencies: [{{key: acme, phoneNumbers: [{{number: '{DESK}', active: true}}]}}]")).await;
    let ana = partyline::service::Viewer::of(app.directory("acme").await, ana.id()).unwrap();
    let desk = ana.directory.numbers.iter().find(|number| number.e164 == DESK).unwrap().id;
    app.receive(Text::new("SMwarm")).await;
    let blocked = app.block_writer(app.agency("acme").await).await;
    let repeated = Text::new("SM1");
    let releasing = async {
        blocked.wait_for_queued(2).await;
        blocked.unblock().await;
    };
    let (answer, assigned, ()) =
        tokio::join!(app.post_text(&repeated), assign(app.services(), &ana, text, desk), releasing);
    assert_eq!(answer.0, 200);
    assert_eq!(app.message("SM1").await.id, assigned.unwrap());
    assert_eq!(held(&app).await.state, QuarantineState::Assigned);
}

#[tokio::test]
async fn a_stop_in_quarantine_opts_out_when_it_is_assigned_and_is_confirmed_only_if_it_is_recent() {
    for (minutes, confirmations) in [(10, 1), (11, 0)] {
        let app = start().await;
        app.apply("agencies: [{key: acme, optOutReplies: PARTYLINE}]").await;
        app.receive(Text::new("SM1").body("STOP")).await;
        assert!(app.contacts_at(app.agency("acme").await, "+13035560001").await[0].opted_out_at.is_none());
        app.clock.advance(std::time::Duration::from_secs(minutes * 60));
        let number = app.number_id("acme", NURSES).await;
        let payload = assign_as(&app, &app.token("acme", "ana"), held(&app).await.id, &number).await;
        assert_eq!(payload["userErrors"], json!([]));
        let contact = app.contacts_at(app.agency("acme").await, "+13035560001").await.remove(0);
        assert_eq!(contact.opted_out_at, Some(app.clock.now()));
        assert_eq!(app.outbound().await.len(), confirmations, "after {minutes} minutes");
    }
}

#[tokio::test]
async fn a_text_that_cannot_be_stored_stays_in_quarantine() {
    let app = TestApp::start().await;
    app.receive(Text::new("SM1").from(&"9".repeat(65))).await;
    let receipt = Text::new("SM2").from(DESK).to("+13035560001").without("Body").field("MessageStatus", "sent");
    app.receive(receipt.field("SmsStatus", "sent")).await;
    let (ana, rows, before) = (app.token("acme", "ana"), app.quarantined().await, app.audits().await.len());
    let number = app.number_id("acme", NURSES).await;
    for row in &rows {
        let payload = assign_as(&app, &ana, row.id, &number).await;
        let invalid = error("InputError", "INVALID", Some("quarantinedMessageId"));
        assert_eq!(payload, json!({"message": null, "thread": null, "userErrors": invalid}));
    }
    assert_eq!((rows.len(), app.quarantined().await), (2, rows.clone()));
    assert_eq!((app.message_count().await, app.audits().await.len()), (0, before));
    let payload = discard_as(&app, &ana, rows[0].id).await;
    assert_eq!(payload, json!({"quarantinedMessageId": rows[0].id.to_string(), "userErrors": []}));
}

#[tokio::test]
async fn a_discarded_text_leaves_the_list_for_good() {
    let app = start().await;
    app.receive(Text::new("SM1")).await;
    let (ana, text) = (app.token("acme", "ana"), held(&app).await.id);
    let payload = discard_as(&app, &ana, text).await;
    assert_eq!(payload, json!({"quarantinedMessageId": text.to_string(), "userErrors": []}));
    assert_eq!(held(&app).await.state, QuarantineState::Discarded);
    let listed = "query($id: ID!) { quarantinedMessages { totalCount } node(id: $id) { id } }";
    let none = json!({"data": {"quarantinedMessages": {"totalCount": 0}, "node": null}});
    assert_eq!(app.graphql(&ana, listed, json!({"id": text.to_string()})).await, none);
    let not_found = error("NotFoundError", "NOT_FOUND", Some("quarantinedMessageId"));
    assert_eq!(discard_as(&app, &ana, text).await["userErrors"], not_found);
    let number = app.number_id("acme", NURSES).await;
    assert_eq!(assign_as(&app, &ana, text, &number).await["userErrors"], not_found);
    app.receive(Text::new("SM1")).await;
    assert_eq!((held(&app).await.state, app.message_count().await), (QuarantineState::Discarded, 0));
}
