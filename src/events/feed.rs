//! The newest events of each agency in memory, and a signal when there are more.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::watch;

use crate::domain::{AgencyId, EventKind};
use crate::entity::{agency_position, event};
use crate::store::writer::Committed;
use crate::store::{DirectoryCache, event_log};

/// How many events a feed holds. A subscriber further behind reads from the log.
const TAIL: usize = 1024;
/// How many events are read from the log at a time.
const PAGE: u64 = 256;
/// How many events a subscriber takes from memory at a time: one that does not read holds no more.
const HANDFUL: usize = 64;

/// The feeds of all agencies that somebody follows.
#[derive(Debug)]
pub struct Feeds {
    conn: DatabaseConnection,
    directories: Arc<DirectoryCache>,
    feeds: Mutex<HashMap<AgencyId, Feed>>,
}

#[derive(Debug)]
struct Feed {
    head: watch::Sender<i64>,
    /// Raised when the directory has changed, or may have.
    directory: watch::Sender<()>,
    /// Consecutive events, the newest last.
    tail: VecDeque<Arc<event::Model>>,
    /// Where the tail ends: up to here everything has been taken note of. Not known until the log has
    /// been looked at.
    end: Option<i64>,
    /// One at a time reads what others wrote: the others find it in the tail.
    reading: Arc<tokio::sync::Mutex<()>>,
    /// How many looks at the log's head have begun; the number of the last that came back, and with what.
    looks: u64,
    found: Option<(u64, Result<Option<agency_position::Model>, DbErr>)>,
}

impl Feeds {
    /// No feeds yet, over the pool that reads.
    pub fn new(conn: DatabaseConnection, directories: Arc<DirectoryCache>) -> Self {
        Self { conn, directories, feeds: Mutex::default() }
    }

    /// Takes what a commit of this process appended.
    pub fn publish(&self, committed: &[Committed]) {
        let mut feeds = self.lock();
        for Committed { agency, events, .. } in committed {
            let Some(feed) = feeds.get_mut(agency) else { continue };
            feed.append(events);
            if changes_directory(events) {
                feed.directory.send_replace(());
            }
            if let Some(newest) = events.last() {
                feed.raise(newest.position);
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
            feeds.retain(|_, feed| feed.head.receiver_count() + feed.directory.receiver_count() > 0);
            feeds.keys().copied().collect()
        };
        if followed.is_empty() {
            return Ok(());
        }
        let mut outcome = Ok(());
        for (agency, position) in event_log::positions(&self.conn, &followed).await? {
            // One agency's trouble is not the others'.
            outcome = outcome.and(self.notice(agency, position).await);
        }
        outcome
    }

    /// Another process is said to have written up to this position: reads what it wrote, once for
    /// all subscribers, then wakes them.
    ///
    /// # Errors
    /// When the database fails; a later notice or poll makes up for it.
    pub async fn notice(&self, agency: AgencyId, position: i64) -> Result<(), DbErr> {
        let Some(reading) = self.reading(agency) else { return Ok(()) };
        let _reading = reading.lock().await;
        self.catch_up(agency, position).await
    }

    /// Takes note of all that was written up to this position, and wakes those who follow. One at a time:
    /// whoever calls it is the one who reads. The position is a hint, which the log must bear out.
    async fn catch_up(&self, agency: AgencyId, position: i64) -> Result<(), DbErr> {
        let Some(end) = self.lock().get(&agency).map(|feed| feed.end) else { return Ok(()) };
        match end {
            Some(end) if position <= end => {}
            Some(end) if position - end <= TAIL as i64 => {
                let missed = event_log::after(&self.conn, agency, end, TAIL as u64).await?;
                self.take(agency, &missed);
            }
            // Nobody knows what happened before: the directory may have changed.
            _ => {
                let Some(head) = event_log::head(&self.conn, agency).await? else { return Ok(()) };
                self.directories.expire(agency);
                if let Some(feed) = self.lock().get_mut(&agency) {
                    feed.tail.clear();
                    feed.end = Some(head.position);
                    feed.directory.send_replace(());
                    feed.raise(head.position);
                }
            }
        }
        Ok(())
    }

    /// Takes events that were read from the log, which another process may have written.
    fn take(&self, agency: AgencyId, events: &[Arc<event::Model>]) {
        let directory_changed = changes_directory(events);
        if directory_changed {
            self.directories.expire(agency);
        }
        if let Some(feed) = self.lock().get_mut(&agency) {
            feed.append(events);
            if directory_changed {
                feed.directory.send_replace(());
            }
            // Whoever stands at the newest position that is signalled does not look further.
            if let Some(end) = feed.end {
                feed.raise(end);
            }
        }
    }

    /// The signal of an agency's feed: the newest position that is known here.
    pub(super) fn follow(&self, agency: AgencyId) -> watch::Receiver<i64> {
        self.lock().entry(agency).or_insert_with(Feed::new).head.subscribe()
    }

    /// Tells when the agency's directory has changed, or may have: at once for changes of this
    /// process, with the next notice or poll for those of others.
    pub fn directory_changes(&self, agency: AgencyId) -> watch::Receiver<()> {
        self.lock().entry(agency).or_insert_with(Feed::new).directory.subscribe()
    }

    /// Where the log of a followed agency begins and ends. When a server has restarted everybody asks
    /// at once: a look at the database serves all who had asked before it began.
    pub(super) async fn head(&self, agency: AgencyId) -> Result<Option<agency_position::Model>, DbErr> {
        let asked = self.lock().get(&agency).map(|feed| (Arc::clone(&feed.reading), feed.looks));
        let Some((reading, begun)) = asked else { return event_log::head(&self.conn, agency).await };
        let _reading = reading.lock().await;
        let look = {
            let mut feeds = self.lock();
            let feed = feeds.entry(agency).or_insert_with(Feed::new);
            match &feed.found {
                Some((look, found)) if *look > begun => return found.clone(),
                _ => feed.looks += 1,
            }
            feed.looks
        };
        // Boxed: those who only wait carry no look's future.
        let found = Box::pin(self.look(agency)).await;
        if let Some(feed) = self.lock().get_mut(&agency) {
            feed.found = Some((look, found.clone()));
        }
        found
    }

    async fn look(&self, agency: AgencyId) -> Result<Option<agency_position::Model>, DbErr> {
        let head = event_log::head(&self.conn, agency).await?;
        if let Some(head) = &head {
            self.catch_up(agency, head.position).await?;
        }
        Ok(head)
    }

    /// The next events after a position, in order and without a gap; empty if there are none yet.
    pub(super) async fn after(&self, agency: AgencyId, position: i64) -> Result<Vec<Arc<event::Model>>, DbErr> {
        match self.held_after(agency, position) {
            Some(held) => Ok(held),
            // Boxed, for it is rare and large.
            None => Box::pin(self.read_after(agency, position)).await,
        }
    }

    async fn read_after(&self, agency: AgencyId, position: i64) -> Result<Vec<Arc<event::Model>>, DbErr> {
        let follows_the_tail = self.lock().get(&agency).is_some_and(|feed| feed.end == Some(position));
        match self.reading(agency).filter(|_| follows_the_tail) {
            // Another process wrote in between. Everybody at the tail's end needs the same events.
            Some(reading) => {
                let _reading = reading.lock().await;
                if let Some(held) = self.held_after(agency, position) {
                    return Ok(held);
                }
                let events = event_log::after(&self.conn, agency, position, PAGE).await?;
                self.take(agency, &events);
                Ok(events)
            }
            None => event_log::after(&self.conn, agency, position, PAGE).await,
        }
    }

    /// The same from memory alone; `None` if it does not reach from there to the newest.
    fn held_after(&self, agency: AgencyId, position: i64) -> Option<Vec<Arc<event::Model>>> {
        let feeds = self.lock();
        let Feed { head, tail, end, .. } = feeds.get(&agency)?;
        let unseen = usize::try_from((*end)?.checked_sub(position)?).unwrap_or(0);
        let skip = tail.len().checked_sub(unseen)?;
        let caught_up = unseen == 0 && *head.borrow() <= position;
        (unseen > 0 || caught_up).then(|| tail.iter().skip(skip).take(HANDFUL).cloned().collect())
    }

    fn reading(&self, agency: AgencyId) -> Option<Arc<tokio::sync::Mutex<()>>> {
        self.lock().get(&agency).map(|feed| Arc::clone(&feed.reading))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AgencyId, Feed>> {
        self.feeds.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Feed {
    fn new() -> Self {
        Self {
            head: watch::Sender::new(0),
            directory: watch::Sender::new(()),
            tail: VecDeque::new(),
            end: None,
            reading: Arc::default(),
            looks: 0,
            found: None,
        }
    }

    /// Takes what continues the tail. What begins further on is left to be read from the log, for
    /// another process wrote in between.
    fn append(&mut self, events: &[Arc<event::Model>]) {
        for event in events {
            if self.end.is_some_and(|end| end + 1 == event.position) {
                self.tail.push_back(Arc::clone(event));
                self.end = Some(event.position);
            }
            if self.tail.len() > TAIL {
                self.tail.pop_front();
            }
        }
    }

    fn raise(&self, position: i64) {
        self.head.send_if_modified(|head| {
            let newer = position > *head;
            *head = (*head).max(position);
            newer
        });
    }
}

fn changes_directory(events: &[Arc<event::Model>]) -> bool {
    events.iter().any(|event| event.kind == EventKind::DirectoryUpdated)
}
