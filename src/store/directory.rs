//! An agency's directory as one value: its users, numbers, pools, assignments and extensions.
//!
//! It is small and read all the time, so it is kept in memory (see [`super::directory_cache`]) and
//! every change of it counts up `agency_position.directory_version`.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::tz::TimeZone;
use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use uuid::Uuid;

use crate::domain::routing::{Member, Roster};
use crate::domain::{
    AccountId, AgencyId, AssignmentId, Availability, ExtensionId, PhoneNumberId, PoolId, Role, UserId,
};
use crate::entity::{agency, agency_position, assignment, extension, phone_number, pool, user};

/// One agency's directory at one version.
#[derive(Debug)]
pub struct Directory {
    /// Grows with each change.
    pub version: i64,
    /// Names the agency's event log.
    pub epoch: Uuid,
    /// The tenant itself.
    pub agency: agency::Model,
    /// All users, by name, the inactive too.
    pub users: Vec<Arc<user::Model>>,
    /// All numbers, by number, the released too.
    pub numbers: Vec<Arc<phone_number::Model>>,
    /// All extensions, by digits, the inactive too.
    pub extensions: Vec<extension::Model>,
    pools: HashMap<PhoneNumberId, pool::Model>,
    /// Live assignments: primary first, then by age.
    assignments: Vec<assignment::Model>,
    user_index: HashMap<UserId, usize>,
    number_index: HashMap<PhoneNumberId, usize>,
}

impl Directory {
    /// Reads the directory of `agency`; `None` if there is no such agency.
    ///
    /// # Errors
    /// When the database fails.
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
        Ok(Some(Self {
            version: position.directory_version,
            epoch: position.epoch,
            agency: row,
            user_index: users.iter().enumerate().map(|(at, user)| (user.id, at)).collect(),
            number_index: numbers.iter().enumerate().map(|(at, number)| (number.id, at)).collect(),
            users: users.into_iter().map(Arc::new).collect(),
            numbers: numbers.into_iter().map(Arc::new).collect(),
            pools: pools.into_iter().map(|pool| (PhoneNumberId::from(pool.id), pool)).collect(),
            assignments,
            extensions,
        }))
    }

    /// The tenant's id.
    pub fn agency_id(&self) -> AgencyId {
        self.agency.id
    }

    /// The time zone of its clocks.
    pub fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.agency.time_zone).unwrap_or(TimeZone::UTC)
    }

    /// A user, active or not.
    pub fn user(&self, id: UserId) -> Option<&Arc<user::Model>> {
        self.user_index.get(&id).and_then(|at| self.users.get(*at))
    }

    /// A user by their stable name.
    pub fn user_by_key(&self, key: &str) -> Option<&Arc<user::Model>> {
        self.users.iter().find(|user| user.key == key)
    }

    /// A user who is there and active.
    pub fn active_user(&self, id: UserId) -> Option<&Arc<user::Model>> {
        self.user(id).filter(|user| user.active)
    }

    /// The active admins.
    pub fn admins(&self) -> impl Iterator<Item = &Arc<user::Model>> {
        self.users.iter().filter(|user| user.active && user.role == Role::Admin)
    }

    /// A number, live or released.
    pub fn number(&self, id: PhoneNumberId) -> Option<&Arc<phone_number::Model>> {
        self.number_index.get(&id).and_then(|at| self.numbers.get(*at))
    }

    /// The live number at which a text to `e164` of this account arrives.
    pub fn live_number(&self, account: AccountId, e164: &str) -> Option<&Arc<phone_number::Model>> {
        self.numbers
            .iter()
            .find(|number| number.live == Some(true) && number.twilio_account_id == account && number.e164 == e164)
    }

    /// A number's pool.
    pub fn pool(&self, id: PoolId) -> Option<&pool::Model> {
        self.pools.get(&PhoneNumberId::from(id))
    }

    /// A live assignment.
    pub fn assignment(&self, id: AssignmentId) -> Option<&assignment::Model> {
        self.assignments.iter().find(|row| row.id == id)
    }

    /// The members of a number's pool, primary first, then by the age of their assignment.
    pub fn pool_members(&self, number: PhoneNumberId) -> impl Iterator<Item = &assignment::Model> {
        self.assignments.iter().filter(move |row| row.phone_number_id == number)
    }

    /// The assignments of a user whose number is live.
    pub fn assignments_of(&self, user: UserId) -> impl Iterator<Item = &assignment::Model> {
        self.assignments.iter().filter(move |row| row.user_id == user && self.is_live(row.phone_number_id))
    }

    /// The eligible users of a number in the order of routing: in the pool, with texts on, active.
    pub fn eligible_users(&self, number: PhoneNumberId) -> impl Iterator<Item = &Arc<user::Model>> {
        self.pool_members(number).filter(|row| row.sms_enabled).filter_map(|row| self.active_user(row.user_id))
    }

    /// Whether a user is eligible in the pool of a number.
    pub fn is_eligible(&self, number: PhoneNumberId, user: UserId) -> bool {
        self.pool_members(number).any(|row| row.user_id == user && row.sms_enabled) && self.active_user(user).is_some()
    }

    /// The numbers in whose pool a user is eligible.
    pub fn eligible_numbers(&self, user: UserId) -> Vec<PhoneNumberId> {
        self.numbers.iter().map(|number| number.id).filter(|number| self.is_eligible(*number, user)).collect()
    }

    /// The numbers in whose pool a user is, texts and calls on or off.
    pub fn pool_numbers(&self, user: UserId) -> Vec<PhoneNumberId> {
        self.assignments.iter().filter(|row| row.user_id == user).map(|row| row.phone_number_id).collect()
    }

    /// The phone of a user, if it may ring now: active, AVAILABLE, verified.
    pub fn phone_that_rings(&self, user: UserId) -> Option<&str> {
        let user = self.active_user(user)?;
        let rings = user.phone_verified && user.availability == Availability::Available;
        // A shared number would answer with its own menu.
        user.phone.as_deref().filter(|phone| rings && !self.is_shared(phone))
    }

    /// Whether this is one of the agency's live numbers.
    pub fn is_shared(&self, e164: &str) -> bool {
        self.numbers.iter().any(|number| number.live == Some(true) && number.e164 == e164)
    }

    /// The countries that the staff may call; `None` is that of the number which is called from.
    pub fn calling_countries(&self) -> Option<Vec<String>> {
        self.agency.calling_countries.as_deref().and_then(|list| serde_json::from_str(list).ok())
    }

    /// The active members of a number's pool whom calls reach, whether or not their phone may ring now.
    pub fn hearers(&self, number: PhoneNumberId) -> impl Iterator<Item = &Arc<user::Model>> {
        self.pool_members(number).filter(|row| row.voice_enabled).filter_map(|row| self.active_user(row.user_id))
    }

    /// The extensions that reach a user.
    pub fn extensions_of(&self, user: UserId) -> impl Iterator<Item = &extension::Model> {
        self.extensions.iter().filter(move |row| row.live == Some(true) && row.user_id == user)
    }

    /// An extension, active or not.
    pub fn extension(&self, id: ExtensionId) -> Option<&extension::Model> {
        self.extensions.iter().find(|row| row.id == id)
    }

    /// The active extension that these digits reach on a number: its own before the agency's.
    pub fn extension_on(&self, number: PhoneNumberId, digits: &str) -> Option<&extension::Model> {
        let with_scope = |scope: PhoneNumberId| {
            self.extensions
                .iter()
                .find(move |row| row.live == Some(true) && row.phone_number_id == scope && row.digits == digits)
        };
        with_scope(number).or_else(|| with_scope(AGENCY_WIDE))
    }

    /// An active user, as far as routing needs to know them.
    pub fn member(&self, id: UserId) -> Option<Member> {
        self.active_user(id).map(|user| member_of(user))
    }

    /// Who could hear of a text to `number`, on a thread that nobody holds.
    pub fn roster(&self, number: PhoneNumberId, provider: Option<UserId>, extension: Option<ExtensionId>) -> Roster {
        let active = |id: UserId| self.member(id);
        Roster {
            extension: extension
                .and_then(|id| self.extension(id))
                .filter(|row| row.live == Some(true))
                .and_then(|row| active(row.user_id)),
            pool: self.eligible_users(number).map(|user| member_of(user)).collect(),
            provider: provider.and_then(active),
            default_user: self.agency.default_user_id.and_then(active),
            admins: self.admins().map(|user| member_of(user)).collect(),
            assignee: None,
        }
    }

    fn is_live(&self, number: PhoneNumberId) -> bool {
        self.number(number).is_some_and(|number| number.live == Some(true))
    }
}

fn member_of(user: &user::Model) -> Member {
    Member { user: user.id, availability: user.availability }
}

/// The scope of an extension that is valid on every number of the agency.
pub const AGENCY_WIDE: PhoneNumberId = PhoneNumberId(Uuid::nil());
