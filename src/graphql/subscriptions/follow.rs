//! The way from an agency's log to one subscriber: an event, the viewer at that moment, and what of it
//! is theirs.
//!
//! What is picked depends on the viewer, the event and the arguments alone, and what is shown of it is
//! resolved afterwards: so one execution can be shared by subscribers who may see the same.

use std::future::Future;
use std::sync::Arc;

use async_graphql::Context;
use futures_util::StreamExt as _;
use futures_util::stream::{self, BoxStream};

use crate::domain::ThreadId;
use crate::domain::cursor::Cursor;
use crate::events::{Followed, SubscribeError, Subscription};
use crate::graphql::context::{Caller, caller};
use crate::graphql::errors::{Code, Failure, Result};
use crate::graphql::limits::MAX_LAG;
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::Thread;
use crate::service::Viewer;
use crate::store::threads;

/// Events on their way to one subscriber.
pub(super) struct Follower {
    caller: Caller,
    log: Subscription,
    /// Whether the subscriber has seen all there was, once. Until then it is replaying, however far
    /// back; afterwards it may not fall behind.
    caught_up: bool,
}

/// One event, as one viewer may look at it.
pub(super) struct Sight {
    pub(super) caller: Caller,
    pub(super) viewer: Arc<Viewer>,
    pub(super) followed: Followed,
}

impl Follower {
    /// Begins after a cursor, or now.
    pub(super) async fn begin(ctx: &Context<'_>, after: Option<EventCursor>) -> Result<Self> {
        let caller = caller(ctx)?.clone();
        let agency = caller.viewer().await?.agency();
        let feeds = Arc::clone(&caller.services.feeds);
        let log = Subscription::begin(feeds, agency, after.map(|cursor| cursor.0)).await;
        let log = log.map_err(|error| refused(&caller, error))?;
        Ok(Self { caller, log, caught_up: after.is_none() })
    }

    async fn next(&mut self) -> Result<Sight> {
        let followed = self.log.next().await.map_err(|error| refused(&self.caller, error))?;
        let behind = self.log.behind();
        if self.caught_up && behind > MAX_LAG {
            let seen = Cursor { position: followed.cursor.position - 1, ..followed.cursor };
            return Err(Failure::resume(seen));
        }
        self.caught_up |= behind == 0;
        let viewer = self.caller.viewer().await?;
        Ok(Sight { caller: self.caller.clone(), viewer, followed })
    }

    /// The stream of what `pick` makes of the events; those it makes nothing of are passed over. It
    /// ends with the first error.
    pub(super) fn deliver<T, F, Fut>(self, pick: F) -> BoxStream<'static, Result<T>>
    where
        T: Send + 'static,
        F: Fn(Sight) -> Fut + Send + 'static,
        Fut: Future<Output = Result<Option<T>>> + Send + 'static,
    {
        let state = Some((self, pick));
        let stream = stream::unfold(state, |state| async move {
            let (mut follower, pick) = state?;
            loop {
                let picked = match follower.next().await {
                    Ok(sight) => pick(sight).await,
                    Err(failure) => Err(failure),
                };
                match picked {
                    Ok(Some(item)) => return Some((Ok(item), Some((follower, pick)))),
                    Ok(None) => {}
                    Err(failure) => return Some((Err(failure), None)),
                }
            }
        });
        stream.boxed()
    }
}

impl Sight {
    /// The place after the event.
    pub(super) fn cursor(&self) -> EventCursor {
        EventCursor(self.followed.cursor)
    }

    /// The thread as it stands now, if the viewer may see it.
    pub(super) async fn thread(&self, id: ThreadId) -> Result<Option<Thread>> {
        let row = threads::visible(self.caller.services.reader(), &self.viewer.scope(), id).await;
        let row = row.map_err(|error| self.caller.fault(error))?;
        Ok(row.map(|row| Thread::new(&self.viewer, Arc::new(row))))
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
