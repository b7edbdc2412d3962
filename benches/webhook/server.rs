//! The whole server, in this process, on a file of its own.

use std::future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use partyline::app::{App, Extras, Ports, migrate_up};
use partyline::config::{Settings, Source};
use partyline::ports::{SystemClock, SystemIdGen};
use partyline::server::serve;
use partyline::service::apply_directory::{DirectoryFile, apply_directory};
use tokio::net::TcpListener;
use tokio::sync::watch;

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const NUMBER: &str = "+13035550100";
pub(crate) const URL: &str = "https://bench.example/api/twilio/webhook";

pub(crate) async fn start(folder: &Path) -> SocketAddr {
    let source = Source::default()
        .with("DATABASE_URL", &format!("sqlite://{}?mode=rwc", folder.join("server.db").display()))
        .with("PARTYLINE_PUBLIC_URL", "https://bench.example");
    let settings = Settings::read(&source).unwrap();
    migrate_up(&settings).await.unwrap();
    let ports = Ports { clock: Arc::new(SystemClock::new()), ids: Arc::new(SystemIdGen::new()) };
    let app = App::open(settings, ports).await.unwrap();
    let file = DirectoryFile::parse(include_str!("../../demo/directory.yaml"), |_| None).unwrap();
    apply_directory(&app.services, app.sealer.clone(), file).await.unwrap().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (_drain, draining) = watch::channel(false);
        let router = app.router(Extras::default(), draining);
        serve(listener, router, app.services.clock.clone(), future::pending(), Duration::ZERO).await;
    });
    address
}
