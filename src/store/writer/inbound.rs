//! Inbound texts, set-based: a batch of N is a constant number of statements.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _, JoinType, Query, UnionType};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait as _, DatabaseTransaction, DbBackend, DbErr, EntityTrait as _,
    QueryFilter as _, QueryOrder as _, QuerySelect as _, QueryTrait,
};

use super::batch::{Numbers, Outcomes, directory_under_lock};
use super::inbound_plan::{InboundText, Known, Plan, Planner};
use super::ledger::Ledger;
use super::{InboundJob, Shared};
use crate::domain::address::{is_e164, without_channel};
use crate::domain::{AccountId, AgencyId, OptOutReplies, QuarantineId, QuarantineState};
use crate::entity::{contact, message, phone_number, quarantine, thread};
use crate::store::Directory;
use crate::store::accounts::accounts_of_numbers;
use crate::store::bulk::{insert, list, upsert};
use crate::store::quarantine::settle;

pub(super) struct Inbound<'a> {
    pub(super) shared: &'a Shared,
    pub(super) conn: &'a DatabaseTransaction,
    pub(super) now: DateTime<Utc>,
    pub(super) ledger: &'a mut Ledger,
}

impl Inbound<'_> {
    /// Reads what the batch needs, plans it message by message in memory, writes the plan.
    pub(super) async fn write(self, jobs: &[InboundJob], numbers: &Numbers) -> Result<Outcomes, DbErr> {
        let mut known =
            Known { last_holders: HashMap::new(), directories: HashMap::new(), ..self.known(jobs, numbers).await? };
        for agency in numbers.live.values().copied().collect::<BTreeSet<_>>() {
            if self.ledger.is_locked(agency) {
                let directory = directory_under_lock(self.shared, self.conn, self.ledger, agency).await?;
                known.directories.insert(agency, directory);
            }
        }
        known.own_senders = self.own_senders(jobs, numbers, &known.directories).await?;
        known.last_holders = self.last_holders(jobs, &numbers.live).await?;
        let ids = self.shared.ids.clone();
        let mut planner = Planner::new(known, &numbers.live, ids, self.now);
        let mut outcomes = Outcomes::with_capacity(jobs.len());
        for job in jobs {
            outcomes.push(planner.receive(&job.text, job.refused, self.ledger)?);
        }
        store(self.conn, planner.plan, self.now).await?;
        Ok(outcomes)
    }

    /// What is there of the batch already: its SIDs, its contacts, their threads.
    async fn known(&self, jobs: &[InboundJob], numbers: &Numbers) -> Result<Known, DbErr> {
        let mut seen = self.seen(jobs, numbers).await?;
        let settling: HashSet<QuarantineId> = jobs.iter().filter_map(|job| job.text.settles).collect();
        if !settling.is_empty() {
            seen.extend(self.settled_already(jobs, &settling).await?);
        }

        let agencies = list(numbers.live.values().copied().collect::<BTreeSet<_>>());
        let from = list(readable(jobs).map(|job| job.text.from.as_str()).collect::<BTreeSet<_>>());
        let (mut contacts, mut threads) = (HashMap::new(), HashMap::new());
        if !agencies.is_empty() {
            let mut query = contact::Entity::find()
                .filter(contact::Column::AgencyId.is_in(agencies))
                .filter(contact::Column::Phone.is_in(from))
                .select_also(thread::Entity);
            // A contact with threads on several numbers comes once with each.
            let theirs = |theirs: thread::Column, of: contact::Column| {
                Expr::col((thread::Entity, theirs)).equals((contact::Entity, of))
            };
            QueryTrait::query(&mut query).join(
                JoinType::LeftJoin,
                thread::Entity,
                Condition::all()
                    .add(theirs(thread::Column::AgencyId, contact::Column::AgencyId))
                    .add(theirs(thread::Column::ContactId, contact::Column::Id)),
            );
            let rows: Vec<(contact::Model, Option<thread::Model>)> = query.all(self.conn).await?;
            for (contact, thread) in rows {
                threads.extend(thread.map(|row| ((row.agency_id, row.phone_number_id, row.contact_id), row)));
                contacts.insert((contact.agency_id, contact.phone.clone()), contact);
            }
        }
        Ok(Known { seen, contacts, threads, ..Known::default() })
    }

    /// Which texts of the batch are there already, in a thread or in quarantine. Those that are being
    /// settled stand in quarantine by themselves: [`Self::settled_already`] sees to them.
    async fn seen(&self, jobs: &[InboundJob], numbers: &Numbers) -> Result<HashSet<(AccountId, String)>, DbErr> {
        use {message::Column as M, quarantine::Column as Q};
        let accounts = list(jobs.iter().map(|job| job.text.account).collect::<BTreeSet<_>>());
        let sids = list(jobs.iter().map(|job| job.text.message_sid.as_str()).collect::<BTreeSet<_>>());
        let settling = jobs.iter().any(|job| job.text.settles.is_some());
        // A number may have moved between agencies of its account since the text first came: every
        // agency that holds or held it is asked, so that no text is ever told to a second one.
        let holders = list(numbers.holders.iter().copied());
        let in_threads = Query::select()
            .columns([M::TwilioAccountId, M::ProviderSid])
            .from(message::Entity)
            .and_where(M::AgencyId.is_in(holders))
            .and_where(M::TwilioAccountId.is_in(accounts.clone()))
            .and_where(M::ProviderSid.is_in(sids.clone()))
            .take();
        let in_quarantine = Query::select()
            .columns([Q::TwilioAccountId, Q::ProviderSid])
            .from(quarantine::Entity)
            .and_where(Q::TwilioAccountId.is_in(accounts))
            .and_where(Q::ProviderSid.is_in(sids))
            .take();
        // Together, for a statement more is a round trip more.
        let both = match (numbers.holders.is_empty(), settling) {
            (true, true) => return Ok(HashSet::new()),
            (true, false) => in_quarantine,
            (false, true) => in_threads,
            (false, false) => in_threads.clone().union(UnionType::All, in_quarantine).take(),
        };
        let rows = self.conn.query_all(&both).await?;
        rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
    }

    /// Which texts of a batch that settles some stand in quarantine and are not, or no longer, to be
    /// settled.
    async fn settled_already(
        &self,
        jobs: &[InboundJob],
        settling: &HashSet<QuarantineId>,
    ) -> Result<Vec<(AccountId, String)>, DbErr> {
        use quarantine::Column as Q;
        let accounts = list(jobs.iter().map(|job| job.text.account).collect::<BTreeSet<_>>());
        let sids = list(jobs.iter().map(|job| job.text.message_sid.as_str()).collect::<BTreeSet<_>>());
        let mut held = quarantine::Entity::find()
            .select_only()
            .columns([Q::Id, Q::TwilioAccountId, Q::ProviderSid, Q::State])
            .filter(Q::TwilioAccountId.is_in(accounts))
            .filter(Q::ProviderSid.is_in(sids));
        if self.conn.get_database_backend() != DbBackend::Sqlite {
            // Two operators may give one text to two agencies, whose writers are not serial.
            held = held.order_by_asc(Q::Id).lock_exclusive();
        }
        let held: Vec<(QuarantineId, AccountId, String, QuarantineState)> = held.into_tuple().all(self.conn).await?;
        let taken =
            held.into_iter().filter(|(id, .., state)| !settling.contains(id) || *state != QuarantineState::Held);
        Ok(taken.map(|(_, account, sid, _)| (account, sid)).collect())
    }

    /// The senders that are phone numbers on this server, among the texts that Partyline may answer automatically. Reads
    /// nothing for agencies whose replies Twilio sends.
    async fn own_senders(
        &self,
        jobs: &[InboundJob],
        numbers: &Numbers,
        directories: &HashMap<AgencyId, Arc<Directory>>,
    ) -> Result<HashMap<String, Vec<AccountId>>, DbErr> {
        let is_answered = |text: &InboundText| {
            let agency = numbers.live.get(&(text.account, text.number().to_owned()));
            let directory = agency.and_then(|agency| directories.get(agency));
            directory.is_some_and(|directory| directory.agency.opt_out_replies == OptOutReplies::Partyline)
                && text.wish().is_some()
        };
        let senders = readable(jobs).filter(|job| is_answered(&job.text)).map(|job| without_channel(&job.text.from));
        accounts_of_numbers(self.conn, &senders.filter(|sender| is_e164(sender)).collect()).await
    }

    /// For texts to no live number: the agency that last held the number, else the only agency of
    /// the account. Its admins are shown the quarantined text.
    async fn last_holders(
        &self,
        jobs: &[InboundJob],
        numbers: &HashMap<(AccountId, String), AgencyId>,
    ) -> Result<HashMap<(AccountId, String), AgencyId>, DbErr> {
        use crate::entity::agency;
        let unmatched: BTreeSet<(AccountId, &str)> = jobs
            .iter()
            .filter(|job| job.names_number())
            .filter(|job| !numbers.contains_key(&(job.text.account, job.text.number().to_owned())))
            .map(|job| (job.text.account, job.text.number()))
            .collect();
        if unmatched.is_empty() {
            return Ok(HashMap::new());
        }
        let accounts = list(unmatched.iter().map(|(account, _)| *account));
        let mut condition = Condition::any();
        for (account, to) in &unmatched {
            condition = condition
                .add(phone_number::Column::TwilioAccountId.eq(*account).and(phone_number::Column::E164.eq(*to)));
        }
        let mut released = phone_number::Entity::find().filter(condition).all(self.conn).await?;
        released.sort_by_key(|row| row.updated_at);
        let agencies: Vec<(AgencyId, AccountId)> = agency::Entity::find()
            .select_only()
            .column(agency::Column::Id)
            .column(agency::Column::TwilioAccountId)
            .filter(agency::Column::TwilioAccountId.is_in(accounts))
            .into_tuple()
            .all(self.conn)
            .await?;
        let mut holders = HashMap::new();
        for (account, to) in unmatched {
            let of_account: Vec<_> = agencies.iter().filter(|(_, of)| *of == account).collect();
            let last = released.iter().rfind(|row| row.twilio_account_id == account && row.e164 == to);
            let holder = match (last, of_account.as_slice()) {
                (Some(row), _) => Some(row.agency_id),
                (None, [(only, _)]) => Some(*only),
                (None, _) => None,
            };
            holders.extend(holder.map(|agency| ((account, to.to_owned()), agency)));
        }
        Ok(holders)
    }
}

/// The texts that may be put in a statement; what the database refused before goes to quarantine as
/// it came.
fn readable(jobs: &[InboundJob]) -> impl Iterator<Item = &InboundJob> {
    jobs.iter().filter(|job| !job.refused)
}

async fn store(conn: &DatabaseTransaction, plan: Plan, now: DateTime<Utc>) -> Result<(), DbErr> {
    use contact::Column as C;
    use thread::Column as T;
    let contacts = plan.contacts.into_iter().filter(|row| !plan.unchanged.contains(&row.id)).collect();
    upsert(conn, contacts, &[C::AgencyId, C::Id], &[C::OptedOutAt, C::UpdatedAt]).await?;
    let changed = [
        T::Status,
        T::AssigneeId,
        T::ClaimedAt,
        T::LastAssigneeId,
        T::ClosedAt,
        T::ExtensionId,
        T::EscalateAt,
        T::LastMessageId,
        T::LastActivityAt,
        T::InboundCount,
        T::BlockedAt,
        T::OptOutHintId,
    ];
    upsert(conn, plan.threads, &[T::AgencyId, T::Id], &changed).await?;
    insert(conn, plan.messages).await?;
    insert(conn, plan.media).await?;
    insert(conn, plan.outbox).await?;
    insert(conn, plan.activities).await?;
    insert(conn, plan.notifications).await?;
    insert(conn, plan.quarantine).await?;
    if !plan.settled.is_empty() {
        settle(conn, &plan.settled, QuarantineState::Assigned, now).await?;
    }
    Ok(())
}
