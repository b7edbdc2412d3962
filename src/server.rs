//! The HTTP server: axum's router over hyper, so that headers that never end cost nothing.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpSocket};

use crate::ports::Clock;

/// Whoever connects sends the headers of a request within this time; it bounds idle connections too.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
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

/// Serves until `stopped`, then lets open requests end, for at most `patience`.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    clock: Arc<dyn Clock>,
    stopped: impl Future<Output = ()>,
    patience: Duration,
) {
    let mut http = auto::Builder::new(TokioExecutor::new()).http1_only();
    http.http1().timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN).max_buf_size(MAX_HEADER_BYTES);
    let connections = GracefulShutdown::new();
    tokio::pin!(stopped);
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
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
        let service = TowerToHyperService::new(router.clone());
        let (http, watcher) = (http.clone(), connections.watcher());
        tokio::spawn(async move {
            // The library's own timer runs from the first byte of a head on.
            if !matches!(tokio::time::timeout(HEADERS_WITHIN, stream.peek(&mut [0])).await, Ok(Ok(1))) {
                return;
            }
            let connection = http.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
            // What goes wrong with a connection is its peer's affair.
            let _ = watcher.watch(connection).await;
        });
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = clock.sleep(patience) => tracing::warn!("requests were still open when time was up"),
    }
}
