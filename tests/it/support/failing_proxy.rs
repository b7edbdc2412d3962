//! A proxy in front of the tested server that answers chosen requests with an error instead of forwarding them.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::client;

type Form = HashMap<String, String>;

#[derive(Clone)]
pub(crate) struct FailingProxy {
    pub(crate) address: SocketAddr,
    /// The paths that fail, each with the number of failures left.
    failing: Arc<Mutex<HashMap<String, u32>>>,
    /// The path and form of each forwarded request.
    forwarded: Arc<Mutex<Vec<(String, Form)>>>,
}

impl FailingProxy {
    /// Starts a proxy in front of the server at this address.
    pub(crate) async fn start(target: SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let proxy =
            Self { address: listener.local_addr().unwrap(), failing: Arc::default(), forwarded: Arc::default() };
        let (http, serving) = (client(), proxy.clone());
        let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let (http, proxy) = (http.clone(), serving.clone());
            async move {
                if proxy.should_fail(uri.path()) {
                    return StatusCode::INTERNAL_SERVER_ERROR.into_response();
                }
                proxy.record(uri.path(), &body);
                let request = http.post(format!("http://{target}{uri}")).headers(headers).body(body);
                forward(request).await
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        proxy
    }

    /// Makes the next `times` requests to this path fail.
    pub(crate) fn fail(&self, path: &str, times: u32) {
        self.failing.lock().unwrap().insert(path.to_owned(), times);
    }

    /// The forms of the requests that were forwarded to this path.
    pub(crate) fn forwarded(&self, path: &str) -> Vec<Form> {
        let forwarded = self.forwarded.lock().unwrap();
        forwarded.iter().filter(|(other, _)| other == path).map(|(_, form)| form.clone()).collect()
    }

    fn should_fail(&self, path: &str) -> bool {
        match self.failing.lock().unwrap().get_mut(path) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        }
    }

    fn record(&self, path: &str, body: &[u8]) {
        let form = form_urlencoded::parse(body).into_owned().collect();
        self.forwarded.lock().unwrap().push((path.to_owned(), form));
    }
}

async fn forward(request: reqwest::RequestBuilder) -> Response {
    let answer = request.send().await.expect("the server answers");
    let status = answer.status();
    let content_type = answer.headers().get("content-type").cloned();
    let body = answer.bytes().await.unwrap();
    let mut response = (status, body).into_response();
    if let Some(content_type) = content_type {
        response.headers_mut().insert("content-type", content_type);
    }
    response
}
