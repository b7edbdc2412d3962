//! One subscription: its position in the log and the permission check for each event.

use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use futures_util::StreamExt as _;
use sea_orm::DbErr;
use tracing::Instrument as _;
use tracing::field::{Empty, display};

use super::event_context::EventContext;
use super::operation::Operation;
use super::responses::{DeliveryContext, EventResponse, Live};
use super::root_field::{ExecutionPhase, SubscriptionArguments, Topic, Visibility};
use crate::admission::{Reservation, SubscriptionPermit};
use crate::domain::cursor::Cursor;
use crate::entity::event;
use crate::events::{StreamedEvent, SubscribeError, Subscription};
use crate::graphql::context::Requester;
use crate::graphql::errors::{Code, Failure, add_codes};
use crate::graphql::limits::MAX_LAG;
use crate::graphql::operation::{Prepared, RejectedRequest};
use crate::service::Viewer;

/// The next message of a subscription.
pub(in crate::graphql) enum Delivery {
    /// The serialized payload of a `next` message, and its reservation of unsent bytes.
    Payload(Utf8Bytes, Reservation),
    /// The serialized payload of an `error` message, which is the last message.
    Failure(Utf8Bytes),
    /// The subscription ends with these errors.
    End(RejectedRequest),
}

pub(in crate::graphql) struct Subscriber {
    live: Live,
    requester: Requester,
    operation: Arc<Operation>,
    topic: Topic,
    log: Subscription,
    /// Whether the subscriber has reached the head of the log once. Only then does [`MAX_LAG`] apply: a replay may
    /// begin arbitrarily far back.
    caught_up: bool,
    /// The expected size of a payload.
    expected_bytes: usize,
    _permit: SubscriptionPermit,
}

impl Subscriber {
    /// Begins a subscription. Returns `None` if `@skip` or `@include` removes its root field.
    ///
    /// # Errors
    /// The reason why the request is rejected.
    pub(in crate::graphql) async fn begin(
        live: Live,
        requester: Requester,
        prepared: Prepared,
    ) -> Result<Option<Self>, RejectedRequest> {
        let agency = requester.viewer().await?.agency();
        let variables = prepared.variables.clone();
        let permit = live.executor.admission.open_subscription(requester.user(), prepared.bytes());
        let permit = permit.map_err(|limited| Failure::limited(&limited))?;
        let expected_bytes = prepared.expected_bytes();
        let operation = live.operations.register(agency, prepared);
        let arguments = Arc::new(OnceLock::new());
        let phase = ExecutionPhase::Begin(Arc::clone(&arguments));
        let begin = operation.request_with(variables).data(requester.clone()).data(phase);
        if let Some(mut response) = live.executor.schema.execute_stream(begin).next().await {
            add_codes(&mut response.errors);
            return Err(response.errors.into());
        }
        let Some(&SubscriptionArguments { topic, after }) = arguments.get() else { return Ok(None) };
        let feeds = Arc::clone(&requester.services.feeds);
        let log = Subscription::begin(feeds, agency, after.map(|cursor| cursor.0)).await;
        let log = log.map_err(|error| log_failure(&requester, error))?;
        let caught_up = after.is_none();
        Ok(Some(Self { live, requester, operation, topic, log, caught_up, expected_bytes, _permit: permit }))
    }

    /// Waits for the next message.
    pub(in crate::graphql) async fn next(&mut self) -> Delivery {
        loop {
            let event = self.log.next().await;
            let span = event.as_ref().map_or_else(|_| tracing::Span::none(), |event| event_span(&event.event));
            // Boxed: an idle subscriber holds only the wait for the next event; see "Boxed futures" in `graphql`.
            match Box::pin(self.respond(event).instrument(span)).await {
                Ok((EventResponse::Payload(payload), Some(reservation))) => {
                    return Delivery::Payload(payload, reservation);
                }
                Ok((EventResponse::Failure(payload), _)) => return Delivery::Failure(payload),
                Ok(_) => {}
                Err(failure) => return Delivery::End(failure.into()),
            }
        }
    }

    async fn respond(
        &mut self,
        event: Result<StreamedEvent, SubscribeError>,
    ) -> Result<(EventResponse, Option<Reservation>), Failure> {
        let event = event.map_err(|error| log_failure(&self.requester, error))?;
        let lag = self.log.lag();
        if self.caught_up && lag > MAX_LAG {
            let delivered = Cursor { position: event.cursor.position - 1, ..event.cursor };
            return Err(Failure::resume(delivered));
        }
        self.caught_up |= lag == 0;
        if !self.topic.includes(&event.event) {
            return Ok((EventResponse::Empty, None));
        }
        // The reservation may wait for long, so permissions are read after it.
        let reservation = self.live.executor.admission.reserve(self.requester.user(), self.expected_bytes).await;
        let viewer = self.requester.viewer().await?;
        let visible = self.check_visibility(&viewer, &event).await.map_err(|error| self.requester.fault(error))?;
        let Some((event_context, visibility)) = visible else { return Ok((EventResponse::Empty, None)) };
        let (requester, viewer) = (&self.requester, &*viewer);
        let delivery = DeliveryContext { requester, viewer, event_context: &event_context, visibility, event: &event };
        let response = self.live.respond(&self.operation, delivery).await?;
        if event.replayed_from.is_none() {
            let lag = self.requester.services.clock.now() - event.event.created_at;
            self.live.executor.metrics.delivered(lag.to_std().unwrap_or_default());
        }
        Ok((response, Some(reservation)))
    }

    /// Reads the rows that the event refers to and what the viewer may see of them; `None` if the event is not
    /// delivered to this viewer.
    async fn check_visibility(
        &self,
        viewer: &Viewer,
        event: &StreamedEvent,
    ) -> Result<Option<(Arc<EventContext>, Visibility)>, DbErr> {
        let context = self.live.event_context(&self.requester.services, event).await?;
        let user = self.requester.user();
        let visibility = match self.topic {
            Topic::InboundMessages | Topic::Threads | Topic::Viewer
                if context.is_thread_visible(viewer, user).await? =>
            {
                Visibility::Thread
            }
            Topic::Calls => context.call_visibility(viewer, user).await?.map_or(Visibility::Nothing, Visibility::Call),
            _ => Visibility::Nothing,
        };
        let is_delivered = match self.topic {
            Topic::InboundMessages | Topic::Calls => visibility != Visibility::Nothing,
            // A user who loses access to a thread gets one final event.
            Topic::Threads => visibility != Visibility::Nothing || event.event.is_lost_by(user),
            Topic::Notifications => context.notifications().await?.contains_key(&user),
            Topic::Directory => true,
            Topic::Viewer => context.viewer_change(viewer, user).await?.is_some(),
        };
        Ok(is_delivered.then_some((context, visibility)))
    }
}

fn event_span(event: &event::Model) -> tracing::Span {
    let span = tracing::debug_span!("deliver_event", agency = %event.agency_id, position = event.position, thread = Empty, message = Empty);
    if !span.is_disabled() {
        event.thread_id.inspect(|thread| {
            span.record("thread", display(thread));
        });
        event.message_id.inspect(|message| {
            span.record("message", display(message));
        });
    }
    span
}

fn log_failure(requester: &Requester, error: SubscribeError) -> Failure {
    match error {
        SubscribeError::Foreign => {
            Failure::bad_input("Invalid value for `after`: the cursor belongs to another agency's log.")
        }
        SubscribeError::Expired => Failure::new(
            Code::CursorExpired,
            "The log does not contain the events after this cursor. Query a snapshot and subscribe after its cursor.",
        ),
        SubscribeError::Database(error) => requester.fault(error),
    }
}
