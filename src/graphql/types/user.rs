use std::sync::Arc;

use async_graphql::{ID, Object};

use super::{Assignment, Extension};
use crate::domain::UserId;
use crate::entity::user;
use crate::graphql::direct::Direct;
use crate::graphql::pagination::Listed;
use crate::graphql::scalars::PhoneE164;
use crate::graphql::words::{Availability, Role};
use crate::service::Viewer;

/// A member of the agency's staff.
pub struct User {
    viewer: Arc<Viewer>,
    model: Arc<user::Model>,
}

impl User {
    /// A user as the viewer sees them.
    pub fn new(viewer: &Arc<Viewer>, model: Arc<user::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    /// A user of the viewer's agency, active or not.
    pub fn find(viewer: &Arc<Viewer>, id: UserId) -> Option<Self> {
        viewer.directory.user(id).map(|model| Self::new(viewer, model.clone()))
    }
}

impl Direct for User {}

impl Listed for User {
    fn cursor(&self) -> String {
        self.model.id.to_string()
    }
}

/// A member of the agency's staff.
#[Object]
impl User {
    /// Opaque, `usr_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The stable name that directory files and tokens use.
    async fn key(&self) -> &str {
        &self.model.key
    }

    /// Their name, for people.
    async fn name(&self) -> &str {
        &self.model.name
    }

    /// What they may do in the agency.
    async fn role(&self) -> Role {
        self.model.role.into()
    }

    /// The phone that their calls ring. Of others only ADMINs see it; to MEMBERs it is null.
    async fn phone(&self) -> Option<PhoneE164> {
        let shown = self.viewer.is_admin() || self.viewer.id() == self.model.id;
        self.model.phone.clone().filter(|_| shown).map(PhoneE164)
    }

    /// Whether their phone is verified: no other ever rings. Shown to whom the phone is shown.
    async fn phone_verified(&self) -> Option<bool> {
        let shown = self.viewer.is_admin() || self.viewer.id() == self.model.id;
        shown.then_some(self.model.phone_verified)
    }

    /// Whether they work here. One who does not can neither sign in nor be told of anything.
    async fn active(&self) -> bool {
        self.model.active
    }

    /// Whether they take work now.
    async fn availability(&self) -> Availability {
        self.model.availability.into()
    }

    /// Their places in the pools of active numbers, texts on or off.
    async fn assignments(&self) -> Vec<Assignment> {
        let rows = self.viewer.directory.assignments_of(self.model.id);
        rows.map(|row| Assignment::new(&self.viewer, row.clone())).collect()
    }

    /// The active extensions that reach them.
    async fn extensions(&self) -> Vec<Extension> {
        let rows = self.viewer.directory.extensions_of(self.model.id);
        rows.map(|row| Extension::new(&self.viewer, row.clone())).collect()
    }

    /// "Accessing N numbers": in how many pools of active numbers texts reach them.
    async fn accessing_numbers_count(&self) -> usize {
        self.viewer.directory.assignments_of(self.model.id).filter(|row| row.sms_enabled).count()
    }

    /// "Accessing N extensions": how many active extensions reach them.
    async fn accessing_extensions_count(&self) -> usize {
        self.viewer.directory.extensions_of(self.model.id).count()
    }
}
