use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{PhoneNumber, User};
use crate::domain::ExtensionId;
use crate::entity::extension;
use crate::graphql::context::requester;
use crate::graphql::direct_json::{DirectJson, ObjectField};
use crate::graphql::errors::Result;
use crate::graphql::pagination::ConnectionNode;
use crate::service::Viewer;

pub struct Extension {
    viewer: Arc<Viewer>,
    model: extension::Model,
}

impl Extension {
    pub fn new(viewer: &Arc<Viewer>, model: extension::Model) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    /// Finds an extension of the viewer's agency, active or not.
    pub fn find(viewer: &Arc<Viewer>, id: ExtensionId) -> Option<Self> {
        viewer.directory.extension(id).map(|model| Self::new(viewer, model.clone()))
    }
}

impl DirectJson for Extension {
    fn write_object_field(&self, field: &mut ObjectField<'_>) -> Option<()> {
        let ctx = field.context();
        match field.name() {
            "phoneNumber" => field.object(self.phone_number(&ctx)),
            "user" => field.object(Some(User::find(&self.viewer, self.model.user_id)?)),
            _ => None,
        }
    }
}

impl ConnectionNode for Extension {
    fn cursor(&self) -> String {
        self.model.id.to_string()
    }
}

/// Digits that a caller dials, or that a text begins with, to reach one user.
#[Object]
impl Extension {
    /// The opaque, globally unique ID of the extension, prefixed with `ext_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The digits of the extension: 2 to 6 digits, never an emergency number.
    async fn digits(&self) -> &str {
        &self.model.digits
    }

    /// The user that the extension reaches.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        match User::find(&self.viewer, self.model.user_id) {
            Some(user) => Ok(user),
            None => Err(requester(ctx)?.missing_reference("user")),
        }
    }

    /// The only phone number on which the extension is valid. Null if it is valid on every number of the agency.
    fn phone_number(&self) -> Option<PhoneNumber> {
        PhoneNumber::find(&self.viewer, self.model.phone_number_id)
    }

    /// True if the extension is in use. The digits of a deactivated extension can be used for another extension.
    async fn active(&self) -> bool {
        self.model.live == Some(true)
    }
}
