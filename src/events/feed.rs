//! The newest events of each agency in memory, and a signal when more arrive.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::{DatabaseConnection, DbErr};
use tokio::sync::watch;

use crate::domain::{AgencyId, EventKind};
use crate::entity::{agency_position, event};
use crate::store::writer::Committed;
use crate::store::{DirectoryCache, event_log};

/// The number of events that a feed holds. A subscriber that lags further behind reads from the log.
const TAIL_CAPACITY: usize = 1024;
/// The number of events read from the log at a time.
const LOG_PAGE_SIZE: u64 = 256;
/// The number of events that a subscriber takes from memory at a time, which bounds what a subscriber that does not
/// read holds.
const MEMORY_PAGE_SIZE: usize = 64;

/// The feeds of all agencies with subscribers.
#[derive(Debug)]
pub struct Feeds {
    conn: DatabaseConnection,
    directories: Arc<DirectoryCache>,
    feeds: Mutex<HashMap<AgencyId, Feed>>,
}

#[derive(Debug)]
struct Feed {
    /// The newest known position.
    head: watch::Sender<i64>,
    /// Signals that the directory has or may have changed.
    directory: watch::Sender<()>,
    /// Consecutive events, the newest last.
    tail: VecDeque<Arc<event::Model>>,
    /// The position of the last processed event, where the tail ends; `None` until the log has been read.
    end: Option<i64>,
    /// Held while one task reads events that another process wrote. Waiting tasks then find them in the tail.
    read_lock: Arc<tokio::sync::Mutex<()>>,
    /// The number of reads of the log's head that have begun.
    head_reads: u64,
    /// The number and the result of the last completed read of the log's head.
    last_head: Option<(u64, Result<Option<agency_position::Model>, DbErr>)>,
}

impl Feeds {
    /// `conn` is the pool for reads.
    pub fn new(conn: DatabaseConnection, directories: Arc<DirectoryCache>) -> Self {
        Self { conn, directories, feeds: Mutex::default() }
    }

    /// Appends the events of a commit of this process, and wakes the subscribers from a worker of the runtime. The
    /// thread of a writer's lane would add the task of each subscriber to the runtime's queue one by one.
    pub fn publish(&self, committed: &[Committed]) {
        let mut heads = Vec::new();
        let mut feeds = self.lock();
        for Committed { agency, events, .. } in committed {
            let Some(feed) = feeds.get_mut(agency) else { continue };
            feed.append(events);
            if changes_directory(events) {
                feed.directory.send_replace(());
            }
            if let Some(newest) = events.last() {
                heads.push((feed.head.clone(), newest.position));
            }
        }
        drop(feeds);
        if !heads.is_empty() {
            tokio::spawn(async move { heads.iter().for_each(|(head, position)| signal(head, *position)) });
        }
    }

    /// Reads the positions of all agencies with subscribers, to detect events of other processes, and drops feeds
    /// without subscribers. After an error, the next poll catches up.
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
            // An error of one agency does not affect the others.
            outcome = outcome.and(self.catch_up_to(agency, position).await);
        }
        outcome
    }

    /// Reads what another process has written up to this position, once for all subscribers, and wakes them. After an
    /// error, a later call or poll catches up.
    pub async fn catch_up_to(&self, agency: AgencyId, position: i64) -> Result<(), DbErr> {
        let Some(read_lock) = self.read_lock(agency) else { return Ok(()) };
        let _guard = read_lock.lock().await;
        self.read_missed(agency, position).await
    }

    /// Reads the log up to this position and wakes the subscribers. Requires the feed's `read_lock`. The
    /// position is only a hint; the log decides.
    async fn read_missed(&self, agency: AgencyId, position: i64) -> Result<(), DbErr> {
        let Some(end) = self.lock().get(&agency).map(|feed| feed.end) else { return Ok(()) };
        match end {
            Some(end) if position <= end => {}
            Some(end) if position - end <= TAIL_CAPACITY as i64 => {
                let missed = event_log::after(&self.conn, agency, end, TAIL_CAPACITY as u64).await?;
                self.ingest(agency, &missed);
            }
            // Too many events were missed, and the directory may have changed among them.
            _ => {
                let Some(head) = event_log::head(&self.conn, agency).await? else { return Ok(()) };
                self.directories.expire(agency);
                if let Some(feed) = self.lock().get_mut(&agency) {
                    feed.tail.clear();
                    feed.end = Some(head.position);
                    feed.directory.send_replace(());
                    signal(&feed.head, head.position);
                }
            }
        }
        Ok(())
    }

    /// Processes events that were read from the log, which another process may have written.
    fn ingest(&self, agency: AgencyId, events: &[Arc<event::Model>]) {
        let directory_changed = changes_directory(events);
        if directory_changed {
            self.directories.expire(agency);
        }
        if let Some(feed) = self.lock().get_mut(&agency) {
            feed.append(events);
            if directory_changed {
                feed.directory.send_replace(());
            }
            // A subscriber at the newest signaled position does not read the log, so the position must be signaled.
            if let Some(end) = feed.end {
                signal(&feed.head, end);
            }
        }
    }

    /// Returns a receiver of the newest known position of an agency.
    pub(super) fn subscribe(&self, agency: AgencyId) -> watch::Receiver<i64> {
        self.lock().entry(agency).or_insert_with(Feed::new).head.subscribe()
    }

    /// Returns a receiver of the newest position of an agency's log, which holds the current one.
    pub async fn positions(&self, agency: AgencyId) -> Result<watch::Receiver<i64>, DbErr> {
        let positions = self.subscribe(agency);
        self.head(agency).await?;
        Ok(positions)
    }

    /// Signals changes of the agency's directory: immediately for changes of this process, and with the next
    /// notification or poll for those of others. A signal may be spurious.
    pub fn directory_changes(&self, agency: AgencyId) -> watch::Receiver<()> {
        self.lock().entry(agency).or_insert_with(Feed::new).directory.subscribe()
    }

    /// Returns the first and the last position of an agency's log. After a restart all clients subscribe at once, so a
    /// read of the database is shared by all calls that were waiting before it began.
    pub(super) async fn head(&self, agency: AgencyId) -> Result<Option<agency_position::Model>, DbErr> {
        let waiting = self.lock().get(&agency).map(|feed| (Arc::clone(&feed.read_lock), feed.head_reads));
        let Some((read_lock, begun)) = waiting else { return event_log::head(&self.conn, agency).await };
        let _guard = read_lock.lock().await;
        let number = {
            let mut feeds = self.lock();
            let feed = feeds.entry(agency).or_insert_with(Feed::new);
            match &feed.last_head {
                Some((number, head)) if *number > begun => return head.clone(),
                _ => feed.head_reads += 1,
            }
            feed.head_reads
        };
        // Boxed, so that waiting calls hold no room for the read; see "Boxed futures" in `graphql`.
        let head = Box::pin(self.read_head(agency)).await;
        if let Some(feed) = self.lock().get_mut(&agency) {
            feed.last_head = Some((number, head.clone()));
        }
        head
    }

    async fn read_head(&self, agency: AgencyId) -> Result<Option<agency_position::Model>, DbErr> {
        let head = event_log::head(&self.conn, agency).await?;
        if let Some(head) = &head {
            self.read_missed(agency, head.position).await?;
        }
        Ok(head)
    }

    /// Returns the next events after a position, in order and without a gap; empty if there are none yet.
    pub(super) async fn after(&self, agency: AgencyId, position: i64) -> Result<Vec<Arc<event::Model>>, DbErr> {
        match self.cached_after(agency, position) {
            Some(cached) => Ok(cached),
            // Boxed: a rare future, see "Boxed futures" in `graphql`.
            None => Box::pin(self.read_after(agency, position)).await,
        }
    }

    async fn read_after(&self, agency: AgencyId, position: i64) -> Result<Vec<Arc<event::Model>>, DbErr> {
        let is_at_tail_end = self.lock().get(&agency).is_some_and(|feed| feed.end == Some(position));
        match self.read_lock(agency).filter(|_| is_at_tail_end) {
            // Another process has written events. All subscribers at the end of the tail need the same ones.
            Some(read_lock) => {
                let _guard = read_lock.lock().await;
                if let Some(cached) = self.cached_after(agency, position) {
                    return Ok(cached);
                }
                let events = event_log::after(&self.conn, agency, position, LOG_PAGE_SIZE).await?;
                self.ingest(agency, &events);
                Ok(events)
            }
            None => event_log::after(&self.conn, agency, position, LOG_PAGE_SIZE).await,
        }
    }

    /// Returns the next events from memory; `None` if memory does not hold all events between the position and the
    /// head.
    fn cached_after(&self, agency: AgencyId, position: i64) -> Option<Vec<Arc<event::Model>>> {
        let feeds = self.lock();
        let Feed { head, tail, end, .. } = feeds.get(&agency)?;
        let unseen = usize::try_from((*end)?.checked_sub(position)?).unwrap_or(0);
        let skip = tail.len().checked_sub(unseen)?;
        let caught_up = unseen == 0 && *head.borrow() <= position;
        (unseen > 0 || caught_up).then(|| tail.iter().skip(skip).take(MEMORY_PAGE_SIZE).cloned().collect())
    }

    fn read_lock(&self, agency: AgencyId) -> Option<Arc<tokio::sync::Mutex<()>>> {
        self.lock().get(&agency).map(|feed| Arc::clone(&feed.read_lock))
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
            read_lock: Arc::default(),
            head_reads: 0,
            last_head: None,
        }
    }

    /// Appends the events that continue the tail. Events after a gap are ignored: another process wrote the events in
    /// between, and all of them are read from the log.
    fn append(&mut self, events: &[Arc<event::Model>]) {
        for event in events {
            if self.end.is_some_and(|end| end + 1 == event.position) {
                self.tail.push_back(Arc::clone(event));
                self.end = Some(event.position);
            }
            if self.tail.len() > TAIL_CAPACITY {
                self.tail.pop_front();
            }
        }
    }
}

/// Wakes the subscribers of a feed if the position is newer than the newest that they know.
fn signal(head: &watch::Sender<i64>, position: i64) {
    head.send_if_modified(|head| {
        let newer = position > *head;
        *head = (*head).max(position);
        newer
    });
}

fn changes_directory(events: &[Arc<event::Model>]) -> bool {
    events.iter().any(|event| event.kind == EventKind::DirectoryUpdated)
}
