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
    /// One at a time reads what others wrote: the others find it in the tail.
    reading: Arc<tokio::sync::Mutex<()>>,
    /// How many looks at the log's head have begun, and what the last of them found.
    looks: u64,
    found: Option<(u64, agency_position::Model)>,
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
            if feed.append(events) {
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
        for (agency, position) in event_log::positions(&self.conn, &followed).await? {
            self.notice(agency, position).await?;
        }
        Ok(())
    }

    /// Another process is said to have written up to this position: reads what it wrote, once for
    /// all subscribers, then wakes them.
    ///
    /// # Errors
    /// When the database fails; a later notice or poll makes up for it.
    pub async fn notice(&self, agency: AgencyId, position: i64) -> Result<(), DbErr> {
        let Some(reading) = self.reading(agency) else { return Ok(()) };
        let _reading = reading.lock().await;
        let (head, last) = match self.lock().get(&agency) {
            Some(feed) => (*feed.head.borrow(), feed.last()),
            None => return Ok(()),
        };
        if position <= head && last.is_none_or(|last| position <= last) {
            return Ok(());
        }
        let from = last.unwrap_or(head);
        let within_reach = from > 0 && position - from <= TAIL as i64;
        let missed =
            if within_reach { event_log::after(&self.conn, agency, from, TAIL as u64).await? } else { Vec::new() };
        let directory_changed = !within_reach || missed.iter().any(|event| event.kind == EventKind::DirectoryUpdated);
        if directory_changed {
            self.directories.expire(agency);
        }
        let mut feeds = self.lock();
        let Some(feed) = feeds.get_mut(&agency) else { return Ok(()) };
        if !within_reach {
            feed.tail.clear();
        }
        feed.append(&missed);
        if directory_changed {
            feed.directory.send_replace(());
        }
        feed.raise(position.max(feed.last().unwrap_or(position)));
        Ok(())
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
    /// at once: a look at the database serves all who had asked before it began, and whoever waits for
    /// one holds no room to make it.
    pub(super) async fn head(&self, agency: AgencyId) -> Result<Option<agency_position::Model>, DbErr> {
        let asked = self.lock().get(&agency).map(|feed| (Arc::clone(&feed.reading), feed.looks));
        let Some((reading, begun)) = asked else { return event_log::head(&self.conn, agency).await };
        let _reading = reading.lock().await;
        let look = {
            let mut feeds = self.lock();
            let feed = feeds.entry(agency).or_insert_with(Feed::new);
            match &feed.found {
                Some((look, head)) if *look > begun => return Ok(Some(head.clone())),
                _ => feed.looks += 1,
            }
            feed.looks
        };
        let head = Box::pin(event_log::head(&self.conn, agency)).await?;
        if let (Some(head), Some(feed)) = (&head, self.lock().get_mut(&agency)) {
            feed.found = Some((look, head.clone()));
            feed.raise(head.position);
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
        let follows_the_tail = self.lock().get(&agency).is_some_and(|feed| feed.last() == Some(position));
        match self.reading(agency).filter(|_| follows_the_tail) {
            // Another process wrote in between. Everybody at the tail's end needs the same events.
            Some(reading) => {
                let _reading = reading.lock().await;
                if let Some(held) = self.held_after(agency, position) {
                    return Ok(held);
                }
                let events = event_log::after(&self.conn, agency, position, PAGE).await?;
                if let Some(feed) = self.lock().get_mut(&agency) {
                    feed.append(&events);
                }
                Ok(events)
            }
            None => event_log::after(&self.conn, agency, position, PAGE).await,
        }
    }

    /// The same from memory alone; `None` if it does not reach from there to the newest.
    fn held_after(&self, agency: AgencyId, position: i64) -> Option<Vec<Arc<event::Model>>> {
        let feeds = self.lock();
        let Feed { head, tail, .. } = feeds.get(&agency)?;
        let next = position.checked_add(1)?;
        let first = tail.front().map_or(next, |event| event.position);
        let skip = usize::try_from(next.checked_sub(first)?).ok()?;
        // A feed whose head is 0 has not learnt yet where the log ends.
        let caught_up = skip == tail.len() && (1..=position).contains(&*head.borrow());
        (skip < tail.len() || caught_up).then(|| tail.iter().skip(skip).take(HANDFUL).cloned().collect())
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
            reading: Arc::default(),
            looks: 0,
            found: None,
        }
    }

    fn last(&self) -> Option<i64> {
        self.tail.back().map(|event| event.position)
    }

    /// Takes what continues the tail. What begins further on is left to be read from the log, for
    /// another process wrote in between. Tells whether a change of the directory was among it.
    fn append(&mut self, events: &[Arc<event::Model>]) -> bool {
        let mut directory = false;
        for event in events {
            directory |= event.kind == EventKind::DirectoryUpdated;
            if self.last().is_none_or(|last| last + 1 == event.position) {
                self.tail.push_back(Arc::clone(event));
            }
            if self.tail.len() > TAIL {
                self.tail.pop_front();
            }
        }
        directory
    }

    fn raise(&self, position: i64) {
        self.head.send_if_modified(|head| {
            let newer = position > *head;
            *head = (*head).max(position);
            newer
        });
    }
}
