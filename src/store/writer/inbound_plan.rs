//! The plan of a batch of inbound texts: message by message, in the order in which they came, in
//! memory. `domain::inbound` decides; here its decisions become rows.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use super::ledger::Ledger;
use crate::domain::address::{MAX_ADDRESS_CHARS, can_be_texted, without_channel};
use crate::domain::dialling::check_recipient;
use crate::domain::inbound::{Reception, receive};
use crate::domain::opt_out::{self, Wish, Wishes, gate, wish};
use crate::domain::opt_out_hint::sounds_like_opt_out;
use crate::domain::own_numbers::is_forbidden_recipient;
use crate::domain::segments::segments;
use crate::domain::turns;
use crate::domain::{
    AccountId, ActivityId, ActivityKind, AgencyId, ContactId, Direction, EventKind, ExtensionId, MediaId, MediaState,
    MessageId, MessageStatus, NotificationId, NotificationKind, OptOutReplies, OutboxState, PhoneNumberId, PoolId,
    Purpose, QuarantineId, QuarantineState, ThreadId, UserId, extension,
};
use crate::entity::{activity, contact, event, media, message, notification, outbox, quarantine, thread};
use crate::ports::IdGen;
use crate::store::Directory;

mod wishes;

use wishes::apply_wish;

/// One authentic text, as Twilio sent it.
#[derive(Debug, Clone)]
pub struct InboundText {
    /// The account whose token signed it.
    pub account: AccountId,
    /// Twilio's name for it.
    pub message_sid: String,
    /// The sender, as received.
    pub from: String,
    /// The address it was sent to, as received, including a channel prefix.
    pub to: String,
    /// The readable body (`domain::inbound_form`).
    pub body: String,
    /// Twilio's own reading of a STOP, START or HELP.
    pub opt_out_type: Option<String>,
    /// Its attachments.
    pub media: Vec<InboundMedia>,
    /// The whole form, kept if the text goes to quarantine.
    pub form: Vec<(String, String)>,
    /// The quarantined text that this one is: it is settled by being stored.
    pub settles: Option<QuarantineId>,
    /// Whether it arrived at the carrier so long ago that an automatic answer would come as a surprise.
    pub is_late: bool,
}

impl InboundText {
    /// The phone number it was sent to, without a channel prefix.
    pub fn number(&self) -> &str {
        without_channel(&self.to)
    }

    /// The opt-out, opt-in or help wish that the text expresses.
    pub fn wish(&self) -> Option<Wish> {
        wish(&self.body, self.opt_out_type.as_deref())
    }
}

/// An attachment that Twilio keeps for us.
#[derive(Debug, Clone)]
pub struct InboundMedia {
    /// Where.
    pub url: String,
    /// Its MIME type, as the sender's phone said.
    pub content_type: String,
}

/// What became of a text. All three are durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundOutcome {
    /// It stands in a thread.
    Stored(AgencyId, MessageId),
    /// It was there already.
    Duplicate,
    /// It fits no number, or the database refused it as a message.
    Quarantined,
}

/// What is there before the batch.
#[derive(Default)]
pub(super) struct Known {
    pub(super) seen: HashSet<(AccountId, String)>,
    pub(super) contacts: HashMap<(AgencyId, String), contact::Model>,
    pub(super) threads: HashMap<(AgencyId, PhoneNumberId, ContactId), thread::Model>,
    pub(super) directories: HashMap<AgencyId, Arc<Directory>>,
    pub(super) last_holders: HashMap<(AccountId, String), AgencyId>,
    /// The senders that are phone numbers on this server, with the accounts in which they are live.
    pub(super) own_senders: HashMap<String, Vec<AccountId>>,
}

/// Rows to write. Contacts and threads stand in their final state, each once.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) contacts: Vec<contact::Model>,
    /// Those of the contacts that were there and need no write.
    pub(super) unchanged: HashSet<ContactId>,
    pub(super) threads: Vec<thread::Model>,
    pub(super) messages: Vec<message::Model>,
    pub(super) media: Vec<media::Model>,
    pub(super) outbox: Vec<outbox::Model>,
    pub(super) activities: Vec<activity::Model>,
    pub(super) notifications: Vec<notification::Model>,
    pub(super) quarantine: Vec<quarantine::Model>,
    pub(super) settled: Vec<QuarantineId>,
}

pub(super) struct Planner<'a> {
    known: Known,
    numbers: &'a HashMap<(AccountId, String), AgencyId>,
    ids: Arc<dyn IdGen>,
    now: DateTime<Utc>,
    /// Where a contact or thread of this batch stands in the plan.
    contact_at: HashMap<(AgencyId, String), usize>,
    thread_at: HashMap<(AgencyId, PhoneNumberId, ContactId), usize>,
    pub(super) plan: Plan,
}

impl<'a> Planner<'a> {
    pub(super) fn new(
        known: Known,
        numbers: &'a HashMap<(AccountId, String), AgencyId>,
        ids: Arc<dyn IdGen>,
        now: DateTime<Utc>,
    ) -> Self {
        let (contact_at, thread_at) = (HashMap::new(), HashMap::new());
        Self { known, numbers, ids, now, contact_at, thread_at, plan: Plan::default() }
    }

    pub(super) fn receive(
        &mut self,
        text: &InboundText,
        refused: bool,
        ledger: &mut Ledger,
    ) -> Result<InboundOutcome, DbErr> {
        if !refused {
            self.plan.settled.extend(text.settles);
        }
        if !self.known.seen.insert((text.account, text.message_sid.clone())) {
            return Ok(InboundOutcome::Duplicate);
        }
        let key = (text.account, text.number().to_owned());
        let agency = self.numbers.get(&key);
        let directory = agency.and_then(|agency| self.known.directories.get(agency)).cloned();
        let number = directory.as_ref().and_then(|directory| directory.live_number(text.account, text.number()));
        match (&directory, number) {
            (Some(directory), Some(number)) if !refused => {
                let message = self.add_to_thread(text, directory, number.id, ledger)?;
                Ok(InboundOutcome::Stored(directory.agency_id(), message))
            }
            // An operator tried to give it to a number; it is in quarantine already, and stays there.
            _ if text.settles.is_some() => Ok(InboundOutcome::Quarantined),
            _ => {
                let agency = agency.or_else(|| self.known.last_holders.get(&key)).copied();
                self.add_to_quarantine(text, agency, if refused { "REFUSED" } else { "UNMATCHED" })?;
                Ok(InboundOutcome::Quarantined)
            }
        }
    }

    fn add_to_thread(
        &mut self,
        text: &InboundText,
        directory: &Directory,
        number: PhoneNumberId,
        ledger: &mut Ledger,
    ) -> Result<MessageId, DbErr> {
        let agency = directory.agency_id();
        let wish = text.wish();
        let (contact, provider, answer, opted_out) = self.contact(directory, number, text, wish);
        let named = extension::named_in(&text.body).and_then(|digits| directory.extension_on(number, digits));
        let named = named.map(|row| row.id);
        let (id, now) = (MessageId(self.new_id()), self.now);

        let thread = self.thread(agency, number, contact);
        if let Some(wish) = wish {
            apply_wish(wish, text.number(), thread);
        }
        // A contact who has already opted out needs no hint.
        let is_hint = wish.is_none() && !opted_out && sounds_like_opt_out(&text.body);
        if is_hint {
            thread.opt_out_hint_id = Some(id);
        }
        let is_blocked = thread.blocked_at.is_some();
        // From the first text that names an extension on, the thread is that extension's.
        thread.extension_id = named.or(thread.extension_id);
        let mut roster = directory.roster(number, provider, thread.extension_id);
        roster.assignee = thread.assignee_id.and_then(|id| directory.member(id));
        let days = directory.pool(PoolId::from(number)).map_or(7, |pool| pool.reopen_within_days);
        let before = thread.tenure();
        let reception = receive(&before, &roster, TimeDelta::days(days.into()), now);
        thread.set_tenure(&reception.tenure);
        thread.escalate_at = match thread.assignee_id {
            Some(_) => None,
            // The first text that waits sets the time; later ones do not put it off.
            None => thread.escalate_at.or(reception.escalate_at),
        };
        thread.last_message_id = Some(id);
        thread.last_activity_at = now;
        thread.inbound_count += 1;
        let thread = thread.id;

        if reception.reopened {
            self.activity(agency, thread, ActivityKind::Reopened, reception.tenure.assignee);
        }
        if is_hint {
            self.activity(agency, thread, ActivityKind::OptOutHinted, None);
        }
        self.message(text, agency, thread, id, named, &reception);
        let event = event::Model {
            agency_id: agency,
            position: 0,
            kind: EventKind::InboundMessage,
            thread_id: Some(thread),
            message_id: Some(id),
            call_id: None,
            node_id: None,
            lost_by: None,
            created_at: now,
        };
        let position = ledger.append(event)?;
        for user in reception.route.recipients {
            self.notify(agency, position, user, thread, id, reception.route.rung);
        }
        if let Some(wish) = wish {
            self.apply_to_other_threads(wish, directory, (number, contact), ledger)?;
        }
        if let Some(answer) = answer
            && gate(Purpose::OptOutReply, Wishes { opted_out: true, blocked: is_blocked }).is_ok()
        {
            self.answer(answer, (agency, number, contact), text.account, ledger)?;
        }
        Ok(id)
    }

    /// Queues what answers a STOP or a HELP. It is sent through the outbox like any other text.
    fn answer(
        &mut self,
        body: String,
        (agency, number, contact): (AgencyId, PhoneNumberId, ContactId),
        account: AccountId,
        ledger: &mut Ledger,
    ) -> Result<(), DbErr> {
        let (id, now) = (MessageId(self.new_id()), self.now);
        let thread = self.thread(agency, number, contact);
        thread.last_message_id = Some(id);
        let thread = thread.id;
        self.plan.outbox.push(outbox::Model {
            agency_id: agency,
            message_id: id,
            thread_id: thread,
            phone_number_id: number,
            purpose: Purpose::OptOutReply,
            state: OutboxState::Queued,
            sender_id: None,
            turn: turns::AUTOMATIC,
            attempts: 0,
            due_at: now,
            attempted_at: None,
        });
        self.plan.messages.push(message::Model {
            agency_id: agency,
            id,
            thread_id: thread,
            direction: Direction::Outbound,
            segments: i32::try_from(segments(&body)).ok(),
            body,
            status: MessageStatus::Queued,
            sender_id: None,
            extension_id: None,
            twilio_account_id: account,
            provider_sid: None,
            routed_by: None,
            error_code: None,
            flagged_at: None,
            created_at: now,
        });
        ledger.sends(agency, number);
        ledger.append(event::Model {
            agency_id: agency,
            position: 0,
            kind: EventKind::ThreadUpdated,
            thread_id: Some(thread),
            message_id: Some(id),
            call_id: None,
            node_id: None,
            lost_by: None,
            created_at: now,
        })?;
        Ok(())
    }

    /// Creates the contact of a text or adds it to the plan. Returns its id, its provider, the automatic reply, and whether
    /// the contact has opted out.
    fn contact(
        &mut self,
        directory: &Directory,
        number: PhoneNumberId,
        text: &InboundText,
        wish: Option<Wish>,
    ) -> (ContactId, Option<UserId>, Option<String>, bool) {
        let agency = directory.agency_id();
        let key = (agency, text.from.clone());
        let at = match self.contact_at.get(&key) {
            Some(at) => *at,
            None => {
                let row = match self.known.contacts.remove(&key) {
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
        let now = self.now;
        let row = &mut self.plan.contacts[at];
        if wish.is_some_and(|wish| wish == Wish::Stop || wish.opts_in()) {
            self.plan.unchanged.remove(&row.id);
            row.updated_at = now;
        }
        let is_first_stop = wish == Some(Wish::Stop) && row.opted_out_at.is_none();
        match wish {
            Some(Wish::Stop) => row.opted_out_at = row.opted_out_at.or(Some(now)),
            Some(Wish::Start | Wish::Yes) => row.opted_out_at = None,
            Some(Wish::Help) | None => {}
        }
        let of = &directory.agency;
        let holders = self.known.own_senders.get(without_channel(&text.from));
        let is_own = holders.is_some_and(|holders| is_forbidden_recipient(Purpose::OptOutReply, text.account, holders));
        let is_allowed = directory.number(number).is_some_and(|number| {
            let countries = directory.calling_countries();
            check_recipient(without_channel(&text.from), &number.e164, countries.as_deref()).is_ok()
        });
        let answer = match wish {
            // Twilio replies, or no reply may be sent.
            _ if of.opt_out_replies == OptOutReplies::Twilio || !can_be_texted(&text.from) || is_own => None,
            _ if !is_allowed || text.is_late => None,
            Some(Wish::Stop) if is_first_stop => {
                Some(of.stop_reply.clone().unwrap_or_else(|| opt_out::stop_reply(&of.name)))
            }
            Some(Wish::Help) => Some(of.help_reply.clone().unwrap_or_else(|| opt_out::help_reply(&of.name))),
            Some(Wish::Stop | Wish::Start | Wish::Yes) | None => None,
        };
        (row.id, row.provider_user_id, answer, row.opted_out_at.is_some())
    }

    /// The thread of a number and a contact, made or taken up into the plan.
    fn thread(&mut self, agency: AgencyId, number: PhoneNumberId, contact: ContactId) -> &mut thread::Model {
        let key = (agency, number, contact);
        let at = match self.thread_at.get(&key) {
            Some(at) => *at,
            None => {
                let row = match self.known.threads.remove(&key) {
                    Some(row) => row,
                    None => thread::Model::begin(agency, ThreadId(self.new_id()), number, contact, self.now),
                };
                self.thread_at.insert(key, self.plan.threads.len());
                self.plan.threads.push(row);
                self.plan.threads.len() - 1
            }
        };
        &mut self.plan.threads[at]
    }

    fn message(
        &mut self,
        text: &InboundText,
        agency: AgencyId,
        thread: ThreadId,
        id: MessageId,
        extension: Option<ExtensionId>,
        reception: &Reception,
    ) {
        self.plan.messages.push(message::Model {
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
            routed_by: Some(reception.route.rung),
            error_code: None,
            segments: None,
            flagged_at: None,
            created_at: self.now,
        });
        for (ordinal, media) in (0..).zip(&text.media) {
            self.plan.media.push(media::Model {
                agency_id: agency,
                id: MediaId(self.ids.uuid(self.now)),
                message_id: id,
                ordinal,
                content_type: media.content_type.clone(),
                source_url: media.url.clone(),
                state: MediaState::Pending,
            });
        }
    }

    fn activity(&mut self, agency: AgencyId, thread: ThreadId, kind: ActivityKind, to_user: Option<UserId>) {
        let row = activity::Model {
            agency_id: agency,
            id: ActivityId(self.new_id()),
            thread_id: thread,
            kind,
            actor_id: None,
            to_user_id: to_user,
            note: None,
            created_at: self.now,
        };
        self.plan.activities.push(row);
    }

    fn notify(
        &mut self,
        agency: AgencyId,
        position: i64,
        user: UserId,
        thread: ThreadId,
        message: MessageId,
        rung: crate::domain::RoutingRung,
    ) {
        let row = notification::Model {
            agency_id: agency,
            id: NotificationId(self.new_id()),
            user_id: user,
            event_position: position,
            kind: NotificationKind::InboundClientMessage,
            thread_id: Some(thread),
            message_id: Some(message),
            call_id: None,
            rung: Some(rung),
            read_at: None,
            resolved_at: None,
            created_at: self.now,
        };
        self.plan.notifications.push(row);
    }

    /// Keeps the whole form, as JSON: a NUL or an over-long field is harmless there.
    fn add_to_quarantine(&mut self, text: &InboundText, agency: Option<AgencyId>, reason: &str) -> Result<(), DbErr> {
        let form = serde_json::to_string(&text.form).map_err(|error| DbErr::Json(error.to_string()))?;
        let to_address = text.to.chars().filter(|c| !c.is_control()).take(MAX_ADDRESS_CHARS).collect();
        let row = quarantine::Model {
            id: QuarantineId(self.new_id()),
            twilio_account_id: text.account,
            provider_sid: text.message_sid.clone(),
            to_address,
            agency_id: agency,
            reason: reason.to_owned(),
            form,
            state: QuarantineState::Held,
            created_at: self.now,
            settled_at: None,
        };
        self.plan.quarantine.push(row);
        Ok(())
    }

    fn new_id(&self) -> uuid::Uuid {
        self.ids.uuid(self.now)
    }
}
