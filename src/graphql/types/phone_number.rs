use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Extension, Pool, ThreadCounts};
use crate::domain::PhoneNumberId;
use crate::entity::phone_number;
use crate::graphql::context::requester;
use crate::graphql::direct_json::DirectJson;
use crate::graphql::errors::Result;
use crate::graphql::pagination::ConnectionNode;
use crate::graphql::scalars::PhoneE164;
use crate::service::Viewer;

pub struct PhoneNumber {
    viewer: Arc<Viewer>,
    model: Arc<phone_number::Model>,
}

impl PhoneNumber {
    pub fn new(viewer: &Arc<Viewer>, model: Arc<phone_number::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    /// Finds a phone number of the viewer's agency, active or released.
    pub fn find(viewer: &Arc<Viewer>, id: PhoneNumberId) -> Option<Self> {
        viewer.directory.number(id).map(|model| Self::new(viewer, model.clone()))
    }

    /// Finds a phone number that another row refers to.
    pub(super) fn get(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: PhoneNumberId) -> Result<Self> {
        match Self::find(viewer, id) {
            Some(number) => Ok(number),
            None => Err(requester(ctx)?.missing_reference("phone number")),
        }
    }
}

impl DirectJson for PhoneNumber {}

impl ConnectionNode for PhoneNumber {
    fn cursor(&self) -> String {
        self.model.id.to_string()
    }
}

/// A phone number that the members of a pool share.
#[Object]
impl PhoneNumber {
    /// The opaque, globally unique ID of the phone number, prefixed with `num_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The phone number in E.164, such as `+13035550100`.
    async fn e164(&self) -> PhoneE164 {
        PhoneE164(self.model.e164.clone())
    }

    /// The display name of the phone number, such as `Front desk`.
    async fn label(&self) -> &str {
        &self.model.label
    }

    /// True if the agency uses the number. A released number receives and sends nothing, and keeps its threads.
    async fn active(&self) -> bool {
        self.model.live == Some(true)
    }

    /// The numbers of threads of this phone number that the viewer may see, by state.
    async fn thread_counts(&self, ctx: &Context<'_>) -> Result<ThreadCounts> {
        ThreadCounts::read(ctx, &self.viewer, vec![self.model.id]).await
    }

    /// True if the viewer may send texts from the number with `startThread`: the number is active, and its pool
    /// includes the viewer with SMS on, or the viewer is an ADMIN.
    async fn viewer_can_text(&self) -> bool {
        let eligible = || self.viewer.directory.is_eligible(self.model.id, self.viewer.id());
        self.model.live == Some(true) && (self.viewer.is_admin() || eligible())
    }

    /// The pool of users who share this number, with its policy.
    async fn pool(&self, ctx: &Context<'_>) -> Result<Pool> {
        Pool::get(ctx, &self.viewer, self.model.id.into())
    }

    /// The active extensions that are valid only on this number. Extensions that are valid on every number of the
    /// agency are not included.
    async fn extensions(&self) -> Vec<Extension> {
        let rows = self.viewer.directory.extensions.iter();
        let own = rows.filter(|row| row.live == Some(true) && row.phone_number_id == self.model.id);
        own.map(|row| Extension::new(&self.viewer, row.clone())).collect()
    }
}
