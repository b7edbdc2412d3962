//! A WebSocket client by hand, light enough for ten thousand in one process.

use std::io::{Error, Result};
use std::net::SocketAddr;
use std::ops::Range;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// A connection, and what has come in over it that was not looked at yet.
pub(crate) struct Socket {
    stream: TcpStream,
    buffer: Vec<u8>,
    unread: Range<usize>,
}

/// Who subscribes to what.
#[derive(Clone)]
pub(crate) struct Introduction {
    pub(crate) token: std::sync::Arc<str>,
    pub(crate) query: &'static str,
}

impl Socket {
    /// Connects. With a small window, what is not read fills up soon.
    pub(crate) async fn connect(address: SocketAddr, small_window: bool) -> Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if small_window {
            socket.set_recv_buffer_size(4096)?;
        }
        let stream = socket.connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: vec![0; 1024], unread: 0..0 })
    }

    /// Upgrades, introduces itself, subscribes, and waits until the server has read all that.
    pub(crate) async fn subscribe(&mut self, introduction: &Introduction) -> Result<()> {
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
        let Introduction { token, query } = introduction;
        self.say(&format!(r#"{{"type":"connection_init","payload":{{"authorization":"Bearer {token}"}}}}"#)).await?;
        self.until("connection_ack").await?;
        self.ask(query, "null").await?;
        self.say(r#"{"type":"ping"}"#).await?;
        self.until("pong").await
    }

    /// Subscribes after a cursor (of JSON).
    pub(crate) async fn ask(&mut self, query: &str, after: &str) -> Result<()> {
        let subscribe = format!(
            r#"{{"type":"subscribe","id":"1","payload":{{"query":"{query}","variables":{{"after":{after}}}}}}}"#
        );
        self.say(&subscribe).await
    }

    async fn until(&mut self, kind: &str) -> Result<()> {
        let frame = self.next().await?;
        let text = &self.buffer[frame];
        match find(text, kind.as_bytes()) {
            Some(_) => Ok(()),
            None => Err(Error::other(format!("{kind} was expected, not {}", String::from_utf8_lossy(text)))),
        }
    }

    /// Sends a text frame. Its mask is zero, so that masking changes nothing (RFC 6455, 5.3).
    async fn say(&mut self, text: &str) -> Result<()> {
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

    /// Where in the buffer the next text frame's payload is.
    pub(crate) async fn next(&mut self) -> Result<Range<usize>> {
        loop {
            while let Some((kind, payload)) = self.take() {
                match kind {
                    1 => return Ok(payload),
                    8 => return Err(Error::other("the server closed the socket")),
                    _ => {}
                }
            }
            self.read().await?;
        }
    }

    /// The text of a payload.
    pub(crate) fn text(&self, payload: Range<usize>) -> &[u8] {
        &self.buffer[payload]
    }

    /// Takes a frame from what has come in, if it is whole: its kind, and where its payload is.
    fn take(&mut self) -> Option<(u8, Range<usize>)> {
        let bytes = &self.buffer[self.unread.clone()];
        let (head, length) = match *bytes.get(1)? {
            126 => (4, usize::from(u16::from_be_bytes([*bytes.get(2)?, *bytes.get(3)?]))),
            // No frame here is longer than 64 KiB.
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
            0 => Err(Error::other("the server hung up")),
            read => {
                self.unread.end += read;
                Ok(())
            }
        }
    }
}

/// Where a part stands in a whole.
pub(crate) fn find(whole: &[u8], part: &[u8]) -> Option<usize> {
    whole.windows(part.len()).position(|window| window == part)
}

/// A text frame as a server sends it.
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
