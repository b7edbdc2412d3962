//! The payloads of subscriptions.

use async_graphql::{Enum, ID, Interface, SimpleObject};

use super::{Call, Message, Notification, PhoneNumber, Thread, TimelineItem};
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
    ViewerUpdated(ViewerUpdatedEvent),
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

/// A change of a thread. `change` is its kind, and `item` is the timeline item that was added or changed.
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
    /// The kind of the change.
    pub change: ThreadChange,
    /// The item that is new or changed in the thread's timeline. Null if `thread` is null, and for a change that has no
    /// item, such as the alert of the pool about a text that only an extension's user had received.
    pub item: Option<TimelineItem>,
}

/// The kind of a change of a thread.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
pub enum ThreadChange {
    /// The contact sent a text.
    Inbound,
    /// A text to the contact was queued.
    Outbound,
    /// The delivery status of a text to the contact changed, or a file of a text was fetched or could not be fetched.
    Status,
    /// The thread was claimed, released, transferred, closed or reopened, or another activity entry was added.
    Activity,
    /// A call with the contact began or changed.
    Call,
    /// The contact changed: its name, note, provider or opt-out.
    Contact,
}

/// A change that concerns only the viewer. Use it to keep the viewer's other windows and devices up to date.
#[derive(SimpleObject)]
pub struct ViewerUpdatedEvent {
    /// The position of this event in the agency's log. To resume after this event, subscribe with `after` set to this
    /// cursor.
    pub cursor: EventCursor,
    /// True if the event happened before the subscription began and is replayed because of `after`.
    pub replayed: bool,
    /// The kind of the change.
    pub change: ViewerChange,
    /// The ID of the thread that was read or whose draft changed, also present if the viewer may no longer see it, and of
    /// the thread in `thread`. Null for the other changes.
    pub thread_id: Option<ID>,
    /// The thread that was read, whose draft changed, or whose notifications were resolved, in its current state. Null
    /// for the other changes, or if the viewer may no longer see the thread.
    pub thread: Option<Thread>,
    /// The notification that the viewer read. Null for the other changes.
    pub notification: Option<Notification>,
    /// The phone number to whose threads the viewer gained or lost access. Null for the other changes, or if access to
    /// any thread may have changed.
    pub phone_number: Option<PhoneNumber>,
}

/// The kind of a change that concerns only the viewer.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
pub enum ViewerChange {
    /// The viewer read the thread, replied in it, or marked it as unread. Its notifications may be read as well.
    ThreadRead,
    /// The viewer saved or discarded a draft in the thread, or sent it. `Thread.viewerDraft` is its current state.
    Draft,
    /// The viewer read the notification.
    NotificationRead,
    /// Notifications of the viewer were resolved, because a user took care of their cause: those about `thread`, or
    /// about a call if `thread` is null.
    NotificationResolved,
    /// The viewer may have gained or lost access to threads: query the lists again.
    Access,
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
