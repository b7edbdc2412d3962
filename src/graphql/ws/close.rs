//! The conditions under which the server closes a socket.

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt as _};
use tokio::sync::watch;

use super::protocol::Close;
use crate::graphql::limits::RECHECK_DELAY;
use crate::service::Services;
use crate::service::authenticate::{Identity, TokenProblem};

/// Waits until the token expires or is revoked, the user is deactivated, or the server drains.
///
/// Not an `async fn`, because its future would hold each argument twice; see "Boxed futures" in `graphql`.
pub(super) fn wait_for_close(
    services: Arc<Services>,
    identity: Identity,
    mut drain: watch::Receiver<bool>,
) -> BoxFuture<'static, Close> {
    async move {
        tokio::select! {
            () = wait_for_expiry(&services, &identity) => Close::Forbidden(TokenProblem::Expired),
            problem = wait_for_rejection(&services, &identity) => Close::Forbidden(problem),
            () = wait_for_drain(&mut drain) => Close::Restart,
        }
    }
    .boxed()
}

/// Waits until the server drains.
pub(super) async fn wait_for_drain(drain: &mut watch::Receiver<bool>) {
    // `wait_for` would make each idle socket larger.
    while !*drain.borrow_and_update() {
        if drain.changed().await.is_err() {
            // The sender was dropped, so the server will not drain.
            std::future::pending::<()>().await;
        }
    }
}

async fn wait_for_expiry(services: &Services, identity: &Identity) {
    loop {
        // The wall clock may be set during the wait, so it is read again afterwards.
        let left = identity.expires_at - services.clock.now();
        match left.to_std() {
            Ok(left) if !left.is_zero() => services.clock.sleep(left).await,
            _ => return,
        }
    }
}

/// Waits until the token is revoked or its user deactivated. Checks the user only when the directory changes, so that
/// thousands of idle sockets cost nothing.
async fn wait_for_rejection(services: &Services, identity: &Identity) -> TokenProblem {
    let mut changes = services.feeds.directory_changes(identity.agency);
    // The directory may have changed between the check of the token and this subscription to its changes.
    changes.mark_changed();
    while changes.changed().await.is_ok() {
        // Boxed: a rare future, see "Boxed futures" in `graphql`.
        if let Some(problem) = Box::pin(find_rejection(services, identity, &mut changes)).await {
            return problem;
        }
    }
    std::future::pending().await
}

/// Checks the user after a change of the directory; `None` if the token is still accepted.
async fn find_rejection(
    services: &Services,
    identity: &Identity,
    changes: &mut watch::Receiver<()>,
) -> Option<TokenProblem> {
    // Checked twice, because the cached directory may be from just before another instance's change.
    for _ in 0..2 {
        match services.directories.get(identity.agency).await {
            Ok(directory) => {
                let user = directory.as_ref().and_then(|directory| directory.user(identity.user));
                if let Err(problem) = identity.check(user.map(|user| &**user)) {
                    return Some(problem);
                }
            }
            // The database is unavailable. Check again later; requests that need the database report the error.
            Err(_) => changes.mark_changed(),
        }
        services.clock.sleep(RECHECK_DELAY).await;
    }
    None
}
