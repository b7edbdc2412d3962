//! Records the steps of callers after their answers: one queue, and one task that writes what is queued agency by
//! agency, so that many calls take few transactions. The task keeps what it took from the queue until it is written,
//! also after a panic, and drops it after three attempts.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};

use super::CallKey;
use super::record::{RecordedCall, insert_new, write};
use super::rows::find_or_begin;
use crate::domain::call::CallEvent;
use crate::domain::{AccountId, AgencyId};
use crate::ports::Clock;
use crate::service::Writer;
use crate::store::writer::{Tx, Unit, UnitError, WriteError};

const QUEUE_CAPACITY: usize = 4096;
/// The maximum number of events that are written together.
const BATCH_SIZE: usize = 1024;
/// How many times tasks that are ready to answer a caller run first, so that their events are written together.
const YIELDS: usize = 32;
/// How long an answer waits for room in the queue. After that the event is dropped, and the next request of the call
/// makes up for it.
const ENQUEUE_TIMEOUT: Duration = Duration::from_millis(500);
/// The pause before events that were not written are tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// How many times events are tried before they are dropped. An attempt that panics counts.
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
    /// A log, and the task that writes it.
    pub fn open(writer: Arc<Writer>, clock: Arc<dyn Clock>) -> (Self, CallLogWriter) {
        let (sender, queue) = mpsc::channel(QUEUE_CAPACITY);
        let entries = Vec::with_capacity(BATCH_SIZE);
        let task = CallLogWriter { queue, writer, clock: clock.clone(), entries, pending: Vec::new(), attempts: 0 };
        (Self { queue: sender, clock }, task)
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
            // A panic of the task also ends the wait.
            let _ = wait.await;
        }
    }
}

/// The receiving half of the queue.
pub struct CallLogWriter {
    queue: mpsc::Receiver<Entry>,
    writer: Arc<Writer>,
    clock: Arc<dyn Clock>,
    /// Entries that were taken from the queue. Empty between two runs unless a run panicked.
    entries: Vec<Entry>,
    /// Events that are not written yet.
    pending: Vec<AgencyEvents>,
    /// How many attempts to write `pending` have begun.
    attempts: u32,
}

/// Events of calls of one agency, in their order.
struct AgencyEvents {
    agency: AgencyId,
    events: Arc<Vec<LoggedEvent>>,
}

impl CallLogWriter {
    /// Makes one attempt to write the pending events; if there are none, it waits for some. `None` once the log has
    /// been dropped and nothing is left to write.
    ///
    /// # Errors
    /// If some events were not written. The next run tries them again; after three attempts they are dropped.
    pub async fn write_next(&mut self) -> Option<Result<(), WriteError>> {
        if self.attempts >= MAX_ATTEMPTS {
            // The last attempt panicked.
            self.drop_pending();
        }
        let flushes = if self.pending.is_empty() {
            self.take_entries().await?
        } else {
            self.clock.sleep(RETRY_DELAY).await;
            Vec::new()
        };
        let result = self.write_pending().await;
        // A caller on the line does not wait for a second attempt.
        for flush in flushes {
            // The waiting request may have been dropped.
            let _ = flush.send(());
        }
        Some(result)
    }

    /// Waits for entries. Puts their events into `pending`, and returns the flushes. `None` if the queue is closed.
    async fn take_entries(&mut self) -> Option<Vec<oneshot::Sender<()>>> {
        let Self { queue, entries, .. } = self;
        if entries.is_empty() && queue.recv_many(entries, BATCH_SIZE).await == 0 {
            return None;
        }
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
        let pending = events.into_iter().map(|(agency, events)| AgencyEvents { agency, events: Arc::new(events) });
        self.pending = pending.collect();
        Some(flushes)
    }

    async fn write_pending(&mut self) -> Result<(), WriteError> {
        self.attempts += 1;
        // Concurrently, so that a failure of one agency does not delay the others.
        let units = self.pending.iter().map(|part| {
            let unit = RecordEvents { events: Arc::clone(&part.events) };
            self.writer.run(part.agency, unit)
        });
        let results = join_all(units).await;
        let mut outcome = Ok(());
        let mut unwritten = Vec::new();
        for (part, result) in self.pending.drain(..).zip(results) {
            let Err(error) = result else { continue };
            outcome = Err(error);
            match error {
                // An event that cannot be stored must not affect other calls.
                WriteError::Rejected => unwritten.extend(part.by_call()),
                _ => unwritten.push(part),
            }
        }
        self.pending = unwritten;
        if self.pending.is_empty() {
            self.attempts = 0;
        } else if self.attempts >= MAX_ATTEMPTS {
            self.drop_pending();
        }
        outcome
    }

    fn drop_pending(&mut self) {
        let events: usize = self.pending.iter().map(|part| part.events.len()).sum();
        tracing::warn!(events, "steps of calls were not recorded; the next requests of the calls make up for it");
        self.pending.clear();
        self.attempts = 0;
    }
}

impl AgencyEvents {
    /// The same events, divided into one part per call.
    fn by_call(self) -> impl Iterator<Item = Self> {
        let agency = self.agency;
        let mut calls: HashMap<(AccountId, String), Vec<LoggedEvent>> = HashMap::new();
        for event in Arc::unwrap_or_clone(self.events) {
            calls.entry((event.call.account, event.call.sid.clone())).or_default().push(event);
        }
        calls.into_values().map(move |events| Self { agency, events: Arc::new(events) })
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
        for (key, row) in keys.iter().zip(find_or_begin(tx, agency, &keys, tx.now).await?) {
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
