//! Connections, which the carrier can close without an answer.

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

/// Marks an answer that is not to be given: the connection is closed instead.
#[derive(Debug, Clone, Copy)]
struct HangUp;

/// The connection is closed without an answer.
pub(super) fn hang_up() -> Response {
    let mut response = ().into_response();
    response.extensions_mut().insert(HangUp);
    response
}

/// Serves until the task is aborted.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // No file descriptors are left: whoever has them is to get on.
            tokio::task::yield_now().await;
            continue;
        };
        let router = TowerToHyperService::new(router.clone());
        let service = service_fn(move |request: Request<Incoming>| {
            let answer = router.call(request.map(Body::new));
            async move {
                let Ok(response) = answer.await;
                // The connection ends with an error of its service, before anything was written.
                if response.extensions().get::<HangUp>().is_some() {
                    Err(io::Error::from(io::ErrorKind::ConnectionAborted))
                } else {
                    Ok(response)
                }
            }
        });
        tokio::spawn(async move {
            let http = auto::Builder::new(TokioExecutor::new()).http1_only();
            // What goes wrong with a connection is its peer's affair.
            let _ = http.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}
