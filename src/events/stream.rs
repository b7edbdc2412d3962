//! One subscriber's way through a log: replay what was missed, then go live.

use std::collections::VecDeque;
use std::sync::Arc;

use sea_orm::DbErr;
use tokio::sync::watch;

use super::Feeds;
use crate::domain::AgencyId;
use crate::domain::cursor::Cursor;
use crate::entity::event;

/// Why a log cannot be followed from a cursor.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    /// The cursor is another agency's.
    #[error("the cursor is not of this agency's log")]
    Foreign,
    /// The cursor lies before what is kept, or ahead of the log, or in a log that is no more.
    #[error("the cursor has expired")]
    Expired,
    /// The log could not be read.
    #[error("the log could not be read")]
    Database(#[from] DbErr),
}

/// An event on its way to a subscriber.
#[derive(Debug, Clone)]
pub struct Followed {
    /// The event.
    pub event: Arc<event::Model>,
    /// The place after it.
    pub cursor: Cursor,
    /// Where the log ended when the subscription began, if the event had been committed by then.
    pub replayed_from: Option<i64>,
}

/// A subscriber's place in a log.
pub struct Subscription {
    feeds: Arc<Feeds>,
    signal: watch::Receiver<i64>,
    place: Cursor,
    live_from: i64,
    ready: VecDeque<Arc<event::Model>>,
}

impl Subscription {
    /// Follows an agency's log after `after`, or from now on.
    ///
    /// # Errors
    /// When that is not possible.
    pub async fn begin(feeds: Arc<Feeds>, agency: AgencyId, after: Option<Cursor>) -> Result<Self, SubscribeError> {
        if after.is_some_and(|cursor| cursor.agency != agency) {
            return Err(SubscribeError::Foreign);
        }
        // The signal first, the head after it: what is committed in between is seen by both.
        let signal = feeds.follow(agency);
        let head = feeds.head(agency).await?.ok_or(SubscribeError::Expired)?;
        let place = after.unwrap_or(Cursor { agency, epoch: head.epoch, position: head.position });
        let kept = (head.first_kept..=head.position).contains(&place.position);
        if place.epoch != head.epoch || !kept {
            return Err(SubscribeError::Expired);
        }
        Ok(Self { feeds, signal, place, live_from: head.position, ready: VecDeque::new() })
    }

    /// The next event, when there is one. It never skips.
    ///
    /// # Errors
    /// When the log cannot be read, or what comes next is no longer kept.
    pub async fn next(&mut self) -> Result<Followed, SubscribeError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                // A hole means that retention overtook this subscriber.
                if event.position != self.place.position + 1 {
                    return Err(SubscribeError::Expired);
                }
                self.place.position = event.position;
                let replayed_from = (event.position <= self.live_from).then_some(self.live_from);
                return Ok(Followed { event, cursor: self.place, replayed_from });
            }
            // Who stands where the log is known to end needs no look.
            let newest = *self.signal.borrow_and_update();
            if newest != self.place.position {
                self.ready = self.feeds.after(self.place.agency, self.place.position).await?.into();
            }
            if self.ready.is_empty() && self.signal.changed().await.is_err() {
                // The feed was dropped for want of followers while we were between two of its
                // signals; a new one continues from our own place.
                self.signal = self.feeds.follow(self.place.agency);
            }
        }
    }

    /// How many events are known here that were not handed out yet.
    pub fn behind(&self) -> i64 {
        (*self.signal.borrow() - self.place.position).max(0)
    }
}
