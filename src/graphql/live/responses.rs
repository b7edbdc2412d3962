//! The responses to an operation for one event, executed once and delivered to every subscriber that may share them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::extract::ws::Utf8Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryFutureExt as _};
use sea_orm::DbErr;

use super::event_context::{EventContext, ThreadAccess};
use super::operation::{Operation, Operations};
use super::root_field::{EventView, ExecutionPhase, State, Visibility};
use super::single_flight::SingleFlight;
use crate::admission::ExecutionPermit;
use crate::domain::access::CallVisibility;
use crate::domain::{AgencyId, PhoneNumberId, Role, UserId};
use crate::events::StreamedEvent;
use crate::events::presence::PresenceChange;
use crate::graphql::Executor;
use crate::graphql::context::Requester;
use crate::graphql::errors::{Code, Failure, add_codes, code_of};
use crate::graphql::loaders::Loaders;
use crate::graphql::operation::RejectedRequest;
use crate::graphql::types::ThreadCounts;
use crate::service::authenticate::TokenProblem;
use crate::service::{Services, Viewer, ViewerUse};
use crate::store::threads::Scope;

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

/// The threads that are counted, and the position of the log at that time.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct CountsKey {
    scope: Scope,
    numbers: Box<[PhoneNumberId]>,
    position: i64,
}

/// Identifies what a response shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum SubjectKey {
    Event(EventKey, Visibility),
    /// A change of presence, by its number.
    Presence(u64),
    ThreadCounts(ThreadCounts),
}

/// Everything that a response depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct ResponseKey {
    operation: u64,
    subject: SubjectKey,
    role: Role,
    /// `None` for a response that is shared by all users of the role.
    user: Option<UserId>,
}

/// One event, or changed state, on its way to one subscriber. It only borrows, because thousands are built per event.
#[derive(Clone, Copy)]
pub(super) struct DeliveryContext<'a> {
    pub(super) requester: &'a Requester,
    pub(super) viewer: &'a Viewer,
    pub(super) subject: Subject<'a>,
}

/// What a response shows.
#[derive(Clone, Copy)]
pub(super) enum Subject<'a> {
    Event { context: &'a Arc<EventContext>, visibility: Visibility, event: &'a StreamedEvent },
    Presence(PresenceChange),
    ThreadCounts(ThreadCounts),
}

impl Subject<'_> {
    fn key(&self) -> SubjectKey {
        match self {
            Self::Event { visibility, event, .. } => SubjectKey::Event(event_key(event), *visibility),
            Self::Presence(change) => SubjectKey::Presence(change.number),
            Self::ThreadCounts(counts) => SubjectKey::ThreadCounts(*counts),
        }
    }

    /// Whether no other user sees the same.
    fn is_personal(&self) -> bool {
        match self {
            // A user's own part of a call is visible to nobody else.
            Self::Event { visibility, .. } => *visibility == Visibility::Call(CallVisibility::OwnPart),
            Self::Presence(_) | Self::ThreadCounts(_) => false,
        }
    }
}

/// The state that all subscriptions share.
pub struct Live {
    pub(super) executor: Executor,
    pub(super) operations: Arc<Operations>,
    event_contexts: SingleFlight<EventKey, Arc<EventContext>>,
    /// The threads in which presence changed, by the number of the change.
    presence_threads: SingleFlight<u64, Arc<ThreadAccess>>,
    thread_counts: SingleFlight<CountsKey, ThreadCounts>,
    responses: SingleFlight<ResponseKey, SharedResponse>,
}

impl Live {
    pub fn new(executor: Executor) -> Self {
        Self {
            executor,
            operations: Arc::default(),
            event_contexts: SingleFlight::default(),
            presence_threads: SingleFlight::default(),
            thread_counts: SingleFlight::default(),
            responses: SingleFlight::default(),
        }
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

    /// Returns the thread in which presence changed.
    pub(super) async fn presence_thread(
        &self,
        services: &Arc<Services>,
        change: &PresenceChange,
    ) -> Result<Arc<ThreadAccess>, DbErr> {
        let (now, presence) = (services.clock.monotonic(), change.presence);
        let read = || ThreadAccess::read(services, presence.agency, Some(presence.thread)).map_ok(Arc::new).boxed();
        self.presence_threads.get(now, change.number, read).await
    }

    /// Counts the viewer's threads on these numbers, once for all windows of the user, and with a permit of the user as
    /// for any other execution.
    pub(super) async fn thread_counts(
        &self,
        requester: &Requester,
        viewer: &Viewer,
        numbers: &[PhoneNumberId],
        position: i64,
    ) -> Result<ThreadCounts, Failure> {
        let services = &requester.services;
        let key = CountsKey { scope: viewer.scope(), numbers: numbers.into(), position };
        if let Some(counts) = self.thread_counts.peek(services.clock.monotonic(), &key) {
            return Ok(counts);
        }
        let permit = self.executor.admission.acquire_event(requester.agency(), requester.user()).await;
        let _permit = permit.map_err(|limited| Failure::limited(&limited))?;
        let count = || ThreadCounts::count(services, viewer, numbers, |_| true).boxed();
        let counts = self.thread_counts.get(services.clock.monotonic(), key, count).await;
        counts.map_err(|error| requester.fault(error))
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
            subject: delivery.subject.key(),
            role: delivery.viewer.role(),
            user: None,
        };
        let mut permit = None;
        if !delivery.subject.is_personal() && !operation.personal.load(Ordering::Relaxed) {
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
        let viewer = Arc::new(delivery.viewer.recorded_by(&usage));
        let phase = match delivery.subject {
            Subject::Event { context, visibility, event } => ExecutionPhase::Event(Box::new(EventView {
                requester: requester.clone(),
                viewer,
                context: Arc::clone(context),
                cursor: event.cursor,
                replayed: event.replayed_from.is_some(),
                visibility,
            })),
            Subject::Presence(change) => ExecutionPhase::State(viewer, State::Presence(change.presence)),
            Subject::ThreadCounts(counts) => ExecutionPhase::State(viewer, State::ThreadCounts(counts)),
        };
        let loaders = Loaders::new(&requester);
        let request = operation.request().data(requester).data(loaders).data(phase);
        self.executor.metrics.subscription_execution();
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
