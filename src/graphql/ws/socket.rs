//! One socket's conversation, from the introduction to the farewell.

use std::collections::{HashMap, VecDeque};
use std::pin::pin;
use std::sync::Arc;

use axum::extract::ws::{Message, Utf8Bytes, WebSocket};
use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{AbortHandle, Abortable, BoxStream, FuturesUnordered, StreamFuture};

use super::ending::{drained, ending};
use super::operation::{self, Step};
use super::protocol::{self, Close, Incoming};
use crate::graphql::GraphqlState;
use crate::graphql::context::{Caller, make_request_id};
use crate::graphql::errors::{Code, Failure};
use crate::graphql::limits::{CLOSE_WITHIN, INIT_WITHIN, MAX_OPERATIONS, SEND_WITHIN};
use crate::graphql::operation::{Asked, Refused};
use crate::ports::Clock;
use crate::rest::caller::bearer;
use crate::service::authenticate::{AuthError, Identity};

/// How many messages go out before the other side is listened to, however many there are.
const GIVEN_IN_A_ROW: u32 = 8;

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
pub(super) async fn serve(mut ws: Box<WebSocket>, state: Arc<GraphqlState>) {
    let clock = Arc::clone(&state.services.clock);
    let end = match Box::pin(introduce(&mut ws, &state)).await {
        Ok(identity) => Conversation::new(&mut ws, state, identity).run().await,
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
async fn introduce(ws: &mut WebSocket, state: &GraphqlState) -> Result<Identity, End> {
    if ws.protocol().is_none() {
        return Err(Close::Subprotocol.into());
    }
    let mut drain = state.drain.clone();
    tokio::select! {
        introduced = introduction(ws, state) => introduced,
        () = state.services.clock.sleep(INIT_WITHIN) => Err(Close::InitTimeout.into()),
        () = drained(&mut drain) => Err(Close::Restart.into()),
    }
}

/// Waits for the introduction and finds out who it is.
async fn introduction(ws: &mut WebSocket, state: &GraphqlState) -> Result<Identity, End> {
    loop {
        let authorization = match receive(ws).await? {
            Incoming::Init(authorization) => authorization,
            Incoming::Ping(payload) => {
                ws.send(Message::Text(protocol::pong(payload))).await.map_err(|_| End::Gone)?;
                continue;
            }
            Incoming::Pong | Incoming::Complete(_) => continue,
            Incoming::Subscribe(..) => return Err(Close::Unauthorized.into()),
        };
        let token = authorization.as_deref().and_then(bearer).ok_or(Close::Forbidden)?;
        return match state.authenticator.authenticate(&state.services, token).await {
            Ok(identity) => Ok(identity),
            Err(AuthError::Invalid) => Err(Close::Forbidden.into()),
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
            // Pings of the WebSocket itself are answered by the library.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
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
    Incoming(Incoming),
    Ready(Option<Step>, Operation),
    Nothing,
}

type Operation = Abortable<BoxStream<'static, Step>>;

struct Conversation<'a> {
    ws: &'a mut WebSocket,
    state: Arc<GraphqlState>,
    identity: Identity,
    ending: BoxFuture<'static, Close>,
    /// Those of which the next step is not there yet.
    operations: FuturesUnordered<StreamFuture<Operation>>,
    /// Those whose next step waits to go out, at most one of each.
    ready: VecDeque<(Step, Operation)>,
    handles: HashMap<Arc<str>, AbortHandle>,
    /// How many messages went out since the other side was last listened to.
    given: u32,
}

impl<'a> Conversation<'a> {
    fn new(ws: &'a mut WebSocket, state: Arc<GraphqlState>, identity: Identity) -> Self {
        let ending = ending(Arc::clone(&state.services), identity, state.drain.clone());
        let (operations, ready, handles) = (FuturesUnordered::new(), VecDeque::new(), HashMap::new());
        Self { ws, state, identity, ending, operations, ready, handles, given: 0 }
    }

    async fn run(&mut self) -> End {
        let mut turn = Box::pin(self.send(protocol::ack())).await;
        loop {
            turn = match turn {
                Ok(()) => self.turn().await,
                Err(end) => return end,
            };
        }
    }

    /// Takes one message in, or sends one out.
    async fn turn(&mut self) -> Result<(), End> {
        let next = if self.given < GIVEN_IN_A_ROW
            && let Some((step, operation)) = self.ready.pop_front()
        {
            Next::Ready(Some(step), operation)
        } else if self.given < GIVEN_IN_A_ROW {
            tokio::select! {
                // What wakes a socket is nearly always an event: nothing else is looked at then.
                biased;
                Some((step, operation)) = self.operations.next() => Next::Ready(step, operation),
                close = &mut self.ending => return Err(close.into()),
                incoming = receive(self.ws) => Next::Incoming(incoming?),
            }
        } else {
            tokio::select! {
                biased;
                close = &mut self.ending => return Err(close.into()),
                incoming = receive(self.ws) => Next::Incoming(incoming?),
                () = std::future::ready(()) => Next::Nothing,
            }
        };
        match next {
            Next::Ready(Some(step), operation) => {
                self.given += 1;
                Box::pin(self.give(step, operation)).await
            }
            // It is over, or was given up.
            Next::Ready(None, _) => Ok(()),
            Next::Incoming(incoming) => {
                self.given = 0;
                Box::pin(self.take(incoming)).await
            }
            Next::Nothing => {
                self.given = 0;
                Ok(())
            }
        }
    }

    async fn take(&mut self, incoming: Incoming) -> Result<(), End> {
        match incoming {
            Incoming::Init(_) => Err(Close::TooManyInits.into()),
            Incoming::Ping(payload) => self.send(protocol::pong(payload)).await,
            Incoming::Pong => Ok(()),
            Incoming::Complete(id) => {
                // Of an operation that is not, or no longer, under way: that is no error.
                if let Some(handle) = self.handles.remove(&id) {
                    handle.abort();
                    self.ready.retain(|(step, _)| step.id != id);
                }
                Ok(())
            }
            Incoming::Subscribe(id, asked) => self.subscribe(id, *asked).await,
        }
    }

    async fn subscribe(&mut self, id: Arc<str>, asked: Asked) -> Result<(), End> {
        if self.handles.contains_key(&id) {
            return Err(Close::Duplicate(id).into());
        }
        if self.handles.len() >= MAX_OPERATIONS {
            let message = format!("At most {MAX_OPERATIONS} operations at a time on one socket.");
            let refused = Refused::from(Failure::new(Code::RateLimited, message));
            return self.send(protocol::error(&id, &protocol::json(&refused.errors()))).await;
        }
        let services = Arc::clone(&self.state.services);
        let request_id = make_request_id(&services);
        let caller = Caller::new(services, self.identity, request_id);
        let steps = operation::run(&self.state, caller, Arc::clone(&id), asked);
        let (handle, registration) = AbortHandle::new_pair();
        self.operations.push(Abortable::new(steps, registration).into_future());
        self.handles.insert(id, handle);
        Ok(())
    }

    async fn give(&mut self, step: Step, operation: Operation) -> Result<(), End> {
        if step.deactivated {
            return Err(Close::Forbidden.into());
        }
        if step.last {
            self.handles.remove(&step.id);
            return self.send(step.frame).await;
        }
        self.send(step.frame).await?;
        self.operations.push(operation.into_future());
        Ok(())
    }

    /// Sends one message; a socket that does not take it in time is closed, if it takes that. The other
    /// operations go on meanwhile, each to its next step: one that stands still may hold what other
    /// sockets wait for.
    async fn send(&mut self, frame: Utf8Bytes) -> Result<(), End> {
        let Self { ws, state, ending, operations, ready, .. } = self;
        let mut sent = pin!(ws.send(Message::Text(frame)));
        let mut patience = state.services.clock.sleep(SEND_WITHIN);
        loop {
            tokio::select! {
                // What goes out at once, which is nearly everything, sets no timer.
                biased;
                sent = &mut sent => return sent.map_err(|_| End::Gone),
                close = &mut *ending => return Err(close.into()),
                () = &mut patience => return Err(Close::Terminated.into()),
                Some((step, operation)) = operations.next() => ready.extend(step.map(|step| (step, operation))),
            }
        }
    }
}
