//! The subscriptions, one per file with the name that it has in the schema. [`live`](super::live) delivers each event
//! with the rows that it refers to and the viewer's access to them; the subscription converts it into its payload.

use async_graphql::MergedSubscription;

mod call_updated;
mod directory_updated;
mod inbound_message;
mod notification_added;
mod presence_updated;
mod thread_counts_updated;
mod thread_updated;
mod viewer_updated;

/// The subscriptions. Events of the log have a cursor; after a disconnect, subscribe with `after` set to the cursor of the
/// last event you received, and no event is missed. Such a subscription ends with an error if the cursor is older than
/// the log, or from before a restored backup (CURSOR_EXPIRED), or if the subscriber falls behind (RESUME, with the
/// `cursor` to resume from). `presenceUpdated` and `threadCountsUpdated` deliver current state, have no cursor, and
/// replay nothing. Permissions are checked for each delivery.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    inbound_message::InboundMessageSubscription,
    thread_updated::ThreadUpdatedSubscription,
    notification_added::NotificationAddedSubscription,
    call_updated::CallUpdatedSubscription,
    directory_updated::DirectoryUpdatedSubscription,
    viewer_updated::ViewerUpdatedSubscription,
    thread_counts_updated::ThreadCountsUpdatedSubscription,
    presence_updated::PresenceUpdatedSubscription,
);
