//! An agency's directory as one value: its users, numbers, pools, assignments and extensions.
//!
//! A directory is small and read constantly, so it is cached (see [`super::directory_cache`]). Every change increments
//! `agency_position.directory_version`.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use chrono::TimeDelta;
use jiff::tz::TimeZone;
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use uuid::Uuid;

use crate::domain::ringing::{self, RingFacts};
use crate::domain::routing::{Member, Roster};
use crate::domain::{
    AccountId, AgencyId, AssignmentId, ExtensionId, NotRungReason, PhoneNumberId, PoolId, Role, UserId,
};
use crate::entity::{agency, agency_position, assignment, extension, phone_number, pool, user};

/// One agency's directory at one version.
#[derive(Debug)]
pub struct Directory {
    /// Incremented by every change.
    pub version: i64,
    /// Identifies the agency's event log; a new epoch invalidates all cursors.
    pub epoch: Uuid,
    pub agency: agency::Model,
    /// All users including inactive ones, ordered by name.
    pub users: Vec<Arc<user::Model>>,
    /// All numbers including released ones, ordered by E.164 number.
    pub numbers: Vec<Arc<phone_number::Model>>,
    /// All extensions including inactive ones, ordered by digits.
    pub extensions: Vec<extension::Model>,
    pools: HashMap<PhoneNumberId, pool::Model>,
    /// Live assignments: primary first, then the oldest.
    assignments: Vec<assignment::Model>,
    user_index: HashMap<UserId, usize>,
    number_index: HashMap<PhoneNumberId, usize>,
    /// The live numbers by E.164 number: more than one if several accounts have it.
    live_numbers: HashMap<String, Vec<usize>>,
    /// The active extensions of each scope, by their digits.
    active_extensions: HashMap<PhoneNumberId, HashMap<String, usize>>,
    /// The assignments of each number, in the order of `assignments`.
    members: HashMap<PhoneNumberId, Vec<usize>>,
}

impl Directory {
    /// Reads the directory of `agency`; `None` if there is no such agency.
    pub async fn load(conn: &impl ConnectionTrait, agency: AgencyId) -> Result<Option<Self>, DbErr> {
        let Some(position) = agency_position::Entity::find_by_id(agency).one(conn).await? else { return Ok(None) };
        let Some(row) = agency::Entity::find_by_id(agency).one(conn).await? else { return Ok(None) };
        let users = user::Entity::find()
            .filter(user::Column::AgencyId.eq(agency))
            .order_by_asc(user::Column::Name)
            .order_by_asc(user::Column::Id)
            .all(conn)
            .await?;
        let numbers = phone_number::Entity::find()
            .filter(phone_number::Column::AgencyId.eq(agency))
            .order_by_asc(phone_number::Column::E164)
            .order_by_asc(phone_number::Column::Id)
            .all(conn)
            .await?;
        let pools = pool::Entity::find().filter(pool::Column::AgencyId.eq(agency)).all(conn).await?;
        let mut assignments = assignment::Entity::find()
            .filter(assignment::Column::AgencyId.eq(agency))
            .filter(assignment::Column::Live.eq(true))
            .all(conn)
            .await?;
        assignments.sort_by_key(|row| (!row.is_primary, row.created_at, row.id));
        let extensions = extension::Entity::find()
            .filter(extension::Column::AgencyId.eq(agency))
            .order_by_asc(extension::Column::Digits)
            .order_by_asc(extension::Column::Id)
            .all(conn)
            .await?;
        let live = numbers.iter().enumerate().filter(|(_, number)| number.live == Some(true));
        let live = live.map(|(at, number)| (number.e164.clone(), at));
        let mut active_extensions: HashMap<PhoneNumberId, HashMap<String, usize>> = HashMap::new();
        for (at, row) in extensions.iter().enumerate().filter(|(_, row)| row.live == Some(true)) {
            active_extensions.entry(row.phone_number_id).or_default().insert(row.digits.clone(), at);
        }
        let members = assignments.iter().enumerate().map(|(at, row)| (row.phone_number_id, at));
        Ok(Some(Self {
            version: position.directory_version,
            epoch: position.epoch,
            agency: row,
            user_index: users.iter().enumerate().map(|(at, user)| (user.id, at)).collect(),
            number_index: numbers.iter().enumerate().map(|(at, number)| (number.id, at)).collect(),
            live_numbers: grouped(live),
            active_extensions,
            members: grouped(members),
            users: users.into_iter().map(Arc::new).collect(),
            numbers: numbers.into_iter().map(Arc::new).collect(),
            pools: pools.into_iter().map(|pool| (PhoneNumberId::from(pool.id), pool)).collect(),
            assignments,
            extensions,
        }))
    }

    pub fn agency_id(&self) -> AgencyId {
        self.agency.id
    }

    /// The agency's time zone; UTC if its name is unknown.
    pub fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.agency.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// A user, active or inactive.
    pub fn user(&self, id: UserId) -> Option<&Arc<user::Model>> {
        self.user_index.get(&id).and_then(|at| self.users.get(*at))
    }

    /// A user by their key, the stable name in directory files.
    pub fn user_by_key(&self, key: &str) -> Option<&Arc<user::Model>> {
        self.users.iter().find(|user| user.key == key)
    }

    /// A user, if active.
    pub fn active_user(&self, id: UserId) -> Option<&Arc<user::Model>> {
        self.user(id).filter(|user| user.active)
    }

    pub fn admins(&self) -> impl Iterator<Item = &Arc<user::Model>> {
        self.users.iter().filter(|user| user.active && user.role == Role::Admin)
    }

    pub fn is_admin(&self, user: UserId) -> bool {
        self.admins().any(|admin| admin.id == user)
    }

    /// A number, live or released.
    pub fn number(&self, id: PhoneNumberId) -> Option<&Arc<phone_number::Model>> {
        self.number_index.get(&id).and_then(|at| self.numbers.get(*at))
    }

    /// The live number that receives texts to `e164` in this account.
    pub fn live_number(&self, account: AccountId, e164: &str) -> Option<&Arc<phone_number::Model>> {
        self.live_numbers(e164).find(|number| number.twilio_account_id == account)
    }

    fn live_numbers(&self, e164: &str) -> impl Iterator<Item = &Arc<phone_number::Model>> {
        self.live_numbers.get(e164).into_iter().flatten().filter_map(|at| self.numbers.get(*at))
    }

    pub fn pool(&self, id: PoolId) -> Option<&pool::Model> {
        self.pools.get(&PhoneNumberId::from(id))
    }

    pub fn assignment(&self, id: AssignmentId) -> Option<&assignment::Model> {
        self.assignments.iter().find(|row| row.id == id)
    }

    /// The live assignments of a number's pool: primary first, then the oldest.
    pub fn pool_members(&self, number: PhoneNumberId) -> impl Iterator<Item = &assignment::Model> {
        self.members.get(&number).into_iter().flatten().filter_map(|at| self.assignments.get(*at))
    }

    /// The live assignments of a user to live numbers.
    pub fn assignments_of(&self, user: UserId) -> impl Iterator<Item = &assignment::Model> {
        self.assignments.iter().filter(move |row| row.user_id == user && self.is_live(row.phone_number_id))
    }

    /// The eligible users of a number in routing order: active pool members with `sms_enabled`.
    pub fn eligible_users(&self, number: PhoneNumberId) -> impl Iterator<Item = &Arc<user::Model>> {
        self.pool_members(number).filter(|row| row.sms_enabled).filter_map(|row| self.active_user(row.user_id))
    }

    pub fn is_eligible(&self, number: PhoneNumberId, user: UserId) -> bool {
        self.pool_members(number).any(|row| row.user_id == user && row.sms_enabled) && self.active_user(user).is_some()
    }

    /// The numbers for which a user is eligible.
    pub fn eligible_numbers(&self, user: UserId) -> Vec<PhoneNumberId> {
        self.numbers.iter().map(|number| number.id).filter(|number| self.is_eligible(*number, user)).collect()
    }

    /// The numbers in whose pools a user is, regardless of `sms_enabled` and `voice_enabled`.
    pub fn pool_numbers(&self, user: UserId) -> Vec<PhoneNumberId> {
        self.assignments.iter().filter(|row| row.user_id == user).map(|row| row.phone_number_id).collect()
    }

    /// The phone of a user, if calls may ring it now: the user is active and AVAILABLE, and the phone is verified.
    pub fn ringable_phone(&self, user: UserId) -> Option<&str> {
        let user = self.user(user)?;
        user.phone.as_deref().filter(|_| self.not_rung_reason(user, true).is_none())
    }

    /// The reason why a call does not ring the phone of a user now; `None` if it does. `voice_enabled` is that of the
    /// user's assignment to the number, and true for an extension.
    fn not_rung_reason(&self, user: &user::Model, voice_enabled: bool) -> Option<NotRungReason> {
        ringing::not_rung_reason(&RingFacts {
            active: user.active,
            voice_enabled,
            // A number of the agency would answer the call with its own menu.
            has_phone: user.phone.as_deref().is_some_and(|phone| !self.is_shared(phone)),
            phone_verified: user.phone_verified,
            availability: user.availability,
        })
    }

    /// The pool members of a number whose phones may not ring now, with the reasons.
    pub fn not_rung_members(&self, number: PhoneNumberId) -> Vec<(UserId, NotRungReason)> {
        let members = self.pool_members(number).filter_map(|row| Some((self.user(row.user_id)?, row.voice_enabled)));
        members.filter_map(|(user, voice)| Some((user.id, self.not_rung_reason(user, voice)?))).collect()
    }

    /// The user of an extension, with the reason why their phone may not ring now; `None` if it may.
    pub fn not_rung_user(&self, extension: ExtensionId) -> Option<(UserId, NotRungReason)> {
        let user = self.user(self.extension(extension)?.user_id)?;
        Some((user.id, self.not_rung_reason(user, true)?))
    }

    /// Whether `e164` is one of the agency's live numbers.
    pub fn is_shared(&self, e164: &str) -> bool {
        self.live_numbers(e164).next().is_some()
    }

    /// The countries that users may call; `None` means only the country of the number from which they call.
    pub fn calling_countries(&self) -> Option<Vec<String>> {
        self.agency.calling_countries.as_deref().and_then(|list| serde_json::from_str(list).ok())
    }

    /// The active pool members of a number with `voice_enabled`, whether or not their phones may ring now.
    pub fn voice_users(&self, number: PhoneNumberId) -> impl Iterator<Item = &Arc<user::Model>> {
        self.pool_members(number).filter(|row| row.voice_enabled).filter_map(|row| self.active_user(row.user_id))
    }

    /// The active extensions of a user.
    pub fn extensions_of(&self, user: UserId) -> impl Iterator<Item = &extension::Model> {
        self.extensions.iter().filter(move |row| row.live == Some(true) && row.user_id == user)
    }

    /// An extension, active or inactive.
    pub fn extension(&self, id: ExtensionId) -> Option<&extension::Model> {
        self.extensions.iter().find(|row| row.id == id)
    }

    /// The active extension with these digits on a number. An extension of the number takes precedence over one of the
    /// whole agency.
    pub fn extension_on(&self, number: PhoneNumberId, digits: &str) -> Option<&extension::Model> {
        let with_scope = |scope| self.active_extensions.get(&scope)?.get(digits);
        let at = with_scope(number).or_else(|| with_scope(AGENCY_WIDE))?;
        self.extensions.get(*at)
    }

    /// The active extensions that are valid on a number: those of the number, and those of the whole agency whose
    /// digits the number has no extension of its own for.
    pub fn extensions_on(&self, number: PhoneNumberId) -> impl Iterator<Item = &extension::Model> {
        self.extensions
            .iter()
            .filter(|row| row.live == Some(true))
            .filter(move |row| self.extension_on(number, &row.digits).is_some_and(|valid| valid.id == row.id))
    }

    /// The properties of a user that routing needs; `None` if the user is inactive or unknown.
    pub fn member(&self, id: UserId) -> Option<Member> {
        self.active_user(id).map(|user| member_of(user))
    }

    /// The candidates for the notification of a text to `number` on an unassigned thread.
    pub fn roster(&self, number: PhoneNumberId, provider: Option<UserId>, extension: Option<ExtensionId>) -> Roster {
        let active = |id: UserId| self.member(id);
        let pool: Vec<Member> = self.eligible_users(number).map(|user| member_of(user)).collect();
        Roster {
            extension: extension
                .and_then(|id| self.extension(id))
                .filter(|row| row.live == Some(true))
                .and_then(|row| active(row.user_id)),
            pool_muted: pool.is_empty() && self.pool_members(number).any(|row| active(row.user_id).is_some()),
            pool,
            provider: provider.and_then(active),
            default_user: self.agency.default_user_id.and_then(active),
            admins: self.admins().map(|user| member_of(user)).collect(),
            assignee: None,
        }
    }

    /// How long after its closing a thread of this number returns to its last assignee.
    pub fn reopen_within(&self, number: PhoneNumberId) -> TimeDelta {
        let pool = self.pool(PoolId::from(number));
        TimeDelta::days(pool.map_or(DEFAULT_REOPEN_DAYS, |pool| pool.reopen_within_days.into()))
    }

    fn is_live(&self, number: PhoneNumberId) -> bool {
        self.number(number).is_some_and(|number| number.live == Some(true))
    }
}

/// The values of each key, in their order.
fn grouped<K: Eq + Hash>(pairs: impl Iterator<Item = (K, usize)>) -> HashMap<K, Vec<usize>> {
    let mut grouped: HashMap<K, Vec<usize>> = HashMap::new();
    for (key, value) in pairs {
        grouped.entry(key).or_default().push(value);
    }
    grouped
}

/// Applies to a number without a pool row.
const DEFAULT_REOPEN_DAYS: i64 = 7;

fn member_of(user: &user::Model) -> Member {
    Member { user: user.id, availability: user.availability }
}

/// The `phone_number_id` of an extension that is valid on every number of the agency.
pub const AGENCY_WIDE: PhoneNumberId = PhoneNumberId(Uuid::nil());

/// One assignment of an agency, also one that was removed.
pub async fn assignment(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    id: AssignmentId,
) -> Result<Option<assignment::Model>, DbErr> {
    assignment::Entity::find_by_id((agency, id)).one(conn).await
}
