//! The caller ID that the phones of the staff show, and callers who withhold their number.

use partyline::domain::{CallStatus, LegCallerId, PoolId};
use partyline::entity::{contact, pool};
use partyline::store::Database;
use partyline_simulator::{CallScript, CallerStep, LegPolicy, PhoneScript};
use sea_orm::{ColumnTrait as _, ConnectionTrait as _, EntityTrait as _, QueryFilter as _};
use serde_json::json;

use super::flow::start;
use super::settings::update;
use crate::support::carrier::carrier_with;
use crate::support::directory::{DESK, EMPTY};
use crate::support::voice::{BEN, CARLA, INBOUND, STATUS, attribute, form, phones};
use crate::support::{TestApp, Text};

/// The values of From that carriers send for callers who withhold their number.
const WITHHELD: [&str; 17] = [
    "+266696687",
    "+7378742833",
    "+7378742883",
    "+2562533",
    "+8656696",
    "+86282452253",
    "+464",
    "anonymous",
    "Anonymous",
    "Restricted",
    "restricted",
    "unknown",
    "unavailable",
    "private",
    "blocked",
    "",
    "sip:someone@example.com",
];

/// The caller ID in the `<Dial>` with which the main line answers a call from this number.
async fn caller_id(app: &TestApp, sid: &str, from: &str) -> String {
    let with = |more: &[(&'static str, &'static str)]| {
        let mut fields: Vec<(&str, &str)> = vec![("From", from)];
        fields.extend(more);
        form(sid, &fields).into_iter().map(|(name, value)| (name, value.to_owned())).collect::<Vec<_>>()
    };
    let ask = async |address: &str, fields: Vec<(&str, String)>| {
        let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        app.document(address, &fields).await
    };
    let greeting = ask(INBOUND, with(&[])).await;
    let rung = ask(&attribute(&greeting, "action"), with(&[("Digits", "")])).await;
    assert!(!phones(&rung).is_empty(), "{from}: {rung}");
    attribute(&rung, "callerId")
}

#[tokio::test]
async fn phones_show_the_caller_and_the_called_number_for_hidden_and_malformed_callers() {
    let app = TestApp::start_with_phones().await;
    assert_eq!(caller_id(&app, "CA1", CARLA).await, CARLA);
    assert_eq!(caller_id(&app, "CA2", "+4930123456").await, "+4930123456");
    for (n, from) in WITHHELD.into_iter().chain(["client:someone", "+15550123", "3035560001"]).enumerate() {
        assert_eq!(caller_id(&app, &format!("CAhidden{n}"), from).await, DESK, "{from}");
    }
    let missing: Vec<_> = form("CA3", &[("Digits", "0")]).into_iter().filter(|(name, _)| *name != "From").collect();
    assert_eq!(attribute(&app.document(INBOUND, &missing).await, "callerId"), DESK);
}

#[tokio::test]
async fn every_dial_of_a_call_shows_the_same_caller() {
    let app = TestApp::start_with_phones().await;
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550100\", ringStrategy: SEQUENTIAL}]}]").await;
    for (sid, from, expected) in [("CA1", CARLA, CARLA), ("CA2", "Restricted", DESK)] {
        let greeting = app.document(INBOUND, &form(sid, &[("From", from)])).await;
        let fields = [("From", from), ("Digits", "")];
        let first = app.document(&attribute(&greeting, "action"), &form(sid, &fields)).await;
        let fields = [("From", from), ("DialCallStatus", "busy"), ("DialBridged", "false")];
        let second = app.document(&attribute(&first, "action"), &form(sid, &fields)).await;
        for document in [first, second] {
            assert_eq!(attribute(&document, "callerId"), expected, "{document}");
        }
    }
}

/// Carriers reject a call without a valid caller ID.
#[tokio::test]
async fn a_hidden_caller_reaches_the_staff() {
    for from in ["anonymous", "+266696687", "Restricted"] {
        let carrier = carrier_with(|settings| settings.legs = LegPolicy::Keep);
        let app = start(&carrier).await;
        carrier.set_phone(BEN, PhoneScript::accepts(2, '1'));
        let record = carrier.call(CallScript::new(from, DESK).then(CallerStep::Wait)).await.unwrap();
        assert_eq!(record.error, None, "{from}");
        assert_eq!(record.bridged().map(|leg| leg.to.as_str()), Some(BEN), "{from}: {:#?}", record.transcript);
        let call = app.call(&record.sid).await;
        let expected = (CallStatus::Completed, Some(app.user("acme", "ben").await), None, None);
        assert_eq!((call.status, call.answered_by_id, call.contact_id, call.thread_id), expected, "{from}");
    }
}

#[tokio::test]
async fn a_pool_can_show_its_own_number_and_the_call_still_belongs_to_the_caller() {
    let carrier = carrier_with(|settings| settings.legs = LegPolicy::Keep);
    let app = start(&carrier).await;
    let payload = update(&app, "ana", json!({"legCallerId": "NUMBER"})).await;
    assert_eq!((&payload["userErrors"], &payload["pool"]["legCallerId"]), (&json!([]), &json!("NUMBER")));
    assert_eq!(caller_id(&app, "CA1", CARLA).await, DESK);
    carrier.set_phone(BEN, PhoneScript::accepts(2, '1'));
    let record = carrier.call(CallScript::new(CARLA, DESK).then(CallerStep::Wait)).await.unwrap();
    assert_eq!(record.bridged().map(|leg| leg.to.as_str()), Some(BEN), "{:#?}", record.transcript);
    app.wait_for_call_log().await;
    let shown = app.newest_call("acme", "ben").await;
    assert_eq!((&shown["contact"]["phone"], &shown["answeredBy"]["key"]), (&json!(CARLA), &json!("ben")));
    let agency = app.agency("acme").await;
    assert!(app.contacts_at(agency, DESK).await.is_empty(), "Partyline's own number is not a contact");
    // The directory file sets it, too, and does not change it where it omits it.
    let file = |setting: &str| format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\"{setting}}}]}}]");
    for (setting, expected) in [("", DESK), (", legCallerId: CALLER", CARLA), (", legCallerId: NUMBER", DESK)] {
        app.apply(&file(setting)).await;
        assert_eq!(caller_id(&app, &format!("CA{}", setting.len()), CARLA).await, expected, "{setting}");
    }
    assert_eq!(update(&app, "ben", json!({"legCallerId": "CALLER"})).await["userErrors"][0]["code"], "FORBIDDEN");
    let wrong = app.try_apply(&file(", legCallerId: NOBODY")).await.unwrap_err();
    assert_eq!(wrong[0].path, "agencies[0].phoneNumbers[0].legCallerId");
}

#[tokio::test]
async fn a_pool_row_of_the_previous_release_shows_the_caller() {
    let app = TestApp::start().await;
    let number = app.directory("acme").await.numbers.iter().find(|row| row.e164 == EMPTY).unwrap().id;
    let of_number = pool::Entity::find().filter(pool::Column::Id.eq(PoolId::from(number)));
    let before = of_number.clone().one(app.db()).await.unwrap().unwrap();
    let conn = Database::open(&app.database.url).await.unwrap().connect_to_migrate().await.unwrap();
    pool::Entity::delete_many().filter(pool::Column::Id.eq(PoolId::from(number))).exec(&conn).await.unwrap();
    let insert = format!(
        "INSERT INTO pool (agency_id, id, policy, reopen_within_days, ring_strategy, ring_seconds, updated_at) \
         SELECT agency_id, id, 'FIRST_CLAIM', 7, 'SIMULTANEOUS', 20, updated_at FROM phone_number WHERE e164 = '{EMPTY}'"
    );
    conn.execute_unprepared(&insert).await.unwrap();
    conn.close().await.unwrap();
    let after = of_number.one(app.db()).await.unwrap().unwrap();
    assert_eq!((after.leg_caller_id, after.id), (LegCallerId::Caller, before.id));
}

#[tokio::test]
async fn hidden_callers_are_calls_without_a_contact_and_get_no_text() {
    let app = TestApp::start_with_phones().await;
    app.apply("agencies: [{key: acme, phoneNumbers: [{number: \"+13035550100\", missedCallText: We missed you.}]}]")
        .await;
    let contacts = contact::Entity::find().all(app.db()).await.unwrap();
    for (n, from) in WITHHELD.into_iter().enumerate() {
        let sid = format!("CA{n}");
        app.document(INBOUND, &form(&sid, &[("From", from)])).await;
        app.document(STATUS, &form(&sid, &[("From", from), ("CallStatus", "completed")])).await;
        let call = app.call(&sid).await;
        assert_eq!((call.contact_id, call.thread_id, call.status), (None, None, CallStatus::NoAnswer), "{from}");
        assert_eq!(app.call_notifications(&call).await, ["MissedCall ben", "MissedCall chloe"], "{from}");
    }
    assert_eq!(contact::Entity::find().all(app.db()).await.unwrap(), contacts);
    assert!(app.outbox().await.is_empty());
    // The same call with a number gets the text.
    app.document(INBOUND, &form("CAknown", &[])).await;
    app.document(STATUS, &form("CAknown", &[("CallStatus", "completed")])).await;
    assert_eq!(app.outbox().await.len(), 1);
}

#[tokio::test]
async fn a_text_from_a_hidden_sender_is_stored_and_never_answered() {
    let app = TestApp::start_with_phones().await;
    app.apply("agencies: [{key: acme, optOutReplies: PARTYLINE}]").await;
    let ben = app.token("acme", "ben");
    for (n, from) in WITHHELD.into_iter().enumerate() {
        for (what, body) in ["HELP", "STOP", "hello"].into_iter().enumerate() {
            let sid = format!("SM{n}{what}");
            app.receive(Text::new(&sid).from(from).body(body)).await;
            assert_eq!(app.message(&sid).await.body, body, "{from}");
        }
    }
    app.receive(Text::new("SMmissing").without("From")).await;
    assert_eq!(
        app.thread_of("SMmissing").await.id,
        app.thread_of("SM70").await.id,
        "a missing sender is treated as anonymous"
    );
    assert!(app.outbox().await.is_empty());
    for sid in ["SM00", "SM70", "SM150"] {
        let thread = json!(app.thread_of(sid).await.id.to_string());
        let payload = app.reply(&ben, &thread, &format!("Who is {sid}?"), json!({})).await;
        assert_eq!(payload["userErrors"][0]["code"], "INVALID", "{payload}");
    }
    let payload = app.start_thread(&ben, "+266696687", json!({})).await;
    assert_eq!(payload["userErrors"][0]["code"], "INVALID", "{payload}");
    assert!(app.outbox().await.is_empty());
}
