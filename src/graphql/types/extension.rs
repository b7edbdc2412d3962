use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{PhoneNumber, User};
use crate::domain::ExtensionId;
use crate::entity::extension;
use crate::graphql::context::caller;
use crate::graphql::direct::{Direct, Inner};
use crate::graphql::errors::Result;
use crate::graphql::pagination::Listed;
use crate::service::Viewer;

/// Digits that a caller dials, or a text names, to reach a user.
pub struct Extension {
    viewer: Arc<Viewer>,
    model: extension::Model,
}

impl Extension {
    /// An extension as the viewer sees it.
    pub fn new(viewer: &Arc<Viewer>, model: extension::Model) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    /// An extension of the viewer's agency, active or not.
    pub fn find(viewer: &Arc<Viewer>, id: ExtensionId) -> Option<Self> {
        viewer.directory.extension(id).map(|model| Self::new(viewer, model.clone()))
    }
}

impl Direct for Extension {
    fn write(&self, field: &mut Inner<'_>) -> Option<()> {
        let ctx = field.context();
        match field.name() {
            "phoneNumber" => field.object(self.phone_number(&ctx)),
            "user" => field.object(Some(User::find(&self.viewer, self.model.user_id)?)),
            _ => None,
        }
    }
}

impl Listed for Extension {
    fn cursor(&self) -> String {
        self.model.id.to_string()
    }
}

/// Digits that a caller dials, or a text names, to reach a user.
#[Object]
impl Extension {
    /// Opaque, `ext_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// 2 to 6 digits.
    async fn digits(&self) -> &str {
        &self.model.digits
    }

    /// Whom it reaches.
    async fn user(&self, ctx: &Context<'_>) -> Result<User> {
        match User::find(&self.viewer, self.model.user_id) {
            Some(user) => Ok(user),
            None => Err(caller(ctx)?.absent("user")),
        }
    }

    /// The one number it is valid on; null is every number of the agency.
    fn phone_number(&self) -> Option<PhoneNumber> {
        PhoneNumber::find(&self.viewer, self.model.phone_number_id)
    }

    /// Whether it reaches anybody. Deactivated digits can be given again.
    async fn active(&self) -> bool {
        self.model.live == Some(true)
    }
}
