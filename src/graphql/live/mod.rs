//! Live delivery: many follow the same log with the same few operations, and for each event an
//! operation is executed once for all who would get the same answer.
//!
//! A [`Subscriber`] has a place in the log ([`crate::events`]) and pulls: it looks at the next event
//! when its last one has been taken, so one that does not read holds nothing but its place. What the
//! event is about is read once for all ([`facts`]), and each subscriber is asked whether they may see
//! it. The answer ([`shared`]) is executed and serialised by whoever needs it first.
//!
//! Who would get the same answer is not declared but observed: a [`Viewer`](crate::service::Viewer)
//! notes when an answer depends on who they are, beyond their agency and role; such an answer is shown
//! to nobody else.

mod facts;
mod operation;
mod recent;
mod shared;
mod source;
mod subscriber;

pub use shared::Live;
pub(super) use source::{Sight, Topic, follow};
pub(super) use subscriber::{Delivered, Subscriber};
