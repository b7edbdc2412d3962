//! A web site with pages of TwiML, for calls through the simulated carrier.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use partyline_simulator::{Simulator, SimulatorSettings};
use sha1::Sha1;
use tokio::sync::Barrier;
use url::form_urlencoded;

use super::carrier::carrier_with;
use super::directory::TOKEN;

pub(crate) const EMPTY: &str = "<Response/>";

/// A request that the site received.
#[derive(Debug, Clone)]
pub(crate) struct RecordedRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) url: String,
    pub(crate) form: BTreeMap<String, String>,
    signature: String,
}

impl RecordedRequest {
    pub(crate) fn field(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// Verifies the signature independently of the carrier's implementation, according to Twilio's documentation.
    fn is_signed(&self) -> bool {
        let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
        let mut text = self.url.clone();
        if self.method == Method::POST {
            text.extend(self.form.iter().flat_map(|(name, value)| [name.as_str(), value.as_str()]));
        }
        mac.update(text.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes()) == self.signature
    }
}

/// Status, content type, and body.
type Page = (StatusCode, String, Vec<u8>);

/// TwiML pages by path. Other paths respond with 204.
#[derive(Clone, Default)]
pub(crate) struct Site {
    pub(crate) base: String,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    pub(crate) requests: Arc<Mutex<Vec<RecordedRequest>>>,
    /// Holds back requests to `/press` until all of them have arrived; one is accepted, the others get "already taken".
    together: Option<Arc<Barrier>>,
}

impl Site {
    pub(crate) async fn start(pages: &[(&str, &str)]) -> Self {
        Self::start_with(pages, None).await
    }

    pub(crate) async fn start_with(pages: &[(&str, &str)], together: Option<usize>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let together = together.map(|count| Arc::new(Barrier::new(count)));
        let site = Self { base, together, ..Self::default() };
        for (path, body) in pages {
            let body = if body.starts_with('<') && !body.starts_with("<?") && !body.contains("<Response") {
                format!("<Response>{body}</Response>")
            } else {
                (*body).to_owned()
            };
            site.page(path, StatusCode::OK, "text/xml; charset=utf-8", body.into_bytes());
        }
        let served = site.clone();
        let router = Router::new().fallback(move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
            let site = served.clone();
            async move { site.answer(method, uri, headers, body).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        site
    }

    pub(crate) fn page(&self, path: &str, status: StatusCode, content_type: &str, body: Vec<u8>) {
        self.pages.lock().unwrap().insert(path.to_owned(), (status, content_type.to_owned(), body));
    }

    async fn answer(&self, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
        let fields = if method == Method::POST { body.to_vec() } else { uri.query().unwrap_or("").into() };
        let request = RecordedRequest {
            method,
            path: uri.path().to_owned(),
            url: format!("{}{uri}", self.base),
            form: form_urlencoded::parse(&fields).into_owned().collect(),
            signature: headers["X-Twilio-Signature"].to_str().unwrap().to_owned(),
        };
        let first_press = {
            let mut all = self.requests.lock().unwrap();
            let is_first = !all.iter().any(|other| other.path == "/press");
            all.push(request.clone());
            is_first
        };
        if request.path == "/press"
            && let Some(together) = &self.together
        {
            together.wait().await;
            let late = "<Response><Say>already taken</Say><Hangup/></Response>";
            let body = if first_press { EMPTY } else { late };
            return ([(CONTENT_TYPE, "text/xml")], body).into_response();
        }
        let page = self.pages.lock().unwrap().get(uri.path()).cloned();
        match page {
            Some((status, content_type, body)) => (status, [(CONTENT_TYPE, content_type)], body).into_response(),
            None => StatusCode::NO_CONTENT.into_response(),
        }
    }

    pub(crate) fn carrier(&self) -> Simulator {
        self.carrier_with(|_| {})
    }

    pub(crate) fn carrier_with(&self, change: impl FnOnce(&mut SimulatorSettings)) -> Simulator {
        carrier_with(|settings| {
            settings.voice_url = format!("{}/in?n=1#rc=2&rp=5xx,ct,rt", self.base);
            settings.voice_status_url = Some(format!("{}/status", self.base));
            change(settings);
        })
    }

    /// All requests to this path. Asserts that each of them is signed.
    pub(crate) fn requests(&self, path: &str) -> Vec<RecordedRequest> {
        let requests = self.requests.lock().unwrap();
        let requests: Vec<_> = requests.iter().filter(|request| request.path == path).cloned().collect();
        assert!(requests.iter().all(RecordedRequest::is_signed), "{requests:?}");
        requests
    }

    pub(crate) fn only_request(&self, path: &str) -> RecordedRequest {
        let requests = self.requests(path);
        assert_eq!(requests.len(), 1, "{path}");
        requests[0].clone()
    }
}
