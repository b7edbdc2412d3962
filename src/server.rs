//! The HTTP server: axum's router over hyper, so that headers that never end cost nothing.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tower_http::add_extension::AddExtension;

use self::activity::Activity;
use self::refusals::Refusals;
use self::watched::Limits;
use crate::ports::Clock;

mod activity;
mod figures;
mod refusals;
mod watched;

pub use figures::{ConnectionFigures, raise_open_file_limit};

/// The head of a request is complete within this time: from its first byte, and on a new connection from its start.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// What the kernel holds for a connection whose other side does not read (it doubles this).
const SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;
/// More than any browser or Twilio sends.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// A connection whose peer does not read is closed after this time without progress.
const WRITE_WITHIN: Duration = Duration::from_secs(30);
/// After a failed accept (no file descriptors left), so that the loop does not spin.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// How long a connection on which nothing happens outlives the begin of the drain.
const DRAIN_CHECK: Duration = Duration::from_secs(1);

/// Listens at this address.
///
/// # Errors
/// When it cannot.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // So that a server that restarts gets its port back at once.
    socket.set_reuseaddr(true)?;
    // Connections have it from the listener. The kernel would let it grow to megabytes for each
    // subscriber that does not read.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// How connections are served.
#[derive(Debug, Clone)]
pub struct Options {
    /// How long a connection may be idle between two requests.
    pub keep_alive: Duration,
    /// How many connections may be open. More are answered with 503.
    pub max_connections: usize,
    /// How long open requests may take once the server is told to stop.
    pub drain_within: Duration,
    /// What is counted.
    pub figures: ConnectionFigures,
}

impl Default for Options {
    /// As `serve` has them without settings, for 10,000 connections.
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(75),
            max_connections: 10_000,
            drain_within: Duration::from_secs(10),
            figures: ConnectionFigures::default(),
        }
    }
}

/// Serves until `stopped`, then closes idle connections and lets open requests end, for at most `drain_within`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    clock: Arc<dyn Clock>,
    options: Options,
    stopped: impl Future<Output = ()>,
) {
    let limits = Limits { head: HEAD_WITHIN, idle: options.keep_alive, write: WRITE_WITHIN };
    let refusals = Refusals::new(clock.clone());
    // Each connection holds a receiver until it is over.
    let connections = watch::Sender::new(());
    tokio::pin!(stopped);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    clock.sleep(ACCEPT_RETRY_DELAY).await;
                    continue;
                }
            },
            () = &mut stopped => break,
        };
        let Some(open) = options.figures.open(options.max_connections) else {
            refusals.refuse(stream);
            continue;
        };
        // A lost optimisation, no more.
        let _ = stream.set_nodelay(true);
        let activity = Arc::<Activity>::default();
        let service = TowerToHyperService::new(AddExtension::new(router.clone(), ConnectInfo(peer)));
        let counting = activity.clone();
        let service = service_fn(move |request| {
            let (running, answer) = (counting.begin(), service.call(request));
            async move {
                let answer = answer.await;
                drop(running);
                answer
            }
        });
        let (stream, timer) = watched::watch(stream, clock.clone(), limits, activity.clone(), open);
        let mut http = http1::Builder::new();
        // hyper starts the timer only if it has a timeout, which the timer then replaces by its own.
        http.max_buf_size(MAX_HEADER_BYTES).timer(timer).header_read_timeout(HEAD_WITHIN);
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let (mut draining, clock) = (connections.subscribe(), clock.clone());
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            // What goes wrong with a connection is its peer's affair.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = draining.changed() => connection.as_mut().graceful_shutdown(),
            }
            let mut progress = activity.progress();
            loop {
                tokio::select! {
                    _ = connection.as_mut() => return,
                    () = clock.sleep(DRAIN_CHECK) => {}
                }
                // hyper waits for the first request of a connection, and for a peer that does not read.
                if !activity.is_busy_since(&mut progress) {
                    return;
                }
            }
        });
    }
    drop(listener);
    connections.send_replace(());
    tokio::select! {
        () = connections.closed() => {}
        () = clock.sleep(options.drain_within) => tracing::warn!("requests were still open when time was up"),
    }
}
