//! One socket's conversation, from the introduction to the farewell.

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

use super::ending::{drained, ending};
use super::operation::{self, Step};
use super::protocol::{self, Close, Incoming};
use super::readiness::Readiness;
use crate::admission::{Reservation, SocketPermit};
use crate::graphql::GraphqlState;
use crate::graphql::context::{Caller, make_request_id};
use crate::graphql::errors::{Code, Failure};
use crate::graphql::limits::{CLOSE_WITHIN, INIT_WITHIN, MAX_OPERATIONS, SEND_WITHIN};
use crate::graphql::operation::{Asked, Refused};
use crate::ports::Clock;
use crate::rest::caller::bearer;
use crate::service::authenticate::{AuthError, Identity};

/// How a conversation ends.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// We close it.
    Close(Close),
    /// The other side said farewell.
    Left,
    /// The other side is gone.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

/// Serves a socket to its end.
///
/// Sockets are many and idle: what is rare (beginning, ending, taking a message in) is boxed, so that
/// what waits is small; and the socket itself, which would stand in it twice, as argument and as variable.
pub(super) async fn serve(mut ws: Box<WebSocket>, state: Arc<GraphqlState>, client: IpAddr) {
    let clock = Arc::clone(&state.services.clock);
    let end = match Box::pin(introduce(&mut ws, &state, client)).await {
        Ok((identity, _permit)) => Conversation::new(&mut ws, state, identity).run().await,
        Err(end) => end,
    };
    match end {
        End::Close(close) => Box::pin(farewell(ws, Some(close), &*clock)).await,
        End::Left => Box::pin(farewell(ws, None, &*clock)).await,
        End::Gone => {}
    }
}

/// Closes the socket, or lets the answer to the other side's farewell out, and waits a little for the
/// other side to close: a connection that is cut with something unread in it may take the farewell
/// with it.
async fn farewell(mut ws: Box<WebSocket>, close: Option<Close>, clock: &dyn Clock) {
    let closed = async {
        if let Some(close) = &close
            && ws.send(Message::Close(Some(close.frame()))).await.is_err()
        {
            return;
        }
        loop {
            match ws.recv().await {
                Some(Ok(_)) => {}
                // What is too long is never read, so there is no end to wait for.
                Some(Err(_)) if close == Some(Close::TooLong) => std::future::pending::<()>().await,
                Some(Err(_)) | None => return,
            }
        }
    };
    tokio::select! {
        () = closed => {}
        () = clock.sleep(CLOSE_WITHIN) => {}
    }
}

/// Lets the other side introduce itself, in time.
async fn introduce(ws: &mut WebSocket, state: &GraphqlState, client: IpAddr) -> Result<(Identity, SocketPermit), End> {
    if ws.protocol().is_none() {
        return Err(Close::Subprotocol.into());
    }
    let mut drain = state.drain.clone();
    tokio::select! {
        introduced = introduction(ws, state, client) => introduced,
        () = state.services.clock.sleep(INIT_WITHIN) => Err(Close::InitTimeout.into()),
        () = drained(&mut drain) => Err(Close::Restart.into()),
    }
}

/// Waits for the introduction and finds out who it is.
async fn introduction(
    ws: &mut WebSocket,
    state: &GraphqlState,
    client: IpAddr,
) -> Result<(Identity, SocketPermit), End> {
    loop {
        let authorization = match receive(ws).await? {
            Incoming::Init(authorization) => authorization,
            Incoming::Ping(payload) => {
                ws.send(Message::Text(protocol::pong(payload))).await.map_err(|_| End::Gone)?;
                continue;
            }
            Incoming::Heartbeat => {
                ws.flush().await.map_err(|_| End::Gone)?;
                continue;
            }
            Incoming::Pong | Incoming::Complete(_) => continue,
            Incoming::Subscribe(..) => return Err(Close::Unauthorized.into()),
        };
        let authenticated = match authorization.as_deref().and_then(bearer) {
            Some(token) => state.authenticator.authenticate(&state.services, token).await,
            None => Err(AuthError::Invalid),
        };
        return match authenticated {
            Ok(identity) => {
                let admitted = state.admission.request(identity.agency, identity.user);
                let permit = admitted.and_then(|()| state.admission.socket(identity.user));
                Ok((identity, permit.map_err(|_| Close::TryAgain)?))
            }
            Err(AuthError::Invalid) => match state.admission.failed_authentication(client) {
                Ok(()) => Err(Close::Forbidden.into()),
                Err(_) => Err(Close::TryAgain.into()),
            },
            Err(AuthError::Fault(fault)) => {
                let request_id = make_request_id(&state.services);
                tracing::error!(%request_id, error = %fault, "a token could not be checked");
                Err(Close::TryAgain.into())
            }
        };
    }
}

/// The next message of the protocol. Safe to give up: nothing is lost.
async fn receive(ws: &mut WebSocket) -> Result<Incoming, End> {
    loop {
        match ws.recv().await {
            Some(Ok(Message::Text(text))) => return Incoming::read(text.as_str()).ok_or(Close::Invalid.into()),
            Some(Ok(Message::Binary(_))) => return Err(Close::Invalid.into()),
            Some(Ok(Message::Ping(_))) => return Ok(Incoming::Heartbeat),
            Some(Ok(Message::Pong(_))) => {}
            Some(Ok(Message::Close(_))) => return Err(End::Left),
            None => return Err(End::Gone),
            // The library's error type is not ours to name; this is how it says "over the limit".
            Some(Err(error)) if error.to_string().starts_with("Space limit exceeded") => {
                return Err(Close::TooLong.into());
            }
            Some(Err(error)) if error.to_string().starts_with("UTF-8 encoding error") => {
                return Err(Close::Invalid.into());
            }
            Some(Err(_)) => return Err(End::Gone),
        }
    }
}

/// What a socket has to do next.
enum Next {
    Close(Close),
    Take(Result<Incoming, End>),
    Give(Step, Box<Operation>),
    /// Nothing: what was gathered goes out.
    Flush,
}

/// An operation that is under way.
struct Operation {
    id: Arc<str>,
    steps: BoxStream<'static, Step>,
    readiness: Readiness,
    /// A step that waits to go out: no other is asked for meanwhile.
    ready: Option<Step>,
}

impl Operation {
    /// Goes on to its next step, if that is there.
    fn poll(&mut self, task: &Context<'_>) -> Poll<()> {
        if self.ready.is_none() {
            let Self { steps, readiness, ready, .. } = self;
            *ready = ready!(readiness.ask(task, |context| steps.poll_next_unpin(context)));
        }
        Poll::Ready(())
    }
}

struct Conversation<'a> {
    ws: &'a mut WebSocket,
    heard: Readiness,
    state: Arc<GraphqlState>,
    identity: Identity,
    ending: BoxFuture<'static, Close>,
    ended: Readiness,
    /// In the order of their turns.
    operations: VecDeque<Box<Operation>>,
    /// Whether the other side is listened to before anything is given: they take turns.
    listens_first: bool,
    /// Whether messages may have been gathered that are still to go out.
    gathered: bool,
    /// The reservations of those messages.
    unsent: Vec<Reservation>,
}

impl<'a> Conversation<'a> {
    fn new(ws: &'a mut WebSocket, state: Arc<GraphqlState>, identity: Identity) -> Self {
        let ending = ending(Arc::clone(&state.services), identity, state.drain.clone());
        let (heard, ended) = (Readiness::new(), Readiness::new());
        let (operations, listens_first, gathered) = (VecDeque::new(), true, false);
        Self { ws, heard, state, identity, ending, ended, operations, listens_first, gathered, unsent: Vec::new() }
    }

    async fn run(&mut self) -> End {
        let mut turn = self.send(protocol::ack()).await;
        loop {
            turn = match turn {
                Ok(()) => self.turn().await,
                Err(end) => return end,
            };
        }
    }

    /// Takes one message in, gives one, or lets out what was given.
    async fn turn(&mut self) -> Result<(), End> {
        match poll_fn(|task| self.poll(task)).await {
            Next::Close(close) => Err(close.into()),
            Next::Take(incoming) => Box::pin(self.take(incoming?)).await,
            Next::Give(step, operation) => self.give(step, operation).await,
            Next::Flush => {
                self.write(None).await?;
                // The room is needed by other sockets of the user, and most sockets are idle.
                self.unsent = Vec::new();
                Ok(())
            }
        }
    }

    fn poll(&mut self, task: &Context<'_>) -> Poll<Next> {
        if let Poll::Ready(close) = self.ended.ask(task, |context| self.ending.poll_unpin(context)) {
            return Poll::Ready(Next::Close(close));
        }
        let next = if self.listens_first {
            self.poll_incoming(task).or_else(|| self.poll_operations(task))
        } else {
            self.poll_operations(task).or_else(|| self.poll_incoming(task))
        };
        match next {
            Some(next) => Poll::Ready(next),
            None if self.gathered => Poll::Ready(Next::Flush),
            None => Poll::Pending,
        }
    }

    fn poll_incoming(&mut self, task: &Context<'_>) -> Option<Next> {
        let Self { ws, heard, .. } = self;
        match heard.ask(task, |context| pin!(receive(ws)).poll(context)) {
            Poll::Ready(incoming) => {
                self.listens_first = false;
                Some(Next::Take(incoming))
            }
            Poll::Pending => None,
        }
    }

    fn poll_operations(&mut self, task: &Context<'_>) -> Option<Next> {
        loop {
            let place = self.operations.iter_mut().position(|operation| operation.poll(task).is_ready())?;
            let mut operation = self.operations.remove(place)?;
            // One that is over gives nothing.
            if let Some(step) = operation.ready.take() {
                self.listens_first = true;
                return Some(Next::Give(step, operation));
            }
        }
    }

    async fn take(&mut self, incoming: Incoming) -> Result<(), End> {
        match incoming {
            Incoming::Init(_) => Err(Close::TooManyInits.into()),
            Incoming::Ping(payload) => self.send(protocol::pong(payload)).await,
            Incoming::Pong => Ok(()),
            Incoming::Heartbeat => {
                // The answer has to go out before more are made: the other side may only ask, and never read.
                self.gathered = true;
                Ok(())
            }
            Incoming::Complete(id) => {
                // Of an operation that is not, or no longer, under way: that is no error.
                self.operations.retain(|operation| operation.id != id);
                Ok(())
            }
            Incoming::Subscribe(id, asked) => self.subscribe(id, *asked).await,
        }
    }

    async fn subscribe(&mut self, id: Arc<str>, asked: Asked) -> Result<(), End> {
        if self.operations.iter().any(|operation| operation.id == id) {
            return Err(Close::Duplicate(id).into());
        }
        if self.operations.len() >= MAX_OPERATIONS {
            let message = format!("At most {MAX_OPERATIONS} operations at a time on one socket.");
            let refused = Refused::from(Failure::new(Code::RateLimited, message));
            return self.send(protocol::error(&id, &protocol::json(&refused.errors()))).await;
        }
        if let Err(limited) = self.state.admission.request(self.identity.agency, self.identity.user) {
            let refused = Refused::from(Failure::limited(&limited));
            return self.send(protocol::error(&id, &protocol::json(&refused.errors()))).await;
        }
        let services = Arc::clone(&self.state.services);
        let request_id = make_request_id(&services);
        let caller = Caller::new(services, self.identity, request_id);
        let steps = operation::run(&self.state, caller, Arc::clone(&id), asked);
        // Boxed, so that an idle socket holds no room for one that is on its way out.
        self.operations.push_back(Box::new(Operation { id, steps, readiness: Readiness::new(), ready: None }));
        Ok(())
    }

    async fn give(&mut self, step: Step, operation: Box<Operation>) -> Result<(), End> {
        if step.deactivated {
            return Err(Close::Forbidden.into());
        }
        self.unsent.extend(step.reservation);
        self.send(step.frame).await?;
        if !step.last {
            self.operations.push_back(operation);
        }
        Ok(())
    }

    async fn send(&mut self, frame: Utf8Bytes) -> Result<(), End> {
        self.write(Some(Message::Text(frame))).await
    }

    /// Writes a message: messages gather until there is nothing else to do, or are many. Without one,
    /// lets out what was gathered. A socket that does not take it in time is closed, if it takes that.
    /// The operations go on meanwhile, each to its next step: one that stands still may hold what other
    /// sockets wait for.
    async fn write(&mut self, message: Option<Message>) -> Result<(), End> {
        let Self { ws, state, ending, ended, operations, gathered, .. } = self;
        *gathered = message.is_some();
        let mut written = match message {
            Some(message) => Either::Left(SinkExt::feed(&mut **ws, message)),
            None => Either::Right(SinkExt::<Message>::flush(&mut **ws)),
        };
        // What is written at once, which is nearly everything, sets no timer.
        if let Poll::Ready(written) = poll!(&mut written) {
            return written.map_err(|_| End::Gone);
        }
        let waiting = async move {
            let mut patience = state.services.clock.sleep(SEND_WITHIN);
            poll_fn(|task| {
                if let Poll::Ready(written) = written.poll_unpin(task) {
                    return Poll::Ready(written.map_err(|_| End::Gone));
                }
                if let Poll::Ready(close) = ended.ask(task, |context| ending.poll_unpin(context)) {
                    return Poll::Ready(Err(close.into()));
                }
                for operation in operations.iter_mut() {
                    // What it gives is kept with it.
                    let _ = operation.poll(task);
                }
                patience.poll_unpin(task).map(|()| Err(Close::Terminated.into()))
            })
            .await
        };
        Box::pin(waiting).await
    }
}
