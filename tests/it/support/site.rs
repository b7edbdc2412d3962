//! A site whose pages are a test's own, for the simulated carrier's calls to ask.

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
use partyline::simulator::{Simulator, SimulatorSettings};
use sha1::Sha1;
use tokio::sync::Barrier;
use url::form_urlencoded;

use super::carrier::carrier_with;
use super::directory::TOKEN;

pub(crate) const EMPTY: &str = "<Response/>";

/// A request that the site got.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) url: String,
    pub(crate) form: BTreeMap<String, String>,
    signature: String,
}

impl Seen {
    pub(crate) fn of(&self, name: &str) -> &str {
        self.form.get(name).map_or("", String::as_str)
    }

    /// Computed here from what Twilio writes about it, and not by the carrier.
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

/// A status, a content type and a body.
type Page = (StatusCode, String, Vec<u8>);

/// Pages of TwiML by their paths; others hold nothing.
#[derive(Clone, Default)]
pub(crate) struct Site {
    pub(crate) base: String,
    pages: Arc<Mutex<HashMap<String, Page>>>,
    pub(crate) seen: Arc<Mutex<Vec<Seen>>>,
    /// Keys that are pressed wait here for each other, so that only simultaneous ones are answered.
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
        let seen = Seen {
            method,
            path: uri.path().to_owned(),
            url: format!("{}{uri}", self.base),
            form: form_urlencoded::parse(&fields).into_owned().collect(),
            signature: headers["X-Twilio-Signature"].to_str().unwrap().to_owned(),
        };
        let first_press = {
            let mut all = self.seen.lock().unwrap();
            let is_first = !all.iter().any(|other| other.path == "/press");
            all.push(seen.clone());
            is_first
        };
        if seen.path == "/press"
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

    /// All requests to this path, each of them signed.
    pub(crate) fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.seen.lock().unwrap();
        let seen: Vec<_> = seen.iter().filter(|seen| seen.path == path).cloned().collect();
        assert!(seen.iter().all(Seen::is_signed), "{seen:?}");
        seen
    }

    pub(crate) fn only(&self, path: &str) -> Seen {
        let seen = self.seen(path);
        assert_eq!(seen.len(), 1, "{path}");
        seen[0].clone()
    }
}
