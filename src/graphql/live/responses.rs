//! The responses to an operation for one event, executed once and delivered to every subscriber that may share them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::ws::Utf8Bytes;
use futures_util::{FutureExt as _, StreamExt as _};
use sea_orm::DbErr;

use super::event_context::EventContext;
use super::operation::{Operation, Operations};
use super::root_field::{EventView, ExecutionPhase, Visibility};
use super::single_flight::SingleFlight;
use crate::admission::ExecutionPermit;
use crate::domain::access::CallVisibility;
use crate::domain::{AgencyId, Role, UserId};
use crate::events::StreamedEvent;
use crate::graphql::Executor;
use crate::graphql::context::Requester;
use crate::graphql::errors::{Code, Failure, add_codes, code_of};
use crate::graphql::loaders::Loaders;
use crate::graphql::operation::RejectedRequest;
use crate::service::authenticate::TokenProblem;
use crate::service::{Services, Viewer, ViewerUse};

/// The response to an operation for one event.
#[derive(Debug, Clone)]
pub(super) enum EventResponse {
    /// The operation's arguments exclude the event; no message is sent.
    Empty,
    /// The serialized payload of a `next` message.
    Payload(Utf8Bytes),
    /// The serialized payload of an `error` message, which ends the subscription.
    Failure(Utf8Bytes),
}

#[derive(Debug, Clone)]
struct SharedResponse {
    response: EventResponse,
    /// Whether the response depends on the viewer beyond their agency and role.
    is_personal: bool,
}

/// Identifies an event, and for a replayed event also the head of the log at which its subscription began.
///
/// A replayed event is delivered with the current state of its rows, so only subscriptions that began to replay at the
/// same head share it. A live event is delivered with the state at its time; later changes are events of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct EventKey {
    agency: AgencyId,
    position: i64,
    replayed_from: Option<i64>,
}

/// Everything that a response depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ResponseKey {
    operation: u64,
    event: EventKey,
    visibility: Visibility,
    role: Role,
    /// `None` for a response that is shared by all users of the role.
    user: Option<UserId>,
}

/// One event on its way to one subscriber. It only borrows, because thousands are built per event.
#[derive(Clone, Copy)]
pub(super) struct DeliveryContext<'a> {
    pub(super) requester: &'a Requester,
    pub(super) viewer: &'a Viewer,
    pub(super) event_context: &'a Arc<EventContext>,
    pub(super) visibility: Visibility,
    pub(super) event: &'a StreamedEvent,
}

/// The state that all subscriptions share.
#[derive(Clone)]
pub struct Live {
    pub(super) executor: Executor,
    pub(super) operations: Arc<Operations>,
    event_contexts: Arc<SingleFlight<EventKey, Arc<EventContext>>>,
    responses: Arc<SingleFlight<ResponseKey, SharedResponse>>,
}

impl Live {
    pub fn new(executor: Executor) -> Self {
        Self { executor, operations: Arc::default(), event_contexts: Arc::default(), responses: Arc::default() }
    }

    /// Returns the rows that an event refers to.
    pub(super) async fn event_context(
        &self,
        services: &Arc<Services>,
        event: &StreamedEvent,
    ) -> Result<Arc<EventContext>, DbErr> {
        let now = services.clock.monotonic();
        let read = || EventContext::read(services, &event.event).boxed();
        self.event_contexts.get(now, event_key(event), read).await
    }

    /// Returns the response to an operation for an event.
    ///
    /// # Errors
    /// UNAUTHENTICATED if the viewer is no longer an active user.
    pub(super) async fn respond(
        &self,
        operation: &Operation,
        delivery: DeliveryContext<'_>,
    ) -> Result<EventResponse, Failure> {
        let user = delivery.requester.user();
        let shared = ResponseKey {
            operation: operation.id,
            event: event_key(delivery.event),
            visibility: delivery.visibility,
            role: delivery.viewer.role(),
            user: None,
        };
        let mut permit = None;
        // A user's own part of a call is visible to nobody else; responses to the other users can still be shared.
        let is_own_part = delivery.visibility == Visibility::Call(CallVisibility::OwnPart);
        if !is_own_part && !operation.personal.load(Ordering::Relaxed) {
            let shared = self.get_or_execute(operation, delivery, shared, &mut permit).await?;
            if !shared.is_personal {
                return Ok(shared.response);
            }
            operation.personal.store(true, Ordering::Relaxed);
        }
        let own = ResponseKey { user: Some(user), ..shared };
        Ok(self.get_or_execute(operation, delivery, own, &mut permit).await?.response)
    }

    /// Returns the cached response or executes it. A subscriber acquires a permit of its own user before it executes,
    /// so that no subscriber waits for the permit of another user.
    async fn get_or_execute(
        &self,
        operation: &Operation,
        delivery: DeliveryContext<'_>,
        key: ResponseKey,
        permit: &mut Option<ExecutionPermit>,
    ) -> Result<SharedResponse, Failure> {
        let clock = &delivery.requester.services.clock;
        if let Some(response) = self.responses.peek(clock.monotonic(), &key) {
            return Ok(response);
        }
        if permit.is_none() {
            let requester = delivery.requester;
            let acquired = self.executor.admission.acquire_event(requester.agency(), requester.user()).await;
            *permit = Some(acquired.map_err(|limited| Failure::limited(&limited))?);
        }
        self.responses.get(clock.monotonic(), key, || self.execute(operation, delivery).boxed()).await
    }

    async fn execute(&self, operation: &Operation, delivery: DeliveryContext<'_>) -> Result<SharedResponse, Failure> {
        let usage = ViewerUse::default();
        let requester = delivery.requester.recorded_by(&usage);
        let view = EventView {
            requester: requester.clone(),
            viewer: Arc::new(delivery.viewer.recorded_by(&usage)),
            context: Arc::clone(delivery.event_context),
            cursor: delivery.event.cursor,
            replayed: delivery.event.replayed_from.is_some(),
            visibility: delivery.visibility,
        };
        let loaders = Loaders::new(&requester);
        let request = operation.request().data(requester).data(loaders).data(ExecutionPhase::Event(Box::new(view)));
        let Some(mut response) = self.executor.schema.execute_stream(request).next().await else {
            return Ok(SharedResponse { response: EventResponse::Empty, is_personal: usage.is_individual() });
        };
        add_codes(&mut response.errors);
        let unauthenticated = Code::Unauthenticated.as_str();
        if response.errors.iter().any(|error| code_of(error) == Some(unauthenticated)) {
            // This concerns the executing user only. The next waiter executes the response with its own viewer.
            return Err(Failure::unauthenticated(TokenProblem::Inactive));
        }
        let failed = response.data == async_graphql::Value::Null && !response.errors.is_empty();
        let response = if failed {
            EventResponse::Failure(to_json(RejectedRequest::from(response.errors).errors()))
        } else {
            EventResponse::Payload(to_json(&response))
        };
        Ok(SharedResponse { response, is_personal: usage.is_individual() })
    }
}

fn event_key(event: &StreamedEvent) -> EventKey {
    let StreamedEvent { event, replayed_from, .. } = event;
    EventKey { agency: event.agency_id, position: event.position, replayed_from: *replayed_from }
}

fn to_json(value: &(impl serde::Serialize + ?Sized)) -> Utf8Bytes {
    // Serialization cannot fail because all keys are strings.
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned()).into()
}
