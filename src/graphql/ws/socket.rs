//! A session on one socket, from `connection_init` to the close frame.

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::future::{BoxFuture, Either};
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, SinkExt, StreamExt as _, poll};

use super::close::{wait_for_close, wait_for_drain};
use super::operation::{self, Outgoing};
use super::protocol::{self, Close, Incoming};
use super::waker::{SourceWaker, TaskWaker};
use crate::admission::{Reservation, SocketPermit};
use crate::graphql::GraphqlState;
use crate::graphql::context::{Requester, make_request_id};
use crate::graphql::errors::{Code, Failure};
use crate::graphql::limits::{CLOSE_TIMEOUT, INIT_TIMEOUT, MAX_OPERATIONS, SEND_TIMEOUT};
use crate::graphql::operation::{RejectedRequest, RequestParameters};
use crate::http::authentication::bearer;
use crate::ports::Clock;
use crate::service::authenticate::{AuthError, Identity, TokenProblem};

/// How a session ends.
#[derive(Debug, PartialEq, Eq)]
enum SessionEnd {
    /// The server closes the socket.
    Close(Close),
    /// The client sent a close frame.
    ClosedByClient,
    /// The connection broke.
    ConnectionLost,
}

impl From<Close> for SessionEnd {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

/// Serves a socket until it is closed.
///
/// The futures of the handshake, of incoming messages and of the close are boxed, so that an idle socket stays small;
/// see "Boxed futures" in `graphql`. The socket itself is boxed because the future would hold it twice, as an argument
/// and as a variable.
pub(super) async fn serve(mut ws: Box<WebSocket>, state: Arc<GraphqlState>, client: IpAddr) {
    let clock = Arc::clone(&state.services.clock);
    let end = match Box::pin(handshake(&mut ws, &state, client)).await {
        Ok((identity, _permit)) => Session::new(&mut ws, state, identity).run().await,
        Err(end) => end,
    };
    match end {
        SessionEnd::Close(close) => Box::pin(close_socket(ws, Some(close), &*clock)).await,
        SessionEnd::ClosedByClient => Box::pin(close_socket(ws, None, &*clock)).await,
        SessionEnd::ConnectionLost => {}
    }
}

/// Sends a close frame, or the answer to the client's, and waits up to [`CLOSE_TIMEOUT`] for the client to close. If
/// the server closed a connection with unread data, TCP would reset it and the client might not receive the close
/// frame.
async fn close_socket(mut ws: Box<WebSocket>, close: Option<Close>, clock: &dyn Clock) {
    let closed = async {
        if let Some(close) = &close
            && ws.send(Message::Close(Some(close.frame()))).await.is_err()
        {
            return;
        }
        loop {
            match ws.recv().await {
                Some(Ok(_)) => {}
                // The rest of a message that is too long is never read, so the stream does not end.
                Some(Err(_)) if close == Some(Close::TooLong) => std::future::pending::<()>().await,
                Some(Err(_)) | None => return,
            }
        }
    };
    tokio::select! {
        () = closed => {}
        () = clock.sleep(CLOSE_TIMEOUT) => {}
    }
}

/// Waits for `connection_init` and authenticates it, within [`INIT_TIMEOUT`].
async fn handshake(
    ws: &mut WebSocket,
    state: &GraphqlState,
    client: IpAddr,
) -> Result<(Identity, SocketPermit), SessionEnd> {
    if ws.protocol().is_none() {
        return Err(Close::Subprotocol.into());
    }
    let mut drain = state.drain.clone();
    tokio::select! {
        authenticated = authenticate(ws, state, client) => authenticated,
        () = state.services.clock.sleep(INIT_TIMEOUT) => Err(Close::InitTimeout.into()),
        () = wait_for_drain(&mut drain) => Err(Close::Restart.into()),
    }
}

async fn authenticate(
    ws: &mut WebSocket,
    state: &GraphqlState,
    client: IpAddr,
) -> Result<(Identity, SocketPermit), SessionEnd> {
    loop {
        let authorization = match receive(ws).await? {
            Incoming::Init(authorization) => authorization,
            Incoming::Ping(payload) => {
                ws.send(Message::Text(protocol::pong(payload))).await.map_err(|_| SessionEnd::ConnectionLost)?;
                continue;
            }
            Incoming::WebSocketPing => {
                ws.flush().await.map_err(|_| SessionEnd::ConnectionLost)?;
                continue;
            }
            Incoming::Pong | Incoming::Complete(_) => continue,
            Incoming::Subscribe(..) => return Err(Close::Unauthorized.into()),
        };
        let authenticated = match authorization.as_deref().and_then(bearer) {
            Some(token) => state.services.authenticator.authenticate(&state.services, token).await,
            None => Err(TokenProblem::Invalid.into()),
        };
        return match authenticated {
            Ok(identity) => {
                let admitted = state.executor.admission.count_request(identity.agency, identity.user);
                let permit = admitted.and_then(|()| state.executor.admission.open_socket(identity.user));
                Ok((identity, permit.map_err(|_| Close::TryAgain)?))
            }
            Err(AuthError::Rejected(problem)) => match state.executor.admission.count_failed_authentication(client) {
                Ok(()) => Err(Close::Forbidden(problem).into()),
                Err(_) => Err(Close::TryAgain.into()),
            },
            Err(AuthError::Fault(fault)) => {
                let request_id = make_request_id(&state.services);
                tracing::error!(%request_id, error = %fault, "a token could not be verified");
                Err(Close::TryAgain.into())
            }
        };
    }
}

/// Receives the next protocol message. Cancel-safe: a canceled call loses no message.
async fn receive(ws: &mut WebSocket) -> Result<Incoming, SessionEnd> {
    loop {
        match ws.recv().await {
            Some(Ok(Message::Text(text))) => return Incoming::parse(text.as_str()).ok_or(Close::Invalid.into()),
            Some(Ok(Message::Binary(_))) => return Err(Close::Invalid.into()),
            Some(Ok(Message::Ping(_))) => return Ok(Incoming::WebSocketPing),
            Some(Ok(Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) => return Err(SessionEnd::ClosedByClient),
            None => return Err(SessionEnd::ConnectionLost),
            // The error type belongs to a dependency of axum, so errors are recognized by their text.
            Some(Err(error)) if error.to_string().starts_with("Space limit exceeded") => {
                return Err(Close::TooLong.into());
            }
            Some(Err(error)) if error.to_string().starts_with("UTF-8 encoding error") => {
                return Err(Close::Invalid.into());
            }
            Some(Err(_)) => return Err(SessionEnd::ConnectionLost),
        }
    }
}

/// The next action of a session.
enum Action {
    Close(Close),
    Handle(Result<Incoming, SessionEnd>),
    Send(Outgoing, Box<Operation>),
    /// Nothing else is ready, so buffered messages are written.
    Flush,
}

/// A running operation.
struct Operation {
    id: Arc<str>,
    messages: BoxStream<'static, Outgoing>,
    waker: SourceWaker,
    /// A message that is not sent yet. The operation is not polled for another one meanwhile.
    ready: Option<Outgoing>,
}

impl Operation {
    /// Advances to the next message. Ready with an empty `ready` means that the operation has ended.
    fn poll(&mut self) -> Poll<()> {
        if self.ready.is_none() {
            let Self { messages, waker, ready, .. } = self;
            *ready = ready!(waker.poll_if_woken(|context| messages.poll_next_unpin(context)));
        }
        Poll::Ready(())
    }
}

struct Session<'a> {
    ws: &'a mut WebSocket,
    waker: TaskWaker,
    incoming_waker: SourceWaker,
    state: Arc<GraphqlState>,
    identity: Identity,
    /// Resolves when the server must close the socket.
    close: BoxFuture<'static, Close>,
    close_waker: SourceWaker,
    /// In the order in which they are polled: the operation that has just sent a message moves to the end.
    operations: VecDeque<Box<Operation>>,
    /// Whether incoming messages are polled before operations. The two alternate.
    reads_first: bool,
    /// Whether the write buffer may hold messages.
    has_buffered: bool,
    /// The reservations of the buffered messages.
    unsent: Vec<Reservation>,
}

impl<'a> Session<'a> {
    fn new(ws: &'a mut WebSocket, state: Arc<GraphqlState>, identity: Identity) -> Self {
        let close = wait_for_close(Arc::clone(&state.services), identity, state.drain.clone());
        let waker = TaskWaker::default();
        Self {
            ws,
            incoming_waker: waker.source(),
            state,
            identity,
            close,
            close_waker: waker.source(),
            waker,
            operations: VecDeque::new(),
            reads_first: true,
            has_buffered: false,
            unsent: Vec::new(),
        }
    }

    async fn run(&mut self) -> SessionEnd {
        let mut result = self.send(protocol::ack()).await;
        loop {
            result = match result {
                Ok(()) => self.step().await,
                Err(end) => return end,
            };
        }
    }

    /// Handles one incoming message, sends one outgoing message, or flushes the write buffer.
    async fn step(&mut self) -> Result<(), SessionEnd> {
        match poll_fn(|task| self.poll(task)).await {
            Action::Close(close) => Err(close.into()),
            Action::Handle(incoming) => Box::pin(self.handle(incoming?)).await,
            Action::Send(message, operation) => self.send_outgoing(message, operation).await,
            Action::Flush => {
                self.write(None).await?;
                // Releases the reservations, and the vector's memory because most sockets are idle.
                self.unsent = Vec::new();
                Ok(())
            }
        }
    }

    fn poll(&mut self, task: &Context<'_>) -> Poll<Action> {
        self.waker.register(task);
        if let Poll::Ready(close) = self.close_waker.poll_if_woken(|context| self.close.poll_unpin(context)) {
            return Poll::Ready(Action::Close(close));
        }
        let action = if self.reads_first {
            self.poll_incoming().or_else(|| self.poll_operations())
        } else {
            self.poll_operations().or_else(|| self.poll_incoming())
        };
        match action {
            Some(action) => Poll::Ready(action),
            None if self.has_buffered => Poll::Ready(Action::Flush),
            None => Poll::Pending,
        }
    }

    fn poll_incoming(&mut self) -> Option<Action> {
        let Self { ws, incoming_waker, .. } = self;
        match incoming_waker.poll_if_woken(|context| pin!(receive(ws)).poll(context)) {
            Poll::Ready(incoming) => {
                self.reads_first = false;
                Some(Action::Handle(incoming))
            }
            Poll::Pending => None,
        }
    }

    fn poll_operations(&mut self) -> Option<Action> {
        loop {
            let index = self.operations.iter_mut().position(|operation| operation.poll().is_ready())?;
            let mut operation = self.operations.remove(index)?;
            // An operation that has ended is ready without a message.
            if let Some(message) = operation.ready.take() {
                self.reads_first = true;
                return Some(Action::Send(message, operation));
            }
        }
    }

    async fn handle(&mut self, incoming: Incoming) -> Result<(), SessionEnd> {
        match incoming {
            Incoming::Init(_) => Err(Close::TooManyInits.into()),
            Incoming::Ping(payload) => self.send(protocol::pong(payload)).await,
            Incoming::Pong => Ok(()),
            Incoming::WebSocketPing => {
                // The pong is flushed before more is read, so that a client that pings and never reads is closed.
                self.has_buffered = true;
                Ok(())
            }
            Incoming::Complete(id) => {
                // It is not an error if the operation has already ended or never existed.
                self.operations.retain(|operation| operation.id != id);
                Ok(())
            }
            Incoming::Subscribe(id, parameters) => self.subscribe(id, *parameters).await,
        }
    }

    async fn subscribe(&mut self, id: Arc<str>, parameters: RequestParameters) -> Result<(), SessionEnd> {
        if self.operations.iter().any(|operation| operation.id == id) {
            return Err(Close::Duplicate(id).into());
        }
        if self.operations.len() >= MAX_OPERATIONS {
            let message =
                format!("A socket can run at most {MAX_OPERATIONS} operations at a time. Complete one first.");
            let rejected = RejectedRequest::from(Failure::new(Code::RateLimited, message));
            return self.send(protocol::error(&id, &protocol::json(&rejected.errors()))).await;
        }
        if let Err(limited) = self.state.executor.admission.count_request(self.identity.agency, self.identity.user) {
            let rejected = RejectedRequest::from(Failure::limited(&limited));
            return self.send(protocol::error(&id, &protocol::json(&rejected.errors()))).await;
        }
        let services = Arc::clone(&self.state.services);
        let request_id = make_request_id(&services);
        let requester = Requester::new(services, self.identity, request_id);
        let messages = operation::run(&self.state, requester, Arc::clone(&id), parameters);
        let waker = self.waker.source();
        // Boxed, so that an idle socket reserves no room for operations that are being sent.
        self.operations.push_back(Box::new(Operation { id, messages, waker, ready: None }));
        Ok(())
    }

    async fn send_outgoing(&mut self, message: Outgoing, operation: Box<Operation>) -> Result<(), SessionEnd> {
        if message.deactivated {
            return Err(Close::Forbidden(TokenProblem::Inactive).into());
        }
        self.unsent.extend(message.reservation);
        self.send(message.frame).await?;
        if !message.last {
            self.operations.push_back(operation);
        }
        Ok(())
    }

    async fn send(&mut self, frame: Utf8Bytes) -> Result<(), SessionEnd> {
        self.write(Some(Message::Text(frame))).await
    }

    /// Buffers a message, or flushes the buffer if there is none. The buffer is also written when it is full.
    ///
    /// A socket that does not accept the data within [`SEND_TIMEOUT`] is closed. While the write blocks, each operation
    /// advances to its next message, because an operation that is not polled may hold a computation that subscribers on
    /// other sockets are waiting for.
    async fn write(&mut self, message: Option<Message>) -> Result<(), SessionEnd> {
        let Self { ws, state, waker, close, close_waker, operations, has_buffered, .. } = self;
        *has_buffered = message.is_some();
        let mut written = match message {
            Some(message) => Either::Left(SinkExt::feed(&mut **ws, message)),
            None => Either::Right(SinkExt::<Message>::flush(&mut **ws)),
        };
        // Nearly every write completes at once and needs no timer.
        if let Poll::Ready(written) = poll!(&mut written) {
            return written.map_err(|_| SessionEnd::ConnectionLost);
        }
        let waiting = async move {
            let mut timeout = state.services.clock.sleep(SEND_TIMEOUT);
            poll_fn(|task| {
                if let Poll::Ready(written) = written.poll_unpin(task) {
                    return Poll::Ready(written.map_err(|_| SessionEnd::ConnectionLost));
                }
                waker.register(task);
                if let Poll::Ready(reason) = close_waker.poll_if_woken(|context| close.poll_unpin(context)) {
                    return Poll::Ready(Err(reason.into()));
                }
                for operation in operations.iter_mut() {
                    // The operation keeps its message until it is sent.
                    let _ = operation.poll();
                }
                timeout.poll_unpin(task).map(|()| Err(Close::Terminated.into()))
            })
            .await
        };
        Box::pin(waiting).await
    }
}
