//! The whole server in this process, as a router and over loopback.

use std::future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use partyline::app::{App, Extras, Ports, migrate_up};
use partyline::config::{Settings, Source};
use partyline::ports::{SystemClock, SystemIdGen};
use partyline::server::{Options, serve};
use partyline::service::Viewer;
use partyline::service::apply_directory::{DirectoryFile, apply_directory};
use partyline::service::authenticate::Subject;
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) const AGENCY: &str = "acme";

pub(crate) struct Server {
    pub(crate) app: App,
    pub(crate) router: Router,
    pub(crate) address: SocketAddr,
    /// Keeps the channel open: without a sender, the server would start to drain.
    _drain: watch::Sender<bool>,
}

impl Server {
    /// Opens the database at `path` and applies the demo's directory.
    pub(crate) async fn open(path: &Path) -> Self {
        let source = Source::default()
            .with("DATABASE_URL", &format!("sqlite://{}?mode=rwc", path.display()))
            // One user sends requests as fast as they are answered.
            .with("PARTYLINE_USER_RATE", "1000000");
        let settings = Settings::read(&source).unwrap();
        migrate_up(&settings).await.unwrap();
        let ports = Ports { clock: Arc::new(SystemClock::new()), ids: Arc::new(SystemIdGen::new()) };
        let app = App::open(settings, ports).await.unwrap();
        let file = DirectoryFile::parse(include_str!("../../demo/directory.yaml"), |_| None).unwrap();
        apply_directory(&app.services, app.sealer.clone(), file).await.unwrap().unwrap();
        let (drain, draining) = watch::channel(false);
        let router = app.router(Extras::default(), draining);
        let address = listen(router.clone(), &app).await;
        Self { app, router, address, _drain: drain }
    }

    pub(crate) async fn viewer(&self, user: &str) -> Viewer {
        let directory = self.app.services.directories.by_key(AGENCY).await.unwrap().unwrap();
        let id = directory.user_by_key(user).unwrap().id;
        Viewer::of(directory, id).unwrap()
    }

    pub(crate) fn token(&self, user: &str) -> String {
        let day = Duration::from_secs(24 * 60 * 60);
        let (services, subject) = (&self.app.services, Subject { agency: AGENCY, user, generation: 0 });
        let now = services.clock.now();
        services.authenticator.issue(subject, day, now, services.ids.uuid(now)).unwrap()
    }
}

/// Serves a router over loopback, for the server and for the peer.
pub(crate) async fn listen(router: Router, app: &App) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let clock = app.services.clock.clone();
    tokio::spawn(async move {
        let options = Options { drain_timeout: Duration::ZERO, ..Options::default() };
        serve(listener, router, clock, options, future::pending()).await
    });
    address
}
