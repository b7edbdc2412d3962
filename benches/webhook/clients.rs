//! Clients that do as little as possible: one connection each, requests written beforehand.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::server::{ACCOUNT, NUMBER, TOKEN, URL};
use super::{Measured, cpu_time, measured};

/// No two texts of a run have the same SID.
static SERIAL: AtomicU64 = AtomicU64::new(1);
/// How many people text.
const CONTACTS: u64 = 1_000;

pub(crate) async fn run(server: &SocketAddr, clients: usize, texts: usize) -> Measured {
    let each = texts / clients;
    let prepared: Vec<Vec<Vec<u8>>> = (0..clients).map(|_| (0..each).map(|_| request()).collect()).collect();
    let (cpu, started) = (cpu_time(), Instant::now());
    let running: Vec<_> = prepared.into_iter().map(|requests| tokio::spawn(client(*server, requests))).collect();
    let mut times = Vec::with_capacity(texts);
    for client in running {
        times.extend(client.await.unwrap());
    }
    measured(times, started.elapsed(), cpu_time() - cpu)
}

async fn client(server: SocketAddr, requests: Vec<Vec<u8>>) -> Vec<Duration> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = [0; 2048];
    let mut times = Vec::with_capacity(requests.len());
    for request in requests {
        let started = Instant::now();
        stream.write_all(&request).await.unwrap();
        let mut length = 0;
        // The answer is the same short document each time, and ends with it.
        while !answer[..length].ends_with(b"<Response/>") {
            let read = stream.read(&mut answer[length..]).await.unwrap();
            assert!(read > 0, "the server hung up: {}", String::from_utf8_lossy(&answer[..length]));
            length += read;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
        times.push(started.elapsed());
    }
    times
}

fn request() -> Vec<u8> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let from = format!("+1303556{:04}", serial * 7919 % CONTACTS);
    let sid = format!("SM{serial:032x}");
    let fields = [
        ("AccountSid", ACCOUNT),
        ("ApiVersion", "2010-04-01"),
        ("Body", "Can I move my appointment on Thursday to the afternoon, please?"),
        ("From", &from),
        ("MessageSid", &sid),
        ("NumMedia", "0"),
        ("NumSegments", "1"),
        ("SmsStatus", "received"),
        ("To", NUMBER),
    ];
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(URL.as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    format!(
        "POST /api/twilio/webhook HTTP/1.1\r\nHost: bench.example\r\nX-Twilio-Signature: {signature}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
