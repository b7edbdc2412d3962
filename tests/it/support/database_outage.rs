//! Simulates a database outage: connections are cut and new ones are refused.
//!
//! A database server is reached through a proxy. A SQLite file is replaced by a link to a folder, which cannot be
//! opened as a database; connections of the read pool keep the file open.

use std::convert::Infallible;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use partyline::store::writer::{Tx, Unit, UnitError};
use sea_orm::ConnectionTrait as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use super::app::TestApp;
use super::database::TestDatabase;
use super::directory::AGENCIES;
use super::wait;

/// The size of the read pool.
const READERS: usize = 8;

/// Starts and ends outages of a database.
pub(crate) enum Outage {
    File(PathBuf),
    Server(Proxy),
}

impl TestApp {
    /// Starts a server with the agencies of every test, and a handle that controls outages of its database.
    pub(crate) async fn start_with_outages() -> (Self, Outage) {
        let mut database = TestDatabase::create().await;
        let outage = match database.file_path() {
            Some(path) => Outage::File(path),
            None => {
                let mut url = Url::parse(&database.url).expect("the database has a URL");
                let target = url.socket_addrs(|| None).expect("the database has an address")[0];
                let proxy = Proxy::start(target).await;
                url.set_port(Some(proxy.address.port())).expect("a URL with a host");
                database.url = url.into();
                Outage::Server(proxy)
            }
        };
        let app = Self::start_on(database).await;
        app.apply(AGENCIES).await;
        (app, outage)
    }
}

impl Outage {
    /// Makes writes fail and refuses new connections. On a database server, reads fail as well.
    pub(crate) async fn begin(&self, app: &TestApp) {
        self.refuse_connections();
        if let Self::File(_) = self {
            let writer = &app.services().writer;
            writer.run_for(Vec::new(), RefuseWrites).await.expect("the pragma is set");
            // The next work fails, and the writer closes its connections.
            writer.run_for(Vec::new(), RefuseWrites).await.expect_err("the connection is read-only");
        }
    }

    /// Refuses new connections. On SQLite, open connections keep working.
    pub(crate) fn refuse_connections(&self) {
        match self {
            Self::File(path) => {
                // `rename` is atomic: without a file at this path, a new connection would create an empty one.
                let (link, folder) = (path.with_extension("link"), path.parent().expect("a folder"));
                fs::hard_link(path, path.with_extension("away")).expect("the file gets a second name");
                symlink(folder, &link).expect("the link is created");
                fs::rename(link, path).expect("the link replaces the file");
            }
            Self::Server(proxy) => drop(proxy.is_open.send_replace(false)),
        }
    }

    /// Accepts connections again.
    pub(crate) fn end(&self) {
        match self {
            Self::File(path) => {
                fs::rename(path.with_extension("away"), path).expect("the file is restored");
            }
            Self::Server(proxy) => drop(proxy.is_open.send_replace(true)),
        }
    }

    /// Waits until the read pool holds no broken connections.
    pub(crate) async fn wait_until_readable(&self, app: &TestApp) {
        let database = &app.services().database;
        let pings = || async {
            let pings = futures_util::future::join_all((0..READERS).map(|_| database.ping())).await;
            pings.into_iter().all(|ping| ping.is_ok()).then_some(())
        };
        wait::until("the database answers", pings).await;
    }

    /// The proxy in front of a database server; `None` on SQLite.
    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::File(_) => None,
            Self::Server(proxy) => Some(proxy),
        }
    }
}

/// Makes the write connection read-only.
struct RefuseWrites;

impl Unit for RefuseWrites {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        tx.conn.execute_unprepared("PRAGMA query_only = ON").await?;
        Ok(())
    }
}

/// Relays connections between the tested server and its database server.
pub(crate) struct Proxy {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
    drops_commit_response: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Proxy {
    async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let is_open = watch::Sender::new(true);
        let drops_commit_response = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let (is_open, drops_commit_response) = (is_open.clone(), drops_commit_response.clone());
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    if *is_open.borrow() {
                        tokio::spawn(relay(client, target, is_open.subscribe(), drops_commit_response.clone()));
                    }
                }
            }
        });
        Self { address, is_open, drops_commit_response, task }
    }

    /// Lets the next COMMIT take effect, but cuts its connection before the response arrives.
    pub(crate) fn drop_next_commit_response(&self) {
        self.drops_commit_response.store(true, Ordering::SeqCst);
    }

    /// True once the response to that COMMIT has been dropped.
    pub(crate) fn has_dropped_response(&self) -> bool {
        !self.drops_commit_response.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn closed(is_open: &mut watch::Receiver<bool>) {
    // A dropped sender means that the test is over.
    let _ = is_open.wait_for(|is_open| !is_open).await;
}

/// Relays bytes in both directions until either side closes or an outage begins.
async fn relay(
    mut client: TcpStream,
    target: SocketAddr,
    mut is_open: watch::Receiver<bool>,
    drops_commit_response: Arc<AtomicBool>,
) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let (mut request, mut response) = ([0; 16 * 1024], [0; 16 * 1024]);
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    loop {
        let relayed = tokio::select! {
            read = from_client.read(&mut request) => match read {
                Ok(count) if count > 0 => {
                    let relayed = to_server.write_all(&request[..count]).await;
                    let commits = request[..count].windows(6).any(|bytes| bytes == b"COMMIT");
                    if commits && drops_commit_response.swap(false, Ordering::SeqCst) {
                        // The server has committed once it responds.
                        let _ = from_server.read(&mut response).await;
                        return;
                    }
                    relayed
                }
                _ => return,
            },
            read = from_server.read(&mut response) => match read {
                Ok(count) if count > 0 => to_client.write_all(&response[..count]).await,
                _ => return,
            },
            () = closed(&mut is_open) => return,
        };
        if relayed.is_err() {
            return;
        }
    }
}
