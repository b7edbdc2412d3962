//! Starts a server from its settings, and shuts it down.

use std::convert::Infallible;
use std::fs::{File, OpenOptions, TryLockError};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::OptionFuture;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::app::{App, Extras, Ports, migrate_up};
use crate::config::Settings;
use crate::service::reseal_accounts::reseal_accounts;
use crate::telemetry::LogLimit;
use crate::worker::{Timer, Workers};
use crate::{server, shutdown};

/// The timeout of open requests during the shutdown.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);
/// The maximum number of open connections to a separate address of `/metrics`.
const METRICS_CONNECTIONS: usize = 64;

#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Whether to skip the migration of the database schema.
    pub no_migrate: bool,
    /// The optional routes.
    pub extras: Extras,
}

/// A server that is set up and listening, but does not accept requests yet.
pub struct PreparedServer {
    pub app: App,
    pub address: SocketAddr,
    listener: TcpListener,
    /// The listener of `/metrics`, if it has a separate address.
    metrics_listener: Option<TcpListener>,
    keep_alive: Duration,
    max_connections: usize,
    extras: Extras,
    /// Held until the server stops.
    _lock: Option<File>,
}

/// Locks and migrates the database, listens, and opens the application.
pub async fn prepare(settings: Settings, ports: Ports, options: Options) -> anyhow::Result<PreparedServer> {
    let lock = settings.sqlite_file().map(lock_database).transpose()?;
    if !options.no_migrate {
        migrate_up(&settings).await?;
    }
    let (listen, keep_alive) = (settings.listen, settings.keep_alive);
    let max_connections = server::raise_open_file_limit(settings.connections);
    let listener = server::listen(listen).with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    let metrics_listener = settings
        .metrics_listen
        .map(|listen| server::listen(listen).with_context(|| format!("cannot listen on {listen} for metrics")));
    let metrics_listener = metrics_listener.transpose()?;
    let app = App::open(settings, ports).await?;
    if app.sealer.has_previous() {
        let accounts = reseal_accounts(&app.services, app.sealer.clone()).await?;
        tracing::info!(accounts, "stored secrets were re-encrypted with the current key");
    }
    let extras = options.extras;
    app.services.restore.check(&app.services).await.context("cannot check whether the database was restored")?;
    Ok(PreparedServer { app, address, listener, metrics_listener, keep_alive, max_connections, extras, _lock: lock })
}

impl PreparedServer {
    /// Serves until a shutdown signal, then drains open requests and stops the workers. Meanwhile it logs how many log
    /// lines `log_limit` suppressed.
    pub async fn serve(self, log_limit: LogLimit) -> anyhow::Result<()> {
        let clock = self.app.services.clock.clone();
        let workers = Workers::start(&self.app.services, self.app.metrics());
        let mut tasks = self.app.join_bus();
        let timer = Timer { services: &self.app.services, metrics: self.app.metrics() };
        tasks.push(timer.every(LogLimit::PERIOD, "log_limit", "logs how many log lines were suppressed", move |_| {
            let log_limit = log_limit.clone();
            async move {
                log_limit.report();
                Ok::<_, Infallible>(())
            }
        }));
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
                drain_timeout: DRAIN_TIMEOUT,
                ..server::Options::default()
            };
            server::serve(listener, router, clock.clone(), options, stopped)
        });
        let router = self.app.router(self.extras, draining);
        tracing::info!(address = %self.address, "serving");
        if let Some(address) = metrics_address {
            tracing::info!(%address, "metrics are served on a separate address");
        }
        let stop = shutdown::signal()?;
        let stopped = async {
            stop.await;
            tracing::info!("draining");
            // WebSockets and the readiness route subscribe to this. It is not an error if there is no subscriber.
            let _ = drain.send(true);
        };
        let options = server::Options {
            keep_alive: self.keep_alive,
            max_connections: self.max_connections,
            drain_timeout: DRAIN_TIMEOUT,
            figures: self.app.connection_metrics(),
            ..server::Options::default()
        };
        // In one task, so that neither can end alone.
        let serving = server::serve(self.listener, router, clock, options, stopped);
        tokio::join!(serving, OptionFuture::from(metrics));
        workers.stop(DRAIN_TIMEOUT).await;
        for task in tasks {
            task.abort();
            // The result is the cancellation error.
            let _ = task.await;
        }
        self.app.close(DRAIN_TIMEOUT).await;
        tracing::info!("stopped");
        Ok(())
    }
}

/// Locks an SQLite database for this process, by a lock file next to it. A second server would assign the same
/// positions from its own memory and wait for the first one's locks. Fails if another process holds the lock.
pub fn lock_database(database: PathBuf) -> anyhow::Result<File> {
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
