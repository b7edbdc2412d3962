//! What subscriptions deliver.

use async_graphql::{ID, SimpleObject};

use super::{Call, Message, Notification, Thread};
use crate::graphql::node::Node;
use crate::graphql::scalars::EventCursor;

/// A text came in.
#[derive(SimpleObject)]
pub struct InboundMessageEvent {
    /// The place after this event: subscribe `after` it to go on from here.
    pub cursor: EventCursor,
    /// Whether it had happened before the subscription began.
    pub replayed: bool,
    /// The text.
    pub message: Message,
    /// Its thread, as it stands now.
    pub thread: Thread,
}

/// A thread changed.
#[derive(SimpleObject)]
pub struct ThreadUpdatedEvent {
    /// The place after this event: subscribe `after` it to go on from here.
    pub cursor: EventCursor,
    /// Whether it had happened before the subscription began.
    pub replayed: bool,
    /// Which thread.
    pub thread_id: ID,
    /// The thread as it stands now. Null: it is no longer visible to the viewer, remove it.
    pub thread: Option<Thread>,
    /// The message whose status changed, if one did.
    pub message: Option<Message>,
}

/// The viewer is told something.
#[derive(SimpleObject)]
pub struct NotificationAddedEvent {
    /// The place after this event: subscribe `after` it to go on from here.
    pub cursor: EventCursor,
    /// Whether it had happened before the subscription began.
    pub replayed: bool,
    /// What.
    pub notification: Notification,
}

/// A call began, or got further.
#[derive(SimpleObject)]
pub struct CallUpdatedEvent {
    /// The place after this event: subscribe `after` it to go on from here.
    pub cursor: EventCursor,
    /// Whether it had happened before the subscription began.
    pub replayed: bool,
    /// The call as it stands now.
    pub call: Call,
}

/// A pool, an assignment, an extension, a user or a number changed.
#[derive(SimpleObject)]
pub struct DirectoryUpdatedEvent {
    /// The place after this event: subscribe `after` it to go on from here.
    pub cursor: EventCursor,
    /// Whether it had happened before the subscription began.
    pub replayed: bool,
    /// The thing as it stands now. Null: it is gone, or no longer visible to the viewer.
    pub node: Option<Node>,
    /// Which thing.
    pub node_id: ID,
}
