use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Thread, User};
use crate::entity::contact;
use crate::graphql::context::loaders;
use crate::graphql::direct::{Direct, Inner};
use crate::graphql::errors::Result;
use crate::graphql::pagination::Listed;
use crate::graphql::scalars::PhoneE164;
use crate::service::Viewer;
use crate::store::page::Key;

/// A person outside, by their phone within the agency.
pub struct Contact {
    viewer: Arc<Viewer>,
    model: Arc<contact::Model>,
}

impl Contact {
    /// A contact whom the viewer may see.
    pub fn new(viewer: &Arc<Viewer>, model: Arc<contact::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }
}

impl Direct for Contact {
    fn write(&self, field: &mut Inner<'_>) -> Option<()> {
        let ctx = field.context();
        match field.name() {
            "provider" => field.object(self.provider(&ctx)),
            _ => None,
        }
    }
}

impl Listed for Contact {
    fn cursor(&self) -> String {
        Key { at: self.model.created_at, id: self.model.id.0 }.to_string()
    }
}

/// A person outside, by their phone within the agency.
#[Object]
impl Contact {
    /// Opaque, `con_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// Their number, or what the carrier sent in its place, as it came.
    async fn phone(&self) -> PhoneE164 {
        PhoneE164(self.model.phone.clone())
    }

    /// Their name; null if it is not known, and if the viewer may see only the phone.
    async fn name(&self) -> Option<&str> {
        self.model.name.as_deref()
    }

    /// The user who cares for them; null if there is none, and if the viewer may see only the phone.
    fn provider(&self) -> Option<User> {
        self.model.provider_user_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// Whether they texted STOP to any number of the agency, and no START since; false if the viewer may see only the
    /// phone.
    async fn opted_out(&self) -> bool {
        self.model.opted_out_at.is_some()
    }

    /// Their threads that the viewer may see, newest activity first: at most one per number.
    async fn threads(&self, ctx: &Context<'_>) -> Result<Vec<Thread>> {
        let rows = loaders(ctx)?.threads_of(self.model.id).await?;
        Ok(rows.into_iter().map(|row| Thread::new(&self.viewer, row)).collect())
    }
}
