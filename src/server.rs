//! The HTTP server: axum's router over hyper, so that headers that never end cost nothing.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

use crate::ports::Clock;

/// Whoever connects sends the headers of a request within this time; it bounds idle connections too.
const HEADERS_WITHIN: Duration = Duration::from_secs(5);
/// More than any browser or Twilio sends.
const MAX_HEADER_BYTES: usize = 32 * 1024;
/// After a failed accept (no file descriptors left), so that the loop does not spin.
const BREATHER: Duration = Duration::from_millis(100);

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
        let connection = http.serve_connection_with_upgrades(TokioIo::new(stream), service).into_owned();
        let connection = connections.watch(connection);
        tokio::spawn(async move {
            // What goes wrong with a connection is its peer's affair.
            let _ = connection.await;
        });
    }
    drop(listener);
    tokio::select! {
        () = connections.shutdown() => {}
        () = clock.sleep(patience) => tracing::warn!("requests were still open when time was up"),
    }
}
