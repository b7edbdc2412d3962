//! Live events: each agency's durable log, followed from any position without a gap.
//!
//! A commit hands its events to the agency's [`feed`]; a subscriber reads from there what it has not
//! seen, or from the log what the feed no longer holds. The feed is a cache and a signal, no more: a
//! poll of the positions stands behind it, so a lost signal costs time and never an event. Instances on
//! one PostgreSQL wake each other over the [`bus`].

mod bus;
mod feed;
mod stream;

pub use bus::Bus;
pub use feed::Feeds;
pub use stream::{Followed, SubscribeError, Subscription};
