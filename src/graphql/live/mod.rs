//! Live delivery: each event is executed once per distinct operation, not once per subscriber.
//!
//! The obvious version is `Schema::execute_stream` per subscription, as async-graphql's own WebSocket handler does. It
//! executes the document for every event and subscriber: about 400 µs each and 45 KiB per subscriber (ADR 9), and a p99
//! of 448 ms to 1,000 subscribers instead of 21 ms (docs/benchmarks.md). To measure it again, run
//! `ONLY=fanout cargo bench --bench live`.
//!
//! How sharing works:
//! - A [`Subscriber`] has a position in the log ([`crate::events`]) and pulls the next event after its last message was
//!   written. A subscriber that does not read therefore holds its position and nothing else.
//! - The rows that an event refers to are read once for all subscribers ([`event_context`]). Each subscriber's
//!   permission is then checked in memory.
//! - The response ([`responses`]) is executed and serialized by the first subscriber that needs it; the others wait for
//!   it ([`single_flight`]).
//! - No list says which fields depend on the viewer. A [`Viewer`](crate::service::Viewer) records when a resolver uses
//!   more of it than its agency and role. Such a response is shared only among the subscriptions of that user.
//! - Presence and counts are not in the log ([`state`]): they have no cursor, and only their current value is delivered.
//!
//! To return to the obvious version, let [`Subscriber::next`] execute the document with the requester's own viewer
//! instead of calling [`Live::respond`]. Then [`single_flight`], the keys in [`responses`] and the registry in
//! [`operation`] can be deleted.

mod event_context;
mod operation;
mod responses;
mod root_field;
mod single_flight;
mod state;
mod subscriber;

pub(super) use event_context::ViewerEvent;
pub use responses::Live;
pub(super) use root_field::{EventView, State, SubscriptionArguments, Topic, resolve_event, resolve_state};
pub(super) use subscriber::{Delivery, Subscriber};
