//! Applies an opt-out or opt-in to the threads of its contact.

use sea_orm::DbErr;

use super::{Ledger, Planner};
use crate::domain::opt_out::Wish;
use crate::domain::{ContactId, EventKind, PhoneNumberId};
use crate::entity::{event, thread};
use crate::store::Directory;

impl Planner<'_> {
    /// Applies a wish expressed on one thread to the contact's other threads, and publishes an event for each thread that
    /// changes.
    pub(super) fn apply_to_other_threads(
        &mut self,
        wish: Wish,
        directory: &Directory,
        (number, contact): (PhoneNumberId, ContactId),
        ledger: &mut Ledger,
    ) -> Result<(), DbErr> {
        let agency = directory.agency_id();
        let e164 = |number| directory.number(number).map_or("", |number| number.e164.as_str());
        let mut others: Vec<PhoneNumberId> = self
            .known
            .threads
            .values()
            .chain(&self.plan.threads)
            .filter(|thread| thread.agency_id == agency && thread.contact_id == contact)
            .filter(|thread| thread.phone_number_id != number)
            .filter(|thread| apply_wish(wish, e164(thread.phone_number_id), &mut (*thread).clone()))
            .map(|thread| thread.phone_number_id)
            .collect();
        // Events are appended in a stable order.
        others.sort_unstable();
        for other in others {
            let thread = self.thread(agency, other, contact);
            apply_wish(wish, e164(other), thread);
            let thread_id = Some(thread.id);
            ledger.append(event::Model {
                agency_id: agency,
                position: 0,
                kind: EventKind::ThreadUpdated,
                thread_id,
                message_id: None,
                call_id: None,
                node_id: None,
                lost_by: None,
                created_at: self.now,
            })?;
        }
        Ok(())
    }
}

/// Applies a contact's wish to one of the contact's threads, on the phone number `number`. Returns whether the thread
/// changed.
pub(super) fn apply_wish(wish: Wish, number: &str, thread: &mut thread::Model) -> bool {
    let before = (thread.blocked_at, thread.opt_out_hint_id);
    if wish.lifts_block_of(number) {
        thread.blocked_at = None;
    }
    if wish == Wish::Stop {
        thread.opt_out_hint_id = None;
    }
    before != (thread.blocked_at, thread.opt_out_hint_id)
}
