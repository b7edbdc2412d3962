//! A TwiML Bin: a document that the carrier itself serves, so it is available while the application is unreachable.
//! Source: Twilio, "TwiML Bins".

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use uuid::Uuid;

use super::super::carrier::Carrier;

/// A document and its SID, which is `EH` and 32 hexadecimal digits.
#[derive(Debug, Clone)]
pub(super) struct TwimlBin {
    sid: String,
    twiml: String,
}

impl TwimlBin {
    pub(super) fn new(twiml: String) -> Self {
        Self { sid: format!("EH{}", Uuid::new_v4().simple()), twiml }
    }
}

pub(super) fn router() -> Router<Arc<Carrier>> {
    Router::new().route("/twiml/{bin}", get(document).post(document))
}

impl Carrier {
    /// The URL that is requested when another one returns no usable TwiML.
    pub(crate) fn voice_fallback_url(&self) -> String {
        match self.calls.voice_fallback() {
            Some(bin) => format!("{}/twiml/{}", self.base, bin.sid),
            None => self.settings.voice_fallback_url().to_owned(),
        }
    }
}

async fn document(State(carrier): State<Arc<Carrier>>, Path(sid): Path<String>) -> Response {
    match carrier.calls.voice_fallback().filter(|bin| bin.sid == sid) {
        Some(bin) => ([(CONTENT_TYPE, "text/xml")], bin.twiml).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
