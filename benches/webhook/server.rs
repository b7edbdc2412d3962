//! The whole server, in this process, on a database of its own.

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

/// Opens the application on an empty database, and puts the demo's agency into it.
pub(crate) async fn open(database_url: &str) -> App {
    let source = Source::default()
        .with("DATABASE_URL", database_url)
        .with("PARTYLINE_PUBLIC_URL", PUBLIC_URL)
        .with("PARTYLINE_JWT_SECRET", "the bench's secret that signs bearer tokens")
        .with("PARTYLINE_SECRET_KEY", "the bench's secret that seals Twilio's tokens");
    let settings = Settings::read(&source).unwrap();
    migrate_up(&settings).await.unwrap();
    let ports = Ports { clock: Arc::new(SystemClock::new()), ids: Arc::new(SystemIdGen::new()) };
    let app = App::open(settings, ports).await.unwrap();
    let file = DirectoryFile::parse(include_str!("../../demo/directory.yaml"), |_| None).unwrap();
    apply_directory(&app.services, app.sealer.clone(), file).await.unwrap().unwrap();
    app
}

/// Serves the application's routes.
pub(crate) async fn start(app: &App) -> SocketAddr {
    let (drain, draining) = watch::channel(false);
    let router = app.router(Extras::default(), draining);
    // It is kept for as long as the routes are: they never drain.
    listen(app, router.layer(axum::Extension(Arc::new(drain)))).await
}

/// Serves routes over loopback, ours and a peer's alike.
pub(crate) async fn listen(app: &App, router: Router) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = app.services.clock.clone();
    tokio::spawn(async move {
        let options = Options { drain_within: Duration::ZERO, ..Options::default() };
        serve(listener, router, clock, options, future::pending()).await
    });
    address
}
