//! A client over loopback that does as little as possible: one connection, one request again and again.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Sends the same request so many times; gives how long each took.
pub(crate) async fn run(address: SocketAddr, request: &[u8], times: usize) -> Vec<Duration> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = vec![0; 256 * 1024];
    let mut took = Vec::with_capacity(times);
    for _ in 0..times {
        let started = Instant::now();
        stream.write_all(request).await.unwrap();
        let (mut length, mut whole) = (0, usize::MAX);
        while length < whole {
            let read = stream.read(&mut answer[length..]).await.unwrap();
            assert!(read > 0, "the server hung up");
            length += read;
            if whole == usize::MAX {
                whole = whole_length(&answer[..length]).unwrap_or(usize::MAX);
            }
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
        took.push(started.elapsed());
    }
    took
}

/// How long an answer is with its head, once the head is there.
fn whole_length(answer: &[u8]) -> Option<usize> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let head = std::str::from_utf8(&answer[..end]).unwrap().to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "))?;
    Some(end + length.trim().parse::<usize>().unwrap())
}

/// The request as bytes.
pub(crate) fn request(path: &str, token: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench.example\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}
