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
use crate::service::reseal_accounts::reseal_accounts;
use crate::worker::Workers;
use crate::{server, shutdown};

/// How long open requests may take once the server is told to stop.
const DRAIN: Duration = Duration::from_secs(10);
/// Open connections to the address of `/metrics`, if it has one of its own.
const METRICS_CONNECTIONS: usize = 64;

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
    /// For `/metrics`, if it has an address of its own.
    metrics_listener: Option<TcpListener>,
    keep_alive: Duration,
    max_connections: usize,
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
    let max_connections = server::raise_open_file_limit(settings.connections);
    let listener = server::listen(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let metrics_listener = settings
        .metrics_listen
        .map(|listen| server::listen(listen).with_context(|| format!("cannot listen on {listen}, for metrics")));
    let metrics_listener = metrics_listener.transpose()?;
    let app = App::open(settings, ports).await?;
    if app.sealer.has_previous() {
        let accounts = reseal_accounts(&app.services, app.sealer.clone()).await?;
        tracing::info!(accounts, "stored secrets were sealed again under the current key");
    }
    let extras = options.extras;
    app.services.restore.check(&app.services).await.context("the database cannot be judged")?;
    Ok(Ready { app, address, listener, metrics_listener, keep_alive, max_connections, extras, _lock: lock })
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
        let metrics_address = self.metrics_listener.as_ref().map(TcpListener::local_addr).transpose()?;
        let metrics = self.metrics_listener.map(|listener| {
            let (router, mut draining) = (self.app.metrics_router(draining.clone()), draining.clone());
            let stopped = async move {
                // The sender is dropped only after this task has ended.
                let _ = draining.wait_for(|draining| *draining).await;
            };
            let options = server::Options {
                keep_alive: self.keep_alive,
                max_connections: METRICS_CONNECTIONS,
                drain_within: DRAIN,
                ..server::Options::default()
            };
            tokio::spawn(server::serve(listener, router, clock.clone(), options, stopped))
        });
        let router = self.app.router(self.extras, draining);
        tracing::info!(address = %self.address, "serving");
        if let Some(address) = metrics_address {
            tracing::info!(%address, "metrics have an address of their own");
        }
        let stop = shutdown::signal()?;
        let stopped = async {
            stop.await;
            tracing::info!("draining");
            // Sockets and readiness follow; nobody listening is as good.
            let _ = drain.send(true);
        };
        let options = server::Options {
            keep_alive: self.keep_alive,
            max_connections: self.max_connections,
            drain_within: DRAIN,
            figures: self.app.connection_figures(),
        };
        server::serve(self.listener, router, clock, options, stopped).await;
        if let Some(metrics) = metrics {
            // It holds the services, which must be free before the writer can end. A panic in it has been logged.
            let _ = metrics.await;
        }
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
///
/// # Errors
/// When another process holds the lock.
pub fn lock_beside(database: PathBuf) -> anyhow::Result<File> {
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
