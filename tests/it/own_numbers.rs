//! Texts to Partyline's own phone numbers are never sent, neither by staff nor automatically.

use partyline::domain::MessageStatus;
use serde_json::{Value, json};

use crate::support::carrier::carrier;
use crate::support::directory::{ACCOUNT, DESK, NURSES, OTHER, OTHER_ACCOUNT, OTHER_TOKEN, SISTER, TOKEN};
use crate::support::voice::{INBOUND, STATUS, form};
use crate::support::{TestApp, Text, wait};

/// The code and path of a payload's only error.
fn only_error(payload: &Value) -> (&str, &Value) {
    let errors = payload["userErrors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{payload}");
    (errors[0]["code"].as_str().unwrap(), &errors[0]["path"])
}

#[tokio::test]
async fn a_first_text_to_a_number_of_the_account_is_refused_and_stores_nothing() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    for to in [DESK, NURSES, SISTER] {
        let payload = app.start_thread(&ben, to, json!({})).await;
        assert_eq!(only_error(&payload), ("INVALID", &json!(["input", "to"])), "{to}");
        assert!(app.contacts_at(app.agency("acme").await, to).await.is_empty());
    }
    assert!(app.outbox().await.is_empty());
    // An agency with its own Twilio account can be texted.
    assert_eq!(app.start_thread(&ben, OTHER, json!({})).await["userErrors"], json!([]));
    // A released number may belong to someone else by now.
    app.apply(&format!("agencies: [{{key: sister, phoneNumbers: [{{number: '{SISTER}', active: false}}]}}]")).await;
    let later = app.start_thread(&ben, SISTER, json!({"idempotencyKey": "later"})).await;
    assert_eq!(later["userErrors"], json!([]));
}

#[tokio::test]
async fn a_reply_to_a_number_of_the_account_is_refused_on_every_channel() {
    let app = TestApp::start().await;
    let ben = app.token("acme", "ben");
    let whatsapp = format!("whatsapp:{SISTER}");
    for (sid, from, to) in [("SM1", SISTER, DESK), ("SM2", &whatsapp, &format!("whatsapp:{DESK}"))] {
        app.receive(Text::new(sid).from(from).to(to)).await;
        let thread = json!(app.thread_of(sid).await.id.to_string());
        let payload = app.reply(&ben, &thread, &format!("hello {sid}"), json!({})).await;
        assert_eq!(only_error(&payload), ("INVALID", &json!(["input", "threadId"])), "{from}");
    }
    assert!(app.outbox().await.is_empty());
}

#[tokio::test]
async fn a_text_whose_recipient_became_an_own_number_is_neither_sent_nor_resent() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let ben = app.token("acme", "ben");
    let phone = "+13035569100";
    assert_eq!(app.start_thread(&ben, phone, json!({})).await["userErrors"], json!([]));
    app.apply(&format!("agencies: [{{key: sister, phoneNumbers: [{{number: '{phone}'}}]}}]")).await;
    let _workers = app.start_workers();
    let failed = wait::until("the text has failed", || async {
        app.outbound().await.pop().filter(|message| message.status == MessageStatus::Failed)
    })
    .await;
    assert_eq!(failed.error_code.as_deref(), Some("OWN_NUMBER"));
    assert!(carrier.ledger().is_empty());
    let resend = "mutation($id: ID!) { resendMessage(input: {messageId: $id, idempotencyKey: \"r\"}) {
        message { id } userErrors { code path } } }";
    let mut resent = app.graphql(&ben, resend, json!({"id": failed.id.to_string()})).await;
    let payload = resent["data"]["resendMessage"].take();
    assert_eq!(only_error(&payload), ("INVALID", &json!(["input", "messageId"])));
}

#[tokio::test]
async fn two_agencies_with_automatic_replies_do_not_reply_to_each_other() {
    let app = TestApp::start().await;
    for (agency, account, token) in
        [("acme", ACCOUNT, TOKEN), ("sister", ACCOUNT, TOKEN), ("other", OTHER_ACCOUNT, OTHER_TOKEN)]
    {
        let agencies = format!(
            "agencies: [{{key: {agency}, optOutReplies: PARTYLINE, twilio: {{accountSid: {account}, authToken: {token}}}}}]"
        );
        app.apply(&agencies).await;
    }
    let (sister, whatsapp) = (SISTER.to_owned(), format!("whatsapp:{SISTER}"));
    for (n, from) in [&sister, &whatsapp, &OTHER.to_owned(), &NURSES.to_owned()].into_iter().enumerate() {
        for body in ["HELP", "STOP"] {
            app.receive(Text::new(format!("SM{n}{body}")).from(from).body(body)).await;
        }
        assert!(app.outbound().await.is_empty(), "{from}");
    }
    app.receive(Text::new("SMhelp").body("HELP")).await;
    assert_eq!(app.outbound().await.len(), 1, "other senders get a reply");
}

#[tokio::test]
async fn a_missed_call_from_a_number_on_this_server_gets_no_text() {
    let app = TestApp::start_with_phones().await;
    app.apply(&format!(
        "agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", missedCallText: We missed you.}}]}}]"
    ))
    .await;
    for (n, (from, texts)) in [(SISTER, 0), (OTHER, 0), (NURSES, 0), ("+13035560009", 1)].into_iter().enumerate() {
        let sid = format!("CA{n}");
        app.document(INBOUND, &form(&sid, &[("From", from)])).await;
        app.document(STATUS, &form(&sid, &[("From", from), ("CallStatus", "completed")])).await;
        assert_eq!(app.outbound().await.len(), texts, "{from}");
    }
}

#[tokio::test]
async fn a_verification_code_is_not_texted_to_a_number_on_this_server() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let ben = app.token("acme", "ben");
    let document = "mutation($phone: PhoneE164!) {
        startPhoneVerification(input: {phone: $phone}) { userErrors { code path } } }";
    for phone in [DESK, SISTER, OTHER] {
        let mut answer = app.graphql(&ben, document, json!({"phone": phone})).await;
        let payload = answer["data"]["startPhoneVerification"].take();
        assert_eq!(only_error(&payload), ("INVALID", &json!(["input", "phone"])), "{phone}");
    }
    assert!(carrier.ledger().is_empty());
}
