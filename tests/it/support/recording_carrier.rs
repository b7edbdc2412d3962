//! A minimal carrier that accepts every text and records its form, including the URLs of its files.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use tokio::net::TcpListener;

type Fields = Vec<(String, String)>;

#[derive(Default)]
struct Recorded {
    sent: Vec<Fields>,
    /// The messages of the list, as Twilio shows them.
    listed: Vec<Value>,
    /// Whether texts are accepted without a usable response.
    is_silent: bool,
}

/// The carrier, which serves until the test ends.
pub(crate) struct RecordingCarrier {
    pub(crate) base: String,
    recorded: Arc<Mutex<Recorded>>,
}

impl RecordingCarrier {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let recorded = Arc::<Mutex<Recorded>>::default();
        let router = Router::new()
            .route("/2010-04-01/Accounts/{account}/Messages.json", post(send).get(list))
            .with_state(recorded.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { base, recorded }
    }

    /// The forms of the texts, in the order of arrival.
    pub(crate) fn sent(&self) -> Vec<Fields> {
        self.recorded.lock().unwrap().sent.clone()
    }

    /// The URLs of the files of the last text.
    pub(crate) fn last_media_urls(&self) -> Vec<String> {
        let sent = self.sent();
        let fields = sent.last().expect("a text was sent").iter();
        fields.filter(|(name, _)| name == "MediaUrl").map(|(_, value)| value.clone()).collect()
    }

    /// From now on texts are accepted, but the result of the request stays unknown to the server.
    pub(crate) fn lose_responses(&self) {
        self.recorded.lock().unwrap().is_silent = true;
    }

    /// Adds an outbound message to the list.
    pub(crate) fn list(&self, sid: &str, body: &str, files: usize, created: DateTime<Utc>) {
        self.recorded.lock().unwrap().listed.push(json!({
            "sid": sid,
            "body": body,
            "status": "sent",
            "direction": "outbound-api",
            "num_segments": "1",
            "num_media": files.to_string(),
            "date_created": created.to_rfc2822(),
        }));
    }
}

async fn send(State(recorded): State<Arc<Mutex<Recorded>>>, Form(fields): Form<Fields>) -> Response {
    let mut recorded = recorded.lock().unwrap();
    recorded.sent.push(fields);
    if recorded.is_silent {
        return StatusCode::BAD_GATEWAY.into_response();
    }
    let sid = format!("SM{:032}", recorded.sent.len());
    (StatusCode::CREATED, Json(json!({"sid": sid}))).into_response()
}

async fn list(State(recorded): State<Arc<Mutex<Recorded>>>) -> Json<Value> {
    Json(json!({"messages": recorded.lock().unwrap().listed, "next_page_uri": null}))
}
