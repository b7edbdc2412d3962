//! A minimal client for the subprotocol `graphql-transport-ws` (see its PROTOCOL.md).

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Generous, for busy machines.
const READ_TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) struct Socket {
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The reason in the server's close frame.
    pub(crate) close_reason: Option<String>,
}

/// The server closed the connection with this code.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Closed(pub(crate) Option<u16>);

impl Socket {
    /// Connects without sending `connection_init`.
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let mut request = format!("ws://{address}/graphql/ws").into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        Self { stream: connect_async(request).await.unwrap().0, close_reason: None }
    }

    /// Connects, sends `connection_init`, and waits for the acknowledgement.
    pub(crate) async fn connect(address: SocketAddr, token: &SecretString) -> Self {
        let mut socket = Self::open(address).await;
        let payload = json!({"authorization": format!("Bearer {}", token.expose_secret())});
        socket.send(json!({"type": "connection_init", "payload": payload})).await;
        assert_eq!(socket.next().await.unwrap()["type"], "connection_ack");
        socket
    }

    pub(crate) async fn send(&mut self, message: Value) {
        self.stream.send(Message::text(message.to_string())).await.unwrap();
    }

    pub(crate) async fn subscribe(&mut self, id: &str, query: &str, variables: Value) {
        let payload = json!({"query": query, "variables": variables});
        self.send(json!({"id": id, "type": "subscribe", "payload": payload})).await;
    }

    /// The next message, or the close code.
    pub(crate) async fn next(&mut self) -> Result<Value, Closed> {
        loop {
            let message = timeout(READ_TIMEOUT, self.stream.next()).await.expect("a message before the timeout");
            match message {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => {
                    self.close_reason = frame.as_ref().map(|frame| frame.reason.to_string());
                    return Err(Closed(frame.map(|frame| frame.code.into())));
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(Closed(None)),
            }
        }
    }

    /// Asserts that nothing has arrived: the response to a query that is sent now comes next.
    pub(crate) async fn assert_silent(&mut self) {
        self.subscribe("silent", "{ viewer { key } }", json!({})).await;
        assert!(self.event().await["viewer"].is_object());
        assert_eq!(self.next().await.unwrap()["type"], "complete");
    }

    /// The data of the next event.
    pub(crate) async fn event(&mut self) -> Value {
        let mut message = self.next().await.unwrap();
        assert_eq!(message["type"], "next", "{message}");
        assert!(message["payload"].get("errors").is_none(), "{message}");
        message["payload"]["data"].take()
    }
}
