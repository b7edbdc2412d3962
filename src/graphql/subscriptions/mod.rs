//! One subscription per file, named as the schema names it. [`live`](super::live) brings the events,
//! each with what it is about and whether the viewer may see that; here it is put into an object.

use async_graphql::MergedSubscription;

mod call_updated;
mod directory_updated;
mod inbound_message;
mod notification_added;
mod thread_updated;

/// What can be followed live. Each event carries a cursor: to go on after a break, subscribe `after`
/// the newest one you have seen, and nothing is missed. What the viewer may see is asked anew for each
/// event. An error ends the subscription: CURSOR_EXPIRED, if the log does not reach back to the cursor
/// any more; RESUME, if the subscriber fell behind, with the `cursor` to go on from.
#[derive(MergedSubscription, Default)]
pub struct Subscription(
    inbound_message::InboundMessageSubscription,
    thread_updated::ThreadUpdatedSubscription,
    notification_added::NotificationAddedSubscription,
    call_updated::CallUpdatedSubscription,
    directory_updated::DirectoryUpdatedSubscription,
);
