//! One operation on a socket, as the messages that it comes to.

use std::sync::Arc;

use async_graphql::parser::types::OperationType;
use async_graphql::{Response, Value};
use axum::extract::ws::Utf8Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use super::protocol;
use crate::graphql::Schema;
use crate::graphql::context::Caller;
use crate::graphql::errors::{Code, code_of, finish};
use crate::graphql::extension::Executed;
use crate::graphql::operation::{Asked, Prepared, Refused, prepare};

/// One message of an operation.
pub(super) struct Step {
    /// Whose.
    pub(super) id: Arc<str>,
    /// The message.
    pub(super) frame: Utf8Bytes,
    /// Whether it is the operation's last.
    pub(super) last: bool,
    /// The user is not one of ours any more.
    pub(super) deactivated: bool,
}

/// Runs an operation: results and then `complete`, or `error`.
pub(super) fn run(schema: Schema, caller: Caller, id: Arc<str>, asked: Asked) -> BoxStream<'static, Step> {
    let begin = async move {
        match prepare(&caller, asked).await {
            Ok(Prepared { request, kind, executed }) => {
                let responses = schema.execute_stream(request);
                Running { id, responses, kind, executed }.steps()
            }
            Err(failure) => {
                let deactivated = failure.code() == Code::Unauthenticated;
                let frame = protocol::error(&id, &Refused::from(failure));
                stream::iter([Step { id, frame, last: true, deactivated }]).boxed()
            }
        }
    };
    stream::once(begin).flatten().boxed()
}

struct Running {
    id: Arc<str>,
    responses: BoxStream<'static, Response>,
    kind: OperationType,
    executed: Executed,
}

impl Running {
    fn steps(self) -> BoxStream<'static, Step> {
        let steps = stream::unfold(Some(self), |running| async move {
            let mut running = running?;
            let Some(response) = running.responses.next().await else {
                let frame = protocol::complete(&running.id);
                return Some((Step { id: running.id, frame, last: true, deactivated: false }, None));
            };
            let step = running.step(finish(response));
            let rest = (!step.last).then_some(running);
            Some((step, rest))
        });
        steps.boxed()
    }

    fn step(&self, response: Response) -> Step {
        let code = Code::Unauthenticated.as_str();
        let deactivated = response.errors.iter().any(|error| code_of(error) == Some(code));
        // A result of a subscription that has no data is its end: an expired cursor, a subscriber
        // that fell behind, a failure inside. Of a query it is its result.
        let failed = response.data == Value::Null && !response.errors.is_empty();
        let last = !self.executed.get() || (failed && self.kind == OperationType::Subscription);
        let id = Arc::clone(&self.id);
        let frame = if last {
            protocol::error(&id, &Refused::from(response.errors))
        } else {
            protocol::next(&id, &protocol::json(&response))
        };
        Step { id, frame, last, deactivated }
    }
}
