//! One subscription to a log: a replay of missed events, followed by live events.

use std::collections::VecDeque;
use std::sync::Arc;

use sea_orm::DbErr;
use tokio::sync::watch;

use super::Feeds;
use crate::domain::AgencyId;
use crate::domain::cursor::Cursor;
use crate::entity::event;

/// Why a subscription cannot begin or continue.
#[derive(Debug, thiserror::Error)]
pub enum SubscribeError {
    #[error("the cursor belongs to another agency's log")]
    Foreign,
    /// The cursor is older than the retained log, beyond its end, or from a log that was replaced.
    #[error("the cursor has expired")]
    Expired,
    #[error("the log could not be read")]
    Database(#[from] DbErr),
}

/// An event as delivered to one subscriber.
#[derive(Debug, Clone)]
pub struct StreamedEvent {
    pub event: Arc<event::Model>,
    /// The position after the event.
    pub cursor: Cursor,
    /// For an event that was committed before the subscription began: the last position of the log at that time.
    pub replayed_from: Option<i64>,
}

pub struct Subscription {
    feeds: Arc<Feeds>,
    signal: watch::Receiver<i64>,
    cursor: Cursor,
    /// The last position of the log when the subscription began.
    live_from: i64,
    /// Events that have been fetched and not delivered.
    ready: VecDeque<Arc<event::Model>>,
}

impl Subscription {
    /// Subscribes to an agency's log after a cursor, or from its current end.
    pub async fn begin(feeds: Arc<Feeds>, agency: AgencyId, after: Option<Cursor>) -> Result<Self, SubscribeError> {
        if after.is_some_and(|cursor| cursor.agency != agency) {
            return Err(SubscribeError::Foreign);
        }
        // Subscribed before the head is read, so that a commit in between is not missed.
        let signal = feeds.subscribe(agency);
        let head = feeds.head(agency).await?.ok_or(SubscribeError::Expired)?;
        let cursor = after.unwrap_or(Cursor { agency, epoch: head.epoch, position: head.position });
        let is_retained = (head.first_kept..=head.position).contains(&cursor.position);
        if cursor.epoch != head.epoch || !is_retained {
            return Err(SubscribeError::Expired);
        }
        Ok(Self { feeds, signal, cursor, live_from: head.position, ready: VecDeque::new() })
    }

    /// Waits for the next event. Events are never skipped: if the next one has been removed by retention, it fails with
    /// [`SubscribeError::Expired`].
    pub async fn next(&mut self) -> Result<StreamedEvent, SubscribeError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                // A gap means that retention has removed events that were not delivered.
                if event.position != self.cursor.position + 1 {
                    return Err(SubscribeError::Expired);
                }
                self.cursor.position = event.position;
                let replayed_from = (event.position <= self.live_from).then_some(self.live_from);
                return Ok(StreamedEvent { event, cursor: self.cursor, replayed_from });
            }
            // Skips the read when the cursor is already at the head of the log.
            let newest = *self.signal.borrow_and_update();
            if newest != self.cursor.position {
                self.ready = self.feeds.after(self.cursor.agency, self.cursor.position).await?.into();
            }
            if self.ready.is_empty() && self.signal.changed().await.is_err() {
                // The feed was dropped because it had no subscribers for a moment. The new one continues at the cursor.
                self.signal = self.feeds.subscribe(self.cursor.agency);
            }
        }
    }

    /// The number of known events that have not been delivered.
    pub fn lag(&self) -> i64 {
        (*self.signal.borrow() - self.cursor.position).max(0)
    }
}
