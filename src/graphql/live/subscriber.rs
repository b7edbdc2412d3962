//! One subscription: its place in the log, and what of each event is theirs.

use std::sync::{Arc, OnceLock};

use axum::extract::ws::Utf8Bytes;
use futures_util::StreamExt as _;
use sea_orm::DbErr;

use super::facts::Facts;
use super::operation::Operation;
use super::shared::{Live, Look, Shown};
use super::source::{Sees, Source, Topic, Wish};
use crate::admission::{Reservation, SubscriptionPermit};
use crate::domain::cursor::Cursor;
use crate::events::{Followed, SubscribeError, Subscription};
use crate::graphql::context::Caller;
use crate::graphql::errors::{Code, Failure, label};
use crate::graphql::limits::MAX_LAG;
use crate::graphql::operation::{Prepared, Refused};
use crate::service::Viewer;

/// What a subscriber gets.
pub(in crate::graphql) enum Delivered {
    /// The payload of a `next`, serialised, and the room for it among what waits to be sent.
    Payload(Utf8Bytes, Reservation),
    /// The payload of an `error`, serialised; nothing more comes.
    Failure(Utf8Bytes),
    /// Nothing more comes.
    End(Refused),
}

/// Somebody's subscription.
pub(in crate::graphql) struct Subscriber {
    live: Live,
    caller: Caller,
    operation: Arc<Operation>,
    topic: Topic,
    log: Subscription,
    /// Whether the subscriber has seen all there was, once. Until then it is replaying, however far
    /// back; afterwards it may not fall behind.
    caught_up: bool,
    /// The expected size of a payload.
    expected_bytes: usize,
    _permit: SubscriptionPermit,
}

impl Subscriber {
    /// Begins a subscription; `None` if it asks for nothing.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(in crate::graphql) async fn begin(
        live: Live,
        caller: Caller,
        prepared: Prepared,
    ) -> Result<Option<Self>, Refused> {
        let agency = caller.viewer().await?.agency();
        let variables = prepared.variables.clone();
        let permit = live.admission.subscription(caller.user(), prepared.bytes());
        let permit = permit.map_err(|limited| Failure::limited(&limited))?;
        let expected_bytes = prepared.expected_bytes();
        let operation = live.operations.enter(agency, prepared);
        let wish = Arc::new(OnceLock::new());
        let begin = operation.request_with(variables).data(caller.clone()).data(Source::Begin(Arc::clone(&wish)));
        if let Some(mut response) = live.schema.execute_stream(begin).next().await {
            label(&mut response.errors);
            return Err(response.errors.into());
        }
        let Some(&Wish { topic, after }) = wish.get() else { return Ok(None) };
        let feeds = Arc::clone(&caller.services.feeds);
        let log = Subscription::begin(feeds, agency, after.map(|cursor| cursor.0)).await;
        let log = log.map_err(|error| refused(&caller, error))?;
        let caught_up = after.is_none();
        Ok(Some(Self { live, caller, operation, topic, log, caught_up, expected_bytes, _permit: permit }))
    }

    /// What comes next.
    pub(in crate::graphql) async fn next(&mut self) -> Delivered {
        loop {
            let followed = self.log.next().await;
            // Boxed: while nothing happens, which is nearly always, there is only the wait.
            match Box::pin(self.show(followed)).await {
                Ok((Shown::Payload(payload), Some(reservation))) => return Delivered::Payload(payload, reservation),
                Ok((Shown::Failure(payload), _)) => return Delivered::Failure(payload),
                Ok(_) => {}
                Err(failure) => return Delivered::End(failure.into()),
            }
        }
    }

    async fn show(
        &mut self,
        followed: Result<Followed, SubscribeError>,
    ) -> Result<(Shown, Option<Reservation>), Failure> {
        let followed = followed.map_err(|error| refused(&self.caller, error))?;
        let behind = self.log.behind();
        if self.caught_up && behind > MAX_LAG {
            let seen = Cursor { position: followed.cursor.position - 1, ..followed.cursor };
            return Err(Failure::resume(seen));
        }
        self.caught_up |= behind == 0;
        if !self.topic.concerns(&followed.event) {
            return Ok((Shown::Nothing, None));
        }
        // Before the viewer is read, because the wait may be long: what they may see is what holds after it.
        let reservation = self.live.admission.reserve(self.caller.user(), self.expected_bytes).await;
        let viewer = self.caller.viewer().await?;
        let looked = self.look(&viewer, &followed).await.map_err(|error| self.caller.fault(error))?;
        let Some((facts, sees)) = looked else { return Ok((Shown::Nothing, None)) };
        let look = Look { caller: &self.caller, viewer: &viewer, facts: &facts, sees, followed: &followed };
        Ok((self.live.answer(&self.operation, look).await?, Some(reservation)))
    }

    /// What the event is about and whether the viewer sees that, if it is theirs at all.
    async fn look(&self, viewer: &Viewer, followed: &Followed) -> Result<Option<(Arc<Facts>, Sees)>, DbErr> {
        let facts = self.live.facts(&self.caller.services, followed).await?;
        let user = self.caller.user();
        let sees = match self.topic {
            Topic::InboundMessages | Topic::Threads if facts.is_visible_to(viewer, user).await? => Sees::Thread,
            Topic::Calls => facts.sight_of_call(viewer, user).await?.map_or(Sees::Nothing, Sees::Call),
            _ => Sees::Nothing,
        };
        let concerned = match self.topic {
            Topic::InboundMessages | Topic::Calls => sees != Sees::Nothing,
            // Who has just lost sight of a thread is told so, once.
            Topic::Threads => sees != Sees::Nothing || followed.event.is_lost_by(user),
            Topic::Notifications => facts.told().await?.contains_key(&user),
            Topic::Directory => true,
        };
        Ok(concerned.then_some((facts, sees)))
    }
}

fn refused(caller: &Caller, error: SubscribeError) -> Failure {
    match error {
        SubscribeError::Foreign => Failure::bad_input("`after` is no cursor of this agency's log."),
        SubscribeError::Expired => {
            Failure::new(Code::CursorExpired, "The log does not reach to this cursor any more: take a new snapshot.")
        }
        SubscribeError::Database(error) => caller.fault(error),
    }
}
