//! The newest events of each agency in memory, and a signal when there are more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::watch;

use crate::domain::AgencyId;
use crate::entity::{agency_position, event};
use crate::store::event_log;
use crate::store::writer::Committed;

/// How many events a feed holds. A subscriber further behind reads from the log.
const TAIL: usize = 1024;
/// How many events are read from the log at a time.
const PAGE: u64 = 256;

/// The feeds of all agencies that somebody follows.
#[derive(Debug)]
pub struct Feeds {
    conn: DatabaseConnection,
    feeds: Mutex<HashMap<AgencyId, Feed>>,
}

#[derive(Debug)]
struct Feed {
    head: watch::Sender<i64>,
    /// Consecutive events, the newest last.
    tail: VecDeque<Arc<event::Model>>,
}

impl Feeds {
    /// No feeds yet, over the pool that reads.
    pub fn new(conn: DatabaseConnection) -> Self {
        Self { conn, feeds: Mutex::default() }
    }

    /// Takes what a commit appended.
    pub fn publish(&self, committed: Vec<Committed>) {
        let mut feeds = self.lock();
        for Committed { agency, events } in committed {
            let Some(feed) = feeds.get_mut(&agency) else { continue };
            for event in events {
                // Another instance wrote in between: what is held would have a hole.
                if feed.tail.back().is_some_and(|last| last.position + 1 != event.position) {
                    feed.tail.clear();
                }
                feed.raise(event.position);
                feed.tail.push_back(event);
                if feed.tail.len() > TAIL {
                    feed.tail.pop_front();
                }
            }
        }
    }

    /// Looks up the positions of all followed agencies, so that what another process wrote is seen,
    /// and lets go of feeds that nobody follows any more.
    ///
    /// # Errors
    /// When the database fails; the next poll makes up for it.
    pub async fn poll(&self) -> Result<(), DbErr> {
        let followed: Vec<AgencyId> = {
            let mut feeds = self.lock();
            feeds.retain(|_, feed| feed.head.receiver_count() > 0);
            feeds.keys().copied().collect()
        };
        if followed.is_empty() {
            return Ok(());
        }
        for (agency, position) in event_log::positions(&self.conn, &followed).await? {
            if let Some(feed) = self.lock().get(&agency) {
                feed.raise(position);
            }
        }
        Ok(())
    }

    /// The signal of an agency's feed: the newest position that is known here.
    pub(super) fn follow(&self, agency: AgencyId) -> watch::Receiver<i64> {
        let mut feeds = self.lock();
        let feed = feeds.entry(agency).or_insert_with(|| Feed { head: watch::Sender::new(0), tail: VecDeque::new() });
        feed.head.subscribe()
    }

    /// Where the log begins and ends.
    pub(super) async fn head(&self, agency: AgencyId) -> Result<Option<agency_position::Model>, DbErr> {
        event_log::head(&self.conn, agency).await
    }

    /// The events after a position, in order and without a gap; empty if there are none yet.
    pub(super) async fn after(&self, agency: AgencyId, position: i64) -> Result<Vec<Arc<event::Model>>, DbErr> {
        if let Some(held) = self.held_after(agency, position) {
            return Ok(held);
        }
        event_log::after(&self.conn, agency, position, PAGE).await
    }

    /// The same from memory alone; `None` if it does not reach back that far.
    fn held_after(&self, agency: AgencyId, position: i64) -> Option<Vec<Arc<event::Model>>> {
        let feeds = self.lock();
        let Feed { head, tail } = feeds.get(&agency)?;
        let first = tail.front()?.position;
        let skip = usize::try_from(position.checked_add(1)?.checked_sub(first)?).ok()?;
        let caught_up = skip == tail.len() && *head.borrow() <= position;
        (skip < tail.len() || caught_up).then(|| tail.iter().skip(skip).cloned().collect())
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgencyId, Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    fn raise(&self, position: i64) {
        self.head.send_if_modified(|head| {
            let newer = position > *head;
            *head = (*head).max(position);
            newer
        });
    }
}
