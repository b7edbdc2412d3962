//! Where files are fetched from: the account's own message at the API, and public addresses that it refers to. The
//! credentials are sent to the API only.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::header::{AUTHORIZATION, LOCATION};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use futures_util::FutureExt as _;
use partyline::service::fetch_media::fetch_media;
use partyline_simulator::MediaFault;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{OF_MESSAGE, PNG, outcome, row, send_faulty};
use crate::support::carrier::carrier;
use crate::support::directory::ACCOUNT;
use crate::support::{TestApp, Text};

#[tokio::test]
async fn a_redirect_to_an_address_that_is_not_public_is_refused() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let bystander = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = bystander.local_addr().unwrap().port();
    let locations = [
        format!("http://127.0.0.1:{port}/x"),
        format!("https://127.0.0.1:{port}/x"),
        format!("https://localhost:{port}/x"),
        format!("http://localhost:{port}/x"),
        format!("//127.0.0.1:{port}/x"),
    ];
    let others = [
        "https://127.0.0.1/x",
        "https://2130706433/x",
        "https://10.1.2.3/x",
        "https://172.16.0.1/x",
        "https://192.168.0.1/x",
        "https://169.254.169.254/latest/meta-data/",
        "http://169.254.169.254/latest/meta-data/",
        "https://[::1]/x",
        "https://[::ffff:10.0.0.1]/x",
        "https://[fd00:ec2::254]/x",
        "https://0.0.0.0/x",
        // Names that resolve to this machine.
        "https://localhost/x",
        "https://LOCALHOST/x",
        "http://media.example/x",
        "https://8.8.8.8:8443/x",
        "https://user:secret@8.8.8.8/x",
        "ftp://8.8.8.8/x",
        "file:///etc/passwd",
    ];
    for location in locations.into_iter().chain(others.map(str::to_owned)) {
        let text = send_faulty(&carrier, MediaFault::Redirect { location: location.clone() }).await;
        fetch_media(app.services()).await.unwrap();
        assert_eq!(outcome(&app, &text).await, ("FAILED".to_owned(), json!("UNSAFE_ADDRESS")), "{location}");
    }
    assert!(bystander.accept().now_or_never().is_none(), "nothing connects to the other server of this machine");
    assert_eq!(carrier.leaked_credentials(), 0);
}

/// A request: its path and whether it has credentials.
type Request = (String, bool);

/// An API whose file is behind this many redirects.
async fn api_with_redirects(count: usize) -> (String, Arc<Mutex<Vec<Request>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let requests: Arc<Mutex<Vec<Request>>> = Arc::default();
    let seen = requests.clone();
    let answer = move |uri: Uri, headers: HeaderMap| -> Response {
        let mut seen = seen.lock().unwrap();
        seen.push((uri.path().to_owned(), headers.contains_key(AUTHORIZATION)));
        if seen.len() > count {
            return PNG.into_response();
        }
        (StatusCode::TEMPORARY_REDIRECT, [(LOCATION, format!("../hop/{}", seen.len()))]).into_response()
    };
    let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap| std::future::ready(answer(uri, headers)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (base, requests)
}

/// A text whose form claims that the file is at another host, account and message.
fn forged(sid: &str) -> Text {
    let url = "https://attacker.example/2010-04-01/Accounts/AC9/Messages/MM9/Media/ME1?x=1";
    Text::new(sid).body("Look").field("NumMedia", "1").field("MediaUrl0", url).field("MediaContentType0", "image/png")
}

async fn state(app: &TestApp, sid: &str) -> Value {
    let id = app.message(sid).await.id.to_string();
    let answer = app.graphql(&app.token("acme", "ben"), OF_MESSAGE, json!({"id": id})).await;
    answer["data"]["node"]["media"][0]["state"].clone()
}

#[tokio::test]
async fn the_address_is_that_of_the_text_at_the_api_and_redirects_get_no_credentials() {
    for (redirects, expected) in [(0, "READY"), (1, "READY"), (3, "READY"), (4, "PENDING")] {
        let (base, requests) = api_with_redirects(redirects).await;
        let app = TestApp::start_with_settings(vec![("TWILIO_API_BASE", base)]).await;
        app.receive(forged("MM1")).await;
        fetch_media(app.services()).await.unwrap();
        assert_eq!(state(&app, "MM1").await, expected, "{redirects} redirects");
        let requests = requests.lock().unwrap().clone();
        let (first, later) = requests.split_first().unwrap();
        assert_eq!(*first, (format!("/2010-04-01/Accounts/{ACCOUNT}/Messages/MM1/Media/ME1"), true));
        assert_eq!(later.len(), redirects.min(3));
        assert!(later.iter().all(|(_, has_credentials)| !has_credentials), "{later:?}");
    }
}

#[tokio::test]
async fn a_url_without_a_sid_is_not_requested() {
    let (base, requests) = api_with_redirects(0).await;
    let app = TestApp::start_with_settings(vec![("TWILIO_API_BASE", base)]).await;
    for (n, url) in ["", "https://api.twilio.com/", "https://api.twilio.com/..%2f..", "nonsense /"].iter().enumerate() {
        let sid = format!("MM{n}");
        app.receive(forged(&sid).field("MediaUrl0", url)).await;
        fetch_media(app.services()).await.unwrap();
        assert_eq!(state(&app, &sid).await, "FAILED", "{url}");
    }
    assert!(requests.lock().unwrap().is_empty());
}

/// A redirect back to the API, where the request without credentials is refused, says nothing about the account.
#[tokio::test]
async fn a_refusal_after_a_redirect_is_not_a_problem_of_the_account() {
    let carrier = carrier();
    let app = TestApp::start_with_carrier(&carrier).await;
    let location = format!("{}/2010-04-01/Accounts/{ACCOUNT}/Messages.json", carrier.base());
    let text = send_faulty(&carrier, MediaFault::Redirect { location }).await;
    fetch_media(app.services()).await.unwrap();
    assert_eq!(row(&app, &text).await.attempts, 1);
    let answer = app.graphql(&app.token("acme", "ana"), "{ agency { carrierProblem { kind } } }", Value::Null).await;
    assert_eq!(answer["data"]["agency"]["carrierProblem"], Value::Null, "{answer}");
}
