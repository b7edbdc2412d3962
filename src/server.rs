//! The HTTP server: axum's router on hyper, with timeouts for slow and idle connections.

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

pub use figures::{ConnectionMetrics, raise_open_file_limit};

/// The time within which the head of a request must arrive, from its first byte or, on a new connection, from its
/// start.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);
/// The send buffer of a connection. The kernel doubles it.
const SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// The number of connections that may wait to be accepted.
const BACKLOG: u32 = 1024;
/// The maximum size of a request head, which is more than any browser or Twilio sends.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// The delay after a failed accept, for example without free file descriptors, so that the loop does not spin.
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(100);
/// How often a drain checks for idle connections, which it closes.
const DRAIN_CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // Lets a restarted server bind its port immediately.
    socket.set_reuseaddr(true)?;
    // Connections inherit the size from the listener. By default the kernel grows the buffer to megabytes for each
    // subscriber that does not read. See docs/benchmarks.md for its effect on other readers.
    socket.set_send_buffer_size(SEND_BUFFER_BYTES)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

#[derive(Debug, Clone)]
pub struct Options {
    /// The maximum idle time between two requests on a connection.
    pub keep_alive: Duration,
    /// The time without progress after which a connection whose peer does not read is closed.
    pub write_timeout: Duration,
    /// The maximum number of open connections. Further connections are rejected with 503.
    pub max_connections: usize,
    /// The time that open requests have to complete once the server drains.
    pub drain_timeout: Duration,
    pub figures: ConnectionMetrics,
}

impl Default for Options {
    /// The defaults of the settings, except for the number of connections.
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            max_connections: 10_000,
            drain_timeout: Duration::from_secs(10),
            figures: ConnectionMetrics::default(),
        }
    }
}

/// Serves until `stopped` completes, then closes idle connections and waits for open requests up to `drain_timeout`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    clock: Arc<dyn Clock>,
    options: Options,
    stopped: impl Future<Output = ()>,
) {
    let limits = Limits { head: HEAD_TIMEOUT, idle: options.keep_alive, write: options.write_timeout };
    let refusals = Refusals::new(clock.clone());
    // Each connection holds a receiver until it ends.
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
        // A failure only costs latency.
        let _ = stream.set_nodelay(true);
        let activity = Arc::<Activity>::default();
        let service = TowerToHyperService::new(AddExtension::new(router.clone(), ConnectInfo(peer)));
        let counting = activity.clone();
        let service = service_fn(move |request| {
            let (running, response) = (counting.start_request(), service.call(request));
            async move {
                let response = response.await;
                drop(running);
                response
            }
        });
        let (stream, timer) = watched::watch(stream, clock.clone(), limits, activity.clone(), open);
        let mut http = http1::Builder::new();
        // hyper uses the timer only if a timeout is set; the timer ignores it and applies its own limits.
        http.max_buf_size(MAX_HEADER_BYTES).timer(timer).header_read_timeout(HEAD_TIMEOUT);
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let (mut draining, clock) = (connections.subscribe(), clock.clone());
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            // Errors of a connection are not logged, because clients cause them.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = draining.changed() => connection.as_mut().graceful_shutdown(),
            }
            let mut progress = activity.progress();
            loop {
                tokio::select! {
                    _ = connection.as_mut() => return,
                    () = clock.sleep(DRAIN_CHECK_INTERVAL) => {}
                }
                // A graceful shutdown would wait for the first request of a connection, and for a peer that does not
                // read.
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
        () = clock.sleep(options.drain_timeout) => tracing::warn!("requests were still running after the drain"),
    }
}
