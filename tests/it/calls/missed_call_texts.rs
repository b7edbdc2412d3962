//! The text after a missed call: a forged caller ID must not make the agency text strangers or other countries.

use std::time::Duration;

use futures_util::future::join_all;
use partyline::domain::CallerIdVerification;
use serde_json::json;

use crate::support::TestApp;
use crate::support::directory::NURSES;
use crate::support::voice::{INBOUND, STATUS, attribute, form};

async fn start() -> TestApp {
    let app = TestApp::start_with_phones().await;
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550100\", missedCallText: We missed you.}]}]")
        .await;
    app
}

/// A call whose phones ring.
async fn ring(app: &TestApp, sid: &str, fields: &[(&str, &str)]) {
    let greeting = app.document(INBOUND, &form(sid, fields)).await;
    let keyed = [fields, &[("Digits", "")]].concat();
    let ringing = app.document(&attribute(&greeting, "action"), &form(sid, &keyed)).await;
    assert!(ringing.contains("<Dial "), "{ringing}");
}

async fn hang_up(app: &TestApp, sid: &str, fields: &[(&str, &str)]) {
    let ended = [fields, &[("CallStatus", "no-answer"), ("CallDuration", "9")]].concat();
    app.document(STATUS, &form(sid, &ended)).await;
}

async fn miss(app: &TestApp, sid: &str, fields: &[(&str, &str)]) {
    ring(app, sid, fields).await;
    hang_up(app, sid, fields).await;
}

#[tokio::test]
async fn ten_missed_calls_of_one_caller_cause_one_text_in_twelve_hours() {
    let app = start().await;
    let sids: Vec<String> = (0..10).map(|n| format!("CA{n}")).collect();
    join_all(sids.iter().map(|sid| ring(&app, sid, &[]))).await;
    join_all(sids.iter().map(|sid| hang_up(&app, sid, &[]))).await;
    assert_eq!(app.outbound().await.len(), 1);
    // Another caller gets their own text.
    miss(&app, "CA10", &[("From", "+13035560002")]).await;
    assert_eq!(app.outbound().await.len(), 2);
    app.clock.advance(Duration::from_secs(12 * 3600 - 1));
    miss(&app, "CA11", &[]).await;
    assert_eq!(app.outbound().await.len(), 2);
    app.clock.advance(Duration::from_secs(1));
    miss(&app, "CA12", &[]).await;
    assert_eq!(app.outbound().await.len(), 3);
}

#[tokio::test]
async fn the_number_of_these_texts_per_hour_is_limited() {
    let app = start().await;
    for n in 0..31 {
        miss(&app, &format!("CA{n}"), &[("From", &format!("+1303557{n:04}"))]).await;
    }
    assert_eq!(app.outbound().await.len(), 30);
    app.clock.advance(Duration::from_secs(3601));
    miss(&app, "CA31", &[("From", "+13035580001")]).await;
    assert_eq!(app.outbound().await.len(), 31);
}

#[tokio::test]
async fn a_phone_that_the_agency_may_not_call_is_not_texted() {
    let app = start().await;
    for (n, from) in ["+881612345678", "+19005550123", "+4930123456", "+18765550123", NURSES].into_iter().enumerate() {
        miss(&app, &format!("CA{n}"), &[("From", from)]).await;
        assert!(app.outbound().await.is_empty(), "{from}");
    }
    app.apply("agencies: [{key: acme, callingCountries: [US, DE]}]").await;
    miss(&app, "CA9", &[("From", "+4930123456")]).await;
    assert_eq!(app.outbound().await.len(), 1);
}

#[tokio::test]
async fn a_caller_whose_caller_id_failed_verification_is_not_texted() {
    use CallerIdVerification as V;
    let app = start().await;
    for (n, (verdict, stored, texts)) in [
        ("TN-Validation-Failed", Some(V::Failed), 0),
        ("TN-Validation-Failed-A", Some(V::Failed), 0),
        ("TN-Validation-Failed-C", Some(V::Failed), 0),
        ("No-TN-Validation", Some(V::NotVerified), 1),
        ("TN-Validation-Passed-A", Some(V::PassedA), 2),
        ("another value", None, 3),
    ]
    .into_iter()
    .enumerate()
    {
        let (sid, from) = (format!("CA{n}"), format!("+1303556010{n}"));
        // Only the first request of a call contains the verdict.
        let greeting = app.document(INBOUND, &form(&sid, &[("From", &from), ("StirVerstat", verdict)])).await;
        app.document(&attribute(&greeting, "action"), &form(&sid, &[("From", &from), ("Digits", "")])).await;
        hang_up(&app, &sid, &[("From", &from)]).await;
        assert_eq!(app.call(&sid).await.caller_id_verification, stored, "{verdict}");
        assert_eq!(app.outbound().await.len(), texts, "{verdict}");
    }
}

#[tokio::test]
async fn a_caller_who_has_been_texted_since_the_call_is_not_texted_again() {
    let app = start().await;
    let ben = app.token("acme", "ben");
    ring(&app, "CA1", &[]).await;
    let thread = app.call("CA1").await.thread_id.unwrap();
    let reply = app.reply(&ben, &json!(thread.to_string()), "I call you back", json!({})).await;
    assert_eq!(reply["userErrors"], json!([]));
    hang_up(&app, "CA1", &[]).await;
    let bodies: Vec<_> = app.outbound().await.into_iter().map(|text| text.body).collect();
    assert_eq!(bodies, ["I call you back"]);
    // A text that was sent before a call is not a reply to it.
    app.clock.advance(Duration::from_secs(60));
    miss(&app, "CA2", &[]).await;
    assert_eq!(app.outbound().await.len(), 2);
    assert!(app.call("CA2").await.missed_call_text_at.is_some());
}
