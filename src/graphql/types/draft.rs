use async_graphql::{Context, Object};

use super::{Extension, Message, Thread};
use crate::entity::draft;
use crate::graphql::context::loaders;
use crate::graphql::errors::Result;
use crate::graphql::scalars::DateTime;

pub struct Draft {
    thread: Thread,
    model: draft::Model,
}

impl Draft {
    /// Wraps the viewer's own draft in a thread that the viewer may see.
    pub fn within(thread: &Thread, model: draft::Model) -> Self {
        Self { thread: thread.clone(), model }
    }

    async fn find_based_on(&self, ctx: &Context<'_>) -> Result<Option<Message>> {
        let Some(id) = self.model.based_on_id else { return Ok(None) };
        let row = loaders(ctx)?.message(id).await?.filter(|row| row.thread_id == self.model.thread_id);
        Ok(row.map(|row| Message::within(&self.thread, row)))
    }
}

/// The viewer's unsent text in a thread. No other user sees it. It is kept for 30 days after its last change, and
/// deleted when the viewer sends a text in the thread.
#[Object]
impl Draft {
    /// The text so far, 1 to 4,000 characters.
    async fn body(&self) -> &str {
        &self.model.body
    }

    /// The extension as which the text is to be sent. Null if there is none.
    async fn as_extension(&self) -> Option<Extension> {
        self.model.extension_id.and_then(|id| Extension::find(self.thread.viewer(), id))
    }

    /// The newest message that the viewer had seen when the draft was saved, to be sent as `lastSeenMessageId`. Null if
    /// it was not given.
    async fn based_on_message(&self, ctx: &Context<'_>) -> Option<Result<Message>> {
        self.find_based_on(ctx).await.transpose()
    }

    /// The time at which the draft was last saved.
    async fn updated_at(&self) -> DateTime {
        self.model.updated_at.into()
    }
}
