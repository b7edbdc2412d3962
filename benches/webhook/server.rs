//! The whole server, in this process.

use std::future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use partyline::app::{App, Extras, Ports, migrate_up};
use partyline::config::{Settings, Source};
use partyline::ports::{SystemClock, SystemIdGen};
use partyline::server::{Options, serve};
use partyline::service::apply_directory::{DirectoryFile, apply_directory};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::signed::PUBLIC_URL;

/// Opens the application on an empty database and applies the demo's directory.
pub(crate) async fn open(database_url: &str) -> App {
    let source = Source::default()
        .with("DATABASE_URL", database_url)
        .with("PARTYLINE_PUBLIC_URL", PUBLIC_URL)
        .with("PARTYLINE_JWT_SECRET", "the benchmark's secret that signs bearer tokens")
        .with("PARTYLINE_SECRET_KEY", "the benchmark's secret that encrypts Twilio's tokens");
    let settings = Settings::read(&source).unwrap();
    migrate_up(&settings).await.unwrap();
    let ports = Ports { clock: Arc::new(SystemClock::new()), ids: Arc::new(SystemIdGen::new()) };
    let app = App::open(settings, ports).await.unwrap();
    let file = DirectoryFile::parse(include_str!("../../demo/directory.yaml"), |_| None).unwrap();
    apply_directory(&app.services, app.sealer.clone(), file).await.unwrap().unwrap();
    app
}

pub(crate) async fn start(app: &App) -> SocketAddr {
    let (drain, draining) = watch::channel(false);
    let router = app.router(Extras::default(), draining);
    // The router owns the sender, so the server never drains.
    listen(app, router.layer(axum::Extension(Arc::new(drain)))).await
}

/// Serves a router over loopback, for the server and for the peer.
pub(crate) async fn listen(app: &App, router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = app.services.clock.clone();
    tokio::spawn(async move {
        let options = Options { drain_timeout: Duration::ZERO, ..Options::default() };
        serve(listener, router, clock, options, future::pending()).await
    });
    address
}
