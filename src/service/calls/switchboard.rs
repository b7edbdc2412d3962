//! Whom a call is for, from memory. The database is asked only for a number that is not known yet, or no
//! longer where it was.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};

use super::CallKey;
use crate::domain::hours::{Hours, is_open};
use crate::domain::ivr::{Course, Line, Office, Phone, Target};
use crate::domain::{AccountId, AgencyId, ExtensionId, LegCallerId, PhoneNumberId, PoolId, RingStrategy, UserId};
use crate::entity::{phone_number, pool};
use crate::service::{Fault, Services};
use crate::store::directory::AGENCY_WIDE;
use crate::store::{Directory, accounts};

/// Who calls does not wait longer for the database than this: what was known last is used then.
const PATIENCE: Duration = Duration::from_secs(1);

/// Numbers and their agencies.
#[derive(Debug, Default)]
pub struct Switchboard {
    /// Where a number was last found. The agency's directory says whether it is still there.
    agencies: RwLock<HashMap<(AccountId, String), AgencyId>>,
}

/// A number of ours that is called, and who is behind it.
#[derive(Debug, Clone)]
pub struct Reached {
    /// The agency's directory.
    pub directory: Arc<Directory>,
    /// The number.
    pub number: Arc<phone_number::Model>,
}

impl Switchboard {
    /// The live number of an account; `None` if it has none such.
    ///
    /// # Errors
    /// When the number is not known here and the database fails.
    pub async fn find(&self, services: &Services, account: AccountId, e164: &str) -> Result<Option<Reached>, Fault> {
        let key = (account, e164.to_owned());
        let known = self.agencies.read().unwrap_or_else(PoisonError::into_inner).get(&key).copied();
        if let Some(agency) = known
            && let Some(reached) = live(services, agency, account, e164).await?
        {
            return Ok(Some(reached));
        }
        let holder = services.read_with_retry(|| accounts::holder_of(services.reader(), account, e164)).await?;
        let Some(agency) = holder else { return Ok(None) };
        let reached = live(services, agency, account, e164).await?;
        if reached.is_some() {
            // Only numbers that are there are kept, so nobody outside can fill this.
            self.agencies.write().unwrap_or_else(PoisonError::into_inner).insert(key, agency);
        }
        Ok(reached)
    }

    /// A number by its id, as the addresses of legs name it; `None` if it is not one of this account.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn by_id(
        &self,
        services: &Services,
        agency: AgencyId,
        account: AccountId,
        number: PhoneNumberId,
    ) -> Result<Option<Reached>, Fault> {
        let directory = current(services, agency).await?;
        Ok(directory.and_then(|directory| {
            let number = directory.number(number).filter(|row| row.twilio_account_id == account)?.clone();
            Some(Reached { directory, number })
        }))
    }
}

async fn live(services: &Services, agency: AgencyId, account: AccountId, e164: &str) -> Result<Option<Reached>, Fault> {
    let directory = current(services, agency).await?;
    Ok(directory.and_then(|directory| {
        let number = directory.live_number(account, e164)?.clone();
        Some(Reached { directory, number })
    }))
}

/// An agency's directory, or what was last known of it while the database does not answer.
async fn current(services: &Services, agency: AgencyId) -> Result<Option<Arc<Directory>>, Fault> {
    if let Some(directory) = services.directories.in_memory(agency) {
        return Ok(Some(directory));
    }
    let Some(known) = services.directories.last_known(agency) else {
        return services.read_with_retry(|| services.directories.get(agency)).await;
    };
    tokio::select! {
        read = services.directories.get(agency) => Ok(Some(read.ok().flatten().unwrap_or(known))),
        () = services.clock.sleep(PATIENCE) => Ok(Some(known)),
    }
}

impl Reached {
    /// What the number's pool is set to.
    pub fn pool(&self) -> Option<&pool::Model> {
        self.directory.pool(PoolId::from(self.number.id))
    }

    /// The number as this caller finds it now.
    pub(super) fn office_for<'a>(&'a self, call: &'a CallKey, now: DateTime<Utc>) -> Office<'a> {
        Office { caller: &call.from, ..self.office(now) }
    }

    /// The number as a caller finds it now, for steps that let no phone ring.
    pub fn office(&self, now: DateTime<Utc>) -> Office<'_> {
        let directory = &*self.directory;
        let pool = self.pool();
        let hours = pool.and_then(|pool| serde_json::from_str::<Hours>(pool.hours.as_deref()?).ok());
        let holidays = pool.and_then(|pool| serde_json::from_str::<Vec<NaiveDate>>(pool.holidays.as_deref()?).ok());
        let phone = |user: UserId| Some(Phone { user, e164: directory.phone_that_rings(user)? });
        let lines = directory.extensions.iter().filter(|row| row.live == Some(true)).filter_map(|row| {
            let of_number = row.phone_number_id == self.number.id;
            let user = directory.user(row.user_id)?;
            (of_number || row.phone_number_id == AGENCY_WIDE).then(|| Line {
                extension: row.id,
                digits: &row.digits,
                of_number,
                user: row.user_id,
                name: &user.name,
                phone: directory.phone_that_rings(row.user_id),
            })
        });
        Office {
            number: &self.number.e164,
            leg_caller_id: pool.map_or(LegCallerId::Caller, |pool| pool.leg_caller_id),
            caller: "",
            label: &self.number.label,
            greeting: pool.and_then(|pool| pool.greeting.as_deref()),
            voicemail_greeting: pool.and_then(|pool| pool.voicemail_greeting.as_deref()),
            open: match (&hours, &holidays) {
                (None, None) => true,
                (hours, holidays) => {
                    is_open(hours.as_ref(), holidays.as_deref().unwrap_or_default(), &directory.time_zone(), now)
                }
            },
            strategy: pool.map_or(RingStrategy::Simultaneous, |pool| pool.ring_strategy),
            ring_seconds: pool.and_then(|pool| u16::try_from(pool.ring_seconds).ok()).unwrap_or(20),
            phones: directory.hearers(self.number.id).filter_map(|user| phone(user.id)).collect(),
            lines: lines.collect(),
        }
    }

    /// The extension that a course leads to, and whom it reaches.
    pub(super) fn extension_of(&self, course: &Course) -> Option<(ExtensionId, UserId)> {
        match course.ring.as_ref()?.target {
            Target::MainLine => None,
            Target::Extension(id) => self.directory.extension(id).map(|row| (id, row.user_id)),
        }
    }
}
