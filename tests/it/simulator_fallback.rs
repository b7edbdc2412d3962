//! The simulated carrier's fallback URLs, and calls that its phones reject.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{StatusCode, Uri};
use axum::response::IntoResponse as _;
use partyline::server;
use partyline_simulator::{Account, CallScript, CallerStep, PhoneScript, Simulator, SimulatorSettings};
use url::form_urlencoded;

use crate::support::clock::MockClock;
use crate::support::directory::{ACCOUNT, DESK, TOKEN};
use crate::support::site::Site;
use crate::support::wait;

const CALLER: &str = "+13035560001";
const ANA: &str = "+13035550201";

fn dialing_caller() -> CallScript {
    CallScript::new(CALLER, DESK).then(CallerStep::Dial("101#".to_owned()))
}

fn with_fallback(site: &Site) -> Simulator {
    site.carrier_with(|settings| settings.voice_fallback_url = Some(format!("{}/fallback#rc=2&rp=5xx", site.base)))
}

#[tokio::test]
async fn the_fallback_of_a_step_receives_the_error_and_continues_the_call() {
    let gather = "<Gather action=\"/menu?step=2#rc=1&amp;rp=5xx\"><Say>Dial</Say></Gather>";
    for (status, body, code, asked) in [
        (StatusCode::INTERNAL_SERVER_ERROR, "", "11200", 2),
        (StatusCode::NOT_FOUND, "", "11200", 1),
        (StatusCode::OK, "<Response><Say>", "12100", 1),
        (StatusCode::OK, "<Response><Shout/></Response>", "12200", 1),
    ] {
        let site = Site::start(&[("/in", gather), ("/fallback", "<Say>We go on</Say><Hangup/>")]).await;
        site.page("/menu", status, "text/xml", body.as_bytes().to_vec());
        let record = with_fallback(&site).call(dialing_caller()).await.unwrap();
        assert_eq!(site.requests("/menu").len(), asked, "{body}");
        let fallback = site.only_request("/fallback");
        let failed = format!("{}/menu?step=2", site.base);
        assert_eq!([fallback.field("ErrorCode"), fallback.field("ErrorUrl")], [code, failed.as_str()]);
        assert_eq!([fallback.field("CallSid"), fallback.field("CallStatus")], [record.sid.as_str(), "in-progress"]);
        assert!(!fallback.form.contains_key("Digits"), "Twilio documents only the error fields");
        assert!(record.error.as_deref().is_some_and(|error| error.starts_with(code)), "{record:?}");
        assert_eq!(record.heard_by("caller").collect::<Vec<_>>(), ["Dial", "We go on"]);
    }
}

#[tokio::test]
async fn an_unreachable_url_leads_to_the_fallback_and_a_failed_fallback_ends_the_call() {
    let site = Site::start(&[("/fallback", "<Say>We go on</Say>")]).await;
    let carrier = site.carrier_with(|settings| {
        // Nothing listens on port 1.
        settings.voice_url = "http://127.0.0.1:1/in#rc=1&rp=ct".to_owned();
        settings.voice_fallback_url = Some(format!("{}/fallback", site.base));
    });
    let record = carrier.call(dialing_caller()).await.unwrap();
    let fallback = site.only_request("/fallback");
    assert_eq!([fallback.field("ErrorCode"), fallback.field("ErrorUrl")], ["11205", "http://127.0.0.1:1/in"]);
    assert_eq!(record.heard_by("caller").collect::<Vec<_>>(), ["We go on"]);
    site.page("/fallback", StatusCode::INTERNAL_SERVER_ERROR, "text/xml", Vec::new());
    let record = carrier.call(dialing_caller()).await.unwrap();
    assert!(record.heard_by("caller").eq(["We are sorry, an application error has occurred. Goodbye."]), "{record:?}");
    assert_eq!(record.documents.len(), 2);
}

/// A URL has 15 seconds in total, including all retries. The fallback URL has another 15 seconds.
#[tokio::test]
async fn a_url_has_fifteen_seconds_including_retries() {
    type Asked = Arc<Mutex<Vec<(String, Vec<(String, String)>)>>>;
    let asked = Asked::default();
    let seen = asked.clone();
    let router = Router::new().fallback(move |uri: Uri, body: Bytes| {
        let form = form_urlencoded::parse(&body).into_owned().collect();
        seen.lock().unwrap().push((uri.path().to_owned(), form));
        async move {
            if uri.path() == "/in" {
                std::future::pending::<()>().await;
            }
            ([(CONTENT_TYPE, "text/xml")], "<Response><Hangup/></Response>").into_response()
        }
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, router).await });
    let clock = Arc::new(MockClock::new());
    let mut settings = SimulatorSettings::new(vec![Account::new(ACCOUNT, TOKEN)], String::new());
    settings.voice_url = format!("{base}/in#rc=5&rp=5xx,ct,rt");
    settings.voice_fallback_url = Some(format!("{base}/fallback"));
    let listener = server::listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let carrier = Simulator::start(listener, settings, clock.clone()).unwrap();
    let calling = tokio::spawn(async move { carrier.call(dialing_caller()).await.unwrap() });
    let paths = || asked.lock().unwrap().iter().map(|(path, _)| path.clone()).collect::<Vec<_>>();
    wait::until("the number's URL is requested", || async { (paths() == ["/in"]).then_some(()) }).await;
    clock.advance(Duration::from_secs(15));
    let record = calling.await.unwrap();
    assert_eq!(paths(), ["/in", "/fallback"]);
    let form = asked.lock().unwrap()[1].1.clone();
    assert!(form.contains(&("ErrorCode".to_owned(), "11200".to_owned())), "{form:?}");
    assert_eq!(record.error.as_deref(), Some("11200 HTTP retrieval failure: no response within the time limit"));
}

#[tokio::test]
async fn phones_reject_a_call_without_a_valid_caller_id() {
    let page = |attribute: &str| format!("<Dial action=\"/dialled\" {attribute}><Number>{ANA}</Number></Dial>");
    let own = format!("callerId=\"{DESK}\"");
    for (from, attribute, status) in [
        (CALLER, "", "completed"),
        ("anonymous", "", "failed"),
        ("+266696687", "", "failed"),
        ("+15550123", "", "failed"),
        ("anonymous", own.as_str(), "completed"),
        ("anonymous", "callerId=\"anonymous\"", "failed"),
    ] {
        let site = Site::start(&[("/in", &page(attribute)), ("/dialled", "<Hangup/>")]).await;
        let carrier = site.carrier();
        carrier.set_phone(ANA, PhoneScript::accepts(2, '1'));
        let record = carrier.call(CallScript::new(from, DESK)).await.unwrap();
        assert_eq!(record.legs[0].status, status, "{from} {attribute}");
        assert_eq!(site.only_request("/dialled").field("DialCallStatus"), status, "{from} {attribute}");
    }
}
