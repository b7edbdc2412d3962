//! A minimal WebSocket client, small enough for ten thousand in one process.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// A connection and its unread input.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    unread: Range<usize>,
}

/// The token and query of a subscriber.
#[derive(Clone)]
pub(crate) struct Subscription {
    pub(crate) token: std::sync::Arc<str>,
    pub(crate) query: &'static str,
}

impl Socket {
    /// Connects. With `small_window`, the receive buffer fills up soon if it is not read.
    pub(crate) async fn connect(address: SocketAddr, small_window: bool) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if small_window {
            socket.set_recv_buffer_size(4096)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 1024], unread: 0..0 })
    }

    /// Upgrades, authenticates, subscribes, and waits until the server has processed all of it.
    pub(crate) async fn subscribe(&mut self, subscription: &Subscription) -> Result<()> {
        let upgrade = "GET /graphql/ws HTTP/1.1\r\nHost: bench.example\r\nConnection: Upgrade\r\n\
                       Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n";
        self.stream.write_all(upgrade.as_bytes()).await?;
        loop {
            let answer = &self.buffer[self.unread.clone()];
            if let Some(end) = find(answer, b"\r\n\r\n") {
                if !answer.starts_with(b"HTTP/1.1 101") {
                    return Err(Error::other(String::from_utf8_lossy(answer).into_owned()));
                }
                self.unread.start += end + 4;
                break;
            }
            self.read().await?;
        }
        let Subscription { token, query } = subscription;
        self.send_text(&format!(r#"{{"type":"connection_init","payload":{{"authorization":"Bearer {token}"}}}}"#))
            .await?;
        self.expect("connection_ack").await?;
        self.send_subscribe(query, "null").await?;
        self.send_text(r#"{"type":"ping"}"#).await?;
        self.expect("pong").await
    }

    /// Subscribes. `after` is the cursor as JSON: a quoted string or `null`.
    pub(crate) async fn send_subscribe(&mut self, query: &str, after: &str) -> Result<()> {
        let subscribe = format!(
            r#"{{"type":"subscribe","id":"1","payload":{{"query":"{query}","variables":{{"after":{after}}}}}}}"#
        );
        self.send_text(&subscribe).await
    }

    async fn expect(&mut self, kind: &str) -> Result<()> {
        let frame = self.next().await?;
        let text = &self.buffer[frame];
        match find(text, kind.as_bytes()) {
            Some(_) => Ok(()),
            None => Err(Error::other(format!("expected {kind}, got {}", String::from_utf8_lossy(text)))),
        }
    }

    /// Sends a text frame. Its mask is zero, so that masking changes nothing (RFC 6455, 5.3).
    async fn send_text(&mut self, text: &str) -> Result<()> {
        let mut frame = vec![0x81];
        match u8::try_from(text.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(text.len()).map_err(Error::other)?.to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend(text.as_bytes());
        self.stream.write_all(&frame).await
    }

    /// Reads the next text frame and returns the range of its payload in the buffer.
    pub(crate) async fn next(&mut self) -> Result<Range<usize>> {
        loop {
            while let Some((kind, payload)) = self.parse_frame() {
                match kind {
                    1 => return Ok(payload),
                    8 => return Err(Error::other("the server closed the socket")),
                    _ => {}
                }
            }
            self.read().await?;
        }
    }

    pub(crate) fn text(&self, payload: Range<usize>) -> &[u8] {
        &self.buffer[payload]
    }

    /// Parses the next frame if it is complete. Returns its opcode and the range of its payload in the buffer.
    fn parse_frame(&mut self) -> Option<(u8, Range<usize>)> {
        let bytes = &self.buffer[self.unread.clone()];
        let (head, length) = match *bytes.get(1)? {
            126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
            // No frame of this benchmark is longer than 64 KiB.
            length => (2, usize::from(length)),
        };
        let kind = bytes[0] & 15;
        if bytes.len() < head + length {
            return None;
        }
        let start = self.unread.start + head;
        self.unread.start = start + length;
        Some((kind, start..start + length))
    }

    async fn read(&mut self) -> Result<()> {
        if self.unread.start > 0 {
            self.buffer.copy_within(self.unread.clone(), 0);
            self.unread = 0..self.unread.len();
        }
        if self.unread.end == self.buffer.len() {
            self.buffer.resize(self.buffer.len() * 2, 0);
        }
        match self.stream.read(&mut self.buffer[self.unread.end..]).await? {
            0 => Err(Error::other("the server closed the connection")),
            read => {
                self.unread.end += read;
                Ok(())
            }
        }
    }
}

pub(crate) fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// Builds a text frame as a server sends it, unmasked.
pub(crate) fn server_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![0x81];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(length),
        _ => {
            frame.push(126);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}
