use std::sync::Arc;

use async_graphql::{ID, Object};

use super::User;
use crate::entity::activity;
use crate::graphql::direct::{Direct, Inner};
use crate::graphql::pagination::Listed;
use crate::graphql::scalars::DateTime;
use crate::graphql::words::ThreadActivityKind;
use crate::service::Viewer;
use crate::store::page::Key;

/// One line of a thread's history.
pub struct ThreadActivity {
    viewer: Arc<Viewer>,
    model: Arc<activity::Model>,
}

impl ThreadActivity {
    /// A line in the history of a thread that the viewer may see.
    pub fn new(viewer: &Arc<Viewer>, model: Arc<activity::Model>) -> Self {
        Self { viewer: Arc::clone(viewer), model }
    }
}

impl Direct for ThreadActivity {
    fn write(&self, field: &mut Inner<'_>) -> Option<()> {
        let ctx = field.context();
        match field.name() {
            "actor" => field.object(self.actor(&ctx)),
            "toUser" => field.object(self.to_user(&ctx)),
            _ => None,
        }
    }
}

impl Listed for ThreadActivity {
    fn cursor(&self) -> String {
        Key { at: self.model.created_at, id: self.model.id.0 }.to_string()
    }
}

/// One line of a thread's history.
#[Object]
impl ThreadActivity {
    /// Opaque, `act_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// What happened.
    async fn kind(&self) -> ThreadActivityKind {
        self.model.kind.into()
    }

    /// Who did it; null when the system did.
    fn actor(&self) -> Option<User> {
        self.model.actor_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// Who has the thread by it.
    fn to_user(&self) -> Option<User> {
        self.model.to_user_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// What they left for the next one to read.
    async fn note(&self) -> Option<&str> {
        self.model.note.as_deref()
    }

    /// When.
    async fn created_at(&self) -> DateTime {
        self.model.created_at.into()
    }
}
