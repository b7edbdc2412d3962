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
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tower_http::add_extension::AddExtension;

use self::keep_alive::Limits;
use crate::ports::Clock;

mod keep_alive;

/// The head of a request is complete within this time: from its first byte, and on a new connection from its start.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// What the kernel holds for a connection whose other side does not read (it doubles this).
const SEND_BUFFER_BYTES: u32 = 64 * 1024;
/// How many connections may wait to be accepted.
const BACKLOG: u32 = 1024;
/// More than any browser or Twilio sends.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// After a failed accept (no file descriptors left), so that the loop does not spin.
const BREATHER: Duration = Duration::from_millis(100);

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

/// Serves until `stopped`, then closes idle connections and lets open requests end, for at most `patience`. A connection
/// may be idle for `keep_alive` between two requests.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    clock: Arc<dyn Clock>,
    keep_alive: Duration,
    stopped: impl Future<Output = ()>,
    patience: Duration,
) {
    let limits = Limits { head: HEAD_WITHIN, idle: keep_alive };
    // Each connection holds a receiver until it is over.
    let connections = watch::Sender::new(());
    tokio::pin!(stopped);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    clock.sleep(BREATHER).await;
                    continue;
                }
            },
            () = &mut stopped => break,
        };
        // A lost optimisation, no more.
        let _ = stream.set_nodelay(true);
        let service = TowerToHyperService::new(AddExtension::new(router.clone(), ConnectInfo(peer)));
        let (stream, timer) = keep_alive::watch(stream, clock.clone(), limits);
        let mut http = http1::Builder::new();
        // hyper starts the timer only if it has a timeout, which the timer then replaces by its own.
        http.max_buf_size(MAX_HEADER_BYTES).timer(timer).header_read_timeout(HEAD_WITHIN);
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut draining = connections.subscribe();
        tokio::spawn(async move {
            let mut connection = pin!(connection);
            // What goes wrong with a connection is its peer's affair.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = draining.changed() => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
    drop(listener);
    connections.send_replace(());
    tokio::select! {
        () = connections.closed() => {}
        () = clock.sleep(patience) => tracing::warn!("requests were still open when time was up"),
    }
}
