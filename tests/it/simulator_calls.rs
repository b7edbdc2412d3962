//! Calls of the simulated carrier, with TwiML pages defined by the tests.

use axum::http::{Method, StatusCode};
use partyline_simulator::{CallRecord, CallScript, CallbackFault, CallerStep, LegPolicy, PhoneScript, Simulator};
use serde_json::{Value, json};

use crate::support::directory::{ACCOUNT, DESK, OTHER_ACCOUNT, OTHER_TOKEN, TOKEN};
use crate::support::site::{EMPTY, RecordedRequest, Site};
use crate::support::{client, wait};

const CALLER: &str = "+13035560001";
const ANA: &str = "+13035550201";
const BEN: &str = "+13035550202";

fn dial(keys: &str) -> CallerStep {
    CallerStep::Dial(keys.to_owned())
}

fn script(steps: &[CallerStep]) -> CallScript {
    steps.iter().fold(CallScript::new(CALLER, DESK), |script, step| script.then(step.clone()))
}

async fn call(carrier: &Simulator, steps: &[CallerStep]) -> CallRecord {
    carrier.call(script(steps)).await.unwrap()
}

fn transcript(record: &CallRecord) -> Vec<String> {
    let lines = record.transcript.iter();
    lines.map(|line| format!("{} {} {}", line.at_seconds, line.who, line.what)).collect()
}

#[tokio::test]
async fn a_menu_is_played_and_pressed_keys_are_sent() {
    let site = Site::start(&[
        ("/in", "<Gather action=\"deeper/menu?step=2#rc=1\" numDigits=\"3\"><Say>Dial an extension</Say></Gather>"),
        ("/deeper/menu", "<Say>Thank you</Say><Redirect method=\"GET\">next</Redirect>"),
        ("/deeper/next", "<Play>/hold.mp3</Play><Pause length=\"4\"/><Hangup/>"),
    ])
    .await;
    let record = call(&site.carrier(), &[dial("101")]).await;
    let expected = [
        "0 caller hears: \"Dial an extension\"",
        "1 caller presses 101",
        "1 caller hears: \"Thank you\"",
        "2 caller hears: [/hold.mp3]",
        "9 caller is hung up on",
    ];
    assert_eq!(transcript(&record), expected);
    assert_eq!((record.status.as_str(), record.seconds, &record.error), ("completed", 9, &None));
    let first = site.only_request("/in");
    let base = &site.base;
    assert_eq!((first.field("CallStatus"), &first.url), ("ringing", &format!("{base}/in?n=1")));
    let fields = ["CallSid", "AccountSid", "From", "To", "Caller", "Called", "Direction", "ApiVersion"];
    let expected = [&record.sid, ACCOUNT, CALLER, DESK, CALLER, DESK, "inbound", "2010-04-01"];
    assert_eq!(fields.map(|name| first.form[name].clone()), expected.map(str::to_owned));
    let menu = site.only_request("/deeper/menu");
    assert_eq!((menu.field("Digits"), menu.field("CallStatus")), ("101", "in-progress"));
    assert_eq!(menu.url, format!("{base}/deeper/menu?step=2"));
    let next = site.only_request("/deeper/next");
    assert_eq!((next.method, next.form["CallSid"].as_str()), (Method::GET, record.sid.as_str()));
    let end = site.only_request("/status");
    assert_eq!((end.field("CallStatus"), end.field("CallDuration"), end.field("Duration")), ("completed", "9", "1"));
    let urls: Vec<_> = record.documents.iter().map(|document| document.url.clone()).collect();
    assert_eq!(urls, [format!("{base}/in?n=1"), format!("{base}/deeper/menu?step=2"), format!("{base}/deeper/next")]);
}

#[tokio::test]
async fn a_gather_without_input_continues_unless_action_on_empty_result_is_set() {
    let site = Site::start(&[
        ("/in", "<Gather action=\"/menu\"/><Gather action=\"/empty\" actionOnEmptyResult=\"true\" timeout=\"2\"/>"),
        ("/empty", "<Hangup/>"),
    ])
    .await;
    let record = call(&site.carrier(), &[CallerStep::Wait]).await;
    assert_eq!(record.seconds, 7);
    assert!(site.requests("/menu").is_empty());
    assert_eq!(site.only_request("/empty").form["Digits"], "");
}

const RING: &str = "<Dial action=\"/dialled\" timeout=\"20\">\
    <Number url=\"/screen\" statusCallback=\"/leg\" statusCallbackEvent=\"initiated ringing answered completed\">\
    +13035550201</Number><Number url=\"/screen\" statusCallback=\"/leg\" \
    statusCallbackEvent=\"initiated ringing answered completed\">+13035550202</Number></Dial>";
const SCREEN: &str = "<Gather action=\"/press\" numDigits=\"1\"><Say>A call, press 1 to accept</Say></Gather><Hangup/>";

fn leg_statuses(site: &Site, sid: &str) -> Vec<String> {
    let seen = site.requests("/leg");
    seen.iter().filter(|seen| seen.field("CallSid") == sid).map(|seen| seen.field("CallStatus").to_owned()).collect()
}

#[tokio::test]
async fn simultaneous_presses_are_sent_concurrently_and_one_leg_is_bridged() {
    let site = Site::start_with(&[("/in", RING), ("/screen", SCREEN), ("/dialled", "<Hangup/>")], Some(2)).await;
    let carrier = site.carrier_with(|settings| settings.legs = LegPolicy::Keep);
    carrier.set_phone(ANA, PhoneScript::accepts(2, '1'));
    carrier.set_phone(BEN, PhoneScript::accepts(2, '1'));
    let record = call(&carrier, &[]).await;
    assert_eq!(record.legs.len(), 2);
    let bridged = record.bridged().unwrap();
    let other = record.legs.iter().find(|leg| !leg.bridged).unwrap();
    assert!(bridged.accepted && bridged.answered && other.answered && !other.accepted);
    assert_eq!(bridged.heard, ["A call, press 1 to accept"]);
    assert_eq!(other.heard, ["A call, press 1 to accept", "already taken"]);
    let whole = ["initiated", "ringing", "in-progress", "completed"];
    assert_eq!(leg_statuses(&site, &bridged.sid), whole);
    assert_eq!(leg_statuses(&site, &other.sid), whole);
    let press = site.requests("/press");
    assert!(press.iter().all(|press| press.field("ParentCallSid") == record.sid && press.field("Digits") == "1"));
    assert!(press.iter().all(|press| press.field("Direction") == "outbound-dial" && press.field("From") == CALLER));
    // The caller ended the conversation: the action is requested, but its document is not executed.
    let dialled = site.only_request("/dialled");
    let outcome = ["DialCallStatus", "DialBridged", "DialCallSid", "DialCallDuration", "CallStatus"];
    let expected = ["completed", "true", &bridged.sid, "4", "completed"];
    assert_eq!(outcome.map(|name| dialled.field(name).to_owned()), expected.map(str::to_owned));
}

#[tokio::test]
async fn the_first_answer_cancels_the_other_legs_if_configured() {
    for legs in [LegPolicy::Cancel, LegPolicy::Keep] {
        let site =
            Site::start(&[("/in", RING), ("/screen", SCREEN), ("/press", EMPTY), ("/dialled", "<Say>Goodbye</Say>")])
                .await;
        let carrier = site.carrier();
        carrier.set_phone(ANA, PhoneScript::Voicemail { after: 2 });
        carrier.set_phone(BEN, PhoneScript::Answers { after: 4, presses: Some('1'), press_after: 1, talks: 2 });
        let record = carrier.call(CallScript { legs: Some(legs), ..script(&[]) }).await.unwrap();
        let [ana, ben] = record.legs.as_slice() else { panic!("{record:?}") };
        assert_eq!((ana.status.as_str(), ana.answered, ana.accepted), ("completed", true, false));
        let dialled = site.only_request("/dialled");
        assert_eq!(dialled.field("DialCallStatus"), "completed");
        if legs == LegPolicy::Cancel {
            assert_eq!((ben.status.as_str(), ben.answered), ("canceled", false));
            assert_eq!(leg_statuses(&site, &ben.sid), ["initiated", "ringing", "canceled"]);
            assert_eq!((dialled.field("DialBridged"), dialled.field("DialCallSid")), ("false", ana.sid.as_str()));
            assert_eq!(record.heard_by(ANA).collect::<Vec<_>>(), ["A call, press 1 to accept"]);
        } else {
            assert!(ben.bridged);
            assert_eq!((dialled.field("DialBridged"), dialled.field("DialCallSid")), ("true", ben.sid.as_str()));
        }
        // The callee ended the conversation, or there was none: the call continues.
        assert_eq!(dialled.field("CallStatus"), "in-progress");
        assert_eq!(record.heard_by("caller").collect::<Vec<_>>(), ["Goodbye"]);
    }
}

#[tokio::test]
async fn the_status_of_a_dial_depends_on_its_phones() {
    let number = |phone: &str| format!("<Number>{phone}</Number>");
    let page = format!("<Dial action=\"/dialled\" timeout=\"9\">{}{}</Dial>", number(ANA), number(BEN));
    for (ana, ben, status, seconds) in [
        (PhoneScript::Busy, PhoneScript::Failed, "busy", 1),
        (PhoneScript::Declines, PhoneScript::Busy, "busy", 3),
        (PhoneScript::NoAnswer, PhoneScript::Busy, "no-answer", 9),
        (PhoneScript::Failed, PhoneScript::Failed, "failed", 0),
        (PhoneScript::accepts(9, '1'), PhoneScript::Failed, "no-answer", 9),
        // Without a screening document, the first phone to answer is bridged.
        (PhoneScript::Voicemail { after: 3 }, PhoneScript::NoAnswer, "completed", 6),
    ] {
        let site = Site::start(&[("/in", &page), ("/dialled", "<Hangup/>")]).await;
        let carrier = site.carrier();
        carrier.set_phone(ANA, ana);
        carrier.set_phone(BEN, ben);
        let record = call(&carrier, &[]).await;
        let dialled = site.only_request("/dialled");
        assert_eq!((dialled.field("DialCallStatus"), record.seconds), (status, seconds), "{ana:?} {ben:?}");
        assert_eq!(dialled.field("DialBridged") == "true", status == "completed");
    }
}

#[tokio::test]
async fn a_caller_who_hangs_up_ends_every_leg() {
    let site =
        Site::start(&[("/in", &RING.replace("<Dial", "<Dial answerOnBridge=\"true\"")), ("/screen", SCREEN)]).await;
    let carrier = site.carrier_with(|settings| settings.legs = LegPolicy::Keep);
    carrier.set_phone(ANA, PhoneScript::HangsUp { after: 1, into: 1 });
    let record = call(&carrier, &[CallerStep::HangUpAfter(5)]).await;
    let statuses: Vec<_> = record.legs.iter().map(|leg| leg.status.as_str()).collect();
    assert_eq!((statuses, record.status.as_str()), (vec!["completed", "canceled"], "no-answer"));
    assert_eq!(site.only_request("/dialled").field("DialBridged"), "false");
    assert_eq!(site.only_request("/status").field("CallDuration"), "0");
    assert!(site.requests("/press").is_empty());
}

#[tokio::test]
async fn a_voicemail_is_recorded_reported_transcribed_and_can_be_fetched() {
    let page = "<Say>Leave a message</Say><Record action=\"/recorded\" recordingStatusCallback=\"/recording\" \
                maxLength=\"120\" transcribe=\"true\" transcribeCallback=\"/transcript\"/><Say>We heard nothing</Say>";
    let site = Site::start(&[("/in", page), ("/recorded", "<Hangup/>")]).await;
    let carrier = site.carrier_with(|settings| settings.recording_bytes = 70_000);
    let silent = call(&carrier, &[CallerStep::Speak(0)]).await;
    assert_eq!(silent.heard_by("caller").last(), Some("We heard nothing"));
    assert!(silent.recordings.is_empty() && site.requests("/recorded").is_empty());
    let record = call(&carrier, &[CallerStep::Speak(7), CallerStep::HangUp]).await;
    let [sid] = record.recordings.as_slice() else { panic!("{record:?}") };
    let recorded = site.only_request("/recorded");
    let fields = ["RecordingSid", "RecordingDuration", "Digits", "CallStatus"];
    assert_eq!(fields.map(|name| recorded.field(name)), [sid, "7", "hangup", "completed"]);
    assert_eq!((record.status.as_str(), record.seconds), ("completed", 8));
    let reported = site.only_request("/recording");
    assert_eq!((reported.field("RecordingStatus"), reported.field("RecordingSid")), ("completed", sid.as_str()));
    let transcript = site.only_request("/transcript");
    assert_eq!(
        (transcript.field("TranscriptionStatus"), transcript.field("RecordingSid")),
        ("completed", sid.as_str())
    );
    assert!(transcript.field("TranscriptionText").contains("7 seconds"));
    let url = recorded.field("RecordingUrl").to_owned();
    for (url, status) in [(url.clone(), 200), (format!("{url}.mp3"), 200), (url.replace(sid, "RE0"), 404)] {
        let answer = client().get(&url).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), status, "{url}");
        if status == 200 {
            assert_eq!(answer.headers()["content-type"], "audio/mpeg");
            let bytes = answer.bytes().await.unwrap();
            assert_eq!((bytes.len(), &bytes[417..419]), (70_000, [0xff, 0xfb].as_slice()));
        }
    }
    let answer = client().get(&url).basic_auth(OTHER_ACCOUNT, Some(OTHER_TOKEN)).send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 401);
}

#[tokio::test]
async fn a_recording_that_may_be_longer_than_two_minutes_is_not_transcribed() {
    for (length, warning) in [("maxLength=\"121\"", Some("13617")), ("", Some("13617")), ("maxLength=\"120\"", None)] {
        let page = format!("<Record {length} transcribe=\"true\" transcribeCallback=\"/transcript\"/>");
        let site = Site::start(&[("/in", &page)]).await;
        let record = call(&site.carrier(), &[CallerStep::Speak(7), CallerStep::HangUp]).await;
        assert_eq!(record.error.as_deref().and_then(|error| error.get(..5)), warning, "{page}");
        assert_eq!(site.requests("/transcript").is_empty(), warning.is_some(), "{page}");
    }
}

#[tokio::test]
async fn an_absent_recording_is_reported_if_requested_and_has_no_file() {
    let speak = CallerStep::Speak;
    for (events, steps, reported, asked) in [
        ("completed absent", vec![speak(0)], &["absent 16102"][..], false),
        ("completed absent", vec![speak(0), CallerStep::HangUp], &["absent 16101"], true),
        ("completed absent", vec![speak(2), CallerStep::HangUp], &["completed 0"], true),
        ("absent", vec![speak(2), CallerStep::HangUp], &[], true),
        ("completed", vec![speak(0)], &[], false),
    ] {
        let page = format!(
            "<Record action=\"/recorded\" maxLength=\"120\" recordingStatusCallback=\"/recording\" \
             recordingStatusCallbackEvent=\"{events}\" transcribe=\"true\" transcribeCallback=\"/transcript\"/>"
        );
        let site = Site::start(&[("/in", &page), ("/recorded", "<Hangup/>")]).await;
        let carrier = site.carrier();
        let record = call(&carrier, &steps).await;
        let seen = site.requests("/recording");
        let seen: Vec<_> =
            seen.iter().map(|seen| format!("{} {}", seen.field("RecordingStatus"), seen.field("ErrorCode"))).collect();
        assert_eq!(
            (seen, site.requests("/recorded").len()),
            (reported.iter().map(|s| (*s).to_owned()).collect(), usize::from(asked)),
            "{events} {steps:?}"
        );
        let is_absent = steps[0] == speak(0);
        assert_eq!(site.requests("/transcript").is_empty(), is_absent);
        let (status, list) = api(&carrier, &format!("Calls/{}/Recordings.json", record.sid), None).await;
        let [recording] = list["recordings"].as_array().unwrap().as_slice() else { panic!("{status} {list}") };
        let expected = if is_absent { "absent" } else { "completed" };
        assert_eq!((&recording["status"], &recording["source"]), (&json!(expected), &json!("RecordVerb")));
        let file = format!(
            "{}/2010-04-01/Accounts/{ACCOUNT}/Recordings/{}.mp3",
            carrier.base(),
            recording["sid"].as_str().unwrap()
        );
        let file = client().get(file).basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
        assert_eq!(file.status() == StatusCode::NOT_FOUND, is_absent, "{events} {steps:?}");
    }
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn the_recordings_of_a_call_are_listed_page_by_page() {
    let page = "<Record action=\"/again\"/>";
    let site = Site::start(&[("/in", page), ("/again", page)]).await;
    let carrier = site.carrier();
    let speak = || [CallerStep::Speak(1), CallerStep::Dial("#".to_owned())];
    let record = call(&carrier, &[speak(), speak(), speak()].concat()).await;
    let mut found = Vec::new();
    let mut next = json!(format!("Calls/{}/Recordings.json?PageSize=40", record.sid));
    while let Some(path) = next.as_str() {
        let path = path.rsplit_once(&format!("{ACCOUNT}/")).map_or(path, |(_, path)| path);
        let (status, list) = api(&carrier, path, None).await;
        assert_eq!(status, 200);
        found.extend(list["recordings"].as_array().unwrap().iter().map(|row| row["sid"].as_str().unwrap().to_owned()));
        next = list["next_page_uri"].clone();
    }
    found.reverse();
    assert_eq!(found, record.recordings);
    assert!(found.len() > 80, "the recordings fill more than two pages");
    assert_eq!(api(&carrier, "Calls/CA0/Recordings.json", None).await.0, 404);
}

#[tokio::test]
async fn documents_that_twilio_refuses_are_refused() {
    let long = format!("<Response><Say>{}</Say></Response>", "a".repeat(64 * 1024));
    let many = format!("<Dial>{}</Dial>", "<Number>+13035550201</Number>".repeat(11));
    let good = "<Response/>";
    let cases: [(&str, u16, &str, &str); 25] = [
        ("12100", 200, "text/xml", ""),
        ("12100", 200, "text/xml", "Hello"),
        ("12100", 200, "text/xml", "<Response><Say>Tom & Jerry</Say></Response>"),
        ("12100", 200, "text/xml", "<Response><Say>Hello</Response>"),
        ("12102", 200, "text/xml", "<html/>"),
        ("12300", 200, "text/plain", good),
        ("12300", 200, "application/json", good),
        ("11200", 404, "text/xml", good),
        ("11200", 500, "text/xml", good),
        ("11750", 200, "text/xml", &long),
        ("12200", 200, "text/xml", "<Shout>Hello</Shout>"),
        ("12200", 200, "text/xml", "<say>Hello</say>"),
        ("12200", 200, "text/xml", "<Say volume=\"11\">Hello</Say>"),
        ("12200", 200, "text/xml", "<Gather numDigits=\"three\"/>"),
        ("12200", 200, "text/xml", "<Gather timeout=\"-1\"/>"),
        ("12200", 200, "text/xml", "<Gather><Dial>+13035550201</Dial></Gather>"),
        ("12200", 200, "text/xml", "<Say><Say>Hello</Say></Say>"),
        ("12200", 200, "text/xml", "<Number>+13035550201</Number>"),
        ("12200", 200, "text/xml", "<Dial action=\"ftp://example.com\">+13035550201</Dial>"),
        ("12200", 200, "text/xml", "<Dial><Number statusCallbackEvent=\"hung-up\">+13035550201</Number></Dial>"),
        ("12200", 200, "text/xml", &many),
        ("13223", 200, "text/xml", "<Dial>911 or so</Dial>"),
        ("13223", 200, "text/xml", "<Dial/>"),
        ("12200", 200, "text/xml", "<Hangup now=\"true\"/>"),
        ("13520", 200, "text/xml", "<Say/>"),
    ];
    let site = Site::start(&[]).await;
    let carrier = site.carrier();
    let put = |status: u16, content_type: &str, body: &str| {
        let is_verb = body.starts_with('<') && !body.starts_with("<Response") && body != "<html/>";
        let body = if is_verb { format!("<Response>{body}</Response>") } else { body.to_owned() };
        site.page("/in", StatusCode::from_u16(status).unwrap(), content_type, body.into_bytes());
    };
    for (code, status, content_type, body) in cases {
        put(status, content_type, body);
        let record = call(&carrier, &[]).await;
        let error = record.error.unwrap_or_default();
        assert!(error.starts_with(code), "{body}: {error}");
        assert!(record.transcript[0].what.contains("application error"));
    }
    site.page("/in", StatusCode::OK, "text/xml", b"<Response><Say>\xff</Say></Response>".to_vec());
    assert!(call(&carrier, &[]).await.error.unwrap().starts_with("12100"));
    // The number's fallback has the same URL. Only the requests that got a 500 were repeated, as the fragment demands.
    assert_eq!(site.requests("/in").len(), 2 * (26 + 2));
    // A document that redirects to itself is not followed indefinitely.
    put(200, "text/xml", "<Redirect/>");
    let record = call(&carrier, &[]).await;
    assert_eq!((record.documents.len(), record.error.is_some()), (100, true));
}

#[tokio::test]
async fn an_invalid_screening_document_ends_only_its_leg() {
    let pages = [("/in", RING), ("/screen", "<Dial>+13035550203</Dial>"), ("/dialled", "<Say>Goodbye</Say>")];
    let site = Site::start(&pages).await;
    let carrier = site.carrier();
    carrier.set_phone(ANA, PhoneScript::accepts(1, '1'));
    let record = call(&carrier, &[]).await;
    assert!(record.error.as_ref().unwrap().starts_with("12200"), "{record:?}");
    assert_eq!((record.bridged(), record.heard_by("caller").last()), (None, Some("Goodbye")));
}

#[tokio::test]
async fn a_call_can_be_rejected() {
    let site = Site::start(&[("/in", "<Reject reason=\"busy\"/>")]).await;
    let record = call(&site.carrier(), &[]).await;
    assert_eq!((record.status.as_str(), record.seconds), ("busy", 0));
    assert_eq!(site.only_request("/status").field("CallStatus"), "busy");
}

#[tokio::test]
async fn callbacks_can_be_lost_repeated_and_reordered() {
    for (fault, expected) in [
        (Some(CallbackFault::Lost), vec![]),
        (Some(CallbackFault::Duplicated), vec!["initiated", "initiated", "ringing", "ringing", "busy", "busy"]),
        (Some(CallbackFault::Reordered), vec!["busy", "ringing", "initiated"]),
        (None, vec!["initiated", "ringing", "busy"]),
    ] {
        let site = Site::start(&[("/in", RING), ("/dialled", "<Hangup/>")]).await;
        let carrier = site.carrier();
        carrier.set_callback_fault(fault);
        carrier.set_phone(ANA, PhoneScript::Declines);
        let record = call(&carrier, &[]).await;
        assert_eq!(leg_statuses(&site, &record.legs[0].sid), expected, "{fault:?}");
        // Requests for TwiML are never lost.
        assert_eq!(site.only_request("/dialled").field("DialCallStatus"), "no-answer");
    }
}

async fn api(carrier: &Simulator, path: &str, form: Option<&[(&str, &str)]>) -> (u16, Value) {
    let url = format!("{}/2010-04-01/Accounts/{ACCOUNT}/{path}", carrier.base());
    let request = match form {
        Some(form) => client().post(url).form(form),
        None => client().get(url),
    };
    let answer = request.basic_auth(ACCOUNT, Some(TOKEN)).send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn the_api_calls_a_phone_that_follows_the_document() {
    let pages = [
        ("/out", "<Gather action=\"/confirm\" numDigits=\"1\"><Say>Press 1</Say></Gather>"),
        ("/confirm", "<Hangup/>"),
    ];
    let site = Site::start(&pages).await;
    let carrier = site.carrier_with(|settings| settings.accounts[0].numbers = vec![DESK.to_owned()]);
    carrier.set_phone(ANA, PhoneScript::accepts(4, '1'));
    let (url, callback) = (format!("{}/out", site.base), format!("{}/progress", site.base));
    let ordered = |to: &'static str| {
        let events = ["initiated", "ringing", "answered", "completed"].map(|event| ("StatusCallbackEvent", event));
        let form = [("To", to), ("From", DESK), ("Url", &url), ("StatusCallback", &callback)];
        form.into_iter().chain(events).collect::<Vec<_>>()
    };
    let (status, created) = api(&carrier, "Calls.json", Some(&ordered(ANA))).await;
    assert_eq!((status, &created["status"], &created["direction"]), (201, &json!("queued"), &json!("outbound-api")));
    let sid = created["sid"].as_str().unwrap();
    let record = wait::until("the call has ended", || async { carrier.call_record(sid) }).await;
    assert_eq!((record.status.as_str(), record.seconds), ("completed", 1));
    let statuses: Vec<_> = site.requests("/progress").iter().map(|seen| seen.field("CallStatus").to_owned()).collect();
    assert_eq!(statuses, ["initiated", "ringing", "in-progress", "completed"]);
    let confirm = site.only_request("/confirm");
    let fields = ["Digits", "CallSid", "Direction", "From", "To"];
    assert_eq!(fields.map(|name| confirm.field(name)), ["1", sid, "outbound-api", DESK, ANA]);
    let (_, fetched) = api(&carrier, &format!("Calls/{sid}.json"), None).await;
    assert_eq!((&fetched["status"], &fetched["duration"]), (&json!("completed"), &json!("1")));
    let (_, unanswered) = api(&carrier, "Calls.json", Some(&ordered(BEN))).await;
    let unanswered = unanswered["sid"].as_str().unwrap();
    let record = wait::until("the call has ended", || async { carrier.call_record(unanswered) }).await;
    assert_eq!((record.status.as_str(), site.requests("/progress").len()), ("no-answer", 7));
    for (to, from, url, code) in [
        ("", DESK, url.as_str(), 21201),
        ("nobody", DESK, &url, 21211),
        (ANA, "me", &url, 21212),
        (ANA, BEN, &url, 21210),
        (ANA, DESK, "/relative", 21205),
    ] {
        let (status, error) = api(&carrier, "Calls.json", Some(&[("To", to), ("From", from), ("Url", url)])).await;
        assert_eq!((status, &error["code"]), (400, &json!(code)));
    }
    assert_eq!(api(&carrier, "Calls/CA0.json", None).await.0, 404);
}

#[tokio::test]
async fn a_call_can_be_started_over_http() {
    let site = Site::start(&[("/in", &format!("<Dial>{ANA}</Dial>"))]).await;
    let carrier = site.carrier();
    let http = client();
    let phone = http.put(format!("{}/simulator/phones/{ANA}/script", carrier.base()));
    let answer = phone.json(&json!({"answers": {"after": 2, "talks": 1}})).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::NO_CONTENT);
    let calls = http.post(format!("{}/simulator/calls", carrier.base()));
    let answer = calls.json(&json!({"from": CALLER, "to": DESK, "fast": true})).send().await.unwrap();
    let record: CallRecord = answer.json().await.unwrap();
    assert!(record.legs[0].bridged, "{record:?}");
    assert_eq!(record.seconds, 3);
    let kept = http.get(format!("{}/simulator/calls/{}", carrier.base(), record.sid)).send().await.unwrap();
    assert_eq!(kept.json::<CallRecord>().await.unwrap(), record);
}

#[tokio::test]
async fn the_api_ends_a_leg_and_a_call() {
    let ring = RING.replace(" url=\"/screen\"", "");
    let site = Site::start(&[("/in", &ring), ("/dialled", "<Pause length=\"80000\"/>")]).await;
    let carrier = site.carrier();
    carrier.set_phone(ANA, PhoneScript::Voicemail { after: 1 });
    let patient = script(&[]).talks(10_000);
    let calling = tokio::spawn({
        let carrier = carrier.clone();
        async move { carrier.call(patient).await.unwrap() }
    });
    let is_answered = |seen: &RecordedRequest| seen.path == "/leg" && seen.field("CallStatus") == "in-progress";
    let leg = wait::until("a leg is bridged", || async {
        site.requests.lock().unwrap().iter().find(|seen| is_answered(seen)).cloned()
    })
    .await;
    let completed: &[(&str, &str)] = &[("Status", "completed")];
    let path = |sid: &str| format!("Calls/{sid}.json");
    let (status, _) = api(&carrier, &path(leg.field("CallSid")), Some(completed)).await;
    assert_eq!(status, 200);
    let on_hold = wait::until("the call continues", || async { site.requests("/dialled").pop() }).await;
    assert_eq!((on_hold.field("CallStatus"), on_hold.field("DialCallStatus")), ("in-progress", "completed"));
    let call = path(leg.field("ParentCallSid"));
    assert_eq!(api(&carrier, &call, Some(completed)).await.0, 200);
    let record = calling.await.unwrap();
    assert_eq!((record.status.as_str(), record.seconds < 80_000), ("completed", true));
    let (status, error) = api(&carrier, &call, Some(completed)).await;
    assert_eq!((status, &error["code"]), (400, &json!(21220)));
}
