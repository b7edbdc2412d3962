//! How fast a call is answered beside a bare route that only checks the signature, in one run.
//!
//! `cargo bench --bench voice` prints a table: a bare signed POST route and the voice webhook, each over
//! loopback at 64 clients, on SQLite. Every request is a call that begins, of one of a thousand people. A round
//! of calls ends when the row of the last of them is written, so that what is done behind the answers counts.
//! Rounds are interleaved and medians shown. `ROUNDS` and `CALLS` in the environment change how many.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints, and a failed one must stop")]
#![expect(clippy::disallowed_methods, reason = "a benchmark measures real time")]

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use partyline::app::App;
use partyline::twilio::{form, signature};
use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The binary's allocator, for us and for the peer alike.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[path = "../support/figures.rs"]
mod figures;
#[path = "../support/measured.rs"]
mod measured;
#[path = "../support/process.rs"]
mod process;
mod request;
#[path = "../webhook/server.rs"]
mod server;
#[path = "../support/text.rs"]
mod text;

use figures::{from_env, micros, millis, verdict};
use measured::{Begun, Measured, ratio, typical};
use request::{INBOUND, call};
use text::{PUBLIC_URL, TOKEN};

const CLIENTS: usize = 64;
/// As long as the greeting is.
const DOCUMENT: &str = r##"<?xml version="1.0" encoding="UTF-8"?><Response><Gather input="dtmf" timeout="5" finishOnKey="#" actionOnEmptyResult="true" action="https://bench.example/api/twilio/voice/menu?step=1" method="POST"><Say>You have reached Front desk. Dial an extension now, or stay on the line.</Say></Gather></Response>"##;

fn main() {
    let (rounds, calls) = (from_env("ROUNDS", 5), from_env("CALLS", 19_200));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(runtime.spawn(run(rounds, calls))).unwrap();
}

async fn run(rounds: usize, calls: usize) {
    let folder = tempfile::tempdir_in(".").unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("server.db").display());
    let app = server::open(&url).await;
    let voice = server::start(&app).await;
    let tokens: Arc<[SecretString]> = Arc::from([SecretString::from(TOKEN)]);
    let bare = server::listen(&app, Router::new().route(INBOUND, post(bare)).with_state(tokens)).await;
    let mut results: [Vec<Measured>; 2] = Default::default();
    for round in 0..=rounds {
        let measured = [measure(bare, &app, calls).await, measure(voice, &app, calls).await];
        // The first round fills caches and file system, and does not count.
        if round > 0 {
            results.iter_mut().zip(measured).for_each(|(list, one)| list.push(one));
        }
    }
    println!("| SQLite, {CLIENTS} clients | calls/s | p50 | p99 | CPU per call |\n|---|---:|---:|---:|---:|");
    for (name, list) in ["bare signed route", "voice webhook, rows written"].iter().zip(&results) {
        println!(
            "| {name} | {:.0} | {:.2} ms | {:.2} ms | {:.0} µs |",
            typical(list, |one| one.per_second),
            typical(list, |one| millis(one.p50)),
            typical(list, |one| millis(one.p99)),
            typical(list, |one| micros(one.cpu)),
        );
    }
    let [bare, voice] = &results;
    let share = ratio(voice, bare, |found| found.per_second);
    println!();
    verdict("voice webhook at 64 clients ≥ 0.65 × a bare signed route", &format!("{share:.2}"), share >= 0.65);
}

/// Reads the form and checks its signature, no more.
async fn bare(State(tokens): State<Arc<[SecretString]>>, headers: HeaderMap, body: Bytes) -> Response {
    let given = headers.get("x-twilio-signature").and_then(|value| value.to_str().ok()).unwrap_or_default();
    let address = format!("{PUBLIC_URL}{INBOUND}");
    match form::parse(&body) {
        Ok(form) if signature::is_authentic(&tokens, &address, None, &form, given) => {
            ([(CONTENT_TYPE, "text/xml")], DOCUMENT).into_response()
        }
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

async fn measure(server: SocketAddr, app: &App, calls: usize) -> Measured {
    // On a disk that has nothing left to do.
    assert!(Command::new("sync").status().unwrap().success());
    let each = calls / CLIENTS;
    let prepared: Vec<Vec<Vec<u8>>> = (0..CLIENTS).map(|_| (0..each).map(|_| call()).collect()).collect();
    let begun = Begun::now();
    let running: Vec<_> = prepared.into_iter().map(|requests| tokio::spawn(client(server, requests))).collect();
    let mut times = Vec::with_capacity(calls);
    for client in running {
        times.extend(client.await.unwrap());
    }
    app.services.calls.log.written().await;
    begun.end(times)
}

async fn client(server: SocketAddr, requests: Vec<Vec<u8>>) -> Vec<Duration> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = [0; 4096];
    let mut times = Vec::with_capacity(requests.len());
    for request in requests {
        let started = Instant::now();
        stream.write_all(&request).await.unwrap();
        let mut length = 0;
        // The answer is a short document, and ends with it.
        while !answer[..length].ends_with(b"</Response>") {
            let read = stream.read(&mut answer[length..]).await.unwrap();
            assert!(read > 0, "the server hung up: {}", String::from_utf8_lossy(&answer[..length]));
            length += read;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
        times.push(started.elapsed());
    }
    times
}
