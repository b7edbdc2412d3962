//! One subscription: its position in the log, or the state that it follows, and the permission check for each delivery.

use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use futures_util::StreamExt as _;
use sea_orm::DbErr;
use tracing::Instrument as _;
use tracing::field::{Empty, display};

use super::event_context::EventContext;
use super::operation::Operation;
use super::responses::{DeliveryContext, EventResponse, Live, Subject};
use super::root_field::{ExecutionPhase, SubscriptionArguments, Topic, Visibility};
use super::state::{CountsSource, PresenceSource};
use crate::admission::{Reservation, SubscriptionPermit};
use crate::domain::cursor::Cursor;
use crate::entity::event;
use crate::events::{StreamedEvent, SubscribeError, Subscription};
use crate::graphql::context::Requester;
use crate::graphql::errors::{Code, Failure, add_codes};
use crate::graphql::limits::MAX_LAG;
use crate::graphql::operation::{Prepared, RejectedRequest};
use crate::graphql::types::ThreadCounts;
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
    live: Arc<Live>,
    requester: Requester,
    operation: Arc<Operation>,
    source: Source,
    permit: SubscriptionPermit,
}

/// What a subscription delivers.
enum Source {
    Log(LogSource),
    // Boxed, so that a subscription to the log stays small.
    Presence(Box<PresenceSource>),
    ThreadCounts(Box<CountsSource>),
}

/// The events of an agency's log.
struct LogSource {
    topic: Topic,
    log: Subscription,
    /// Whether the subscriber has reached the head of the log once. Only then does [`MAX_LAG`] apply: a replay may
    /// begin arbitrarily far back.
    caught_up: bool,
}

/// A response and its reservation of unsent bytes; the latter is missing if there is nothing to send.
type Reserved = (EventResponse, Option<Reservation>);

impl Subscriber {
    /// Begins a subscription. Returns `None` if `@skip` or `@include` removes its root field.
    ///
    /// # Errors
    /// The reason why the request is rejected.
    pub(in crate::graphql) async fn begin(
        live: Arc<Live>,
        requester: Requester,
        prepared: Prepared,
    ) -> Result<Option<Self>, RejectedRequest> {
        let agency = requester.viewer().await?.agency();
        let variables = prepared.variables.clone();
        let permit = live.executor.admission.open_subscription(requester.user(), prepared.bytes());
        let permit = permit.map_err(|limited| Failure::limited(&limited))?;
        let operation = live.operations.register(agency, prepared);
        let arguments = Arc::new(OnceLock::new());
        let phase = ExecutionPhase::Begin(Arc::clone(&arguments));
        let begin = operation.request_with(variables).data(requester.clone()).data(phase);
        if let Some(mut response) = live.executor.schema.execute_stream(begin).next().await {
            add_codes(&mut response.errors);
            return Err(response.errors.into());
        }
        let Some(arguments) = arguments.get().cloned() else { return Ok(None) };
        let services = &requester.services;
        let source = match arguments {
            SubscriptionArguments::Log { topic, after } => {
                let feeds = Arc::clone(&services.feeds);
                let log = Subscription::begin(feeds, agency, after.map(|cursor| cursor.0)).await;
                let log = log.map_err(|error| log_failure(&requester, error))?;
                Source::Log(LogSource { topic, log, caught_up: after.is_none() })
            }
            SubscriptionArguments::Presence { threads } => {
                Source::Presence(Box::new(PresenceSource::begin(services, agency, threads)))
            }
            SubscriptionArguments::ThreadCounts { numbers } => {
                let counts = CountsSource::begin(services, agency, numbers).await;
                Source::ThreadCounts(Box::new(counts.map_err(|error| requester.fault(error))?))
            }
        };
        Ok(Some(Self { live, requester, operation, source, permit }))
    }

    /// Waits for the next message.
    pub(in crate::graphql) async fn next(&mut self) -> Delivery {
        let Self { live, requester, operation, source, permit } = self;
        let delivering = Delivering { live, requester, operation, permit };
        loop {
            let response = match source {
                Source::Log(source) => {
                    let event = source.log.next().await;
                    let span = event.as_ref().map_or_else(|_| tracing::Span::none(), |event| event_span(&event.event));
                    // Boxed: an idle subscriber holds only the wait for the next event; see "Boxed futures" in
                    // `graphql`.
                    Box::pin(delivering.respond_to_event(source, event).instrument(span)).await
                }
                // These wait in a box of their own, because most subscriptions follow the log.
                Source::Presence(source) => Box::pin(delivering.respond_to_presence(source)).await,
                Source::ThreadCounts(source) => Box::pin(delivering.respond_with_counts(source)).await,
            };
            match response {
                Ok((EventResponse::Payload(payload), Some(reservation))) => {
                    return Delivery::Payload(payload, reservation);
                }
                Ok((EventResponse::Failure(payload), _)) => return Delivery::Failure(payload),
                Ok(_) => {}
                Err(failure) => return Delivery::End(failure.into()),
            }
        }
    }
}

/// What all deliveries of a subscription have in common.
struct Delivering<'a> {
    live: &'a Live,
    requester: &'a Requester,
    operation: &'a Operation,
    permit: &'a SubscriptionPermit,
}

impl Delivering<'_> {
    async fn respond_to_event(
        &self,
        source: &mut LogSource,
        event: Result<StreamedEvent, SubscribeError>,
    ) -> Result<Reserved, Failure> {
        let event = event.map_err(|error| log_failure(self.requester, error))?;
        let lag = source.log.lag();
        if source.caught_up && lag > MAX_LAG {
            let delivered = Cursor { position: event.cursor.position - 1, ..event.cursor };
            return Err(Failure::resume(delivered));
        }
        source.caught_up |= lag == 0;
        if !source.topic.includes(&event.event) {
            return Ok((EventResponse::Empty, None));
        }
        let (reservation, viewer) = self.reserve().await?;
        let visible = self.check_visibility(source.topic, &viewer, &event).await;
        let Some((context, visibility)) = visible.map_err(|error| self.requester.fault(error))? else {
            return Ok((EventResponse::Empty, None));
        };
        let subject = Subject::Event { context: &context, visibility, event: &event };
        let response = self.respond(&viewer, subject).await?;
        if event.replayed_from.is_none() {
            let lag = self.requester.services.clock.now() - event.event.created_at;
            self.live.executor.metrics.delivered(lag.to_std().unwrap_or_default());
        }
        Ok((response, Some(reservation)))
    }

    async fn respond_to_presence(&self, source: &mut PresenceSource) -> Result<Reserved, Failure> {
        let change = source.next().await?;
        let (reservation, viewer) = self.reserve().await?;
        let is_visible = async {
            let thread = self.live.presence_thread(&self.requester.services, &change).await?;
            thread.is_visible(&viewer, self.requester.user()).await
        };
        if !is_visible.await.map_err(|error| self.requester.fault(error))? {
            return Ok((EventResponse::Empty, None));
        }
        Ok((self.respond(&viewer, Subject::Presence(change)).await?, Some(reservation)))
    }

    async fn respond_with_counts(&self, source: &mut CountsSource) -> Result<Reserved, Failure> {
        let position = source.changed(&*self.requester.services.clock).await;
        let (reservation, viewer) = self.reserve().await?;
        let counts = match source.numbers() {
            Some(numbers) => self.live.thread_counts(self.requester, &viewer, numbers, position).await?,
            None => ThreadCounts::default(),
        };
        if !source.record(counts) {
            return Ok((EventResponse::Empty, None));
        }
        Ok((self.respond(&viewer, Subject::ThreadCounts(counts)).await?, Some(reservation)))
    }

    /// Reserves room for a payload, and then reads the viewer: the reservation may wait for long, so permissions are
    /// read after it.
    async fn reserve(&self) -> Result<(Reservation, Arc<Viewer>), Failure> {
        let reservation = self.permit.reserve(self.operation.expected_bytes).await;
        Ok((reservation, self.requester.viewer().await?))
    }

    async fn respond(&self, viewer: &Viewer, subject: Subject<'_>) -> Result<EventResponse, Failure> {
        let delivery = DeliveryContext { requester: self.requester, viewer, subject };
        self.live.respond(self.operation, delivery).await
    }

    /// Reads the rows that the event refers to and what the viewer may see of them; `None` if the event is not
    /// delivered to this viewer.
    async fn check_visibility(
        &self,
        topic: Topic,
        viewer: &Viewer,
        event: &StreamedEvent,
    ) -> Result<Option<(Arc<EventContext>, Visibility)>, DbErr> {
        let context = self.live.event_context(&self.requester.services, event).await?;
        let user = self.requester.user();
        let visibility = match topic {
            Topic::InboundMessages | Topic::Threads | Topic::Viewer
                if context.is_thread_visible(viewer, user).await? =>
            {
                Visibility::Thread
            }
            Topic::Calls => context.call_visibility(viewer, user).await?.map_or(Visibility::Nothing, Visibility::Call),
            _ => Visibility::Nothing,
        };
        let is_delivered = match topic {
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
