//! Requests that are too long, too slow, or have too large a header section.

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{JSON, VIEWER, request, send};
use crate::support::{TestApp, log, wait};

const MAX_LENGTH: usize = 256 * 1024;

/// A connection on which the header section of a request has been sent.
async fn send_head(app: &TestApp, length: &str) -> TcpStream {
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let token = app.token("acme", "ana");
    let head = format!(
        "POST /graphql HTTP/1.1\r\nHost: x\r\nContent-Type: {JSON}\r\nAuthorization: Bearer {}\r\n{length}\r\n\r\n",
        token.expose_secret()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

async fn status(stream: &mut TcpStream) -> String {
    let mut answer = vec![0; 12];
    wait::within("a response", stream.read_exact(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_has_at_most_256_kib() {
    let app = TestApp::start().await;
    let bare = json!({"query": VIEWER}).to_string();
    let of = |length: usize| format!("{bare}{}", " ".repeat(length - bare.len()));
    let answer = send(request(&app).header("content-type", JSON).body(of(MAX_LENGTH))).await;
    assert_eq!(answer.body, json!({"data": {"viewer": {"key": "ana"}}}));
    let answer = send(request(&app).header("content-type", JSON).body(of(MAX_LENGTH + 1))).await;
    assert_eq!((answer.status, answer.has_data()), (StatusCode::PAYLOAD_TOO_LARGE, false));
    assert_eq!(log::panics(), Vec::<String>::new());
}

#[tokio::test]
async fn an_oversized_body_is_refused_before_it_has_arrived() {
    let app = TestApp::start().await;
    // A declared length.
    let mut stream = send_head(&app, "Content-Length: 1000000000").await;
    stream.write_all(&vec![b' '; MAX_LENGTH + 1]).await.unwrap();
    assert_eq!(status(&mut stream).await, "HTTP/1.1 413");
    // A chunked body, whose length is not declared.
    let mut stream = send_head(&app, "Transfer-Encoding: chunked").await;
    let chunk =
        [format!("{:x}\r\n", MAX_LENGTH + 1).into_bytes(), vec![b' '; MAX_LENGTH + 1], b"\r\n".to_vec()].concat();
    stream.write_all(&chunk).await.unwrap();
    assert_eq!(status(&mut stream).await, "HTTP/1.1 413");
}

#[tokio::test]
async fn a_slow_body_times_out_after_ten_seconds() {
    let app = TestApp::start().await;
    let mut stream = send_head(&app, "Content-Length: 100").await;
    let mut answer = vec![0; 12];
    // The test cannot observe when the server starts to wait, so it advances the clock until the server responds.
    // Single bytes do not extend the timeout.
    let mut passed = 0;
    let mut ticks = wait::ticks(Duration::from_millis(20));
    let answering = async {
        let mut received = 0;
        while received < answer.len() {
            tokio::select! {
                read = stream.read(&mut answer[received..]) => received += read.unwrap(),
                _ = ticks.tick() => {
                    app.clock.advance(Duration::from_secs(1));
                    passed += 1;
                    if passed < 10 {
                        stream.write_all(b" ").await.unwrap();
                    }
                }
            }
        }
    };
    wait::within("a response", answering).await;
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
    assert!(passed >= 10, "after {passed} s");
}

#[tokio::test]
async fn the_header_section_has_a_maximum_size() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = format!("POST /graphql HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(64 << 10));
    // The server may close the connection before everything is sent.
    let _ = stream.write_all(head.as_bytes()).await;
    assert_eq!(status(&mut stream).await, "HTTP/1.1 431");
    assert_eq!(send(request(&app).json(&json!({"query": VIEWER}))).await.status, StatusCode::OK);
}
