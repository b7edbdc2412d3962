//! Calls are written behind their answers: one queue, one task that takes what is waiting and writes it
//! agency by agency, so that a flood of calls is few transactions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::keep::Keep;
use super::{CallKey, Progress};
use crate::domain::AgencyId;
use crate::ports::Clock;
use crate::store::writer::Writer;

/// What waits at most.
const QUEUE: usize = 4096;
/// What is written at once.
const AT_ONCE: usize = 1024;
/// How often whoever is ready to answer a caller goes first: what waits meanwhile is written together.
const TURNS: usize = 32;
/// How long an answer waits for room in the queue. Beyond it the call's next request makes its row.
const ROOM_WITHIN: Duration = Duration::from_millis(500);
/// After the database failed.
const BREATHER: Duration = Duration::from_secs(1);
/// How often the same is tried.
const TRIES: u32 = 3;

/// One step of a call.
#[derive(Debug, Clone)]
pub(super) struct Note {
    pub(super) call: CallKey,
    pub(super) progress: Progress,
}

enum Entry {
    Note(Box<Note>),
    Written(oneshot::Sender<()>),
}

/// The entrance to the queue.
pub struct CallLog {
    entries: mpsc::Sender<Entry>,
    clock: Arc<dyn Clock>,
}

impl CallLog {
    /// Begins to write. The task ends, all written, when the log is dropped.
    pub fn open(writer: Arc<Writer>, clock: Arc<dyn Clock>) -> (Self, JoinHandle<()>) {
        let (entries, waiting) = mpsc::channel(QUEUE);
        let task = tokio::spawn(write(waiting, writer, clock.clone()));
        (Self { entries, clock }, task)
    }

    /// Notes a step. It is written soon; a crash before costs the note, which the next request about the
    /// call makes up for.
    pub(super) async fn note(&self, call: CallKey, progress: Progress) {
        let entry = Entry::Note(Box::new(Note { call, progress }));
        let Err(TrySendError::Full(entry)) = self.entries.try_send(entry) else { return };
        tokio::select! {
            _ = self.entries.send(entry) => {}
            () = self.clock.sleep(ROOM_WITHIN) => {
                tracing::warn!("a step of a call was not noted: too many are waiting");
            }
        }
    }

    /// Returns when all that was noted before is written, or could not be at the first try.
    pub async fn written(&self) {
        let (told, hear) = oneshot::channel();
        if self.entries.send(Entry::Written(told)).await.is_ok() {
            // The task ends only after the last sender is gone.
            let _ = hear.await;
        }
    }
}

async fn write(mut waiting: mpsc::Receiver<Entry>, writer: Arc<Writer>, clock: Arc<dyn Clock>) {
    let mut entries = Vec::with_capacity(AT_ONCE);
    while waiting.recv_many(&mut entries, AT_ONCE).await > 0 {
        for _ in 0..TURNS {
            tokio::task::yield_now().await;
        }
        while entries.len() < AT_ONCE
            && let Ok(entry) = waiting.try_recv()
        {
            entries.push(entry);
        }
        let mut notes: BTreeMap<AgencyId, Vec<Note>> = BTreeMap::new();
        let mut told = Vec::new();
        for entry in entries.drain(..) {
            match entry {
                Entry::Note(note) => notes.entry(note.call.agency).or_default().push(*note),
                Entry::Written(tell) => told.push(tell),
            }
        }
        let mut left: Vec<_> = notes.into_iter().map(|(agency, notes)| (agency, Arc::new(notes))).collect();
        for turn in 1..=TRIES {
            // One agency's trouble keeps no other waiting.
            let tried = left.into_iter().map(|(agency, notes)| {
                let writer = &writer;
                async move {
                    let done = writer.run(agency, Keep { notes: notes.clone() }).await;
                    done.err().map(|error| (agency, notes, error))
                }
            });
            let failed: Vec<_> = join_all(tried).await.into_iter().flatten().collect();
            // Whoever waits with a caller on the line does not wait for another try.
            for tell in told.drain(..) {
                // They may have gone.
                let _ = tell.send(());
            }
            if turn == TRIES {
                for (_, _, error) in &failed {
                    tracing::warn!(%error, "steps of calls were not written; the calls' next requests make up for it");
                }
            }
            left = failed.into_iter().map(|(agency, notes, _)| (agency, notes)).collect();
            if left.is_empty() {
                break;
            }
            if turn < TRIES {
                clock.sleep(BREATHER).await;
            }
        }
    }
}
