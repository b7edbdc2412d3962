//! A low-level client of the protocol. It can send messages that no client library would send, and it checks every
//! message of the server as strictly as a client library does.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use reqwest::StatusCode;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

use crate::support::wait;

/// The HTTP request that opens a socket.
#[derive(Debug, Clone)]
pub(super) struct Upgrade {
    path: String,
    headers: Vec<(&'static str, String)>,
    receive_buffer: Option<u32>,
}

/// A message or event from the server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Received {
    /// A message of the protocol.
    Frame(Value),
    /// The WebSocket protocol's pong.
    Pong(Vec<u8>),
    /// A close frame.
    Closed(u16),
    /// The connection ended without a close frame.
    Disconnected,
}

pub(super) struct Peer {
    ws: WebSocketStream<TcpStream>,
    /// The subprotocol that the server selected.
    pub(super) subprotocol: Option<String>,
}

impl Upgrade {
    /// The request that a client of the protocol sends.
    pub(super) fn new() -> Self {
        Self::with_subprotocols("graphql-transport-ws")
    }

    /// A request with other subprotocols.
    pub(super) fn with_subprotocols(subprotocols: &str) -> Self {
        Self::without_subprotocol().header("sec-websocket-protocol", subprotocols)
    }

    pub(super) fn without_subprotocol() -> Self {
        Self { path: "/graphql/ws".to_owned(), headers: Vec::new(), receive_buffer: None }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Appends a query string to the URL.
    pub(super) fn query(self, query: &str) -> Self {
        Self { path: format!("{}?{query}", self.path), ..self }
    }

    /// Limits the receive buffer.
    pub(super) fn with_small_receive_buffer(self) -> Self {
        Self { receive_buffer: Some(4096), ..self }
    }

    /// Opens the socket, or returns the status of the refusal.
    pub(super) async fn ask(&self, address: SocketAddr) -> Result<Peer, StatusCode> {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(size) = self.receive_buffer {
            socket.set_recv_buffer_size(size).unwrap();
        }
        let mut stream = socket.connect(address).await.unwrap();
        let mut head = format!(
            "GET {} HTTP/1.1\r\nHost: {address}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            self.path
        );
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}\r\n").as_bytes()).await.unwrap();
        let head = wait::within("a response to the upgrade", read_head(&mut stream)).await;
        let status = head.split(' ').nth(1).and_then(|status| status.parse::<StatusCode>().ok()).unwrap();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(status);
        }
        // The example in RFC 6455, section 1.3.
        assert_eq!(header_value(&head, "sec-websocket-accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        let subprotocol = header_value(&head, "sec-websocket-protocol");
        let ws = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Ok(Peer { ws, subprotocol })
    }

    pub(super) async fn open(&self, address: SocketAddr) -> Peer {
        self.ask(address).await.unwrap_or_else(|status| panic!("the upgrade was refused: {status}"))
    }
}

/// Reads up to the empty line and not a byte further, because frames may follow immediately.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("the response has a header section"));
    }
    String::from_utf8(head).unwrap()
}

fn header_value(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

impl Peer {
    pub(super) async fn send(&mut self, message: Message) {
        self.try_send(message).await.expect("the server accepts the message");
    }

    /// Sends a message to a server that may have disconnected.
    pub(super) async fn try_send(&mut self, message: Message) -> Result<(), String> {
        let sent = wait::within("the message is sent", self.ws.send(message)).await;
        sent.map_err(|error| error.to_string())
    }

    pub(super) async fn send_json(&mut self, message: &Value) {
        self.send(Message::text(message.to_string())).await;
    }

    /// Writes bytes that bypass the WebSocket layer.
    pub(super) async fn send_bytes(&mut self, bytes: &[u8]) {
        wait::within("the bytes are sent", self.ws.get_mut().write_all(bytes)).await.expect("the server takes them");
    }

    /// The next message or event.
    pub(super) async fn next(&mut self) -> Received {
        loop {
            match wait::within("a message", self.ws.next()).await {
                Some(Ok(Message::Text(text))) => return Received::Frame(read(text.as_str())),
                Some(Ok(Message::Pong(payload))) => return Received::Pong(payload.to_vec()),
                // The library answers pings.
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(Message::Close(frame))) => return Received::Closed(close_code(frame)),
                Some(Ok(other)) => panic!("the protocol has only text messages, not: {other:?}"),
                Some(Err(_)) | None => return Received::Disconnected,
            }
        }
    }

    /// The next message. Panics if the connection is closed instead.
    pub(super) async fn frame(&mut self) -> Value {
        match self.next().await {
            Received::Frame(frame) => frame,
            other => panic!("expected a message, got: {other:?}"),
        }
    }

    /// The underlying stream, for tests that do not read messages.
    pub(super) fn stream(&self) -> &TcpStream {
        self.ws.get_ref()
    }
}

/// The close code. Clients treat these two codes as fatal and do not reconnect.
fn close_code(frame: Option<CloseFrame>) -> u16 {
    let code = frame.map_or(1005, |frame| frame.code.into());
    assert!(code != 1008 && code != 1011, "the server closed with {code}");
    code
}

/// Parses a message of the server and asserts that it has exactly the members that PROTOCOL.md defines.
fn read(text: &str) -> Value {
    let frame: Value = serde_json::from_str(text).expect("a message is JSON");
    let kind = frame["type"].as_str().expect("a message has a type");
    let is_object = |value: Option<&Value>| value.is_none_or(|value| value.is_object() || value.is_null());
    let payload = frame.get("payload");
    let (well_formed, members) = match kind {
        "connection_ack" | "ping" | "pong" => (is_object(payload), &["type", "payload"][..]),
        "next" => (payload.is_some_and(is_result), &["type", "id", "payload"][..]),
        "error" => (payload.is_some_and(are_errors), &["type", "id", "payload"][..]),
        "complete" => (true, &["type", "id"][..]),
        _ => (false, &[][..]),
    };
    let has_id = frame["id"].as_str().is_some_and(|id| !id.is_empty());
    assert!(well_formed && has_id == members.contains(&"id"), "not a message of the protocol: {text:.300}");
    assert!(
        frame.as_object().unwrap().keys().all(|key| members.contains(&key.as_str())),
        "unknown members: {text:.300}"
    );
    frame
}

fn is_result(payload: &Value) -> bool {
    let errors = payload.get("errors");
    payload.is_object() && (errors.is_some() || payload.get("data").is_some()) && errors.is_none_or(are_errors)
}

fn are_errors(payload: &Value) -> bool {
    let is_error = |error: &Value| error["message"].is_string() && error["extensions"]["code"].is_string();
    payload.as_array().is_some_and(|errors| !errors.is_empty() && errors.iter().all(is_error))
}
