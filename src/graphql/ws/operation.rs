//! Runs one operation and returns its protocol messages as a stream.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use axum::extract::ws::Utf8Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};

use super::protocol;
use crate::admission::Reservation;
use crate::graphql::GraphqlState;
use crate::graphql::context::Requester;
use crate::graphql::errors::Failure;
use crate::graphql::live::{Delivery, Subscriber};
use crate::graphql::operation::{OperationResponse, RejectedRequest, RequestParameters, prepare};
use crate::metrics::Component;

/// One message of an operation.
pub(super) struct Outgoing {
    pub(super) frame: Utf8Bytes,
    /// Whether this is the operation's last message.
    pub(super) last: bool,
    /// Whether the response says that the user is no longer active.
    pub(super) deactivated: bool,
    /// Counts the message as unsent until it is written; `None` for short protocol messages.
    pub(super) reservation: Option<Reservation>,
}

/// Runs an operation. The stream ends with `complete` or `error`.
pub(super) fn run(
    state: &GraphqlState,
    requester: Requester,
    id: Arc<str>,
    parameters: RequestParameters,
) -> BoxStream<'static, Outgoing> {
    let (executor, live) = (state.executor.clone(), Arc::clone(&state.live));
    let (metrics, request_id, failed_id) = (executor.metrics.clone(), requester.request_id.clone(), Arc::clone(&id));
    let prepared = prepare(state, parameters);
    let begin = async move {
        let messages = match prepared {
            Ok(prepared) if prepared.kind == OperationType::Subscription => {
                match Subscriber::begin(live, requester, prepared).await {
                    Ok(Some(subscriber)) => return subscription_messages(id, Box::new(subscriber)).boxed(),
                    Ok(None) => vec![complete(&id)],
                    Err(rejected) => vec![error(&id, &rejected)],
                }
            }
            Ok(prepared) => match executor.execute(&requester, prepared).await {
                Ok((response, reservation)) => result_messages(&id, &response, reservation),
                Err(failure) => vec![error(&id, &failure.into())],
            },
            Err(failure) => {
                executor.metrics.rejected_operation(failure.code().as_str());
                vec![error(&id, &failure.into())]
            }
        };
        stream::iter(messages).boxed()
    };
    // Boxed separately, so that the state of the beginning is freed once the operation has begun.
    let messages = AssertUnwindSafe(stream::once(begin.boxed()).flatten()).catch_unwind();
    // A panic ends this operation only; the other operations of the socket go on.
    let contained = move |message: std::thread::Result<Outgoing>| {
        message.unwrap_or_else(|_| {
            tracing::error!(%request_id, "an operation panicked");
            metrics.panicked(Component::GraphQl);
            error(&failed_id, &Failure::internal(&request_id).into())
        })
    };
    messages.map(contained).boxed()
}

/// The messages of a query or a mutation.
fn result_messages(id: &str, response: &OperationResponse, mut reservation: Reservation) -> Vec<Outgoing> {
    match response {
        OperationResponse::Rejected(rejected) => vec![error(id, rejected)],
        OperationResponse::Executed(executed) => {
            let frame = protocol::next(id, &protocol::json(executed));
            let deactivated = response.is_unauthenticated();
            reservation.shrink(frame.len());
            vec![Outgoing { frame, last: false, deactivated, reservation: Some(reservation) }, complete(id)]
        }
    }
}

/// The messages of a subscription. The subscriber is boxed because the stream would reserve room for two of them; see
/// "Boxed futures" in `graphql`.
fn subscription_messages(id: Arc<str>, subscriber: Box<Subscriber>) -> impl futures_util::Stream<Item = Outgoing> {
    stream::unfold(Some((id, subscriber)), |state| async {
        let (id, mut subscriber) = state?;
        let message = match subscriber.next().await {
            Delivery::Payload(payload, mut reservation) => {
                let frame = protocol::next(&id, &payload);
                reservation.shrink(frame.len());
                Outgoing { frame, last: false, deactivated: false, reservation: Some(reservation) }
            }
            Delivery::Failure(payload) => {
                let frame = protocol::error(&id, &payload);
                Outgoing { frame, last: true, deactivated: false, reservation: None }
            }
            Delivery::End(rejected) => error(&id, &rejected),
        };
        let rest = (!message.last).then_some((id, subscriber));
        Some((message, rest))
    })
}

fn complete(id: &str) -> Outgoing {
    Outgoing { frame: protocol::complete(id), last: true, deactivated: false, reservation: None }
}

fn error(id: &str, rejected: &RejectedRequest) -> Outgoing {
    let frame = protocol::error(id, &protocol::json(&rejected.errors()));
    Outgoing { frame, last: true, deactivated: rejected.is_unauthenticated(), reservation: None }
}
