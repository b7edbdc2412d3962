use std::sync::Arc;

use async_graphql::{ID, Object};

use super::User;
use crate::entity::activity;
use crate::graphql::direct_json::{DirectJson, ObjectField};
use crate::graphql::enums::ThreadActivityKind;
use crate::graphql::pagination::ConnectionNode;
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;
use crate::store::page::Key;

#[derive(Clone)]
pub struct ThreadActivity {
    viewer: Arc<Viewer>,
    model: Arc<activity::Model>,
}

impl ThreadActivity {
    /// Wraps an entry of a thread that the viewer may see.
    pub fn new(viewer: &Arc<Viewer>, model: Arc<activity::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }
}

impl DirectJson for ThreadActivity {
    fn write_object_field(&self, field: &mut ObjectField<'_>) -> Option<()> {
        let ctx = field.context();
        match field.name() {
            "actor" => field.object(self.actor(&ctx)),
            "toUser" => field.object(self.to_user(&ctx)),
            _ => None,
        }
    }
}

impl ConnectionNode for ThreadActivity {
    fn cursor(&self) -> String {
        Key { at: self.model.created_at, id: self.model.id.0 }.to_string()
    }
}

/// One entry in a thread's activity: who did what with the thread, and when.
#[Object]
impl ThreadActivity {
    /// The opaque, globally unique ID of the activity entry, prefixed with `act_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The kind of action that this entry records.
    async fn kind(&self) -> ThreadActivityKind {
        self.model.kind.into()
    }

    /// The user who performed the action. Null if Partyline did it automatically or because of an inbound text.
    fn actor(&self) -> Option<User> {
        self.model.actor_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The user who received the thread by the action. Null if it left the thread without an assignee.
    fn to_user(&self) -> Option<User> {
        self.model.to_user_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// The note of a transfer, or the reason given to `setOptOut`. Null if there is none.
    async fn note(&self) -> Option<&str> {
        self.model.note.as_deref()
    }

    /// The time of the action.
    async fn created_at(&self) -> DateTime {
        self.model.created_at.into()
    }
}
