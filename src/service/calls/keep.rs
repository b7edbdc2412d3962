//! Writes steps of calls, many at once.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::DbErr;

use super::CallKey;
use super::log::Note;
use super::rows::{Legs, Row, advance, find_or_begin, rings};
use super::settle::settle;
use crate::domain::AccountId;
use crate::store::bulk::insert;
use crate::store::writer::{Tx, Unit};

/// Steps of calls of one agency, in the order in which they were taken.
pub(super) struct Keep {
    pub(super) notes: Arc<Vec<Note>>,
}

impl Unit for Keep {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let mut keys: Vec<&CallKey> = Vec::new();
        let mut notes_of: HashMap<(AccountId, &str), Vec<&Note>> = HashMap::new();
        for note in self.notes.iter() {
            let notes = notes_of.entry((note.call.account, &note.call.sid)).or_default();
            if notes.is_empty() {
                keys.push(&note.call);
            }
            notes.push(note);
        }
        let Some(agency) = keys.first().map(|key| key.agency) else { return Ok(()) };
        let (mut new_calls, mut new_legs, mut known) = (Vec::new(), Vec::new(), Vec::new());
        for (key, mut row) in keys.iter().zip(find_or_begin(tx, agency, &keys).await?) {
            let notes = notes_of.remove(&(key.account, key.sid.as_str())).unwrap_or_default();
            let mut legs = Legs::of(tx, &row).await?;
            for note in notes {
                advance(&mut row.after, &note.progress);
                for news in rings(&note.progress) {
                    legs.hear(tx, &news);
                }
                if let Some(news) = &note.progress.leg {
                    legs.hear(tx, news);
                }
            }
            if row.before.is_some() {
                known.push((row, legs));
            } else {
                new_calls.push(row.after);
                new_legs.extend(legs.into_writes().0);
            }
        }
        insert(tx.conn, new_calls.clone()).await?;
        insert(tx.conn, new_legs).await?;
        for call in &new_calls {
            tx.call_updated(call, Vec::new())?;
        }
        for (Row { before, after }, legs) in known {
            settle(tx, before, after, legs).await?;
        }
        Ok(())
    }
}
