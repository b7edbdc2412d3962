use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Assignment, PhoneNumber, Schedule, User};
use crate::domain::PoolId;
use crate::entity::pool;
use crate::graphql::context::requester;
use crate::graphql::enums::{LegCallerId, PoolPolicy, RingStrategy};
use crate::graphql::errors::Result;
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;

pub struct Pool {
    viewer: Arc<Viewer>,
    model: pool::Model,
}

impl Pool {
    pub fn new(viewer: &Arc<Viewer>, model: pool::Model) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    /// Finds a pool of the viewer's agency.
    pub fn find(viewer: &Arc<Viewer>, id: PoolId) -> Option<Self> {
        viewer.directory.pool(id).map(|model| Self::new(viewer, model.clone()))
    }

    /// Finds a pool that another row refers to.
    pub(super) fn get(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: PoolId) -> Result<Self> {
        match Self::find(viewer, id) {
            Some(pool) => Ok(pool),
            None => Err(requester(ctx)?.missing_reference("pool")),
        }
    }
}

/// The users who share one phone number, and the settings for its texts and calls.
#[Object]
impl Pool {
    /// The opaque, globally unique ID of the pool, prefixed with `pol_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The phone number that the pool shares.
    async fn phone_number(&self, ctx: &Context<'_>) -> Result<PhoneNumber> {
        PhoneNumber::get(ctx, &self.viewer, self.model.id.into())
    }

    /// The rule by which the threads of the pool get an assignee. Default: FIRST_CLAIM.
    async fn policy(&self) -> PoolPolicy {
        self.model.policy.into()
    }

    /// The order in which the phones of the pool ring for an inbound call. Default: SIMULTANEOUS.
    async fn ring_strategy(&self) -> RingStrategy {
        self.model.ring_strategy.into()
    }

    /// The time for which each phone rings, in seconds: 10 to 60. Default: 20.
    async fn ring_seconds(&self) -> i32 {
        self.model.ring_seconds
    }

    /// The caller ID that the phones show while they ring for an inbound call. Default: CALLER.
    async fn leg_caller_id(&self) -> LegCallerId {
        self.model.leg_caller_id.into()
    }

    /// The schedule of the pool: the times at which the number takes calls. At other times, callers are sent to
    /// voicemail.
    async fn schedule(&self) -> Schedule {
        Schedule::new(self.model.schedule())
    }

    /// True if the number takes calls now by its schedule.
    async fn open(&self, ctx: &Context<'_>) -> Result<bool> {
        let now = requester(ctx)?.services.clock.now();
        Ok(self.model.schedule().is_open(&self.viewer.directory.time_zone(), now))
    }

    /// The next time at which `open` changes by the schedule. Null if it never changes.
    async fn changes_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime>> {
        let now = requester(ctx)?.services.clock.now();
        Ok(self.model.schedule().next_change(&self.viewer.directory.time_zone(), now).map(DateTime))
    }

    /// The text that is read to callers first. Null means Partyline's default greeting.
    async fn greeting(&self) -> Option<&str> {
        self.model.greeting.as_deref()
    }

    /// The text that is read to callers before they leave a voicemail. Null means Partyline's default text.
    async fn voicemail_greeting(&self) -> Option<&str> {
        self.model.voicemail_greeting.as_deref()
    }

    /// The text that is sent to a caller after a missed call. Null means that no text is sent.
    async fn missed_call_text(&self) -> Option<&str> {
        self.model.missed_call_text.as_deref()
    }

    /// All members of the pool, with SMS and voice on or off: the primary user first, then the oldest assignment.
    async fn assignments(&self) -> Vec<Assignment> {
        let rows = self.viewer.directory.pool_members(self.model.id.into());
        rows.map(|row| Assignment::new(&self.viewer, row.clone())).collect()
    }

    /// The users who receive texts, in the order of routing: active members with `smsEnabled: true`, the primary
    /// user first.
    async fn eligible_users(&self) -> Vec<User> {
        let users = self.viewer.directory.eligible_users(self.model.id.into());
        users.map(|user| User::new(&self.viewer, user.clone())).collect()
    }

    /// The users whose phones an inbound call rings now, regardless of the schedule: active members with
    /// `voiceEnabled: true` who are AVAILABLE and have verified their phone.
    async fn ringable_users(&self) -> Vec<User> {
        let directory = &self.viewer.directory;
        let users = directory.voice_users(self.model.id.into());
        let ringable = users.filter(|user| directory.ringable_phone(user.id).is_some());
        ringable.map(|user| User::new(&self.viewer, user.clone())).collect()
    }

    /// The primary user of the pool. Null if the pool has none.
    async fn primary_user(&self) -> Option<User> {
        let primary = self.viewer.directory.pool_members(self.model.id.into()).find(|row| row.is_primary)?;
        User::find(&self.viewer, primary.user_id)
    }
}
