use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Assignment, PhoneNumber, User};
use crate::domain::PoolId;
use crate::entity::pool;
use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::limits::LIST_COST;
use crate::graphql::words::PoolPolicy;
use crate::service::Viewer;

/// The users on one phone number and its policy.
pub struct Pool {
    viewer: Arc<Viewer>,
    model: pool::Model,
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

    /// Who is in it, texts on or off: the primary first, then by age.
    #[graphql(complexity = "LIST_COST * child_complexity")]
    async fn assignments(&self) -> Vec<Assignment> {
        let rows = self.viewer.directory.pool_members(self.model.id.into());
        rows.map(|row| Assignment::new(&self.viewer, row.clone())).collect()
    }

    /// Whom its texts reach: members with texts on who are active, in the order of routing.
    #[graphql(complexity = "LIST_COST * child_complexity")]
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
