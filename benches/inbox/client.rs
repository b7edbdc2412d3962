//! A minimal HTTP client over loopback: one connection and one repeated request.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends the request `times` times and returns the response times.
pub(crate) async fn run(address: SocketAddr, request: &[u8], times: usize) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut response = vec![0; 256 * 1024];
    let mut durations = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        stream.write_all(request).await.unwrap();
        let (mut length, mut whole) = (0, usize::MAX);
        while length < whole {
            let read = stream.read(&mut response[length..]).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            length += read;
            if whole == usize::MAX {
                whole = whole_length(&response[..length]).unwrap_or(usize::MAX);
            }
        }
        assert!(response.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&response[..length]));
        durations.push(started.elapsed());
    }
    durations
}

/// The length of the response with its head, once the head is complete.
fn whole_length(response: &[u8]) -> Option<usize> {
    let end = response.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&response[..end]).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    Some(end + length.trim().parse::<usize>().unwrap())
}

pub(crate) fn request(path: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench.example\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
