//! How a request arrives: too long, too slowly, or with too much of a head.

use std::time::Duration;

use reqwest::StatusCode;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{JSON, WHO, request, send};
use crate::support::{TestApp, log, wait};

const LONGEST: usize = 256 * 1024;

/// A connection on which the head of a request has been sent.
async fn begun(app: &TestApp, length: &str) -> TcpStream {
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
    wait::within("an answer", stream.read_exact(&mut answer)).await.unwrap();
    String::from_utf8(answer).unwrap()
}

#[tokio::test]
async fn a_body_has_256_kib_at_most() {
    let app = TestApp::start().await;
    let bare = json!({"query": WHO}).to_string();
    let of = |length: usize| format!("{bare}{}", " ".repeat(length - bare.len()));
    let answer = send(request(&app).header("content-type", JSON).body(of(LONGEST))).await;
    assert_eq!(answer.body, json!({"data": {"viewer": {"key": "ana"}}}));
    let answer = send(request(&app).header("content-type", JSON).body(of(LONGEST + 1))).await;
    assert_eq!((answer.status, answer.has_data()), (StatusCode::PAYLOAD_TOO_LARGE, false));
    assert_eq!(log::panics(), Vec::<String>::new());
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_it_has_come() {
    let app = TestApp::start().await;
    // The length says it.
    let mut stream = begun(&app, "Content-Length: 1000000000").await;
    stream.write_all(&vec![b' '; LONGEST + 1]).await.unwrap();
    assert_eq!(status(&mut stream).await, "HTTP/1.1 413");
    // Nothing says it until it has come.
    let mut stream = begun(&app, "Transfer-Encoding: chunked").await;
    let chunk = [format!("{:x}\r\n", LONGEST + 1).into_bytes(), vec![b' '; LONGEST + 1], b"\r\n".to_vec()].concat();
    stream.write_all(&chunk).await.unwrap();
    assert_eq!(status(&mut stream).await, "HTTP/1.1 413");
}

#[tokio::test]
async fn a_body_that_is_slow_is_given_up_after_ten_seconds() {
    let app = TestApp::start().await;
    let mut stream = begun(&app, "Content-Length: 100").await;
    let mut answer = vec![0; 12];
    // Whether the server waits by now cannot be seen from outside, so time goes on until it answers;
    // and a byte now and then does not make the body any faster.
    let mut passed = 0;
    let mut ticks = wait::ticks(Duration::from_millis(20));
    let answering = async {
        let mut begun = 0;
        while begun < answer.len() {
            tokio::select! {
                read = stream.read(&mut answer[begun..]) => begun += read.unwrap(),
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
    wait::within("an answer", answering).await;
    assert_eq!(String::from_utf8_lossy(&answer), "HTTP/1.1 408");
    assert!(passed >= 10, "after {passed} s");
}

#[tokio::test]
async fn a_head_has_its_bound() {
    let app = TestApp::start().await;
    let mut stream = TcpStream::connect(app.address).await.unwrap();
    let head = format!("POST /graphql HTTP/1.1\r\nHost: x\r\nX: {}", "x".repeat(64 << 10));
    // The server may have closed before all of it has gone out.
    let _ = stream.write_all(head.as_bytes()).await;
    assert_eq!(status(&mut stream).await, "HTTP/1.1 431");
    assert_eq!(send(request(&app).json(&json!({"query": WHO}))).await.status, StatusCode::OK);
}
