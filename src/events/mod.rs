//! Live events: subscriptions to an agency's durable log, from any position and without gaps.
//!
//! A commit passes its events to the agency's [`feed`]. A subscriber reads new events from the feed, or from the log if
//! the feed no longer holds them. The feed is only a cache and a signal: positions are also polled, so a lost signal
//! delays events but never loses them. Instances on one PostgreSQL database wake each other over the [`bus`].
//!
//! [`presence`] is the exception: it is not in the log, and only its current state counts.

mod bus;
mod feed;
pub mod presence;
mod stream;

pub use bus::{Bus, BusReceiver, BusSender};
pub use feed::Feeds;
pub use presence::PresenceBoard;
pub use stream::{StreamedEvent, SubscribeError, Subscription};
