//! Whoever sends the texts. Each sender is a thread of its own: when a text is answered is then known
//! whatever the audience is busy with.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::text::request;

/// A connection that texts go over.
pub(crate) struct Sender {
    stream: TcpStream,
}

/// When a text was sent, and when it was answered.
#[derive(Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) at: Instant,
    pub(crate) answered: Instant,
}

impl Sender {
    pub(crate) fn connect(server: SocketAddr) -> Self {
        let stream = TcpStream::connect(server).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(15))).unwrap();
        Self { stream }
    }

    /// Sends a text that must be taken.
    pub(crate) fn send(&mut self, to: &str, body: &str) -> Sent {
        let request = request(to, body);
        let mut answer = [0; 2048];
        let mut length = 0;
        let at = Instant::now();
        self.stream.write_all(&request).unwrap();
        // The answer is the same short document each time, and ends with it.
        while !answer[..length].ends_with(b"<Response/>") {
            let read = self.stream.read(&mut answer[length..]).unwrap();
            assert!(read > 0, "the server hung up: {}", String::from_utf8_lossy(&answer[..length]));
            length += read;
        }
        let answered = Instant::now();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
        Sent { at, answered }
    }
}
