//! Clients that do as little as possible: one connection each, requests written beforehand.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::measured::{Begun, Measured};
use super::text::request;

/// The demo's number with a pool of three.
const NUMBER: &str = "+13035550100";
const BODY: &str = "Can I move my appointment on Thursday to the afternoon, please?";

pub(crate) async fn run(server: SocketAddr, clients: usize, texts: usize) -> Measured {
    let each = texts / clients;
    let prepared: Vec<Vec<Vec<u8>>> =
        (0..clients).map(|_| (0..each).map(|_| request(NUMBER, BODY)).collect()).collect();
    let begun = Begun::now();
    let running: Vec<_> = prepared.into_iter().map(|requests| tokio::spawn(client(server, requests))).collect();
    let mut times = Vec::with_capacity(texts);
    for client in running {
        times.extend(client.await.unwrap());
    }
    begun.end(times)
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
