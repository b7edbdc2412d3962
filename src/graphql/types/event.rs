//! The payloads of subscriptions.

use async_graphql::{ID, Interface, SimpleObject};

use super::{Call, Message, Notification, Thread};
use crate::graphql::node::Node;
use crate::graphql::scalars::EventCursor;

/// An event in the agency's log, as delivered by a subscription.
#[derive(Interface)]
#[graphql(
    field(
        name = "cursor",
        ty = "&EventCursor",
        desc = "The position of this event in the agency's log. To resume after this event, subscribe with `after` set \
                to this cursor."
    ),
    field(
        name = "replayed",
        ty = "&bool",
        desc = "True if the event happened before the subscription began and is replayed because of `after`."
    )
)]
pub enum Event {
    InboundMessage(InboundMessageEvent),
    ThreadUpdated(ThreadUpdatedEvent),
    NotificationAdded(NotificationAddedEvent),
    CallUpdated(CallUpdatedEvent),
    DirectoryUpdated(DirectoryUpdatedEvent),
}

/// A contact sent a text.
#[derive(SimpleObject)]
pub struct InboundMessageEvent {
    /// The position of this event in the agency's log. To resume after this event, subscribe with `after` set to this
    /// cursor.
    pub cursor: EventCursor,
    /// True if the event happened before the subscription began and is replayed because of `after`.
    pub replayed: bool,
    /// The text that was received.
    pub message: Message,
    /// The thread of the text, in its current state.
    pub thread: Thread,
}

/// A thread changed: a text was received or sent, the status of a message changed, or the thread was claimed, released,
/// transferred, closed or reopened.
#[derive(SimpleObject)]
pub struct ThreadUpdatedEvent {
    /// The position of this event in the agency's log. To resume after this event, subscribe with `after` set to this
    /// cursor.
    pub cursor: EventCursor,
    /// True if the event happened before the subscription began and is replayed because of `after`.
    pub replayed: bool,
    /// The ID of the thread, also present if `thread` is null.
    pub thread_id: ID,
    /// The thread in its current state. Null if the viewer may no longer see it; remove it from the display.
    pub thread: Option<Thread>,
    /// The message whose status changed. Null if the event is not about a message's status.
    pub message: Option<Message>,
}

/// A notification for the viewer was created.
#[derive(SimpleObject)]
pub struct NotificationAddedEvent {
    /// The position of this event in the agency's log. To resume after this event, subscribe with `after` set to this
    /// cursor.
    pub cursor: EventCursor,
    /// True if the event happened before the subscription began and is replayed because of `after`.
    pub replayed: bool,
    /// The new notification in its current state.
    pub notification: Notification,
}

/// A call began or its state changed.
#[derive(SimpleObject)]
pub struct CallUpdatedEvent {
    /// The position of this event in the agency's log. To resume after this event, subscribe with `after` set to this
    /// cursor.
    pub cursor: EventCursor,
    /// True if the event happened before the subscription began and is replayed because of `after`.
    pub replayed: bool,
    /// The call in its current state, as far as the viewer may see it.
    pub call: Call,
}

/// The directory of the agency changed: a pool, an assignment, an extension, a user, a phone number or the agency
/// itself.
#[derive(SimpleObject)]
pub struct DirectoryUpdatedEvent {
    /// The position of this event in the agency's log. To resume after this event, subscribe with `after` set to this
    /// cursor.
    pub cursor: EventCursor,
    /// True if the event happened before the subscription began and is replayed because of `after`.
    pub replayed: bool,
    /// The changed object in its current state. Null if it was removed, or if the viewer may no longer see it.
    pub node: Option<Node>,
    /// The ID of the changed object, also present if `node` is null.
    pub node_id: ID,
}
