//! Invalid requests get the documented status, store nothing, and cause no panic.

use reqwest::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::directory::{ACCOUNT, AGENCIES, OTHER_ACCOUNT, OTHER_TOKEN};
use crate::support::{SMS_PATH, TestApp, Text, log, wait};

const FORM: &str = "application/x-www-form-urlencoded";

async fn assert_nothing_stored(app: &TestApp) {
    assert_eq!((app.message_count().await, app.quarantined().await.len()), (0, 0));
    assert_eq!(log::panics(), Vec::<String>::new());
}

/// Sends a body with the signature of an ordinary text.
async fn post_raw(app: &TestApp, content_type: &str, body: impl Into<reqwest::Body>) -> StatusCode {
    let request = app.http.post(app.url(SMS_PATH)).header("content-type", content_type);
    let request = request.header("x-twilio-signature", Text::new("SM1").signature()).body(body);
    request.send().await.expect("the server answers").status()
}

#[tokio::test]
async fn a_body_that_is_not_a_form_is_refused() {
    let app = TestApp::start().await;
    let text = Text::new("SM1");
    for (content_type, body, expected) in [
        ("application/json", r#"{"Body":"hello"}"#.to_owned(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("multipart/form-data; boundary=x", "--x--".to_owned(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("", text.form(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("application/x-www-form-urlencoded-not", text.form(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (FORM, String::new(), StatusCode::BAD_REQUEST),
        (FORM, "&&&".to_owned(), StatusCode::BAD_REQUEST),
        (FORM, "hello".to_owned(), StatusCode::BAD_REQUEST),
        (FORM, "a=1&".repeat(1000), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(post_raw(&app, content_type, body.clone()).await, expected, "{content_type} {body:.20}");
    }
    assert_nothing_stored(&app).await;
    assert_eq!(post_raw(&app, "Application/X-WWW-Form-Urlencoded; charset=UTF-8", text.form()).await, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_not_utf_8_is_refused() {
    let app = TestApp::start().await;
    let form = Text::new("SM1").form();
    for bytes in [&b"%FF"[..], b"\xff", b"%C3%28", b"%ED%A0%80"] {
        let body = [form.as_bytes(), b"&X=", bytes].concat();
        assert_eq!(post_raw(&app, FORM, body).await, StatusCode::BAD_REQUEST, "{bytes:?}");
    }
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn a_body_of_fifty_megabytes_is_refused_before_it_has_arrived() {
    const LENGTH: usize = 50 << 20;
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head =
        format!("POST {SMS_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: {LENGTH}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b'a'; 100 << 10]).await.unwrap();
    let mut answer = vec![0; 12];
    wait::within("a response", stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");

    // The same without a declared length.
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head =
        format!("POST {SMS_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nTransfer-Encoding: chunked\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = [format!("{:x}\r\n", 100 << 10).into_bytes(), vec![b'a'; 100 << 10], b"\r\n".to_vec()].concat();
    stream.write_all(&chunk).await.unwrap();
    wait::within("a response", stream.read_exact(&mut answer)).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 413");
    assert_nothing_stored(&app).await;
    app.receive(Text::new("SM1")).await;
}

#[tokio::test]
async fn a_body_that_never_ends_times_out() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = format!("POST {SMS_PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: {FORM}\r\nContent-Length: 10\r\n\r\nBod");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    // The test cannot observe when the server starts to wait, so it advances the clock until the server responds.
    let mut ticks = wait::ticks(std::time::Duration::from_millis(20));
    let answering = async {
        loop {
            tokio::select! {
                read = stream.read_exact(&mut answer) => return read.map(drop),
                _ = ticks.tick() => app.clock.advance(std::time::Duration::from_secs(1)),
            }
        }
    };
    wait::within("a response", answering).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn a_text_without_a_required_field_is_refused() {
    let app = TestApp::start().await;
    for name in ["To", "MessageSid", "AccountSid"] {
        let (status, body) = app.post_text(&Text::new("SM1").without(name)).await;
        assert_eq!((status, body.as_str()), (StatusCode::BAD_REQUEST, ""), "without {name}");
    }
    for (name, value) in [("To", ""), ("MessageSid", "SM 1"), ("MessageSid", "SM\u{0}")] {
        let (status, _) = app.post_text(&Text::new("SM1").field(name, value)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{name}={value:?}");
    }
    // Fields that Twilio may omit are optional.
    assert_nothing_stored(&app).await;
    app.receive(Text::new("SM1").without("Body").without("NumMedia")).await;
}

#[tokio::test]
async fn a_request_that_is_not_authentic_is_forbidden() {
    let app = TestApp::start().await;
    let text = Text::new("SM1");
    let with = |signature: &str| {
        let request = app.http.post(app.url(SMS_PATH)).header("content-type", FORM).body(text.form());
        request.header("x-twilio-signature", signature)
    };
    let tampered = Text::new("SM1").body("another").signature();
    for signature in ["", "no base64 !", "AAAA", tampered.as_str()] {
        assert_eq!(with(signature).send().await.unwrap().status(), StatusCode::FORBIDDEN, "{signature:?}");
    }
    let unsigned = app.http.post(app.url(SMS_PATH)).header("content-type", FORM).body(text.form());
    assert_eq!(unsigned.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    for forged in [
        Text::new("SM1").account("AC00000000000000000000000000000009", "whatever"),
        Text::new("SM1").account("AC' OR '1'='1", "whatever"),
        Text::new("SM1").account(ACCOUNT, OTHER_TOKEN),
        Text::new("SM1").account(OTHER_ACCOUNT, "another token"),
    ] {
        assert_eq!(app.post_text(&forged).await, (StatusCode::FORBIDDEN, String::new()));
    }
    // The signature covers the query of the URL, too.
    let request = app.http.post(format!("{}?x=1", app.url(SMS_PATH))).header("content-type", FORM).body(text.form());
    let request = request.header("x-twilio-signature", text.signature());
    assert_eq!(request.send().await.unwrap().status(), StatusCode::FORBIDDEN);
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn other_methods_and_paths_are_refused() {
    let app = TestApp::start().await;
    let get = app.http.get(app.url(SMS_PATH)).send().await.unwrap();
    assert_eq!(get.status(), StatusCode::METHOD_NOT_ALLOWED);
    let put = app.http.put(app.url(SMS_PATH)).body("x").send().await.unwrap();
    assert_eq!(put.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(app.http.get(app.url("/api/twilio/nothing")).send().await.unwrap().status(), StatusCode::NOT_FOUND);
    assert_nothing_stored(&app).await;
}

/// Every input of type `DateTime`, in a query with the variable `$at`.
const DATE_TIME_QUERIES: [&str; 4] = [
    "query($at: DateTime!) { threads(filter: {lastMessageAfter: $at}) { totalCount } }",
    "query($at: DateTime!) { threads(filter: {lastMessageBefore: $at}) { totalCount } }",
    "query($at: DateTime!) { calls(filter: {startedAfter: $at}) { totalCount } }",
    "query($at: DateTime!) { calls(filter: {startedBefore: $at}) { totalCount } }",
];

#[tokio::test]
async fn a_time_outside_the_years_1_to_9999_is_refused() {
    let app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    for query in DATE_TIME_QUERIES {
        for at in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59+01:00"] {
            let answer = app.graphql(&ana, query, json!({"at": at})).await;
            assert!(answer.get("errors").is_none(), "{at}: {answer}");
        }
        // The year counts in UTC.
        let beyond = ["9999-12-31T23:59:59-01:00", "0001-01-01T00:00:00+01:00", "0000-12-31T00:00:00Z"];
        let not_rfc_3339 = ["10000-01-01T00:00:00Z", "+10000-01-01T00:00:00Z", "-0001-01-01T00:00:00Z"];
        for at in beyond.into_iter().chain(not_rfc_3339) {
            let literal = query.replace("($at: DateTime!)", "").replace("$at", &format!("\"{at}\""));
            for (query, variables) in [(query, json!({"at": at})), (literal.as_str(), json!({}))] {
                let answer = app.graphql(&ana, query, variables).await;
                assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{query} {at}: {answer}");
            }
        }
    }
    assert_eq!(log::panics(), Vec::<String>::new());
}

/// The numbers of rows in the tables of the directory.
async fn directory_state(app: &TestApp) -> (i64, usize, usize, usize, usize) {
    let directory = app.directory("acme").await;
    let events = app.events(directory.agency_id()).await.len();
    (directory.version, directory.users.len(), directory.numbers.len(), directory.extensions.len(), events)
}

#[tokio::test]
async fn a_directory_file_with_an_error_changes_nothing() {
    let app = TestApp::start().await;
    let before = directory_state(&app).await;
    let fine = "{key: acme, name: Renamed, users: [{key: eva, name: Eva, role: MEMBER}]}";
    for (bad, path) in [
        ("{key: acme, colour: red}", "agencies[1].colour"),
        ("{key: sister, users: [{key: sam, nmae: Sam}]}", "agencies[1].users[0].nmae"),
        ("{key: sister, extensions: [{digits: '201', user: nobody}]}", "agencies[1].extensions[0].user"),
        ("{key: sister, extensions: [{digits: '911', user: sam}]}", "agencies[1].extensions[0].digits"),
        ("{key: sister, phoneNumbers: [{number: '3035550100'}]}", "agencies[1].phoneNumbers[0].number"),
        ("{key: sister, phoneNumbers: [{number: '+13035550100'}]}", "agencies[1].phoneNumbers[0]"),
        ("{key: sister, contacts: [{phone: '+13035560009', provider: ana}]}", "agencies[1].contacts[0].provider"),
        ("{key: sister, users: [{key: sam, role: MEMBER}]}", "agencies[1].users"),
        ("{key: sister, timeZone: Mars/Olympus}", "agencies[1].timeZone"),
        ("{key: newcomer, name: Newcomer}", "agencies[1]"),
        ("{key: sister, defaultUser: nobody}", "agencies[1].defaultUser"),
    ] {
        let problems = app.try_apply(&format!("agencies: [{fine}, {bad}]")).await.unwrap_err();
        assert!(problems.iter().any(|problem| problem.path == path), "{bad}: {problems:?}");
        // Advances the clock so that the directory is not served from the cache.
        app.clock.advance(std::time::Duration::from_secs(2));
        assert_eq!(directory_state(&app).await, before, "{bad}");
        assert_eq!(app.directory("acme").await.agency.name, "Acme Health");
    }
    let problems = app.try_apply("agencies: [{key: acme").await.unwrap_err();
    assert_eq!(problems.len(), 1);
    app.assert_logs_are_gapless().await;
}

#[tokio::test]
async fn applying_the_same_file_again_changes_nothing() {
    let app = TestApp::start().await;
    let before = directory_state(&app).await;
    let summary = app.apply(AGENCIES).await;
    assert_eq!((summary.created, summary.updated), (0, 0));
    app.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(directory_state(&app).await, before);
}
