use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Pool, User};
use crate::domain::AssignmentId;
use crate::entity::assignment;
use crate::graphql::context::caller;
use crate::graphql::errors::Result;
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;

/// One user in one pool.
pub struct Assignment {
    viewer: Arc<Viewer>,
    model: assignment::Model,
}

impl Assignment {
    /// An assignment as the viewer sees it.
    pub fn new(viewer: &Arc<Viewer>, model: assignment::Model) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    /// An assignment of the viewer's agency that is not removed.
    pub fn find(viewer: &Arc<Viewer>, id: AssignmentId) -> Option<Self> {
        viewer.directory.assignment(id).map(|model| Self::new(viewer, model.clone()))
    }
}

/// One user in one pool.
#[Object]
impl Assignment {
    /// Opaque, `asg_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The pool.
    async fn pool(&self, ctx: &Context<'_>) -> Result<Pool> {
        Pool::named(ctx, &self.viewer, self.model.phone_number_id.into())
    }

    /// The user.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        match User::find(&self.viewer, self.model.user_id) {
            Some(user) => Ok(user),
            None => Err(caller(ctx)?.absent("user")),
        }
    }

    /// Whether texts reach the user here.
    async fn sms_enabled(&self) -> bool {
        self.model.sms_enabled
    }

    /// Whether calls do.
    async fn voice_enabled(&self) -> bool {
        self.model.voice_enabled
    }

    /// Whether they are the pool's default sender; at most one member is.
    async fn is_primary(&self) -> bool {
        self.model.is_primary
    }

    /// Since when the user is in the pool.
    async fn created_at(&self) -> DateTime {
        self.model.created_at.into()
    }
}
