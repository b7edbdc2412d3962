use std::sync::Arc;

use async_graphql::{ID, SimpleObject};

use super::User;
use crate::events::presence;
use crate::graphql::enums::PresenceState;
use crate::graphql::scalars::DateTime;
use crate::service::Viewer;

/// The presence of a user in a thread. It lasts 15 seconds after the user's client last reported it, and is neither
/// stored nor part of the log.
#[derive(SimpleObject)]
pub struct Presence {
    /// The user who is present.
    user: User,
    /// The ID of the thread in which the user is present.
    thread_id: ID,
    /// The current activity of the user in the thread.
    state: PresenceState,
    /// The time at which this state began.
    since: DateTime,
}

impl Presence {
    /// `None` if the user does not exist.
    pub fn new(viewer: &Arc<Viewer>, presence: &presence::Presence) -> Option<Self> {
        Some(Self {
            user: User::find(viewer, presence.user)?,
            thread_id: presence.thread.into(),
            state: presence.state.into(),
            since: presence.since.into(),
        })
    }
}
