//! Requests that have another media type or method, are too long or too slow, or arrive during a database outage.

use std::time::Duration;

use reqwest::header::ALLOW;
use reqwest::{Method, StatusCode};
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{ASSIGNMENTS, CREATE, EXTENSIONS, Office, request, send};
use crate::support::wait;

const MAX_LENGTH: usize = 64 * 1024;

#[tokio::test]
async fn only_json_is_accepted() {
    let office = Office::open().await;
    let body = json!({"extension": "205", "userId": office.user("ben").await}).to_string();
    for kind in ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"] {
        let asked = request(&office.app, Method::POST, CREATE, &office.ana).header("content-type", kind);
        assert_eq!(send(asked.body(body.clone())).await.refusal(), (415, "UNSUPPORTED_MEDIA_TYPE"), "{kind}");
    }
    let bare = request(&office.app, Method::PATCH, ASSIGNMENTS, &office.ana).body(body.clone());
    assert_eq!(send(bare).await.refusal(), (415, "UNSUPPORTED_MEDIA_TYPE"));
    let json = |body: Vec<u8>| {
        let asked = request(&office.app, Method::POST, CREATE, &office.ana);
        asked.header("content-type", "application/json; charset=UTF-8").body(body)
    };
    for wrong in ["", " ", "{", "{}}", "[]", "\"\u{feff}\"", "nul"].map(|text| text.as_bytes().to_vec()) {
        assert_eq!(send(json(wrong.clone())).await.refusal(), (400, "INVALID"), "{wrong:?}");
    }
    assert_eq!(send(json(b"{\"extension\":\"\xff\"}".to_vec())).await.refusal(), (400, "INVALID"));
    assert_eq!(send(json("{\"a\":".repeat(10_000).into_bytes())).await.refusal(), (400, "INVALID"));
    // The error message quotes only a part of the request.
    let long = send(json(format!("{{\"{}\":1}}", "x".repeat(60_000)).into_bytes())).await;
    assert_eq!(long.refusal(), (400, "INVALID"));
    assert!(long.body["error"]["message"].as_str().unwrap().len() <= 200);
    assert_eq!(send(json(body.into_bytes())).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_body_has_at_most_64_kib() {
    let office = Office::open().await;
    let body = json!({"extension": "205", "userId": office.user("ben").await}).to_string();
    let of = |length: usize| {
        let asked = request(&office.app, Method::POST, CREATE, &office.ana).header("content-type", "application/json");
        asked.body(format!("{body}{}", " ".repeat(length - body.len())))
    };
    assert_eq!(send(of(MAX_LENGTH + 1)).await.refusal(), (413, "PAYLOAD_TOO_LARGE"));
    assert_eq!(send(of(MAX_LENGTH)).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_slow_body_times_out_after_ten_seconds() {
    let office = Office::open().await;
    let mut stream = TcpStream::connect(office.app.address).await.unwrap();
    let head = format!(
        "PATCH {ASSIGNMENTS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\n\
         Content-Length: 100\r\n\r\n{{",
        office.ana.expose_secret()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    let mut passed = 0;
    // The test cannot observe when the server starts to wait, so it advances the clock until the server responds.
    let answering = async {
        let mut ticks = wait::ticks(Duration::from_millis(20));
        let mut begun = 0;
        while begun < answer.len() {
            tokio::select! {
                read = stream.read(&mut answer[begun..]) => begun += read.unwrap(),
                _ = ticks.tick() => {
                    office.app.clock.advance(Duration::from_secs(1));
                    passed += 1;
                }
            }
        }
    };
    wait::within("a response", answering).await;
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
    assert!(passed >= 10, "after {passed} s");
}

#[tokio::test]
async fn another_method_is_refused_with_the_allowed_ones() {
    let office = Office::open().await;
    for (method, path, allowed) in [
        (Method::POST, ASSIGNMENTS, ["GET", "PATCH"].as_slice()),
        (Method::DELETE, EXTENSIONS, &["GET"]),
        (Method::GET, CREATE, &["POST"]),
        (Method::GET, "/api/extensions/ext_0192f000700080008000000000000000", &["PATCH", "DELETE"]),
        (Method::POST, "/api/openapi.json", &["GET"]),
    ] {
        let answer = send(request(&office.app, method, path, &office.ana)).await;
        assert_eq!(answer.refusal(), (405, "METHOD_NOT_ALLOWED"), "{path}");
        let allow = answer.headers[ALLOW].to_str().unwrap();
        assert!(allowed.iter().all(|method| allow.contains(method)), "{path}: {allow}");
    }
}

#[tokio::test]
async fn an_allowed_origin_may_send_requests() {
    let office = Office::open().await;
    for (origin, allowed) in [("https://partyline.test", true), ("https://evil.example", false)] {
        let preflight = office.app.http.request(Method::OPTIONS, office.app.url(ASSIGNMENTS));
        let preflight = preflight.header("origin", origin).header("access-control-request-method", "PATCH");
        let answer = preflight.header("access-control-request-headers", "authorization,content-type").send().await;
        let headers = answer.unwrap().headers().clone();
        assert_eq!(headers.contains_key("access-control-allow-origin"), allowed, "{origin}");
        let answer = send(request(&office.app, Method::GET, ASSIGNMENTS, &office.ana).header("origin", origin)).await;
        assert_eq!(answer.headers.contains_key("access-control-allow-origin"), allowed, "{origin}");
    }
}

#[tokio::test]
async fn a_database_outage_is_a_503() {
    let office = Office::open().await;
    office.app.clock.advance(Duration::from_secs(2));
    office.app.db().close_by_ref().await.unwrap();
    let answer = send(request(&office.app, Method::GET, ASSIGNMENTS, &office.ana)).await;
    assert_eq!(answer.refusal(), (503, "UNAVAILABLE"));
}
