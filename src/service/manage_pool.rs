//! Manage the members of a phone number's pool. Admins only.

use std::collections::HashSet;

use sea_orm::DbErr;

use super::thread_action::unassign_held;
use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::{AgencyId, AssignmentId, PhoneNumberId, PoolId, UserId};
use crate::entity::{assignment, pool};
use crate::store::Directory;
use crate::store::directory_writes::{add, save, unset_primary};
use crate::store::writer::{Tx, Unit, UnitError};

/// The limit of changes in one unit of work, because the writer is busy for as long as the unit runs.
pub const MAX_CHANGES: usize = 200;

#[derive(Debug, Clone, Copy)]
pub struct AddPoolMember {
    /// The number of the pool.
    pub number: PhoneNumberId,
    pub user: UserId,
    pub sms_enabled: bool,
    pub voice_enabled: bool,
    pub is_primary: bool,
}

/// Changes to an assignment. `None` leaves a field unchanged.
#[derive(Debug, Clone, Copy)]
pub struct UpdatePoolMember {
    pub number: PhoneNumberId,
    pub user: UserId,
    pub sms_enabled: Option<bool>,
    pub voice_enabled: Option<bool>,
    pub is_primary: Option<bool>,
}

/// An assignment and its pool.
#[derive(Debug, Clone)]
pub struct PoolMember {
    /// After a removal: the assignment before it.
    pub assignment: assignment::Model,
    pub pool: pool::Model,
}

pub async fn add_pool_member(services: &Services, viewer: &Viewer, input: AddPoolMember) -> Outcome<PoolMember> {
    run(services, viewer, Change::Add(input)).await
}

/// Changes an assignment. If the user becomes ineligible, the threads that they hold on this number are unassigned.
pub async fn update_pool_member(services: &Services, viewer: &Viewer, input: UpdatePoolMember) -> Outcome<PoolMember> {
    run(services, viewer, Change::Update(input)).await
}

/// Removes a user from a pool and unassigns the threads that they hold on this number.
pub async fn remove_pool_member(
    services: &Services,
    viewer: &Viewer,
    number: PhoneNumberId,
    user: UserId,
) -> Outcome<PoolMember> {
    run(services, viewer, Change::Remove { number, user }).await
}

/// Changes to one pool that are applied atomically.
#[derive(Debug, Clone)]
pub struct ChangePool {
    pub number: PhoneNumberId,
    /// Applied in this order. Each user may appear once.
    pub changes: Vec<PoolChange>,
}

/// One change of a pool. Added users have calls enabled.
#[derive(Debug, Clone, Copy)]
pub enum PoolChange {
    Remove { user: UserId },
    Update { user: UserId, sms_enabled: Option<bool>, is_primary: Option<bool> },
    Add { user: UserId, sms_enabled: bool, is_primary: bool },
}

/// Applies several changes to the pool of a live number in one unit of work. If one change is refused, none is applied.
pub async fn change_pool(services: &Services, viewer: &Viewer, input: ChangePool) -> Outcome<()> {
    let ChangePool { number, changes } = input;
    check_changes(&changes)?;
    let changes = changes.into_iter().map(|change| change.for_number(number)).collect();
    let unit = ChangeMembers { agency: viewer.agency(), actor: viewer.id(), number, changes };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

/// The checks that do not depend on the pool.
fn check_changes(changes: &[PoolChange]) -> Result<(), Refusal> {
    if changes.len() > MAX_CHANGES {
        let message = format!("At most {MAX_CHANGES} changes are allowed in one request.");
        return Err(Refusal::new(RefusalCode::Invalid, message));
    }
    let mut users = HashSet::new();
    if !changes.iter().all(|change| users.insert(change.user())) {
        return Err(Refusal::invalid("Each user can appear only once in the changes.", "userId"));
    }
    if changes.iter().filter(|change| change.makes_primary()).count() > 1 {
        return Err(Refusal::invalid("A pool can have only one primary user.", "isPrimary"));
    }
    Ok(())
}

async fn run(services: &Services, viewer: &Viewer, change: Change) -> Outcome<PoolMember> {
    let unit = ChangeMember { agency: viewer.agency(), actor: viewer.id(), change };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

impl PoolChange {
    fn user(&self) -> UserId {
        match *self {
            Self::Remove { user } | Self::Update { user, .. } | Self::Add { user, .. } => user,
        }
    }

    fn makes_primary(&self) -> bool {
        matches!(self, Self::Update { is_primary: Some(true), .. } | Self::Add { is_primary: true, .. })
    }

    fn for_number(self, number: PhoneNumberId) -> Change {
        match self {
            Self::Remove { user } => Change::Remove { number, user },
            Self::Update { user, sms_enabled, is_primary } => {
                Change::Update(UpdatePoolMember { number, user, sms_enabled, voice_enabled: None, is_primary })
            }
            Self::Add { user, sms_enabled, is_primary } => {
                Change::Add(AddPoolMember { number, user, sms_enabled, voice_enabled: true, is_primary })
            }
        }
    }
}

#[derive(Clone, Copy)]
enum Change {
    Add(AddPoolMember),
    Update(UpdatePoolMember),
    Remove { number: PhoneNumberId, user: UserId },
}

struct ChangeMember {
    agency: AgencyId,
    actor: UserId,
    change: Change,
}

/// The pool of a number, if the actor is an admin.
pub(super) fn pool_for(directory: &Directory, actor: UserId, number: PhoneNumberId) -> Result<pool::Model, Refusal> {
    if !directory.admins().any(|admin| admin.id == actor) {
        return Err(Refusal::admins_only());
    }
    directory.pool(PoolId::from(number)).cloned().ok_or_else(|| Refusal::not_found("phone number", "phoneNumberId"))
}

impl Unit for ChangeMember {
    type Output = PoolMember;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<PoolMember, UnitError<Refusal>> {
        self.apply(tx).await
    }
}

struct ChangeMembers {
    agency: AgencyId,
    actor: UserId,
    number: PhoneNumberId,
    changes: Vec<Change>,
}

impl Unit for ChangeMembers {
    type Output = ();
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        pool_for(&directory, self.actor, self.number)?;
        if directory.number(self.number).is_none_or(|number| number.live.is_none()) {
            return Err(Refusal::not_found("phone number", "phoneNumberId").into());
        }
        for change in &self.changes {
            ChangeMember { agency: self.agency, actor: self.actor, change: *change }.apply(tx).await?;
        }
        Ok(())
    }
}

impl ChangeMember {
    async fn apply(&self, tx: &mut Tx<'_>) -> Result<PoolMember, UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        let (number, user) = match &self.change {
            Change::Add(AddPoolMember { number, user, .. })
            | Change::Update(UpdatePoolMember { number, user, .. })
            | Change::Remove { number, user } => (*number, *user),
        };
        let pool = pool_for(&directory, self.actor, number)?;
        let present = directory.pool_members(number).find(|row| row.user_id == user).cloned();
        let assignment = match (&self.change, present) {
            (Change::Add(_), Some(_)) => {
                let message = "The user is already in this pool.";
                return Err(Refusal::new(RefusalCode::Conflict, message).at("userId").into());
            }
            (Change::Add(input), None) => {
                if directory.active_user(user).is_none() {
                    return Err(Refusal::not_found("active user", "userId").into());
                }
                self.add(tx, input).await?
            }
            (_, None) => return Err(Refusal::not_found("user in this pool", "userId").into()),
            (Change::Update(input), Some(before)) => self.update(tx, input, before).await?,
            (Change::Remove { .. }, Some(before)) => self.remove(tx, before).await?,
        };
        Ok(PoolMember { assignment, pool })
    }

    async fn add(&self, tx: &mut Tx<'_>, input: &AddPoolMember) -> Result<assignment::Model, DbErr> {
        if input.is_primary {
            unset_primary(tx.conn, self.agency, input.number, tx.now).await?;
        }
        let row = assignment::Model {
            agency_id: self.agency,
            id: AssignmentId(tx.new_id()),
            phone_number_id: input.number,
            user_id: input.user,
            sms_enabled: input.sms_enabled,
            voice_enabled: input.voice_enabled,
            is_primary: input.is_primary,
            live: Some(true),
            created_at: tx.now,
            updated_at: tx.now,
        };
        add(tx.conn, row.clone()).await?;
        tx.directory_updated(self.agency, &row.id.to_string(), "addPoolMember", Some(self.actor))?;
        Ok(row)
    }

    async fn update(
        &self,
        tx: &mut Tx<'_>,
        input: &UpdatePoolMember,
        before: assignment::Model,
    ) -> Result<assignment::Model, UnitError> {
        let after = assignment::Model {
            sms_enabled: input.sms_enabled.unwrap_or(before.sms_enabled),
            voice_enabled: input.voice_enabled.unwrap_or(before.voice_enabled),
            is_primary: input.is_primary.unwrap_or(before.is_primary),
            ..before.clone()
        };
        if after == before {
            return Ok(before);
        }
        let after = assignment::Model { updated_at: tx.now, ..after };
        if after.is_primary && !before.is_primary {
            unset_primary(tx.conn, self.agency, after.phone_number_id, tx.now).await?;
        }
        save(tx.conn, after.clone()).await?;
        tx.directory_updated(self.agency, &after.id.to_string(), "updatePoolMember", Some(self.actor))?;
        if before.sms_enabled && !after.sms_enabled {
            let number = Some(after.phone_number_id);
            unassign_held(tx, self.agency, after.user_id, number, Some(self.actor)).await?;
        }
        Ok(after)
    }

    async fn remove(&self, tx: &mut Tx<'_>, before: assignment::Model) -> Result<assignment::Model, UnitError> {
        let after = assignment::Model { live: None, is_primary: false, updated_at: tx.now, ..before.clone() };
        save(tx.conn, after).await?;
        tx.directory_updated(self.agency, &before.id.to_string(), "removePoolMember", Some(self.actor))?;
        if before.sms_enabled {
            let number = Some(before.phone_number_id);
            unassign_held(tx, self.agency, before.user_id, number, Some(self.actor)).await?;
        }
        Ok(before)
    }
}
