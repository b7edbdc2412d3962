//! An HTTP server that can close a connection without a response.

use std::io;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;

/// Marks a response that is not sent: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
struct CloseConnection;

/// A response that closes the connection without being sent.
pub(super) fn close_connection() -> Response {
    let mut response = ().into_response();
    response.extensions_mut().insert(CloseConnection);
    response
}

/// Serves until the task is aborted.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The process has no file descriptor left. Other tasks must run to release one.
            tokio::task::yield_now().await;
            continue;
        };
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let response = router.call(request.map(Body::new));
            async move {
                let Ok(response) = response.await;
                // An error of the service closes the connection before anything is written.
                if response.extensions().get::<CloseConnection>().is_some() {
                    Err(io::Error::from(io::ErrorKind::ConnectionAborted))
                } else {
                    Ok(response)
                }
            }
        });
        tokio::spawn(async move {
            let http = auto::Builder::new(TokioExecutor::new()).http1_only();
            // A connection error concerns the client alone.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
