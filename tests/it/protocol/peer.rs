//! The other end of a socket, byte by byte: it may say what no client library would, and whatever
//! the server sends is checked as a client of the protocol checks it.

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

/// How a socket is asked for.
#[derive(Debug, Clone)]
pub(super) struct Upgrade {
    path: String,
    headers: Vec<(&'static str, String)>,
    receive_buffer: Option<u32>,
}

/// What comes from the server.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Got {
    /// A message of the protocol.
    Frame(Value),
    /// The WebSocket's own answer to its own ping.
    Pong(Vec<u8>),
    /// A farewell.
    Closed(u16),
    /// The connection ended without one.
    Cut,
}

pub(super) struct Peer {
    ws: WebSocketStream<TcpStream>,
    /// What the server chose of the subprotocols.
    pub(super) subprotocol: Option<String>,
}

impl Upgrade {
    /// As a client of the protocol asks.
    pub(super) fn new() -> Self {
        Self::speaking("graphql-transport-ws")
    }

    /// The same with other subprotocols.
    pub(super) fn speaking(subprotocols: &str) -> Self {
        Self::speaking_nothing().header("sec-websocket-protocol", subprotocols)
    }

    pub(super) fn speaking_nothing() -> Self {
        Self { path: "/graphql/ws".to_owned(), headers: Vec::new(), receive_buffer: None }
    }

    pub(super) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// With this behind the address.
    pub(super) fn query(self, query: &str) -> Self {
        Self { path: format!("{}?{query}", self.path), ..self }
    }

    /// With little room for what is not read.
    pub(super) fn with_little_room(self) -> Self {
        Self { receive_buffer: Some(4096), ..self }
    }

    /// The socket, or with which status it is refused.
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
        let head = wait::within("an answer to the upgrade", read_head(&mut stream)).await;
        let status = head.split(' ').nth(1).and_then(|status| status.parse::<StatusCode>().ok()).unwrap();
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(status);
        }
        // The example of RFC 6455, section 1.3.
        assert_eq!(value_of(&head, "sec-websocket-accept").as_deref(), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
        let subprotocol = value_of(&head, "sec-websocket-protocol");
        let ws = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        Ok(Peer { ws, subprotocol })
    }

    pub(super) async fn open(&self, address: SocketAddr) -> Peer {
        self.ask(address).await.unwrap_or_else(|status| panic!("the upgrade was refused: {status}"))
    }
}

/// Reads up to the empty line and not a byte further: frames may follow at once.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer has a head"));
    }
    String::from_utf8(head).unwrap()
}

fn value_of(head: &str, name: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

impl Peer {
    pub(super) async fn say(&mut self, message: Message) {
        self.try_say(message).await.expect("the server takes it");
    }

    /// The same to a server that may have gone.
    pub(super) async fn try_say(&mut self, message: Message) -> Result<(), String> {
        let sent = wait::within("the message goes out", self.ws.send(message)).await;
        sent.map_err(|error| error.to_string())
    }

    pub(super) async fn say_json(&mut self, message: &Value) {
        self.say(Message::text(message.to_string())).await;
    }

    /// What goes past the WebSocket.
    pub(super) async fn say_bytes(&mut self, bytes: &[u8]) {
        wait::within("the bytes go out", self.ws.get_mut().write_all(bytes)).await.expect("the server takes them");
    }

    /// What comes next.
    pub(super) async fn next(&mut self) -> Got {
        loop {
            match wait::within("something comes", self.ws.next()).await {
                Some(Ok(Message::Text(text))) => return Got::Frame(read(text.as_str())),
                Some(Ok(Message::Pong(payload))) => return Got::Pong(payload.to_vec()),
                // Answered by the library.
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(Message::Close(frame))) => return Got::Closed(farewell(frame)),
                Some(Ok(other)) => panic!("the protocol has only text: {other:?}"),
                Some(Err(_)) | None => return Got::Cut,
            }
        }
    }

    /// What comes next must be a message.
    pub(super) async fn frame(&mut self) -> Value {
        match self.next().await {
            Got::Frame(frame) => frame,
            other => panic!("a message was to come: {other:?}"),
        }
    }

    /// The connection itself, with nothing read from it.
    pub(super) fn stream(&self) -> &TcpStream {
        self.ws.get_ref()
    }
}

/// Clients take these two as final: whoever hears them does not come back.
fn farewell(frame: Option<CloseFrame>) -> u16 {
    let code = frame.map_or(1005, |frame| frame.code.into());
    assert!(code != 1008 && code != 1011, "the server closed with {code}");
    code
}

/// A message of the server's, which has the shape that PROTOCOL.md gives it and nothing more.
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
    assert!(well_formed && has_id == members.contains(&"id"), "no message of the protocol: {text:.300}");
    assert!(frame.as_object().unwrap().keys().all(|key| members.contains(&key.as_str())), "too much: {text:.300}");
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
