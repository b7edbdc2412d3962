//! What a text that opts out or in changes about the contact's threads.

use sea_orm::DbErr;

use super::{Ledger, Planner};
use crate::domain::opt_out::Wish;
use crate::domain::{ContactId, EventKind, PhoneNumberId};
use crate::entity::{event, thread};
use crate::store::Directory;

impl Planner<'_> {
    /// What a contact asks of one number holds for all of them: the wish is applied to the contact's other threads, and
    /// the subscribers of those that change are told.
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
        // The order of the log does not depend on that of a map.
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

/// What a contact's wish changes about one of the contact's threads, whose number is given. Says whether it changed
/// anything.
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
