use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Pool, User};
use crate::domain::AssignmentId;
use crate::entity::assignment;
use crate::graphql::context::requester;
use crate::graphql::errors::Result;
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;

pub struct Assignment {
    viewer: Arc<Viewer>,
    model: assignment::Model,
}

impl Assignment {
    pub fn new(viewer: &Arc<Viewer>, model: assignment::Model) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    /// Finds an assignment of the viewer's agency that has not been removed.
    pub fn find(viewer: &Arc<Viewer>, id: AssignmentId) -> Option<Self> {
        viewer.directory.assignment(id).map(|model| Self::new(viewer, model.clone()))
    }
}

/// The membership of one user in one pool.
#[Object]
impl Assignment {
    /// The opaque, globally unique ID of the assignment, prefixed with `asg_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The pool that the user belongs to.
    async fn pool(&self, ctx: &Context<'_>) -> Result<Pool> {
        Pool::get(ctx, &self.viewer, self.model.phone_number_id.into())
    }

    /// The user who belongs to the pool.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        match User::find(&self.viewer, self.model.user_id) {
            Some(user) => Ok(user),
            None => Err(requester(ctx)?.missing_reference("user")),
        }
    }

    /// True if texts to the pool's number are routed to this user. Only such users are eligible.
    async fn sms_enabled(&self) -> bool {
        self.model.sms_enabled
    }

    /// True if calls to the pool's number may ring this user's phone.
    async fn voice_enabled(&self) -> bool {
        self.model.voice_enabled
    }

    /// True if this user is the primary user of the pool, who comes first in routing and ringing. A pool has at most
    /// one primary user.
    async fn is_primary(&self) -> bool {
        self.model.is_primary
    }

    /// The time at which the user was added to the pool.
    async fn created_at(&self) -> DateTime {
        self.model.created_at.into()
    }
}
