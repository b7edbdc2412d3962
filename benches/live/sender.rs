//! A client that sends texts. It blocks its thread and not that of the sockets, so the time of a response is exact.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use super::text::request;

/// A connection to the text webhook.
pub(crate) struct Sender {
    stream: TcpStream,
}

/// The times at which a text was sent and answered.
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

    /// Sends a text; panics if the response is not 200.
    pub(crate) fn send(&mut self, to: &str, body: &str) -> Sent {
        let request = request(to, body);
        let mut answer = [0; 2048];
        let mut length = 0;
        let at = Instant::now();
        self.stream.write_all(&request).unwrap();
        // The response ends with the document, so its length need not be parsed.
        while !answer[..length].ends_with(b"<Response/>") {
            let read = self.stream.read(&mut answer[length..]).unwrap();
            assert!(read > 0, "the server closed the connection: {}", String::from_utf8_lossy(&answer[..length]));
            length += read;
        }
        let answered = Instant::now();
        assert!(answer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&answer[..length]));
        Sent { at, answered }
    }
}
