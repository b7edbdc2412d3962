//! Records the steps of callers after their answers: one queue, and one task that writes what is queued agency by
//! agency, so that many calls take few transactions.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::CallKey;
use super::record::{RecordedCall, insert_new, write};
use super::rows::find_or_begin;
use crate::domain::call::CallEvent;
use crate::domain::{AccountId, AgencyId};
use crate::ports::Clock;
use crate::service::Writer;
use crate::store::writer::{Tx, Unit, UnitError};

const QUEUE_CAPACITY: usize = 4096;
/// The maximum number of events that are written together.
const BATCH_SIZE: usize = 1024;
/// How many times tasks that are ready to answer a caller run first, so that their events are written together.
const YIELDS: usize = 32;
/// How long an answer waits for room in the queue. After that the event is dropped, and the next request of the call
/// makes up for it.
const ENQUEUE_TIMEOUT: Duration = Duration::from_millis(500);
/// The pause after the database failed.
const RETRY_DELAY: Duration = Duration::from_secs(1);
const MAX_ATTEMPTS: u32 = 3;

/// One event of a call.
#[derive(Debug, Clone)]
struct LoggedEvent {
    call: CallKey,
    event: CallEvent,
}

enum Entry {
    Event(Box<LoggedEvent>),
    Flush(oneshot::Sender<()>),
}

/// The sending half of the queue.
pub struct CallLog {
    queue: mpsc::Sender<Entry>,
    clock: Arc<dyn Clock>,
}

impl CallLog {
    /// Starts to write. The task writes everything that is queued and ends when the log is dropped.
    pub fn open(writer: Arc<Writer>, clock: Arc<dyn Clock>) -> (Self, JoinHandle<()>) {
        let (queue, entries) = mpsc::channel(QUEUE_CAPACITY);
        let task = tokio::spawn(run(entries, writer, clock.clone()));
        (Self { queue, clock }, task)
    }

    /// Queues an event. A crash before it is written loses it; the next request of the call makes up for it.
    pub(super) async fn append(&self, call: CallKey, event: CallEvent) {
        let entry = Entry::Event(Box::new(LoggedEvent { call, event }));
        let Err(TrySendError::Full(entry)) = self.queue.try_send(entry) else { return };
        tokio::select! {
            _ = self.queue.send(entry) => {}
            () = self.clock.sleep(ENQUEUE_TIMEOUT) => {
                tracing::warn!("the call log is full; a step of a call was not recorded");
            }
        }
    }

    /// Returns when everything that was queued before is written, or could not be written at the first attempt.
    pub async fn flush(&self) {
        let (flushed, wait) = oneshot::channel();
        if self.queue.send(Entry::Flush(flushed)).await.is_ok() {
            // The task ends only after the last sender is dropped.
            let _ = wait.await;
        }
    }
}

async fn run(mut queue: mpsc::Receiver<Entry>, writer: Arc<Writer>, clock: Arc<dyn Clock>) {
    let mut entries = Vec::with_capacity(BATCH_SIZE);
    while queue.recv_many(&mut entries, BATCH_SIZE).await > 0 {
        for _ in 0..YIELDS {
            tokio::task::yield_now().await;
        }
        while entries.len() < BATCH_SIZE
            && let Ok(entry) = queue.try_recv()
        {
            entries.push(entry);
        }
        let mut events: BTreeMap<AgencyId, Vec<LoggedEvent>> = BTreeMap::new();
        let mut flushes = Vec::new();
        for entry in entries.drain(..) {
            match entry {
                Entry::Event(event) => events.entry(event.call.agency).or_default().push(*event),
                Entry::Flush(flush) => flushes.push(flush),
            }
        }
        let mut pending: Vec<_> = events.into_iter().map(|(agency, events)| (agency, Arc::new(events))).collect();
        for attempt in 1..=MAX_ATTEMPTS {
            // Concurrently, so that a failure of one agency does not delay the others.
            let attempts = pending.into_iter().map(|(agency, events)| {
                let writer = &writer;
                async move {
                    let written = writer.run(agency, RecordEvents { events: events.clone() }).await;
                    written.err().map(|error| (agency, events, error))
                }
            });
            let failed: Vec<_> = join_all(attempts).await.into_iter().flatten().collect();
            // A caller on the line does not wait for a second attempt.
            for flush in flushes.drain(..) {
                // The waiting request may have been dropped.
                let _ = flush.send(());
            }
            if attempt == MAX_ATTEMPTS {
                for (_, _, error) in &failed {
                    tracing::warn!(%error, "steps of calls were not recorded; the next requests of the calls make up for it");
                }
            }
            pending = failed.into_iter().map(|(agency, events, _)| (agency, events)).collect();
            if pending.is_empty() {
                break;
            }
            if attempt < MAX_ATTEMPTS {
                clock.sleep(RETRY_DELAY).await;
            }
        }
    }
}

/// Records events of calls of one agency, in their order.
struct RecordEvents {
    events: Arc<Vec<LoggedEvent>>,
}

impl Unit for RecordEvents {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let mut keys: Vec<&CallKey> = Vec::new();
        let mut events_of: HashMap<(AccountId, &str), Vec<&CallEvent>> = HashMap::new();
        for LoggedEvent { call, event } in self.events.iter() {
            let events = events_of.entry((call.account, &call.sid)).or_default();
            if events.is_empty() {
                keys.push(call);
            }
            events.push(event);
        }
        let Some(agency) = keys.first().map(|key| key.agency) else { return Ok(()) };
        let (mut new, mut others) = (Vec::new(), Vec::new());
        for (key, row) in keys.iter().zip(find_or_begin(tx, agency, &keys).await?) {
            let mut call = RecordedCall::load(tx, row).await?;
            for event in events_of.remove(&(key.account, key.sid.as_str())).unwrap_or_default() {
                call.apply(tx, event);
            }
            if call.is_new_and_open() { new.push(call) } else { others.push(call) }
        }
        insert_new(tx, new).await?;
        for call in others {
            write(tx, call).await?;
        }
        Ok(())
    }

    fn is_direct(&self) -> bool {
        true
    }
}
