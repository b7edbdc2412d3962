//! Applies opt-outs and opt-ins to a contact and to its threads, and selects the automatic reply.

use chrono::{DateTime, Utc};

use super::InboundText;
use super::plan::Planner;
use crate::domain::address::{can_be_texted, without_channel};
use crate::domain::dialing::check_recipient;
use crate::domain::opt_out::{self, OptOutKeyword};
use crate::domain::own_numbers::is_forbidden_recipient;
use crate::domain::{AgencyId, ContactId, EventKind, OptOutReplies, PhoneNumberId, Purpose};
use crate::entity::{contact, event, thread};
use crate::store::Directory;

impl Planner<'_> {
    /// The contact that sent a text, created or added to the plan.
    pub(super) fn contact(&mut self, agency: AgencyId, text: &InboundText) -> contact::Model {
        let key = (agency, text.from.clone());
        let at = match self.contact_at.get(&key) {
            Some(at) => *at,
            None => {
                let row = match self.snapshot.known.contacts.remove(&key) {
                    Some(row) => {
                        self.plan.unchanged.insert(row.id);
                        row
                    }
                    None => contact::Model::begin(agency, ContactId(self.new_id()), &*text.from, self.now),
                };
                self.contact_at.insert(key, self.plan.contacts.len());
                self.plan.contacts.push(row);
                self.plan.contacts.len() - 1
            }
        };
        self.plan.contacts[at].clone()
    }

    /// Whether the text's sender has not opted out or in after `at`, when this text with its keyword arrived. An
    /// imported text may be older than a decision that is stored.
    pub(super) fn is_newest_keyword(
        &mut self,
        agency: AgencyId,
        text: &InboundText,
        keyword: OptOutKeyword,
        at: DateTime<Utc>,
    ) -> bool {
        if keyword == OptOutKeyword::Help {
            return true;
        }
        let newest = self.snapshot.newest_decisions.entry((agency, text.from.clone())).or_insert(at);
        if *newest > at {
            return false;
        }
        *newest = at;
        true
    }

    /// Applies a keyword that arrived at `at` to its contact, and returns the contact.
    pub(super) fn apply_to_contact(
        &mut self,
        keyword: Option<OptOutKeyword>,
        mut contact: contact::Model,
        at: DateTime<Utc>,
    ) -> contact::Model {
        let opted_out_at = match keyword {
            Some(OptOutKeyword::Stop) => contact.opted_out_at.or(Some(at)),
            Some(OptOutKeyword::Start | OptOutKeyword::Yes) => None,
            Some(OptOutKeyword::Help) | None => return contact,
        };
        contact.opted_out_at = opted_out_at;
        contact.updated_at = self.now;
        self.plan.unchanged.remove(&contact.id);
        if let Some(at) = self.contact_at.get(&(contact.agency_id, contact.phone.clone())) {
            self.plan.contacts[*at] = contact.clone();
        }
        contact
    }

    /// The automatic reply to a text from a contact: only to the first STOP and to HELP, and only if Partyline may
    /// reply.
    pub(super) fn automatic_reply(
        &self,
        text: &InboundText,
        directory: &Directory,
        number: PhoneNumberId,
        keyword: Option<OptOutKeyword>,
        contact: &contact::Model,
    ) -> Option<String> {
        let agency = &directory.agency;
        let (custom, default) = match keyword? {
            OptOutKeyword::Stop if contact.opted_out_at.is_none() => {
                (&agency.stop_reply, opt_out::stop_reply(&agency.name))
            }
            OptOutKeyword::Help => (&agency.help_reply, opt_out::help_reply(&agency.name)),
            OptOutKeyword::Stop | OptOutKeyword::Start | OptOutKeyword::Yes => return None,
        };
        let from = without_channel(&text.from);
        let holders = self.snapshot.own_senders.get(from);
        let is_own = holders.is_some_and(|holders| is_forbidden_recipient(Purpose::OptOutReply, text.account, holders));
        let is_dialable = directory.number(number).is_some_and(|number| {
            let countries = directory.calling_countries();
            check_recipient(from, &number.e164, countries.as_deref()).is_ok()
        });
        let may_reply = agency.opt_out_replies == OptOutReplies::Partyline
            && can_be_texted(&text.from)
            && !is_own
            && is_dialable
            && !text.is_late;
        may_reply.then(|| custom.clone().unwrap_or(default))
    }

    /// Applies a keyword that was expressed in one thread to the other threads of its contact, and appends an event for
    /// each thread that changes, or whose contact opts out or in.
    pub(super) fn apply_to_other_threads(
        &mut self,
        keyword: OptOutKeyword,
        directory: &Directory,
        (number, contact): (PhoneNumberId, ContactId),
        opt_out_changes: bool,
    ) {
        let agency = directory.agency_id();
        let e164 = |number| directory.number(number).map_or("", |number| number.e164.as_str());
        let known = self.snapshot.known.threads.values();
        let mut others: Vec<PhoneNumberId> = known
            .chain(&self.plan.threads)
            .filter(|thread| thread.agency_id == agency && thread.contact_id == contact)
            .filter(|thread| thread.phone_number_id != number)
            .filter(|thread| opt_out_changes || apply(keyword, e164(thread.phone_number_id), &mut (*thread).clone()))
            .map(|thread| thread.phone_number_id)
            .collect();
        // Events are appended in a stable order. A thread that changed in this batch is among the known and the planned ones.
        others.sort_unstable();
        others.dedup();
        for other in others {
            let thread = self.thread(agency, other, contact, self.now);
            apply(keyword, e164(other), thread);
            thread.revision += 1;
            let thread_id = Some(thread.id);
            let event = event::Model::begin(agency, EventKind::ContactUpdated, self.now);
            self.plan.events.push((event::Model { thread_id, ..event }, Vec::new()));
        }
    }
}

/// Applies a contact's keyword to one of the contact's threads, on the phone number `number`. Returns whether the
/// thread changed.
pub(super) fn apply(keyword: OptOutKeyword, number: &str, thread: &mut thread::Model) -> bool {
    let before = (thread.blocked_at, thread.opt_out_hint_id);
    if keyword.lifts_block_of(number) {
        thread.blocked_at = None;
    }
    if keyword == OptOutKeyword::Stop {
        thread.opt_out_hint_id = None;
    }
    before != (thread.blocked_at, thread.opt_out_hint_id)
}
