//! A server in front of the tested one, which answers chosen requests with an error instead of passing them on.

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
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    /// The paths that fail, and how many more times.
    failing: Arc<Mutex<HashMap<String, u32>>>,
    /// The path and the form of each request that was passed on.
    passed: Arc<Mutex<Vec<(String, Form)>>>,
}

impl Front {
    /// Stands in front of the server at this address.
    pub(crate) async fn of(behind: SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let front = Self { address: listener.local_addr().unwrap(), failing: Arc::default(), passed: Arc::default() };
        let (http, serving) = (client(), front.clone());
        let router = Router::new().fallback(move |uri: Uri, headers: HeaderMap, body: Bytes| {
            let (http, front) = (http.clone(), serving.clone());
            async move {
                if front.is_to_fail(uri.path()) {
                    return StatusCode::INTERNAL_SERVER_ERROR.into_response();
                }
                front.note(uri.path(), &body);
                let request = http.post(format!("http://{behind}{uri}")).headers(headers).body(body);
                pass_on(request).await
            }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        front
    }

    /// Lets this path fail so many times.
    pub(crate) fn fail(&self, path: &str, times: u32) {
        self.failing.lock().unwrap().insert(path.to_owned(), times);
    }

    /// The forms that were passed on to this path.
    pub(crate) fn passed(&self, path: &str) -> Vec<Form> {
        let passed = self.passed.lock().unwrap();
        passed.iter().filter(|(other, _)| other == path).map(|(_, form)| form.clone()).collect()
    }

    fn is_to_fail(&self, path: &str) -> bool {
        match self.failing.lock().unwrap().get_mut(path) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        }
    }

    fn note(&self, path: &str, body: &[u8]) {
        let form = form_urlencoded::parse(body).into_owned().collect();
        self.passed.lock().unwrap().push((path.to_owned(), form));
    }
}

async fn pass_on(request: reqwest::RequestBuilder) -> Response {
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
