//! The document that answers each webhook of a call.

use std::time::Duration;

use partyline::domain::{CallStage, CallStatus};
use reqwest::StatusCode;

use crate::support::TestApp;
use crate::support::directory::{ACCOUNT, DESK, EMPTY, NURSES, OTHER_ACCOUNT, OTHER_TOKEN, SISTER, TOKEN};
use crate::support::voice::{BEN, CARLA, CHLOE, DEV, INBOUND, PHONES, attribute, form, phones};

#[tokio::test]
async fn a_caller_is_greeted_and_reaches_the_main_line_or_an_extension() {
    let app = TestApp::start_with_phones().await;
    let greeting = app.document(INBOUND, &form("CA1", &[("CallStatus", "ringing")])).await;
    for part in ["<Gather ", "finishOnKey=\"#\"", r#"actionOnEmptyResult="true""#, "Front desk"] {
        assert!(greeting.contains(part), "{part}: {greeting}");
    }
    assert!(!greeting.contains("numDigits"), "one extension may be a prefix of another: {greeting}");
    let menu = attribute(&greeting, "action");
    let main_line = app.document(&menu, &form("CA1", &[("Digits", "")])).await;
    let ringing: Vec<String> = phones(&main_line).into_iter().map(|(phone, _)| phone).collect();
    assert_eq!(ringing, [BEN, CHLOE], "the primary first");
    assert!(main_line.contains(r#"answerOnBridge="true""#) && main_line.contains(r#"timeout="20""#), "{main_line}");
    let zero = app.document(&menu, &form("CA1", &[("Digits", "0")])).await;
    assert_eq!(phones(&zero).len(), 2);
    let extension = app.document(&menu, &form("CA2", &[("Digits", "101")])).await;
    assert_eq!(phones(&extension)[0].0, DEV);
    let call = app.call("CA2").await;
    assert_eq!((call.stage, call.status), (CallStage::Ringing, CallStatus::Ringing));
    let dev = app.user("acme", "dev").await;
    assert_eq!((call.mailbox_user_id, call.extension_id.is_some()), (Some(dev), true));
}

#[tokio::test]
async fn a_numbers_own_extension_precedes_the_agencys_and_a_removed_one_can_be_created_again() {
    let app = TestApp::start_with_phones().await;
    app.apply("agencies: [{key: acme, extensions: [{digits: \"101\", user: chloe, number: \"+13035550100\"}]}]").await;
    let reaches = async |sid: &str, to: &str| {
        let greeting = app.document(INBOUND, &form(sid, &[("To", to)])).await;
        let rung = app.document(&attribute(&greeting, "action"), &form(sid, &[("To", to), ("Digits", "101")])).await;
        phones(&rung).first().map(|(phone, _)| phone.clone())
    };
    assert_eq!(reaches("CA1", DESK).await.as_deref(), Some(CHLOE));
    assert_eq!(reaches("CA2", NURSES).await.as_deref(), Some(DEV));
    let ana = app.token("acme", "ana");
    let directory = app.directory("acme").await;
    let own = directory
        .extensions
        .iter()
        .find(|row| row.digits == "101" && row.user_id == directory.user_by_key("chloe").unwrap().id)
        .unwrap();
    let query = format!(
        r#"mutation {{ deactivateExtension(input: {{extensionId: "{}"}}) {{ userErrors {{ code }} }} }}"#,
        own.id
    );
    app.graphql(&ana, &query, serde_json::Value::Null).await;
    assert_eq!(reaches("CA3", DESK).await.as_deref(), Some(DEV), "as soon as it is committed");
    app.apply("agencies: [{key: acme, extensions: [{digits: \"101\", user: ben, number: \"+13035550100\"}]}]").await;
    assert_eq!(reaches("CA4", DESK).await.as_deref(), Some(BEN), "it can be created again");
}

#[tokio::test]
async fn three_wrong_extensions_lead_to_the_main_line_and_guessers_reach_it_immediately() {
    let app = TestApp::start_with_phones().await;
    let call = async |sid: &str| {
        let greeting = app.document(INBOUND, &form(sid, &[])).await;
        let first = app.document(&attribute(&greeting, "action"), &form(sid, &[("Digits", "77")])).await;
        if !phones(&first).is_empty() {
            return 1;
        }
        assert!(first.contains("<Pause ") && first.contains("no such extension"), "{first}");
        let second = app.document(&attribute(&first, "action"), &form(sid, &[("Digits", "78")])).await;
        assert!(phones(&second).is_empty());
        let third = app.document(&attribute(&second, "action"), &form(sid, &[("Digits", "79")])).await;
        assert_eq!(phones(&third).len(), 2);
        3
    };
    assert_eq!((call("CA1").await, call("CA2").await), (3, 3));
    assert_eq!(call("CA3").await, 1, "six wrong extensions within the hour");
    assert_eq!(app.call("CA1").await.wrong_tries, 3);
    app.clock.advance(Duration::from_secs(3600));
    assert_eq!(call("CA4").await, 3);
}

/// Many callers withhold their number, so the wrong extensions of one do not count against others.
#[tokio::test]
async fn hidden_callers_do_not_share_a_count_of_wrong_extensions() {
    let app = TestApp::start_with_phones().await;
    for n in 0..4 {
        let sid = format!("CA{n}");
        let mut document = app.document(INBOUND, &form(&sid, &[("From", "anonymous")])).await;
        for digits in ["77", "78"] {
            let keyed = form(&sid, &[("From", "anonymous"), ("Digits", digits)]);
            document = app.document(&attribute(&document, "action"), &keyed).await;
            assert!(document.contains("no such extension"), "call {n}: {document}");
        }
    }
}

#[tokio::test]
async fn users_who_are_away_inactive_unverified_or_without_calls_are_never_rung() {
    let app = TestApp::start_with_phones().await;
    let rung = async |sid: &str| {
        let greeting = app.document(INBOUND, &form(sid, &[])).await;
        let document = app.document(&attribute(&greeting, "action"), &form(sid, &[("Digits", "")])).await;
        phones(&document).into_iter().map(|(phone, _)| phone).collect::<Vec<_>>()
    };
    assert_eq!(rung("CA1").await, [BEN, CHLOE]);
    let away = r#"mutation { setAvailability(input: {availability: AWAY}) { userErrors { code } } }"#;
    app.graphql(&app.token("acme", "ben"), away, serde_json::Value::Null).await;
    assert_eq!(rung("CA2").await, [CHLOE], "as soon as the change is committed");
    for (change, left) in [
        ("phoneNumbers: [{number: \"+13035550100\", pool: [{user: chloe, voiceEnabled: false}]}]", 0),
        ("phoneNumbers: [{number: \"+13035550100\", pool: [{user: chloe, voiceEnabled: true}]}]", 1),
        ("users: [{key: chloe, phoneVerified: false}]", 0),
        ("users: [{key: chloe, phoneVerified: true}]", 1),
        ("users: [{key: chloe, active: false}]", 0),
    ] {
        app.apply(&format!("agencies: [{{key: acme, {change}}}]")).await;
        assert_eq!(rung(&format!("CA{left}{}", change.len())).await.len(), left, "{change}");
    }
    // With no user left, the caller is sent to voicemail, whose recipients are notified.
    let greeting = app.document(INBOUND, &form("CA9", &[])).await;
    let document = app.document(&attribute(&greeting, "action"), &form("CA9", &[("Digits", "")])).await;
    assert!(document.contains("<Record "), "{document}");
    let nobody = app.document(INBOUND, &form("CA10", &[("To", EMPTY)])).await;
    let document = app.document(&attribute(&nobody, "action"), &form("CA10", &[("To", EMPTY), ("Digits", "")])).await;
    assert!(document.contains("<Record "), "{document}");
}

#[tokio::test]
async fn an_extension_whose_user_cannot_be_rung_leads_to_their_voicemail() {
    let app = TestApp::start_with_phones().await;
    app.apply("agencies: [{key: acme, users: [{key: dev, phoneVerified: false}]}]").await;
    let greeting = app.document(INBOUND, &form("CA1", &[])).await;
    let mailbox = app.document(&attribute(&greeting, "action"), &form("CA1", &[("Digits", "101")])).await;
    assert!(mailbox.contains("Dev Shah") && mailbox.contains("<Record "), "{mailbox}");
    for part in [r#"maxLength="120""#, r#"transcribe="true""#, "recordingStatusCallback="] {
        assert!(mailbox.contains(part), "{part}: {mailbox}");
    }
    assert_eq!(app.call("CA1").await.mailbox_user_id, Some(app.user("acme", "dev").await));
}

#[tokio::test]
async fn an_unknown_number_is_not_in_service_and_forged_requests_are_refused() {
    let app = TestApp::start_with_phones().await;
    let document = app.document(INBOUND, &form("CA1", &[("To", "+13035559999")])).await;
    assert!(document.contains("not in service") && document.contains("<Hangup/>"), "{document}");
    assert!(app.calls_with("CA1").await.is_empty());
    // A number of another account.
    let other = form("CA2", &[("AccountSid", OTHER_ACCOUNT)]);
    assert!(app.voice_signed(OTHER_TOKEN, INBOUND, &other).await.1.contains("not in service"));
    let forged = app.voice_signed("not the token", INBOUND, &form("CA3", &[])).await;
    assert_eq!(forged.0, StatusCode::FORBIDDEN);
    let unknown = app.voice_signed(TOKEN, INBOUND, &form("CA3", &[("AccountSid", "AC9")])).await;
    assert_eq!(unknown.0, StatusCode::FORBIDDEN);
    for left_out in ["CallSid", "To", "AccountSid"] {
        let fields: Vec<_> = form("CA3", &[]).into_iter().filter(|(name, _)| *name != left_out).collect();
        assert_eq!(app.voice(INBOUND, &fields).await.0, StatusCode::BAD_REQUEST, "{left_out}");
    }
    // A leg of acme's call, signed by the other account.
    let greeting = app.document(INBOUND, &form("CA4", &[])).await;
    let rung = app.document(&attribute(&greeting, "action"), &form("CA4", &[("Digits", "")])).await;
    let (_, screen) = phones(&rung).remove(0);
    let leg = [("CallSid", "CA5"), ("AccountSid", OTHER_ACCOUNT), ("From", CARLA), ("To", BEN)];
    assert_eq!(app.voice_signed(OTHER_TOKEN, &screen, &leg).await.0, StatusCode::FORBIDDEN);
    let own = [("CallSid", "CA5"), ("AccountSid", ACCOUNT), ("From", CARLA), ("To", BEN)];
    assert_eq!(app.voice(&screen, &own).await.0, StatusCode::OK);
}

#[tokio::test]
async fn callers_are_contacts_with_the_thread_of_their_texts_unless_they_withhold_their_number() {
    let app = TestApp::start_with_phones().await;
    app.receive(crate::support::Text::new("SM1")).await;
    app.document(INBOUND, &form("CA1", &[])).await;
    let (call, thread) = (app.call("CA1").await, app.thread_of("SM1").await);
    assert_eq!((call.thread_id, call.contact_id), (Some(thread.id), Some(thread.contact_id)));
    for (n, from) in ["anonymous", "+266696687", "", "sip:someone@example.com"].into_iter().enumerate() {
        let sid = format!("CA2{n}");
        app.document(INBOUND, &form(&sid, &[("From", from)])).await;
        let call = app.call(&sid).await;
        assert_eq!((call.thread_id, call.contact_id), (None, None), "{from}");
    }
    app.document(INBOUND, &form("CA3", &[("From", "+13035569999")])).await;
    assert!(app.call("CA3").await.thread_id.is_some());
    app.document(INBOUND, &form("CA4", &[("To", SISTER)])).await;
    assert_eq!(app.call("CA4").await.agency_id, app.agency("sister").await);
}

#[tokio::test]
async fn names_and_greetings_are_escaped() {
    let app = TestApp::start_with_phones().await;
    let nasty = r#"A & B <Hangup/> > "quoted" 'single' 😀 \u0007"#;
    let yaml = format!(
        "agencies: [{{key: acme, phoneNumbers: [{{number: \"+13035550100\", greeting: {}}}]}}]",
        serde_json::to_string(&nasty.replace("\\u0007", "\u{7}\u{b}")).unwrap()
    );
    app.apply(&yaml).await;
    let document = app.document(INBOUND, &form("CA1", &[])).await;
    assert!(document.contains("A &amp; B &lt;Hangup/&gt; &gt;") && document.contains("😀"), "{document}");
    assert!(
        !document.contains('\u{7}') && !document.contains('\u{b}') && !document.contains("<Hangup/>"),
        "{document}"
    );
}

/// Callers are answered without waiting for the row to be written.
#[tokio::test]
async fn callers_are_answered_during_a_database_outage() {
    let app = TestApp::start_with_phones().await;
    app.document(INBOUND, &form("CA1", &[])).await;
    app.wait_for_call_log().await;
    app.db().close_by_ref().await.unwrap();
    for seconds in [0, 5, 600] {
        app.clock.advance(Duration::from_secs(seconds));
        let greeting = app.document(INBOUND, &form("CA2", &[])).await;
        let rung = app.document(&attribute(&greeting, "action"), &form("CA2", &[("Digits", "101")])).await;
        assert_eq!(phones(&rung)[0].0, DEV, "after {seconds} s");
    }
    // Twilio is asked to retry for a number that is not cached.
    let unknown = app.voice(INBOUND, &form("CA3", &[("To", NURSES)])).await;
    assert_eq!(unknown.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn another_instance_applies_a_change_within_a_second() {
    let app = TestApp::start_with_phones().await;
    let second = app.start_second_server().await;
    let rung = async |sid: &str| {
        let greeting = second.document(INBOUND, &form(sid, &[])).await;
        let document = second.document(&attribute(&greeting, "action"), &form(sid, &[("Digits", "")])).await;
        phones(&document).len()
    };
    assert_eq!(rung("CA1").await, 2);
    app.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
    app.clock.advance(Duration::from_secs(1));
    assert_eq!(rung("CA2").await, 1);
    app.apply(PHONES).await;
    second.stop().await;
}
