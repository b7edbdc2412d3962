//! A session on one socket, from `connection_init` to the close frame.

use std::collections::VecDeque;
use std::future::{Future as _, poll_fn};
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use futures_util::{FutureExt as _, SinkExt, StreamExt as _};

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
use crate::ports::{Clock, owned_sleep};
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
/// The futures of the handshake and of the close are boxed, so that an idle socket stays small; see "Boxed futures" in
/// `graphql`. The socket itself is boxed because the future would hold it twice, as an argument and as a variable.
pub(super) async fn serve(mut ws: Box<WebSocket>, state: Arc<GraphqlState>, client: IpAddr) {
    let clock = Arc::clone(&state.services.clock);
    let end = match Box::pin(handshake(&mut ws, &state, client)).await {
        Ok((identity, _permit)) => {
            let mut session = Session::new(&mut ws, state, identity);
            poll_fn(|task| session.poll(task)).await
        }
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

/// What a session writes next.
enum Write {
    Message(Utf8Bytes),
    /// The messages in the write buffer.
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
    /// Nothing else is read or sent before this is written.
    write: Option<Write>,
    /// Runs while the socket does not accept the write.
    write_timeout: Option<BoxFuture<'static, ()>>,
    /// Whether the write buffer may hold messages.
    has_buffered: bool,
    /// The reservations of the buffered messages.
    unsent: Vec<Reservation>,
}

/// `None` if there was nothing to do.
type Progress = Option<Result<(), SessionEnd>>;

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
            write: Some(Write::Message(protocol::ack())),
            write_timeout: None,
            has_buffered: false,
            unsent: Vec::new(),
        }
    }

    /// Runs the session to its end. Polled by hand, because the futures of a message would more than double the size of
    /// an idle socket.
    fn poll(&mut self, task: &mut Context<'_>) -> Poll<SessionEnd> {
        self.waker.register(task);
        loop {
            if let Poll::Ready(close) = self.close_waker.poll_if_woken(|context| self.close.poll_unpin(context)) {
                return Poll::Ready(close.into());
            }
            if let Err(end) = ready!(self.poll_write(task)) {
                return Poll::Ready(end);
            }
            let progress = if self.reads_first {
                self.poll_incoming().or_else(|| self.poll_operations())
            } else {
                self.poll_operations().or_else(|| self.poll_incoming())
            };
            match progress {
                Some(Ok(())) => {}
                Some(Err(end)) => return Poll::Ready(end),
                None if self.has_buffered => self.write = Some(Write::Flush),
                None => return Poll::Pending,
            }
        }
    }

    /// Buffers a message, or flushes the buffer. The buffer is also written when it is full.
    ///
    /// A socket that does not accept the data within [`SEND_TIMEOUT`] is closed. While the write blocks, each operation
    /// advances to its next message, because an operation that is not polled may hold a computation that subscribers on
    /// other sockets are waiting for.
    fn poll_write(&mut self, task: &mut Context<'_>) -> Poll<Result<(), SessionEnd>> {
        let written = match &self.write {
            None => return Poll::Ready(Ok(())),
            Some(Write::Message(_)) => SinkExt::<Message>::poll_ready_unpin(self.ws, task),
            Some(Write::Flush) => SinkExt::<Message>::poll_flush_unpin(self.ws, task),
        };
        if written.is_pending() {
            let clock = &self.state.services.clock;
            let timeout = self.write_timeout.get_or_insert_with(|| owned_sleep(clock, SEND_TIMEOUT));
            for operation in &mut self.operations {
                // The operation keeps its message until it is sent.
                let _ = operation.poll();
            }
            return timeout.poll_unpin(task).map(|()| Err(Close::Terminated.into()));
        }
        self.write_timeout = None;
        let written = match (written, self.write.take()) {
            (Poll::Ready(Ok(())), Some(Write::Message(frame))) => {
                self.has_buffered = true;
                self.ws.start_send_unpin(Message::Text(frame))
            }
            (Poll::Ready(written), _) => {
                self.has_buffered = false;
                // Releases the reservations, and the vector's memory because most sockets are idle.
                self.unsent = Vec::new();
                written
            }
            (Poll::Pending, _) => return Poll::Pending,
        };
        Poll::Ready(written.map_err(|_| SessionEnd::ConnectionLost))
    }

    fn poll_incoming(&mut self) -> Progress {
        let Self { ws, incoming_waker, .. } = self;
        match incoming_waker.poll_if_woken(|context| pin!(receive(ws)).poll(context)) {
            Poll::Ready(incoming) => {
                self.reads_first = false;
                Some(incoming.and_then(|incoming| self.handle(incoming)))
            }
            Poll::Pending => None,
        }
    }

    fn poll_operations(&mut self) -> Progress {
        loop {
            let index = self.operations.iter_mut().position(|operation| operation.poll().is_ready())?;
            let mut operation = self.operations.remove(index)?;
            // An operation that has ended is ready without a message.
            let Some(message) = operation.ready.take() else { continue };
            self.reads_first = true;
            if message.deactivated {
                return Some(Err(Close::Forbidden(TokenProblem::Inactive).into()));
            }
            self.unsent.extend(message.reservation);
            self.send(message.frame);
            if !message.last {
                self.operations.push_back(operation);
            }
            return Some(Ok(()));
        }
    }

    fn handle(&mut self, incoming: Incoming) -> Result<(), SessionEnd> {
        match incoming {
            Incoming::Init(_) => return Err(Close::TooManyInits.into()),
            Incoming::Ping(payload) => self.send(protocol::pong(payload)),
            Incoming::Pong => {}
            // The pong is flushed once nothing more is to be read, so that a client that pings and never reads is closed.
            Incoming::WebSocketPing => self.has_buffered = true,
            // It is not an error if the operation has already ended or never existed.
            Incoming::Complete(id) => self.operations.retain(|operation| operation.id != id),
            Incoming::Subscribe(id, parameters) => return self.subscribe(id, *parameters),
        }
        Ok(())
    }

    fn subscribe(&mut self, id: Arc<str>, parameters: RequestParameters) -> Result<(), SessionEnd> {
        if self.operations.iter().any(|operation| operation.id == id) {
            return Err(Close::Duplicate(id).into());
        }
        if let Err(failure) = self.admit_operation() {
            let rejected = RejectedRequest::from(failure);
            self.send(protocol::error(&id, &protocol::json(&rejected.errors())));
            return Ok(());
        }
        let services = Arc::clone(&self.state.services);
        let request_id = make_request_id(&services);
        let requester = Requester::new(services, self.identity, request_id);
        let messages = operation::run(&self.state, requester, Arc::clone(&id), parameters);
        let waker = self.waker.source();
        // Boxed, so that the list of a socket with a single operation is small.
        self.operations.push_back(Box::new(Operation { id, messages, waker, ready: None }));
        Ok(())
    }

    /// Counts an operation, unless too many are running or the user sends too many requests.
    fn admit_operation(&self) -> Result<(), Failure> {
        if self.operations.len() >= MAX_OPERATIONS {
            let message =
                format!("A socket can run at most {MAX_OPERATIONS} operations at a time. Complete one first.");
            return Err(Failure::new(Code::RateLimited, message));
        }
        let admission = &self.state.executor.admission;
        let admitted = admission.count_request(self.identity.agency, self.identity.user);
        admitted.map_err(|limited| Failure::limited(&limited))
    }

    /// Writes a message before anything else is read or sent.
    fn send(&mut self, frame: Utf8Bytes) {
        self.write = Some(Write::Message(frame));
    }
}
