//! Tell colleagues what a user does in a thread at the moment.

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::ThreadId;
use crate::domain::presence::PresenceState;
use crate::events::presence::Presence;
use crate::store::threads;

/// Records what the viewer does in a thread. It lasts 15 seconds unless it is reported again.
pub async fn set_presence(
    services: &Services,
    viewer: &Viewer,
    thread: ThreadId,
    state: PresenceState,
) -> Outcome<Presence> {
    let visible = threads::visible(services.request_reader(), &viewer.scope(), thread).await?;
    if visible.is_none() {
        return Err(Refusal::not_found("thread", "threadId").into());
    }
    Ok(services.presence.report(viewer.agency(), thread, viewer.id(), state))
}
