//! Shutdown signals: SIGTERM from a service manager and SIGINT from a terminal.

use std::future::Future;
use std::io;

use tokio::signal::unix::{SignalKind, signal as on};

/// Installs the signal handlers and returns a future that completes at the first signal.
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
