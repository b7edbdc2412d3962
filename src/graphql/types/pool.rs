use std::sync::Arc;

use async_graphql::{Context, ID, Object, SimpleObject};

use super::{Assignment, PhoneNumber, User};
use crate::domain::PoolId;
use crate::domain::hours::{Hours, Span};
use crate::entity::pool;
use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::words::{LegCallerId, PoolPolicy, RingStrategy, Weekday};
use crate::service::Viewer;

/// The users on one phone number and its policy.
pub struct Pool {
    viewer: Arc<Viewer>,
    model: pool::Model,
}

/// When a number takes calls on a day of the week.
#[derive(SimpleObject)]
pub(super) struct DayHours {
    /// Which day. One that is not named is closed.
    day: Weekday,
    /// From when to when: "09:00-12:00".
    spans: Vec<String>,
}

impl Pool {
    /// A pool as the viewer sees it.
    pub fn new(viewer: &Arc<Viewer>, model: pool::Model) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    /// A pool of the viewer's agency.
    pub fn find(viewer: &Arc<Viewer>, id: PoolId) -> Option<Self> {
        viewer.directory.pool(id).map(|model| Self::new(viewer, model.clone()))
    }

    /// The same for a row that names the pool.
    pub(super) fn named(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: PoolId) -> Result<Self> {
        match Self::find(viewer, id) {
            Some(pool) => Ok(pool),
            None => Err(caller(ctx)?.absent("pool")),
        }
    }
}

/// The users on one phone number and its policy.
#[Object]
impl Pool {
    /// Opaque, `pol_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The number that the pool shares.
    async fn phone_number(&self, ctx: &Context<'_>) -> Result<PhoneNumber> {
        PhoneNumber::named(ctx, &self.viewer, self.model.id.into())
    }

    /// How its threads find an assignee.
    async fn policy(&self) -> PoolPolicy {
        self.model.policy.into()
    }

    /// How its phones ring.
    async fn ring_strategy(&self) -> RingStrategy {
        self.model.ring_strategy.into()
    }

    /// How long each rings, in seconds.
    async fn ring_seconds(&self) -> i32 {
        self.model.ring_seconds
    }

    /// Which number the phones show while they ring for an inbound call. Default: `CALLER`.
    async fn leg_caller_id(&self) -> LegCallerId {
        self.model.leg_caller_id.into()
    }

    /// When it takes calls, by the clock of the agency; null is always, none is never.
    async fn hours(&self) -> Option<Vec<DayHours>> {
        let hours: Hours = serde_json::from_str(self.model.hours.as_deref()?).ok()?;
        let spans = |spans: Vec<Span>| spans.into_iter().map(String::from).collect();
        Some(hours.into_iter().map(|(day, hours)| DayHours { day: day.into(), spans: spans(hours) }).collect())
    }

    /// Days on which it takes no calls: "2026-12-25".
    async fn holidays(&self) -> Vec<String> {
        self.model.holidays.as_deref().and_then(|days| serde_json::from_str(days).ok()).unwrap_or_default()
    }

    /// What callers hear first; null is Partyline's own words.
    async fn greeting(&self) -> Option<&str> {
        self.model.greeting.as_deref()
    }

    /// What they hear before they leave a voicemail; null is Partyline's own words.
    async fn voicemail_greeting(&self) -> Option<&str> {
        self.model.voicemail_greeting.as_deref()
    }

    /// What is texted to a caller whom nobody answered; null is nothing.
    async fn missed_call_text(&self) -> Option<&str> {
        self.model.missed_call_text.as_deref()
    }

    /// Who is in it, texts on or off: the primary first, then by age.
    async fn assignments(&self) -> Vec<Assignment> {
        let rows = self.viewer.directory.pool_members(self.model.id.into());
        rows.map(|row| Assignment::new(&self.viewer, row.clone())).collect()
    }

    /// Whom its texts reach: members with texts on who are active, in the order of routing.
    async fn eligible_users(&self) -> Vec<User> {
        let users = self.viewer.directory.eligible_users(self.model.id.into());
        users.map(|user| User::new(&self.viewer, user.clone())).collect()
    }

    /// The pool's default sender, if one is named.
    async fn primary_user(&self) -> Option<User> {
        let primary = self.viewer.directory.pool_members(self.model.id.into()).find(|row| row.is_primary)?;
        User::find(&self.viewer, primary.user_id)
    }
}
