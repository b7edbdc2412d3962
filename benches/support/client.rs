//! A minimal HTTP client: one connection, and requests that are built in advance.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// The response ends with the document, so its length need not be parsed.
const ENDS: [&[u8]; 2] = [b"</Response>", b"<Response/>"];

/// Sends the requests one after the other and returns the response times.
pub(crate) async fn client(server: SocketAddr, requests: Vec<Vec<u8>>) -> Vec<Duration> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut answer = [0; 4096];
    let mut times = Vec::with_capacity(requests.len());
    for request in requests {
        let started = Instant::now();
        stream.write_all(&request).await.unwrap();
        let mut length = 0;
        while !ENDS.iter().any(|end| answer[..length].ends_with(end)) {
            let read = stream.read(&mut answer[length..]).await.unwrap();
            assert!(read > 0, "the server closed the connection: {}", String::from_utf8_lossy(&answer[..length]));
            length += read;
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
        times.push(started.elapsed());
    }
    times
}
