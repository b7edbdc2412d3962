//! A proxy that answers as if its target were unavailable, until a test ends the outage.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::IntoResponse;
use reqwest::Client;

use super::client;

/// Determines the requests affected by an outage and its start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    /// During the outage, requests whose path contains one of these get a 503.
    pub(crate) paths: &'static [&'static str],
    /// The outage begins after the first response that contains this text; `None`: immediately.
    pub(crate) begins_after: Option<&'static str>,
}

/// The proxy, which serves until the test ends.
pub(crate) struct Outage {
    pub(crate) address: SocketAddr,
    is_down: Arc<AtomicBool>,
}

impl Outage {
    pub(crate) async fn start(target: SocketAddr, plan: Plan) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let is_down = Arc::new(AtomicBool::new(plan.begins_after.is_none()));
        let (http, down) = (client(), is_down.clone());
        let router = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let (http, down) = (http.clone(), down.clone());
            async move {
                if down.load(Ordering::SeqCst) && plan.paths.iter().any(|path| uri.path().contains(path)) {
                    return StatusCode::SERVICE_UNAVAILABLE.into_response();
                }
                let url = format!("http://{target}{uri}");
                let (status, content_type, body) = forward(&http, url, method, headers, body).await;
                if plan.begins_after.is_some_and(|sign| String::from_utf8_lossy(&body).contains(sign)) {
                    down.store(true, Ordering::SeqCst);
                }
                (status, [("content-type", content_type)], body).into_response()
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, is_down }
    }

    /// Ends the outage.
    pub(crate) fn end(&self) {
        self.is_down.store(false, Ordering::SeqCst);
    }
}

async fn forward(
    http: &Client,
    url: String,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String, Bytes) {
    let mut request = http.request(method, url).body(body);
    for name in ["content-type", "authorization", "x-twilio-signature"] {
        if let Some(value) = headers.get(name) {
            request = request.header(name, value.clone());
        }
    }
    let answer = request.send().await.expect("the target answers");
    let content_type = answer.headers().get("content-type").and_then(|value| value.to_str().ok());
    let content_type = content_type.unwrap_or_default().to_owned();
    (answer.status(), content_type, answer.bytes().await.expect("a complete response"))
}
