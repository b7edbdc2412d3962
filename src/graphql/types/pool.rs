use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{Assignment, PhoneNumber, User};
use crate::domain::PoolId;
use crate::domain::hours::{Hours, Span};
use crate::entity::pool;
use crate::graphql::context::requester;
use crate::graphql::enums::{LegCallerId, PoolPolicy, RingStrategy, Weekday};
use crate::graphql::errors::Result;
use crate::service::Viewer;

pub struct Pool {
    viewer: Arc<Viewer>,
    model: pool::Model,
}

/// The business hours of a pool on one day of the week.
#[derive(SimpleObject)]
pub(super) struct DayHours {
    /// The day of the week. A day without an entry is closed.
    day: Weekday,
    /// The open times of the day, such as `09:00-12:00`, in the agency's time zone. `24:00` is the end of the day; a
    /// span that ends before it begins continues into the next day.
    spans: Vec<String>,
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

    /// The business hours. Outside them callers are sent to voicemail. Null means always open; an empty list means
    /// always closed.
    async fn hours(&self) -> Option<Vec<DayHours>> {
        let hours: Hours = serde_json::from_str(self.model.hours.as_deref()?).ok()?;
        let spans = |spans: Vec<Span>| spans.into_iter().map(String::from).collect();
        Some(hours.into_iter().map(|(day, hours)| DayHours { day: day.into(), spans: spans(hours) }).collect())
    }

    /// The days on which the number takes no calls, such as `2026-12-25`, in the agency's time zone.
    async fn holidays(&self) -> Vec<String> {
        self.model.holidays.as_deref().and_then(|days| serde_json::from_str(days).ok()).unwrap_or_default()
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

    /// The primary user of the pool. Null if the pool has none.
    async fn primary_user(&self) -> Option<User> {
        let primary = self.viewer.directory.pool_members(self.model.id.into()).find(|row| row.is_primary)?;
        User::find(&self.viewer, primary.user_id)
    }
}
