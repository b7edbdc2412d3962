//! Plans a batch of inbound texts in memory, text by text in the order of arrival. `domain::inbound` decides; the
//! planner turns the decisions into rows.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::snapshot::Snapshot;
use super::{InboundItem, InboundOutcome, InboundText, QuarantineAssignment};
use crate::domain::address::MAX_ADDRESS_CHARS;
use crate::domain::inbound::{InboundEffect, receive};
use crate::domain::opt_out::{OptOutState, gate};
use crate::domain::opt_out_hint::sounds_like_opt_out;
use crate::domain::{
    AccountId, ActivityId, ActivityKind, AgencyId, ContactId, Direction, EventKind, ExtensionId, MediaId, MediaState,
    MessageId, MessageStatus, NotificationKind, PhoneNumberId, Purpose, QuarantineId, QuarantineReason,
    QuarantineState, ThreadId, UserId, extension,
};
use crate::entity::{activity, contact, event, media, message, outbox, quarantine, thread};
use crate::ports::IdGen;
use crate::service::outbound::{self, OutboundDraft};
use crate::service::quarantine_alerts;
use crate::store::Directory;
use crate::store::writer::Notice;

/// The rows to write. Each contact and each thread appears once, in its final state.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) contacts: Vec<contact::Model>,
    /// Existing contacts that need no write.
    pub(super) unchanged: HashSet<ContactId>,
    pub(super) threads: Vec<thread::Model>,
    pub(super) messages: Vec<message::Model>,
    pub(super) media: Vec<media::Model>,
    pub(super) outbox: Vec<outbox::Model>,
    pub(super) activities: Vec<activity::Model>,
    /// The events to append, in order, with their notifications.
    pub(super) events: Vec<(event::Model, Vec<Notice>)>,
    pub(super) quarantine: Vec<quarantine::Model>,
    /// Quarantined texts that are now stored in a thread, with the agency of the thread.
    pub(super) assigned: Vec<(AgencyId, QuarantineAssignment)>,
}

/// Plans the texts. Returns one outcome per text, in their order.
pub(super) fn plan(
    snapshot: Snapshot,
    items: &[&InboundItem],
    ids: &dyn IdGen,
    now: DateTime<Utc>,
) -> (Vec<InboundOutcome>, Plan) {
    let (contact_at, thread_at) = (HashMap::new(), HashMap::new());
    let mut planner = Planner { snapshot, ids, now, contact_at, thread_at, plan: Plan::default() };
    let outcomes = items.iter().map(|item| planner.receive(item)).collect();
    (outcomes, planner.plan)
}

pub(super) struct Planner<'a> {
    pub(super) snapshot: Snapshot,
    ids: &'a dyn IdGen,
    pub(super) now: DateTime<Utc>,
    /// The index in the plan of each contact and thread of this batch.
    pub(super) contact_at: HashMap<(AgencyId, String), usize>,
    thread_at: HashMap<(AgencyId, PhoneNumberId, ContactId), usize>,
    pub(super) plan: Plan,
}

impl Planner<'_> {
    fn receive(&mut self, InboundItem { text, to_quarantine }: &InboundItem) -> InboundOutcome {
        let is_new = match text.quarantined_as {
            Some(assignment) => self.snapshot.assignable.remove(&assignment.id),
            None => self.snapshot.stored.insert((text.account, text.message_sid.clone())),
        };
        if !is_new {
            return InboundOutcome::Duplicate;
        }
        let key = (text.account, text.number().to_owned());
        let agency = self.snapshot.numbers.get(&key);
        let directory = agency.and_then(|agency| self.snapshot.directories.get(agency)).cloned();
        let number = directory.as_ref().and_then(|directory| directory.live_number(text.account, text.number()));
        match (&directory, number) {
            (Some(directory), Some(number))
                if !to_quarantine && text.quarantined_as.is_none_or(|of| of.is_allowed_in(directory)) =>
            {
                let agency = directory.agency_id();
                self.plan.assigned.extend(text.quarantined_as.map(|assignment| (agency, assignment)));
                InboundOutcome::Stored(agency, self.add_to_thread(text, directory, number.id))
            }
            // The text was to be assigned to a number. It stays in quarantine.
            _ if text.quarantined_as.is_some() => InboundOutcome::Quarantined,
            _ => {
                let agency = agency.or_else(|| self.snapshot.last_holders.get(&key)).copied();
                let reason = if *to_quarantine { QuarantineReason::Refused } else { QuarantineReason::UnmatchedNumber };
                self.add_to_quarantine(text, agency, reason);
                InboundOutcome::Quarantined
            }
        }
    }

    fn add_to_thread(&mut self, text: &InboundText, directory: &Directory, number: PhoneNumberId) -> MessageId {
        let agency = directory.agency_id();
        let at = text.arrived_at.map_or(self.now, |at| at.min(self.now));
        let keyword = text.keyword().filter(|keyword| self.is_newest_keyword(agency, text, *keyword, at));
        let contact = self.contact(agency, text);
        let reply = self.automatic_reply(text, directory, number, keyword, &contact);
        let was_opted_out = contact.opted_out_at.is_some();
        let contact = self.apply_to_contact(keyword, contact, at);
        let named = extension::prefix_of(&text.body).and_then(|digits| directory.extension_on(number, digits));
        let named = named.map(|row| row.id);
        let (id, now) = (MessageId(self.new_id()), self.now);

        let thread = self.thread(agency, number, contact.id, at);
        if let Some(keyword) = keyword {
            super::opt_outs::apply(keyword, text.number(), thread);
        }
        // A contact who has already opted out needs no hint.
        let is_hint = text.keyword().is_none() && contact.opted_out_at.is_none() && sounds_like_opt_out(&text.body);
        if is_hint {
            thread.opt_out_hint_id = Some(id);
        }
        let is_blocked = thread.blocked_at.is_some();
        // A thread stays with the extension that a text last named.
        thread.extension_id = named.or(thread.extension_id);
        let mut roster = directory.roster(number, contact.provider_user_id, thread.extension_id);
        roster.assignee = thread.assignee_id.and_then(|id| directory.member(id));
        let pool_muted = roster.pool_muted;
        let effect = receive(&thread.claim_state(), &roster, directory.reopen_within(number), now);
        thread.set_claim_state(&effect.claim_state);
        thread.escalate_at = match thread.assignee_id {
            Some(_) => None,
            // The first waiting text sets the time; later ones do not postpone it.
            None => thread.escalate_at.or(effect.escalate_at),
        };
        thread.record_inbound_message(id, effect.reopened, at);
        thread.revision += 1;
        thread.revision += i32::from(effect.reopened) + i32::from(is_hint);
        let thread = thread.id;

        if effect.reopened {
            self.add_activity(agency, thread, ActivityKind::Reopened, effect.claim_state.assignee);
        }
        if is_hint {
            self.add_activity(agency, thread, ActivityKind::OptOutHinted, None);
        }
        self.add_message(text, (agency, thread, id, at), named, pool_muted, effect);
        if let Some(keyword) = keyword {
            let opt_out_changes = contact.opted_out_at.is_some() != was_opted_out;
            self.apply_to_other_threads(keyword, directory, (number, contact.id), opt_out_changes);
        }
        if let Some(reply) = reply
            && let Ok(cleared) = gate(Purpose::OptOutReply, OptOutState { opted_out: true, blocked: is_blocked })
        {
            let draft = OutboundDraft {
                body: &reply,
                attachments: Vec::new(),
                sender: None,
                extension: None,
                cleared,
                resends: None,
                hold: TimeDelta::zero(),
            };
            self.queue_reply(&draft, (agency, number, contact.id), text.account);
        }
        id
    }

    /// Queues the reply to a STOP or a HELP. It is sent through the outbox like any other text.
    fn queue_reply(
        &mut self,
        draft: &OutboundDraft<'_>,
        (agency, number, contact): (AgencyId, PhoneNumberId, ContactId),
        account: AccountId,
    ) {
        let (id, now) = (MessageId(self.new_id()), self.now);
        let thread = self.thread(agency, number, contact, now);
        thread.record_message(id, now);
        thread.revision += 1;
        let (message, row) = outbound::rows(id, thread, account, draft, now);
        self.plan.events.push((event::Model::of_message(&message, EventKind::OutboundMessage, now), Vec::new()));
        self.plan.messages.push(message);
        self.plan.outbox.push(row);
    }

    /// The thread of a number and a contact, added to the plan, or begun at `at`.
    pub(super) fn thread(
        &mut self,
        agency: AgencyId,
        number: PhoneNumberId,
        contact: ContactId,
        at: DateTime<Utc>,
    ) -> &mut thread::Model {
        let key = (agency, number, contact);
        let at =
            match self.thread_at.get(&key) {
                Some(at) => *at,
                None => {
                    let row =
                        self.snapshot.known.threads.remove(&key).unwrap_or_else(|| {
                            thread::Model::begin(agency, ThreadId(self.new_id()), number, contact, at)
                        });
                    self.thread_at.insert(key, self.plan.threads.len());
                    self.plan.threads.push(row);
                    self.plan.threads.len() - 1
                }
            };
        &mut self.plan.threads[at]
    }

    fn add_message(
        &mut self,
        text: &InboundText,
        (agency, thread, id, at): (AgencyId, ThreadId, MessageId, DateTime<Utc>),
        extension: Option<ExtensionId>,
        pool_muted: bool,
        effect: InboundEffect,
    ) {
        let message = message::Model {
            agency_id: agency,
            id,
            thread_id: thread,
            direction: Direction::Inbound,
            body: text.body.clone(),
            status: MessageStatus::Received,
            sender_id: None,
            extension_id: extension,
            twilio_account_id: text.account,
            provider_sid: Some(text.message_sid.clone()),
            routed_by: Some(effect.route.rung),
            pool_muted,
            error_code: None,
            segments: None,
            flagged_at: None,
            sends_at: None,
            resends_id: None,
            resent_as_id: None,
            created_at: at,
        };
        let notice = Notice {
            kind: NotificationKind::InboundClientMessage,
            users: effect.route.recipients,
            thread: Some(thread),
            message: Some(id),
            call: None,
            node: None,
            rung: Some(effect.route.rung),
        };
        self.plan.events.push((event::Model::of_message(&message, EventKind::InboundMessage, self.now), vec![notice]));
        self.plan.messages.push(message);
        for (ordinal, media) in (0..).zip(&text.media) {
            self.plan.media.push(media::Model {
                agency_id: agency,
                id: MediaId(self.new_id()),
                message_id: id,
                ordinal,
                content_type: media.content_type.clone(),
                source_url: media.url.clone(),
                state: MediaState::Pending,
                failure: None,
                digest: None,
                byte_size: None,
                file_name: None,
                attempts: 0,
                due_at: Some(self.now),
            });
        }
    }

    fn add_activity(&mut self, agency: AgencyId, thread: ThreadId, kind: ActivityKind, to_user: Option<UserId>) {
        let id = ActivityId(self.new_id());
        let row = activity::Model::begin(agency, id, thread, kind, self.now);
        self.plan.activities.push(activity::Model { to_user_id: to_user, ..row });
        let event = event::Model::begin(agency, EventKind::ThreadActivity, self.now);
        let event = event::Model { thread_id: Some(thread), node_id: Some(id.to_string()), ..event };
        self.plan.events.push((event, Vec::new()));
    }

    /// Stores the whole form as JSON, in which a NUL or a field that is too long does no harm.
    fn add_to_quarantine(&mut self, text: &InboundText, agency: Option<AgencyId>, reason: QuarantineReason) {
        let form = text.form.iter().map(|(name, value)| serde_json::Value::from(vec![name.as_str(), value.as_str()]));
        let to_address = text.to.chars().filter(|c| !c.is_control()).take(MAX_ADDRESS_CHARS).collect();
        let id = QuarantineId(self.new_id());
        if let Some((agency, admins)) = agency.and_then(|agency| self.snapshot.quarantine_alerts.remove_entry(&agency))
        {
            let event = event::Model::of_agency(agency, self.now);
            self.plan.events.push((event, vec![quarantine_alerts::notice(admins, id)]));
        }
        let row = quarantine::Model {
            id,
            twilio_account_id: text.account,
            provider_sid: text.message_sid.clone(),
            to_address,
            agency_id: agency,
            reason,
            form: form.collect::<serde_json::Value>().to_string(),
            state: QuarantineState::Held,
            created_at: self.now,
            settled_at: None,
        };
        self.plan.quarantine.push(row);
    }

    pub(super) fn new_id(&self) -> Uuid {
        self.ids.uuid(self.now)
    }
}
