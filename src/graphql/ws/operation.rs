//! One operation on a socket, as the messages that it comes to.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use axum::extract::ws::Utf8Bytes;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt as _, StreamExt as _};

use super::protocol;
use crate::admission::Reservation;
use crate::graphql::GraphqlState;
use crate::graphql::context::Caller;
use crate::graphql::live::{Delivered, Subscriber};
use crate::graphql::operation::{Answer, Asked, Refused, execute, prepare};

/// One message of an operation.
pub(super) struct Step {
    /// The message.
    pub(super) frame: Utf8Bytes,
    /// Whether it is the operation's last.
    pub(super) last: bool,
    /// The user is not one of ours any more.
    pub(super) deactivated: bool,
    /// Counts the message as unsent until it is written; `None` for short messages of the protocol.
    pub(super) reservation: Option<Reservation>,
}

/// Runs an operation: results and then `complete`, or `error`.
pub(super) fn run(state: &GraphqlState, caller: Caller, id: Arc<str>, asked: Asked) -> BoxStream<'static, Step> {
    let (schema, live, admission) = (state.schema.clone(), state.live.clone(), state.admission.clone());
    let prepared = prepare(state, asked);
    let begin = async move {
        let steps = match prepared {
            Ok(prepared) if prepared.kind == OperationType::Subscription => {
                match Subscriber::begin(live, caller, prepared).await {
                    Ok(Some(subscriber)) => return follow(id, Box::new(subscriber)).boxed(),
                    Ok(None) => vec![complete(&id)],
                    Err(refused) => vec![error(&id, &refused)],
                }
            }
            Ok(prepared) => match execute(&schema, &admission, &caller, prepared).await {
                Ok((answer, reservation)) => result(&id, &answer, reservation),
                Err(failure) => vec![error(&id, &failure.into())],
            },
            Err(failure) => vec![error(&id, &failure.into())],
        };
        stream::iter(steps).boxed()
    };
    // Boxed twice, so that what it took to begin is let go of once it has begun.
    stream::once(begin.boxed()).flatten().boxed()
}

/// A query's or a mutation's one result.
fn result(id: &str, answer: &Answer, mut reservation: Reservation) -> Vec<Step> {
    match answer {
        Answer::Refused(refused) => vec![error(id, refused)],
        Answer::Executed(response) => {
            let frame = protocol::next(id, &protocol::json(response));
            let deactivated = answer.is_unauthenticated();
            reservation.shrink(frame.len());
            vec![Step { frame, last: false, deactivated, reservation: Some(reservation) }, complete(id)]
        }
    }
}

/// A subscription's results, until it ends. Boxed: the stream would hold room for two subscribers.
fn follow(id: Arc<str>, subscriber: Box<Subscriber>) -> impl futures_util::Stream<Item = Step> {
    stream::unfold(Some((id, subscriber)), |state| async {
        let (id, mut subscriber) = state?;
        let step = match subscriber.next().await {
            Delivered::Payload(payload, mut reservation) => {
                let frame = protocol::next(&id, &payload);
                reservation.shrink(frame.len());
                Step { frame, last: false, deactivated: false, reservation: Some(reservation) }
            }
            Delivered::Failure(payload) => {
                let frame = protocol::error(&id, &payload);
                Step { frame, last: true, deactivated: false, reservation: None }
            }
            Delivered::End(refused) => error(&id, &refused),
        };
        let rest = (!step.last).then_some((id, subscriber));
        Some((step, rest))
    })
}

fn complete(id: &str) -> Step {
    Step { frame: protocol::complete(id), last: true, deactivated: false, reservation: None }
}

fn error(id: &str, refused: &Refused) -> Step {
    let frame = protocol::error(id, &protocol::json(&refused.errors()));
    Step { frame, last: true, deactivated: refused.is_unauthenticated(), reservation: None }
}
