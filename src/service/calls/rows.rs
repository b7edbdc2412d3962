//! The rows of a call: found, or made with the caller's contact and thread if they are missing.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use super::{CallKey, LegNews, Progress};
use crate::domain::call::{is_known_caller, join};
use crate::domain::{
    AgencyId, CallId, CallLegId, ContactId, Direction, ExtensionId, LegState, PhoneNumberId, ThreadId, UserId,
};
use crate::entity::{call, call_leg, contact, thread};
use crate::service::Viewer;
use crate::store::bulk::insert;
use crate::store::writer::Tx;
use crate::store::{calls, contacts, thread_writes, threads};

/// When to ask the carrier what became of a call of which nothing more is heard.
pub(super) const LOOK_AFTER: TimeDelta = TimeDelta::minutes(15);

/// A call as it stands in the database, and as it is to be.
pub(super) struct Row {
    /// `None` if it is not there yet.
    pub(super) before: Option<call::Model>,
    pub(super) after: call::Model,
}

/// The rows of these calls, in their order, with the contacts and threads of those that are new.
pub(super) async fn find_or_begin(tx: &mut Tx<'_>, agency: AgencyId, keys: &[&CallKey]) -> Result<Vec<Row>, DbErr> {
    let mut by_account: HashMap<_, Vec<&str>> = HashMap::new();
    for key in keys {
        by_account.entry(key.account).or_default().push(&key.sid);
    }
    let mut found = HashMap::new();
    for (account, sids) in by_account {
        for row in calls::by_sids(tx.conn, agency, account, &sids).await? {
            found.extend(row.provider_sid.clone().map(|sid| ((account, sid), row)));
        }
    }
    // A row may have been made by a report that did not say who calls.
    let is_placed = |key: &&&CallKey| {
        let row: Option<&call::Model> = found.get(&(key.account, key.sid.clone()));
        row.is_some_and(|row| row.contact_id.is_some())
    };
    let to_place: Vec<&CallKey> = keys.iter().filter(|key| !is_placed(key)).copied().collect();
    let threads = if to_place.is_empty() { HashMap::new() } else { threads_of(tx, agency, &to_place).await? };
    Ok(keys
        .iter()
        .map(|key| {
            let place = threads.get(&(key.number, key.from.clone())).copied();
            match found.get(&(key.account, key.sid.clone())) {
                Some(row) => {
                    let mut after = row.clone();
                    after.contact_id = row.contact_id.or(place.map(|(contact, _)| contact));
                    after.thread_id = row.thread_id.or(place.map(|(_, thread)| thread));
                    Row { before: Some(row.clone()), after }
                }
                None => Row { before: None, after: begin(tx, key, place) },
            }
        })
        .collect())
}

fn begin(tx: &Tx<'_>, key: &CallKey, place: Option<(ContactId, ThreadId)>) -> call::Model {
    let (id, number) = (CallId(tx.new_id()), (key.account, key.number));
    call::Model {
        contact_id: place.map(|(contact, _)| contact),
        thread_id: place.map(|(_, thread)| thread),
        provider_sid: Some(key.sid.clone()),
        look_at: Some(tx.now + LOOK_AFTER),
        ..call::Model::begin(key.agency, id, number, Direction::Inbound, tx.now)
    }
}

/// Contact and thread of a phone that a user calls from a number.
pub(super) async fn thread_with(
    tx: &mut Tx<'_>,
    viewer: &Viewer,
    number: PhoneNumberId,
    phone: &str,
) -> Result<(ContactId, ThreadId), DbErr> {
    let wanted = BTreeSet::from([(number, phone)]);
    let is_stranger = match contacts::by_phone(tx.conn, viewer.agency(), phone).await? {
        Some(contact) => contacts::visible(tx.conn, &viewer.scope(), contact.id).await?.is_none(),
        None => false,
    };
    let places = places(tx, viewer.agency(), &wanted, is_stranger).await?;
    places.get(&(number, phone.to_owned())).copied().ok_or_else(|| DbErr::Custom("no thread was made".to_owned()))
}

type Places = HashMap<(PhoneNumberId, String), (ContactId, ThreadId)>;

async fn threads_of(tx: &mut Tx<'_>, agency: AgencyId, keys: &[&CallKey]) -> Result<Places, DbErr> {
    let known = keys.iter().filter(|key| is_known_caller(&key.from));
    let wanted: BTreeSet<(PhoneNumberId, &str)> = known.map(|key| (key.number, key.from.as_str())).collect();
    if wanted.is_empty() { Ok(Places::new()) } else { places(tx, agency, &wanted, false).await }
}

/// A constant number of statements for however many callers. `started_blind` is said of the threads that are new.
async fn places(
    tx: &mut Tx<'_>,
    agency: AgencyId,
    wanted: &BTreeSet<(PhoneNumberId, &str)>,
    started_blind: bool,
) -> Result<Places, DbErr> {
    let phones: BTreeSet<&str> = wanted.iter().map(|(_, phone)| *phone).collect();
    let rows = contacts::by_phones(tx.conn, agency, &phones).await?;
    let mut of_phone: HashMap<String, ContactId> = rows.into_iter().map(|row| (row.phone, row.id)).collect();
    let mut new = Vec::new();
    for phone in phones {
        if !of_phone.contains_key(phone) {
            let row = contact::Model::begin(agency, ContactId(tx.new_id()), phone, tx.now);
            of_phone.insert(row.phone.clone(), row.id);
            new.push(row);
        }
    }
    insert(tx.conn, new).await?;
    let ids: Vec<ContactId> = of_phone.values().copied().collect();
    let rows = threads::with_contacts(tx.conn, agency, &ids).await?;
    let known: HashMap<_, _> = rows.into_iter().map(|row| ((row.phone_number_id, row.contact_id), row.id)).collect();
    let (mut places, mut new, mut seen) = (Places::new(), Vec::new(), Vec::new());
    for (number, phone) in wanted {
        let Some(contact) = of_phone.get(*phone).copied() else { continue };
        let thread = match known.get(&(*number, contact)) {
            Some(thread) => {
                seen.push(*thread);
                *thread
            }
            None => {
                let id = ThreadId(tx.new_id());
                let row = thread::Model { started_blind, ..thread::Model::begin(agency, id, *number, contact, tx.now) };
                new.push(row);
                id
            }
        };
        places.insert((*number, (*phone).to_owned()), (contact, thread));
    }
    insert(tx.conn, new).await?;
    thread_writes::heard_from(tx.conn, agency, &seen, tx.now).await?;
    Ok(places)
}

/// The extension that a call is for, and whom it reaches.
pub(super) fn set_extension(call: &mut call::Model, extension: Option<(ExtensionId, UserId)>) {
    if let Some((extension, user)) = extension {
        call.extension_id = Some(extension);
        call.mailbox_user_id = Some(user);
    }
}

/// Adds what a step says to a call. What comes late, from a step before the last, does not count for where
/// the caller is.
pub(super) fn advance(call: &mut call::Model, progress: &Progress) {
    set_extension(call, progress.extension);
    call.caller_id_verification = call.caller_id_verification.or(progress.verification);
    if progress.step > call.step {
        call.wrong_tries += i32::from(progress.wrong);
        call.step = progress.step;
        call.stage = progress.stage.unwrap_or(call.stage);
    }
}

/// The legs of a call, and which of them are to be written.
pub(super) struct Legs {
    call: CallId,
    agency: AgencyId,
    pub(super) rows: Vec<call_leg::Model>,
    new: BTreeSet<CallLegId>,
    changed: BTreeSet<CallLegId>,
}

impl Legs {
    /// The legs that are there of a call.
    pub(super) async fn of(tx: &Tx<'_>, row: &Row) -> Result<Self, DbErr> {
        let rows = match &row.before {
            Some(call) => calls::legs_of(tx.conn, call.agency_id, &[call.id]).await?,
            None => Vec::new(),
        };
        let (new, changed) = (BTreeSet::new(), BTreeSet::new());
        Ok(Self { call: row.after.id, agency: row.after.agency_id, rows, new, changed })
    }

    /// Adds what became known of a leg; gives the leg as it is now.
    pub(super) fn hear(&mut self, tx: &Tx<'_>, news: &LegNews) -> &mut call_leg::Model {
        let at = self.rows.iter().position(|row| row.step == news.step && row.user_id == news.user);
        let at = at.unwrap_or_else(|| {
            let row = call_leg::Model {
                agency_id: self.agency,
                id: CallLegId(tx.new_id()),
                call_id: self.call,
                user_id: news.user,
                step: news.step,
                provider_sid: None,
                state: LegState::Ringing,
                rang_at: tx.now,
                picked_up_at: None,
                ended_at: None,
                duration_seconds: None,
            };
            self.new.insert(row.id);
            self.rows.push(row);
            self.rows.len() - 1
        });
        let leg = &mut self.rows[at];
        let before = leg.clone();
        leg.state = join(leg.state, news.state);
        leg.provider_sid = leg.provider_sid.take().or_else(|| news.sid.clone());
        let was_picked_up = !matches!(
            news.state,
            LegState::Ringing | LegState::Canceled | LegState::NoAnswer | LegState::Busy | LegState::Failed
        );
        if was_picked_up {
            leg.picked_up_at = leg.picked_up_at.or(Some(tx.now));
        }
        if news.ended {
            leg.ended_at = leg.ended_at.or(Some(tx.now));
            leg.duration_seconds = news.seconds.or(leg.duration_seconds);
        }
        if *leg != before {
            self.changed.insert(leg.id);
        }
        leg
    }

    /// The call is over: no phone rings for it any more, and nobody is on one.
    pub(super) fn end(&mut self, now: DateTime<Utc>) {
        for leg in self.rows.iter_mut().filter(|leg| leg.ended_at.is_none()) {
            leg.state = join(leg.state, LegState::Canceled);
            leg.ended_at = Some(now);
            self.changed.insert(leg.id);
        }
    }

    /// Whether anything became known that was not.
    pub(super) fn has_changed(&self) -> bool {
        !self.new.is_empty() || !self.changed.is_empty()
    }

    /// Splits into the rows to insert and those to save.
    pub(super) fn into_writes(self) -> (Vec<call_leg::Model>, Vec<call_leg::Model>) {
        let Self { rows, new, changed, .. } = self;
        let (new_rows, rest): (Vec<_>, Vec<_>) = rows.into_iter().partition(|row| new.contains(&row.id));
        (new_rows, rest.into_iter().filter(|row| changed.contains(&row.id)).collect())
    }
}

/// The news that a step is of phones that begin to ring.
pub(super) fn rings(progress: &Progress) -> impl Iterator<Item = LegNews> {
    progress.rings.iter().map(|user| LegNews::of(progress.step, Some(*user), None, LegState::Ringing))
}
