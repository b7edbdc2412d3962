use std::sync::Arc;

use async_graphql::{ID, Object};

use super::{Assignment, Extension};
use crate::domain::UserId;
use crate::entity::user;
use crate::graphql::direct_json::DirectJson;
use crate::graphql::enums::{Availability, Role};
use crate::graphql::pagination::ConnectionNode;
use crate::graphql::scalars::PhoneE164;
use crate::service::Viewer;

pub struct User {
    viewer: Arc<Viewer>,
    model: Arc<user::Model>,
}

impl User {
    pub fn new(viewer: &Arc<Viewer>, model: Arc<user::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }

    /// Finds a user of the viewer's agency, active or not.
    pub fn find(viewer: &Arc<Viewer>, id: UserId) -> Option<Self> {
        viewer.directory.user(id).map(|model| Self::new(viewer, model.clone()))
    }
}

impl DirectJson for User {}

impl ConnectionNode for User {
    fn cursor(&self) -> String {
        self.model.id.to_string()
    }
}

/// A staff member of the agency.
#[Object]
impl User {
    /// The opaque, globally unique ID of the user, prefixed with `usr_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The stable key that identifies the user in directory files and tokens.
    async fn key(&self) -> &str {
        &self.model.key
    }

    /// The display name of the user.
    async fn name(&self) -> &str {
        &self.model.name
    }

    /// The user's role in the agency.
    async fn role(&self) -> Role {
        self.model.role.into()
    }

    /// The phone that rings for calls to this user, in E.164. Null if the user has none. ADMINs see every user's phone,
    /// MEMBERs only their own: for other users it is null.
    async fn phone(&self) -> Option<PhoneE164> {
        let shown = self.viewer.is_admin() || self.viewer.id() == self.model.id;
        self.model.phone.clone().filter(|_| shown).map(PhoneE164)
    }

    /// True if the user has verified their phone. Only verified phones are dialed.
    async fn phone_verified(&self) -> bool {
        self.model.phone_verified
    }

    /// True if the user is active. An inactive user cannot sign in and receives no notifications.
    async fn active(&self) -> bool {
        self.model.active
    }

    /// The user's current availability for new work.
    async fn availability(&self) -> Availability {
        self.model.availability.into()
    }

    /// The user's assignments to the pools of active numbers, with SMS and voice on or off.
    async fn assignments(&self) -> Vec<Assignment> {
        let rows = self.viewer.directory.assignments_of(self.model.id);
        rows.map(|row| Assignment::new(&self.viewer, row.clone())).collect()
    }

    /// The active extensions that reach the user.
    async fn extensions(&self) -> Vec<Extension> {
        let rows = self.viewer.directory.extensions_of(self.model.id);
        rows.map(|row| Extension::new(&self.viewer, row.clone())).collect()
    }

    /// The number of active phone numbers whose texts are routed to the user: assignments with `smsEnabled: true`.
    async fn accessing_numbers_count(&self) -> usize {
        self.viewer.directory.assignments_of(self.model.id).filter(|row| row.sms_enabled).count()
    }

    /// The number of active extensions that reach the user.
    async fn accessing_extensions_count(&self) -> usize {
        self.viewer.directory.extensions_of(self.model.id).count()
    }
}
