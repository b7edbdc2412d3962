//! When to stop: SIGTERM from a service manager, SIGINT from a person.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal as on};

/// Completes at the first of the two. Both are watched from now on.
///
/// # Errors
/// When signals cannot be watched.
pub fn signal() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = on(SignalKind::terminate())?;
    let mut interrupt = on(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
