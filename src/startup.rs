//! From settings to a running server.

use std::fs::{File, OpenOptions, TryLockError};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::{App, Extras, Ports, migrate_up};
use crate::config::Settings;
use crate::worker::Workers;
use crate::{server, shutdown};

/// How long open requests may take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(10);

/// How to serve.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether the schema is left as it is.
    pub no_migrate: bool,
    /// Which extras the routes have.
    pub extras: Extras,
}

/// A server that is set up and listens, before it takes its first request.
pub struct Ready {
    /// The application.
    pub app: App,
    /// Where it listens.
    pub address: SocketAddr,
    listener: TcpListener,
    keep_alive: Duration,
    extras: Extras,
    /// Held as long as we serve.
    _lock: Option<File>,
}

/// Sets everything up.
///
/// # Errors
/// When something that is needed is not there.
pub async fn prepare(settings: Settings, ports: Ports, options: Options) -> anyhow::Result<Ready> {
    let lock = settings.sqlite_file().map(lock_beside).transpose()?;
    if !options.no_migrate {
        migrate_up(&settings).await?;
    }
    let (listen, keep_alive) = (settings.listen, settings.keep_alive);
    let listener = server::listen(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let app = App::open(settings, ports).await?;
    Ok(Ready { app, address, listener, keep_alive, extras: options.extras, _lock: lock })
}

impl Ready {
    /// Serves until told to stop, then drains.
    ///
    /// # Errors
    /// When the operating system does not let us.
    pub async fn serve(self) -> anyhow::Result<()> {
        let clock = self.app.services.clock.clone();
        let workers = Workers::start(&self.app.services);
        let bus = self.app.join_bus();
        let (drain, draining) = watch::channel(false);
        let router = self.app.router(self.extras, draining);
        tracing::info!(address = %self.address, "serving");
        let stop = shutdown::signal()?;
        let stopped = async {
            stop.await;
            tracing::info!("draining");
            // Sockets and readiness follow; nobody listening is as good.
            let _ = drain.send(true);
        };
        server::serve(self.listener, router, clock, self.keep_alive, stopped, DRAIN).await;
        workers.stop(DRAIN).await;
        for task in bus {
            task.abort();
            // An aborted task reports that it was.
            let _ = task.await;
        }
        self.app.close(DRAIN).await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// One server per SQLite file: a second one would give out the same positions from its own memory
/// and wait for the first one's locks.
fn lock_beside(database: PathBuf) -> anyhow::Result<File> {
    let mut path = database.into_os_string();
    path.push(".lock");
    let path = PathBuf::from(path);
    let shown = path.display();
    let file = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let file = file.with_context(|| format!("cannot open {shown}"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            anyhow::bail!("another partyline is serving this database ({shown} is locked)")
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {shown}")),
    }
}
