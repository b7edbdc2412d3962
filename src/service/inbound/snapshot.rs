//! Reads the rows that a batch of inbound texts depends on.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::DbErr;

use super::{InboundItem, InboundText};
use crate::domain::address::{is_e164, without_channel};
use crate::domain::opt_out::{OptOutKeyword, keyword};
use crate::domain::{AccountId, AgencyId, ContactId, OptOutReplies, QuarantineId, QuarantineState, ThreadId, UserId};
use crate::service::quarantine_alerts::admins_to_notify;
use crate::store::accounts::accounts_of_numbers;
use crate::store::inbound::{self, AccountNumber};
use crate::store::pairs::{self, Known};
use crate::store::writer::{Transaction, Tx};
use crate::store::{Directory, messages, threads};

/// The phone numbers that were texted, read before the lock. They tell which agencies to lock; the directories that are
/// read under the lock decide.
#[derive(Default)]
pub struct Numbers {
    /// The agencies in which the numbers are live.
    pub(super) live: HashMap<AccountNumber, AgencyId>,
    /// Every agency that has or had one of them.
    holders: BTreeSet<AgencyId>,
    /// For numbers that are not live: the agency whose admins see the quarantined text.
    pub(super) last_holders: HashMap<AccountNumber, AgencyId>,
}

impl Numbers {
    pub(super) async fn of(conn: &Transaction<'_>, items: &[&InboundItem]) -> Result<Self, DbErr> {
        let named = || items.iter().filter(|item| item.has_usable_number());
        let e164: BTreeSet<&str> = named().map(|item| item.text.number()).collect();
        let mut numbers = Self::default();
        if e164.is_empty() {
            return Ok(numbers);
        }
        let accounts = named().map(|item| item.text.account).collect();
        for (number, agency, is_live) in inbound::holders(conn, accounts, e164).await? {
            numbers.holders.insert(agency);
            if is_live {
                numbers.live.insert(number, agency);
            }
        }
        let without_live_number = named()
            .filter(|item| item.text.quarantined_as.is_none() && numbers.agency_with(&item.text).is_none())
            .map(|item| (item.text.account, item.text.number()));
        numbers.last_holders = inbound::last_holders(conn, without_live_number.collect()).await?;
        Ok(numbers)
    }

    /// The agencies that the texts belong to, or are shown to in quarantine.
    pub(super) fn agencies(&self) -> BTreeSet<AgencyId> {
        self.live.values().chain(self.last_holders.values()).copied().collect()
    }

    /// The agency in which the number of a text is live.
    fn agency_with(&self, text: &InboundText) -> Option<AgencyId> {
        self.live.get(&(text.account, text.number().to_owned())).copied()
    }
}

/// The state of the database before the batch.
pub(super) struct Snapshot {
    /// The texts that are stored already.
    pub(super) stored: HashSet<(AccountId, String)>,
    /// The quarantined texts that the batch may assign, each once.
    pub(super) assignable: HashSet<QuarantineId>,
    pub(super) known: Known,
    /// The directories of the locked agencies.
    pub(super) directories: HashMap<AgencyId, Arc<Directory>>,
    /// The agencies in which the numbers are live.
    pub(super) numbers: HashMap<AccountNumber, AgencyId>,
    /// For numbers that are not live: the agency whose admins see the quarantined text.
    pub(super) last_holders: HashMap<AccountNumber, AgencyId>,
    /// When the senders of imported texts with a keyword last opted out or in, as far as that is after such a text.
    pub(super) newest_decisions: HashMap<(AgencyId, String), DateTime<Utc>>,
    /// The admins to notify of a quarantined text, by agency.
    pub(super) quarantine_alerts: HashMap<AgencyId, Vec<UserId>>,
    /// The senders that are phone numbers on this server, with the accounts in which they are live.
    pub(super) own_senders: HashMap<String, Vec<AccountId>>,
}

pub(super) async fn read(tx: &mut Tx<'_>, numbers: Numbers, items: &[&InboundItem]) -> Result<Snapshot, DbErr> {
    let (stored, assignable) = stored(tx, &numbers, items).await?;
    let agencies: BTreeSet<AgencyId> = numbers.live.values().copied().collect();
    let mut directories = HashMap::new();
    for agency in agencies {
        if tx.is_locked(agency) {
            directories.insert(agency, tx.directory(agency).await?);
        }
    }
    let known = known(tx, items, &numbers, &directories).await?;
    let newest_decisions = newest_decisions(tx, items, &known).await?;
    let own_senders = own_senders(tx, items, &numbers, &directories).await?;
    let quarantine_alerts = admins_to_notify(tx, quarantines(items, &numbers, &directories)).await?;
    let Numbers { live: numbers, last_holders, .. } = numbers;
    Ok(Snapshot {
        stored,
        assignable,
        known,
        directories,
        numbers,
        last_holders,
        newest_decisions,
        quarantine_alerts,
        own_senders,
    })
}

/// The agencies to whose quarantine texts of the batch go.
fn quarantines(
    items: &[&InboundItem],
    numbers: &Numbers,
    directories: &HashMap<AgencyId, Arc<Directory>>,
) -> BTreeSet<AgencyId> {
    let agency = |item: &&InboundItem| {
        let agency = numbers.agency_with(&item.text)?;
        // The number may have been released since it was looked up.
        let number = directories.get(&agency)?.live_number(item.text.account, item.text.number());
        (item.to_quarantine || number.is_none()).then_some(agency)
    };
    let arriving = items.iter().filter(|item| item.text.quarantined_as.is_none());
    arriving.filter_map(agency).chain(numbers.last_holders.values().copied()).collect()
}

/// The texts of the batch that are stored already, in a thread or in quarantine, and the quarantined texts that the batch
/// may assign.
async fn stored(
    tx: &Tx<'_>,
    numbers: &Numbers,
    items: &[&InboundItem],
) -> Result<(HashSet<(AccountId, String)>, HashSet<QuarantineId>), DbErr> {
    let accounts: BTreeSet<AccountId> = items.iter().map(|item| item.text.account).collect();
    let sids: BTreeSet<&str> = items.iter().map(|item| item.text.message_sid.as_str()).collect();
    let assigned: HashSet<QuarantineId> = items.iter().filter_map(|item| Some(item.text.quarantined_as?.id)).collect();
    // A number may have moved between agencies of its account since the text first arrived. Every agency that has or
    // had it is searched, so that no text is shown to a second agency.
    let mut stored = inbound::stored(tx.conn, &numbers.holders, &accounts, &sids, assigned.is_empty()).await?;
    let mut assignable = HashSet::new();
    if !assigned.is_empty() {
        // Of several assignments of a text, one finds it held.
        for (id, account, sid, state) in inbound::lock_quarantined(tx.conn, &accounts, &sids).await? {
            let is_new = stored.insert((account, sid));
            if is_new && state == QuarantineState::Held && assigned.contains(&id) {
                assignable.insert(id);
            }
        }
    }
    Ok((stored, assignable))
}

/// The contacts of the texts with their threads on the numbers that they texted. A keyword applies to every thread of
/// its contact, so all threads of these contacts are read.
async fn known(
    tx: &Tx<'_>,
    items: &[&InboundItem],
    numbers: &Numbers,
    directories: &HashMap<AgencyId, Arc<Directory>>,
) -> Result<Known, DbErr> {
    let pair = |text: &'_ InboundText| {
        let agency = numbers.agency_with(text)?;
        let number = directories.get(&agency)?.live_number(text.account, text.number())?;
        Some((agency, number.id))
    };
    let pairs = readable(items).filter_map(|text| pair(text).map(|(agency, number)| (agency, &*text.from, number)));
    let mut known = pairs::known(tx.conn, &pairs.collect()).await?;
    let mut with_keyword: BTreeMap<AgencyId, BTreeSet<ContactId>> = BTreeMap::new();
    for text in readable(items).filter(|text| text.keyword().is_some()) {
        let contact = pair(text).and_then(|(agency, _)| known.contacts.get(&(agency, text.from.clone())));
        if let Some(contact) = contact {
            with_keyword.entry(contact.agency_id).or_default().insert(contact.id);
        }
    }
    for (agency, contacts) in with_keyword {
        let rows = threads::with_contacts(tx.conn, agency, contacts).await?;
        known.threads.extend(rows.into_iter().map(|row| ((agency, row.phone_number_id, row.contact_id), row)));
    }
    Ok(known)
}

/// The newest decision of the contacts for or against texts, if it was made after a text of this batch that is imported
/// and contains a keyword. Reads nothing for texts that arrive now, because nothing is newer.
async fn newest_decisions(
    tx: &Tx<'_>,
    items: &[&InboundItem],
    known: &Known,
) -> Result<HashMap<(AgencyId, String), DateTime<Utc>>, DbErr> {
    let mut newest = HashMap::new();
    for text in readable(items).filter(|text| text.keyword().is_some()) {
        let Some(after) = text.arrived_at else { continue };
        for contact in known.contacts.values().filter(|contact| contact.phone == text.from) {
            let agency = contact.agency_id;
            let of_contact = known.threads.values().filter(|thread| thread.contact_id == contact.id);
            let threads: Vec<ThreadId> = of_contact.map(|thread| thread.id).collect();
            let texts = messages::inbound_after(tx.conn, agency, &threads, after).await?;
            let expressed = texts.into_iter().filter_map(|text| {
                let keyword = keyword(&text.body, None)?;
                (keyword != OptOutKeyword::Help).then_some(text.created_at)
            });
            let decided = threads::opt_outs_after(tx.conn, agency, &threads, after).await?;
            if let Some(at) = expressed.chain(decided).max() {
                newest.insert((agency, contact.phone.clone()), at);
            }
        }
    }
    Ok(newest)
}

/// The senders that are phone numbers on this server, among the texts that may get an automatic reply. Reads nothing
/// for agencies whose replies Twilio sends.
async fn own_senders(
    tx: &Tx<'_>,
    items: &[&InboundItem],
    numbers: &Numbers,
    directories: &HashMap<AgencyId, Arc<Directory>>,
) -> Result<HashMap<String, Vec<AccountId>>, DbErr> {
    let may_get_reply = |text: &InboundText| {
        let directory = numbers.agency_with(text).and_then(|agency| directories.get(&agency));
        directory.is_some_and(|directory| directory.agency.opt_out_replies == OptOutReplies::Partyline)
            && text.keyword().is_some()
    };
    let senders = readable(items).filter(|text| may_get_reply(text)).map(|text| without_channel(&text.from));
    accounts_of_numbers(tx.conn, &senders.filter(|sender| is_e164(sender)).collect()).await
}

/// The texts whose fields can be used in statements. A text that goes to quarantine may contain the value that the
/// database rejected.
fn readable<'a>(items: &'a [&InboundItem]) -> impl Iterator<Item = &'a InboundText> {
    items.iter().filter(|item| !item.to_quarantine).map(|item| &item.text)
}
