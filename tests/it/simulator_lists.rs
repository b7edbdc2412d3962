//! The simulated carrier's lists of messages, calls and recordings, what they contain after an outage, and deletion.

use std::sync::Arc;

use axum::http::header::RETRY_AFTER;
use chrono::{DateTime, TimeDelta, Utc};
use partyline_simulator::{
    CallScript, CallerStep, CarriedCall, FinalStatus, InboundText, List, ListFault, MediaFile, Simulator,
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::support::carrier::{carrier, carrier_with, carrier_with_clock};
use crate::support::client;
use crate::support::clock::MockClock;
use crate::support::directory::{ACCOUNT, DESK, NURSES, OTHER_ACCOUNT, OTHER_TOKEN, TOKEN};
use crate::support::site::Site;

const PHONE: &str = "+13035560001";
const OTHER_PHONE: &str = "+13035560002";
/// Nothing listens on port 1.
const UNREACHABLE: &str = "http://127.0.0.1:1/";

async fn get(carrier: &Simulator, path: &str) -> (StatusCode, Value) {
    let url = format!("{}{path}", carrier.base());
    let answer = client().get(url).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

async fn delete(carrier: &Simulator, path: &str) -> (StatusCode, Value) {
    let url = format!("{}{path}", carrier.base());
    let answer = client().delete(url).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap_or_default())
}

fn path(rest: &str) -> String {
    format!("/2010-04-01/Accounts/{ACCOUNT}/{rest}")
}

/// A field of all rows of a list, page by page.
async fn column(carrier: &Simulator, list: &str, key: &str, name: &str) -> Vec<String> {
    let (mut values, mut next) = (Vec::new(), json!(path(list)));
    while let Some(uri) = next.as_str() {
        let (status, page) = get(carrier, uri).await;
        assert_eq!(status, StatusCode::OK, "{uri}");
        values.extend(page[key].as_array().unwrap().iter().map(|row| row[name].as_str().unwrap().to_owned()));
        next = page["next_page_uri"].clone();
    }
    values
}

fn time(text: &str) -> DateTime<Utc> {
    DateTime::parse_from_rfc3339(text).unwrap().to_utc()
}

fn texts(numbers: std::ops::Range<i64>) -> impl Iterator<Item = InboundText> {
    let start = time("2026-11-30T09:40:00Z");
    numbers.map(move |n| InboundText::new(PHONE, DESK, format!("text {n}")).received_at(start + TimeDelta::seconds(n)))
}

#[tokio::test]
async fn messages_are_filtered_by_date_and_number() {
    let carrier = carrier();
    let at = |text: InboundText, at: &str| text.received_at(time(at));
    carrier
        .carry_texts([
            at(InboundText::new(PHONE, DESK, "second"), "2026-11-29T23:59:59.5Z"),
            at(InboundText::new(PHONE, DESK, "first"), "2026-11-28T10:00:00Z"),
            at(InboundText::new(OTHER_PHONE, DESK, "third"), "2026-11-30T00:00:00Z"),
            at(InboundText::new(PHONE, NURSES, "fourth"), "2026-11-30T12:00:00Z"),
        ])
        .unwrap();
    for (filter, expected) in [
        ("", "fourth third second first"),
        ("To=%2B13035550100", "third second first"),
        ("To=%2B13035550100&From=%2B13035560001", "second first"),
        ("DateSent=2026-11-29", "second"),
        ("DateSent%3E=2026-11-29", "fourth third second"),
        ("DateSent>=2026-11-29", "fourth third second"),
        ("DateSent%3E%3D2026-11-29", "fourth third second"),
        ("DateSent=%3E%3D2026-11-29", "fourth third second"),
        ("DateSent%3C=2026-11-29", "second first"),
        ("DateSent%3E=2026-11-29T23:59:59Z&DateSent%3C=2026-11-30T00:00:00Z", "third second"),
        ("DateSent%3E=2026-12-01", ""),
    ] {
        let bodies = column(&carrier, &format!("Messages.json?{filter}"), "messages", "body").await;
        assert_eq!(bodies.join(" "), expected, "{filter}");
    }
    let (status, error) = get(&carrier, &path("Messages.json?DateSent%3E=yesterday")).await;
    assert_eq!((status, &error["code"]), (StatusCode::BAD_REQUEST, &json!(20001)));
    let others = format!("{}/2010-04-01/Accounts/{OTHER_ACCOUNT}/Messages.json", carrier.base());
    let answer = client().get(others).basic_auth(OTHER_ACCOUNT, Some(OTHER_TOKEN)).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["messages"], json!([]));
}

#[tokio::test]
async fn an_inbound_message_has_all_documented_fields() {
    let carrier = carrier();
    let file = MediaFile::new("image/png", vec![1]);
    let text = InboundText::new(PHONE, DESK, "Look").received_at(time("2026-11-30T09:40:07.9Z")).with_media(file);
    let sid = carrier.carry_text(text).unwrap().sid;
    let (_, list) = get(&carrier, &path("Messages.json")).await;
    let uri = path(&format!("Messages/{sid}"));
    let date = "Mon, 30 Nov 2026 09:40:07 +0000";
    let expected = json!({
        "sid": sid, "account_sid": ACCOUNT, "messaging_service_sid": null, "from": PHONE, "to": DESK, "body": "Look",
        "status": "received", "direction": "inbound", "num_segments": "1", "num_media": "1", "price": null,
        "price_unit": "USD", "error_code": null, "error_message": null, "date_created": date, "date_updated": date,
        "date_sent": date, "api_version": "2010-04-01", "uri": format!("{uri}.json"),
        "subresource_uris": {"media": format!("{uri}/Media.json"), "feedback": format!("{uri}/Feedback.json")},
    });
    assert_eq!(list["messages"], json!([expected]));
}

#[tokio::test]
async fn pages_stay_complete_while_new_messages_arrive() {
    let carrier = carrier();
    carrier.carry_texts(texts(0..120)).unwrap();
    let (_, first) = get(&carrier, &path("Messages.json")).await;
    assert_eq!((first["messages"].as_array().unwrap().len(), &first["page_size"]), (50, &json!(50)));
    carrier.carry_texts(texts(120..130)).unwrap();
    let next = first["next_page_uri"].as_str().unwrap();
    let (_, second) = get(&carrier, next).await;
    assert_eq!(second["messages"][0]["body"], "text 69");
    let next = second["next_page_uri"].as_str().unwrap();
    let (_, third) = get(&carrier, next).await;
    assert_eq!((third["messages"].as_array().unwrap().len(), &third["next_page_uri"]), (20, &Value::Null));
    assert_eq!(third["messages"][19]["body"], "text 0");
    let (_, all) = get(&carrier, &path("Messages.json?PageSize=5000")).await;
    assert_eq!((all["messages"].as_array().unwrap().len(), &all["page_size"]), (130, &json!(1000)));
}

#[tokio::test]
async fn a_list_can_be_limited_for_a_number_of_requests() {
    let carrier = carrier();
    for (list, kind) in
        [("Messages.json", List::Messages), ("Calls.json", List::Calls), ("Recordings.json", List::Recordings)]
    {
        carrier.set_list_fault(ListFault::too_many_requests(kind, 7, 2));
        for _ in 0..2 {
            let url = format!("{}{}", carrier.base(), path(list));
            let limited = client().get(url).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
            assert_eq!(limited.status(), StatusCode::TOO_MANY_REQUESTS);
            assert_eq!(limited.headers()[RETRY_AFTER], "7");
            assert_eq!(limited.json::<Value>().await.unwrap()["code"], 20429);
        }
        assert_eq!(get(&carrier, &path(list)).await.0, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_text_whose_webhooks_fail_exists_at_the_carrier_and_its_webhook_can_be_repeated() {
    let site = Site::start(&[]).await;
    site.page("/sms", StatusCode::SERVICE_UNAVAILABLE, "text/plain", Vec::new());
    let carrier = carrier_with(|settings| settings.sms_url = format!("{}/sms#rc=1&rp=5xx", site.base));
    let stop = carrier.send_text(InboundText::new(PHONE, DESK, "STOP")).await.unwrap();
    assert_eq!(stop.status, Some(StatusCode::SERVICE_UNAVAILABLE));
    // Two requests to the webhook and two to the fallback.
    let tried = site.requests("/sms");
    assert_eq!(tried.iter().filter(|request| request.field("ErrorCode") == "11200").count(), 2);
    assert_eq!(tried.len(), 4);
    let silent = carrier.carry_text(InboundText::new(OTHER_PHONE, DESK, "Hello")).unwrap();
    assert_eq!((silent.status, site.requests("/sms").len()), (None, 4));
    let sids = column(&carrier, "Messages.json?To=%2B13035550100", "messages", "sid").await;
    assert_eq!(sids, [silent.sid.clone(), stop.sid]);
    site.page("/sms", StatusCode::OK, "text/plain", Vec::new());
    assert_eq!(carrier.repeat_webhook(&silent.sid).await, Some(StatusCode::OK));
    let late = site.requests("/sms").pop().unwrap();
    assert_eq!([late.field("MessageSid"), late.field("Body")], [silent.sid.as_str(), "Hello"]);
    assert_eq!(carrier.repeat_webhook("SM0").await, None);
}

#[tokio::test]
async fn a_carried_stop_blocks_the_number() {
    let carrier = carrier();
    carrier.carry_text(InboundText::new(PHONE, DESK, "STOP")).unwrap();
    let url = format!("{}{}", carrier.base(), path("Messages.json"));
    let form = [("To", PHONE), ("From", DESK), ("Body", "Hello")];
    let answer = client().post(url).basic_auth(ACCOUNT, Some(TOKEN)).form(&form).send().await.unwrap();
    assert_eq!(answer.json::<Value>().await.unwrap()["code"], 21610);
}

#[tokio::test]
async fn a_caller_leaves_a_voicemail_although_every_webhook_fails() {
    let carrier = carrier_with(|settings| {
        settings.voice_url = UNREACHABLE.to_owned();
        settings.voice_status_url = Some(UNREACHABLE.to_owned());
    });
    let caller = || CallScript::new(PHONE, DESK).then(CallerStep::Speak(7)).then(CallerStep::HangUp);
    let without = carrier.call(caller()).await.unwrap();
    assert!(without.recordings.is_empty() && without.status == "completed", "{without:?}");
    carrier.set_voice_fallback(Some("<Response><Say>Leave a message</Say><Record maxLength=\"120\"/></Response>"));
    let record = carrier.call(caller()).await.unwrap();
    assert_eq!(record.heard_by("caller").collect::<Vec<_>>(), ["Leave a message", "[beep]"]);
    assert_eq!(column(&carrier, "Recordings.json", "recordings", "sid").await, record.recordings);
    let of_call = format!("Calls/{}/Recordings.json", record.sid);
    assert_eq!(column(&carrier, &of_call, "recordings", "source").await, ["RecordVerb"]);
    assert_eq!(column(&carrier, &of_call, "recordings", "duration").await, ["7"]);
    assert_eq!(column(&carrier, "Calls.json", "calls", "sid").await, [record.sid, without.sid]);
    carrier.set_voice_fallback(None);
    assert!(carrier.call(caller()).await.unwrap().recordings.is_empty());
}

#[tokio::test]
async fn carried_calls_and_their_recordings_are_listed_with_their_dates() {
    let carrier = carrier();
    let call = |from: &str, at: &str| CarriedCall::new(from, DESK).started_at(time(at));
    let calls = [
        call(PHONE, "2026-11-30T09:45:00Z").with_voicemail(5).with_voicemail(0),
        call(OTHER_PHONE, "2026-11-30T09:40:00Z").ended(FinalStatus::NoAnswer, 0),
        CarriedCall::new(PHONE, NURSES).started_at(time("2026-11-29T09:00:00Z")).ended(FinalStatus::Completed, 30),
    ];
    let sids = carrier.carry_calls(&calls).unwrap();
    let [with_voicemail, missed, answered] = sids.as_slice() else { panic!("{sids:?}") };
    let all = [&with_voicemail.call, &missed.call, &answered.call];
    for (filter, expected) in [
        ("", &all[..]),
        ("PageSize=1", &all),
        ("To=%2B13035550100", &all[..2]),
        ("From=%2B13035560001", &[all[0], all[2]]),
        ("Status=no-answer", &all[1..2]),
        ("StartTime=2026-11-29", &all[2..]),
        ("StartTime%3E=2026-11-30T09:45:00Z", &all[..1]),
        ("StartTime%3E=2026-11-30", &all[..2]),
        ("StartTime%3C=2026-11-30", &all[2..]),
        ("EndTime%3E=2026-11-30T09:45:05Z", &all[..1]),
    ] {
        let found = column(&carrier, &format!("Calls.json?{filter}"), "calls", "sid").await;
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter}");
    }
    let (_, entry) = get(&carrier, &path(&format!("Calls/{}.json", with_voicemail.call))).await;
    let shown = ["direction", "status", "duration", "start_time", "end_time"].map(|name| entry[name].clone());
    let times = ["Mon, 30 Nov 2026 09:45:00 +0000", "Mon, 30 Nov 2026 09:45:05 +0000"];
    assert_eq!(shown, ["inbound", "completed", "5", times[0], times[1]].map(Value::from));
    let recordings = column(&carrier, "Recordings.json?DateCreated%3E=2026-11-30", "recordings", "sid").await;
    assert_eq!(recordings, [with_voicemail.recordings[1].clone(), with_voicemail.recordings[0].clone()]);
    let statuses = column(&carrier, "Recordings.json", "recordings", "status").await;
    assert_eq!(statuses, ["absent", "completed"]);
    let of_other = format!("Recordings.json?CallSid={}", missed.call);
    assert!(column(&carrier, &of_other, "recordings", "sid").await.is_empty());
    let later = CarriedCall::new(PHONE, "+19995550100");
    assert!(carrier.carry_call(&later).is_ok(), "the account without a list of numbers has every number");
}

#[tokio::test]
async fn texts_and_calls_can_be_carried_over_http() {
    let carrier = carrier();
    let post = |path: &str, body: Value| client().post(format!("{}{path}", carrier.base())).json(&body).send();
    let texts = json!([{"from": PHONE, "to": DESK, "body": "Hello", "at": "2026-11-30T09:40:00Z"}]);
    let texts: Value = post("/simulator/carried-texts", texts).await.unwrap().json().await.unwrap();
    let calls = json!([{"from": PHONE, "to": DESK, "status": "no-answer", "voicemails": [5]}]);
    let calls: Value = post("/simulator/carried-calls", calls).await.unwrap().json().await.unwrap();
    assert_eq!(column(&carrier, "Messages.json", "messages", "sid").await, [texts[0]["sid"].as_str().unwrap()]);
    assert_eq!(column(&carrier, "Calls.json", "calls", "sid").await, [calls[0]["sid"].as_str().unwrap()]);
    let recordings = column(&carrier, "Recordings.json", "recordings", "sid").await;
    assert_eq!(json!(recordings), calls[0]["recordings"]);
}

#[tokio::test]
async fn messages_calls_and_recordings_are_deleted_once_they_are_complete() {
    let carrier = carrier();
    let text = carrier.carry_text(InboundText::new(PHONE, DESK, "Hello")).unwrap().sid;
    let call = carrier.carry_call(&CarriedCall::new(PHONE, DESK).with_voicemail(5)).unwrap();
    let recording = &call.recordings[0];
    for (row, list, key) in [
        (format!("Messages/{text}.json"), "Messages.json", "messages"),
        (format!("Calls/{}.json", call.call), "Calls.json", "calls"),
        (format!("Recordings/{recording}.json"), "Recordings.json", "recordings"),
    ] {
        assert_eq!(column(&carrier, list, key, "sid").await.len(), 1);
        assert_eq!(delete(&carrier, &path(&row)).await.0, StatusCode::NO_CONTENT, "{row}");
        assert_eq!(delete(&carrier, &path(&row)).await.0, StatusCode::NOT_FOUND, "{row}");
        assert_eq!(get(&carrier, &path(&row)).await.0, StatusCode::NOT_FOUND, "{row}");
        assert!(column(&carrier, list, key, "sid").await.is_empty());
    }
    assert_eq!(get(&carrier, &path(&format!("Recordings/{recording}.mp3"))).await.0, StatusCode::NOT_FOUND);
    let other = format!("{}/2010-04-01/Accounts/{OTHER_ACCOUNT}/Calls/{}.json", carrier.base(), call.call);
    let answer = client().delete(other).basic_auth(OTHER_ACCOUNT, Some(OTHER_TOKEN)).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_queued_message_and_a_call_in_progress_are_not_deleted() {
    // The clock of the carrier stands still.
    let carrier = carrier_with_clock(Arc::new(MockClock::new()));
    let post = |rest: &str, form: Vec<(&'static str, &'static str)>| {
        let url = format!("{}{}", carrier.base(), path(rest));
        client().post(url).basic_auth(ACCOUNT, Some(TOKEN)).form(&form).send()
    };
    for (list, form) in [
        ("Messages", vec![("To", PHONE), ("From", DESK), ("Body", "Hello")]),
        ("Calls", vec![("To", PHONE), ("From", DESK), ("Url", UNREACHABLE)]),
    ] {
        let created: Value = post(&format!("{list}.json"), form).await.unwrap().json().await.unwrap();
        let row = path(&format!("{list}/{}.json", created["sid"].as_str().unwrap()));
        let (status, error) = delete(&carrier, &row).await;
        assert_eq!((status, &error["code"]), (StatusCode::CONFLICT, &json!(20009)), "{list}");
        assert_eq!(get(&carrier, &row).await.0, StatusCode::OK);
    }
}
