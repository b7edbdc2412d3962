use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Extension, Pool};
use crate::domain::PhoneNumberId;
use crate::entity::phone_number;
use crate::graphql::context::caller;
use crate::graphql::direct::Direct;
use crate::graphql::errors::Result;
use crate::graphql::pagination::Listed;
use crate::graphql::scalars::PhoneE164;
use crate::service::Viewer;

/// A number that a team shares.
pub struct PhoneNumber {
    viewer: Arc<Viewer>,
    model: Arc<phone_number::Model>,
}

impl PhoneNumber {
    /// A number as the viewer sees it.
    pub fn new(viewer: &Arc<Viewer>, model: Arc<phone_number::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    /// A number of the viewer's agency, active or released.
    pub fn find(viewer: &Arc<Viewer>, id: PhoneNumberId) -> Option<Self> {
        viewer.directory.number(id).map(|model| Self::new(viewer, model.clone()))
    }

    /// The same for a row that names the number.
    pub(super) fn named(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: PhoneNumberId) -> Result<Self> {
        match Self::find(viewer, id) {
            Some(number) => Ok(number),
            None => Err(caller(ctx)?.absent("phone number")),
        }
    }
}

impl Direct for PhoneNumber {}

impl Listed for PhoneNumber {
    fn cursor(&self) -> String {
        self.model.id.to_string()
    }
}

/// A number that a team shares.
#[Object]
impl PhoneNumber {
    /// Opaque, `num_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The number itself.
    async fn e164(&self) -> PhoneE164 {
        PhoneE164(self.model.e164.clone())
    }

    /// What it is called, "Front desk".
    async fn label(&self) -> &str {
        &self.model.label
    }

    /// Whether texts and calls to it are ours. A released number keeps its threads.
    async fn active(&self) -> bool {
        self.model.live == Some(true)
    }

    /// Who shares it, and how.
    async fn pool(&self, ctx: &Context<'_>) -> Result<Pool> {
        Pool::named(ctx, &self.viewer, self.model.id.into())
    }

    /// The active extensions of this number alone; those of the whole agency are valid on it too.
    async fn extensions(&self) -> Vec<Extension> {
        let rows = self.viewer.directory.extensions.iter();
        let own = rows.filter(|row| row.live == Some(true) && row.phone_number_id == self.model.id);
        own.map(|row| Extension::new(&self.viewer, row.clone())).collect()
    }
}
