//! A database that is away for a while: its connections are cut and it takes no new ones.
//!
//! A server is reached through a proxy. In the place of SQLite's file there is a link to a folder, which cannot be opened as
//! a database; what reads keeps its open file.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use partyline::store::writer::{Tx, Unit};
use sea_orm::{ConnectionTrait as _, DbErr};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

use super::app::TestApp;
use super::database::TestDatabase;
use super::directory::AGENCIES;
use super::wait;

/// As many connections as the pool that reads has.
const READERS: usize = 8;

/// Takes a database away and brings it back.
pub(crate) enum Outage {
    File(PathBuf),
    Server(Proxy),
}

impl TestApp {
    /// A server with the agencies of every test, and the means to take its database away.
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
    /// Cuts all connections that write, and on a server those that read.
    pub(crate) async fn begin(&self, app: &TestApp) {
        self.refuse_connections();
        if let Self::File(_) = self {
            app.services().writer.run_for(Vec::new(), RefuseWrites).await.expect("a pragma can be set");
        }
    }

    /// Takes no new connections; on SQLite those that are open go on.
    pub(crate) fn refuse_connections(&self) {
        match self {
            Self::File(path) => {
                // In one step: without a file at this path, a new connection would make an empty one.
                let (link, folder) = (path.with_extension("link"), path.parent().expect("a folder"));
                fs::hard_link(path, path.with_extension("away")).expect("the file can have a second name");
                symlink(folder, &link).expect("a link can be made");
                fs::rename(link, path).expect("the link can take the place of the file");
            }
            Self::Server(proxy) => drop(proxy.is_open.send_replace(false)),
        }
    }

    /// Takes connections again.
    pub(crate) fn end(&self) {
        match self {
            Self::File(path) => {
                fs::rename(path.with_extension("away"), path).expect("the file can take its place again");
            }
            Self::Server(proxy) => drop(proxy.is_open.send_replace(true)),
        }
    }

    /// Waits until no connection that reads is a broken one.
    pub(crate) async fn until_readable(&self, app: &TestApp) {
        let database = &app.services().database;
        let pings = || async {
            let pings = futures_util::future::join_all((0..READERS).map(|_| database.ping())).await;
            pings.into_iter().all(|ping| ping.is_ok()).then_some(())
        };
        wait::until("the database answers", pings).await;
    }

    /// The proxy of a server; `None` on SQLite.
    pub(crate) fn proxy(&self) -> Option<&Proxy> {
        match self {
            Self::File(_) => None,
            Self::Server(proxy) => Some(proxy),
        }
    }
}

/// The connection that writes cannot write any more.
struct RefuseWrites;

impl Unit for RefuseWrites {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        tx.conn.execute_unprepared("PRAGMA query_only = ON").await.map(drop)
    }
}

/// Stands between the tested server and its database's.
pub(crate) struct Proxy {
    address: SocketAddr,
    is_open: watch::Sender<bool>,
    loses_commit: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Proxy {
    async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port of the loopback");
        let address = listener.local_addr().expect("an address");
        let is_open = watch::Sender::new(true);
        let loses_commit = Arc::new(AtomicBool::new(false));
        let task = tokio::spawn({
            let (is_open, loses_commit) = (is_open.clone(), loses_commit.clone());
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    if *is_open.borrow() {
                        tokio::spawn(pass(client, target, is_open.subscribe(), loses_commit.clone()));
                    }
                }
            }
        });
        Self { address, is_open, loses_commit, task }
    }

    /// The next COMMIT takes effect, and its connection is cut before the answer arrives.
    pub(crate) fn lose_answer_to_commit(&self) {
        self.loses_commit.store(true, Ordering::SeqCst);
    }

    /// Whether the answer to a COMMIT was lost since.
    pub(crate) fn has_lost_answer(&self) -> bool {
        !self.loses_commit.load(Ordering::SeqCst)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn closed(is_open: &mut watch::Receiver<bool>) {
    // When the sender is gone, the test is over.
    let _ = is_open.wait_for(|is_open| !is_open).await;
}

/// Carries bytes both ways until either side ends or the database goes away.
async fn pass(
    mut client: TcpStream,
    target: SocketAddr,
    mut is_open: watch::Receiver<bool>,
    loses_commit: Arc<AtomicBool>,
) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let (mut asked, mut answered) = ([0; 16 * 1024], [0; 16 * 1024]);
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    loop {
        let passed = tokio::select! {
            read = from_client.read(&mut asked) => match read {
                Ok(count) if count > 0 => {
                    let passed = to_server.write_all(&asked[..count]).await;
                    let commits = asked[..count].windows(6).any(|bytes| bytes == b"COMMIT");
                    if commits && loses_commit.swap(false, Ordering::SeqCst) {
                        // It is committed when the server answers.
                        let _ = from_server.read(&mut answered).await;
                        return;
                    }
                    passed
                }
                _ => return,
            },
            read = from_server.read(&mut answered) => match read {
                Ok(count) if count > 0 => to_client.write_all(&answered[..count]).await,
                _ => return,
            },
            () = closed(&mut is_open) => return,
        };
        if passed.is_err() {
            return;
        }
    }
}
