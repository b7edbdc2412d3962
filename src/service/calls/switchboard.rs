//! Finds the called number and its agency in memory. The database is read only if the number is not known yet or has
//! moved.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::CallKey;
use crate::domain::ivr::{IvrState, Line, Office, Phone, Plan, Target};
use crate::domain::{
    AccountId, AgencyId, ExtensionId, LegCallerId, NotRungReason, PhoneNumberId, PoolId, RingStrategy, UserId,
};
use crate::entity::{phone_number, pool};
use crate::service::{Fault, Services};
use crate::store::directory::AGENCY_WIDE;
use crate::store::{Directory, accounts};

/// The longest time that a caller waits for the database. After that, the last known directory is used.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// Finds phone numbers and their agencies.
#[derive(Debug, Default)]
pub struct Switchboard {
    /// The agency in which each number was last found. The directory shows whether it still has the number.
    agencies: RwLock<HashMap<(AccountId, String), AgencyId>>,
}

/// A phone number that is called, with the directory of its agency.
#[derive(Debug, Clone)]
pub struct CalledNumber {
    pub directory: Arc<Directory>,
    pub number: Arc<phone_number::Model>,
}

impl Switchboard {
    /// The live number of an account; `None` if the account has no such number.
    ///
    /// # Errors
    /// If the number is not in memory and the database fails.
    pub async fn find(
        &self,
        services: &Services,
        account: AccountId,
        e164: &str,
    ) -> Result<Option<CalledNumber>, Fault> {
        let key = (account, e164.to_owned());
        let known = self.agencies.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(agency) = known
            && let Some(called) = live(services, agency, account, e164).await?
        {
            return Ok(Some(called));
        }
        let holder =
            services.read_with_retry(|| accounts::agency_of_live_number(services.reader(), account, e164)).await?;
        let Some(agency) = holder else { return Ok(None) };
        let called = live(services, agency, account, e164).await?;
        if called.is_some() {
            // Only existing numbers are stored, so requests cannot fill the map.
            self.agencies.write().unwrap_or_else(PoisonError::into_inner).insert(key, agency);
        }
        Ok(called)
    }

    /// A number by its id, as in the URLs of legs; `None` if it does not belong to this account.
    pub async fn by_id(
        &self,
        services: &Services,
        agency: AgencyId,
        account: AccountId,
        number: PhoneNumberId,
    ) -> Result<Option<CalledNumber>, Fault> {
        let directory = current(services, agency).await?;
        Ok(directory.and_then(|directory| {
            let number = directory.number(number).filter(|row| row.twilio_account_id == account)?.clone();
            Some(CalledNumber { directory, number })
        }))
    }
}

async fn live(
    services: &Services,
    agency: AgencyId,
    account: AccountId,
    e164: &str,
) -> Result<Option<CalledNumber>, Fault> {
    let directory = current(services, agency).await?;
    Ok(directory.and_then(|directory| {
        let number = directory.live_number(account, e164)?.clone();
        Some(CalledNumber { directory, number })
    }))
}

/// The directory of an agency, or its last known version if the database does not answer.
async fn current(services: &Services, agency: AgencyId) -> Result<Option<Arc<Directory>>, Fault> {
    if let Some(directory) = services.directories.cached(agency) {
        return Ok(Some(directory));
    }
    let Some(known) = services.directories.last_known(agency) else {
        return services.read_with_retry(|| services.directories.get(agency)).await;
    };
    tokio::select! {
        read = services.directories.get(agency) => Ok(Some(read.ok().flatten().unwrap_or(known))),
        () = services.clock.sleep(READ_TIMEOUT) => Ok(Some(known)),
    }
}

impl CalledNumber {
    pub fn pool(&self) -> Option<&pool::Model> {
        self.directory.pool(PoolId::from(self.number.id))
    }

    /// The current configuration of the number, for this caller.
    pub(super) fn office_for<'a>(&'a self, call: &'a CallKey, now: DateTime<Utc>) -> Office<'a> {
        Office { caller: &call.from, ..self.office(now) }
    }

    /// The current configuration of the number, for steps in which no phone rings.
    pub fn office(&self, now: DateTime<Utc>) -> Office<'_> {
        let directory = &*self.directory;
        let pool = self.pool();
        let phone = |user: UserId| Some(Phone { user, e164: directory.ringable_phone(user)? });
        let lines = directory.extensions.iter().filter(|row| row.live == Some(true)).filter_map(|row| {
            let of_number = row.phone_number_id == self.number.id;
            let user = directory.user(row.user_id)?;
            (of_number || row.phone_number_id == AGENCY_WIDE).then(|| Line {
                extension: row.id,
                digits: &row.digits,
                of_number,
                user: row.user_id,
                name: &user.name,
                phone: directory.ringable_phone(row.user_id),
            })
        });
        Office {
            number: &self.number.e164,
            leg_caller_id: pool.map_or(LegCallerId::Caller, |pool| pool.leg_caller_id),
            caller: "",
            label: &self.number.label,
            greeting: pool.and_then(|pool| pool.greeting.as_deref()),
            voicemail_greeting: pool.and_then(|pool| pool.voicemail_greeting.as_deref()),
            open: self.is_open(now),
            strategy: pool.map_or(RingStrategy::Simultaneous, |pool| pool.ring_strategy),
            ring_seconds: pool.and_then(|pool| u16::try_from(pool.ring_seconds).ok()).unwrap_or(20),
            phones: directory.voice_users(self.number.id).filter_map(|user| phone(user.id)).collect(),
            lines: lines.collect(),
        }
    }

    fn is_open(&self, now: DateTime<Utc>) -> bool {
        self.pool().is_none_or(|pool| pool.schedule().is_open(&self.directory.time_zone(), now))
    }

    /// The users at the destination of a plan whose phones may not ring now, with the reasons.
    pub(super) fn not_rung(&self, plan: &Plan, now: DateTime<Utc>) -> Vec<(UserId, NotRungReason)> {
        match plan.destination(self.is_open(now)) {
            None => Vec::new(),
            Some(Target::MainLine) => self.directory.not_rung_members(self.number.id),
            Some(Target::Extension(id)) => self.directory.not_rung_user(id).into_iter().collect(),
        }
    }

    /// The extension that the caller dialed, and its user.
    pub(super) fn extension_of(&self, state: &IvrState) -> Option<(ExtensionId, UserId)> {
        match state.ring.as_ref()?.target {
            Target::MainLine => None,
            Target::Extension(id) => self.directory.extension(id).map(|row| (id, row.user_id)),
        }
    }
}
