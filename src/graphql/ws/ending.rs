//! What ends a socket from our side, whatever is going on on it.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::watch;

use super::protocol::Close;
use crate::graphql::limits::CHECK_AGAIN_AFTER;
use crate::service::Services;
use crate::service::authenticate::Identity;

/// Waits until the token expires or is revoked, the user is not active any more, or the server goes away. No `async fn`:
/// its future would hold each argument twice.
pub(super) fn ending(
    services: Arc<Services>,
    identity: Identity,
    mut drain: watch::Receiver<bool>,
) -> BoxFuture<'static, Close> {
    async move {
        tokio::select! {
            () = expiry(&services, &identity) => Close::Forbidden,
            () = deactivation(&services, &identity) => Close::Forbidden,
            () = drained(&mut drain) => Close::Restart,
        }
    }
    .boxed()
}

/// Waits until the server goes away.
pub(super) async fn drained(drain: &mut watch::Receiver<bool>) {
    if drain.wait_for(|draining| *draining).await.is_err() {
        // Nobody is left to say so: then nobody says so.
        std::future::pending::<()>().await;
    }
}

async fn expiry(services: &Services, identity: &Identity) {
    loop {
        // The clock may be set in between: it is asked again after each wait.
        let left = identity.expires_at - services.clock.now();
        match left.to_std() {
            Ok(left) if !left.is_zero() => services.clock.sleep(left).await,
            _ => return,
        }
    }
}

/// Thousands of idle sockets cost nothing: each looks at its user only when the directory changes.
async fn deactivation(services: &Services, identity: &Identity) {
    let mut changes = services.feeds.directory_changes(identity.agency);
    // A change may have come between the token's check and now.
    changes.mark_changed();
    while changes.changed().await.is_ok() {
        // Twice: what is in memory may have been read just before a change of another instance.
        for _ in 0..2 {
            // Boxed, for it is rare and large.
            match Box::pin(services.directories.get(identity.agency)).await {
                Ok(Some(directory)) if directory.user(identity.user).is_some_and(|user| identity.is_accepted(user)) => {
                }
                Ok(_) => return,
                // The database is away: whatever needs it fails and says so; this asks again.
                Err(_) => changes.mark_changed(),
            }
            services.clock.sleep(CHECK_AGAIN_AFTER).await;
        }
    }
    std::future::pending::<()>().await;
}
