//! Twilio's form-encoded webhooks. Each request's signature is verified before the request is processed.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;

use crate::domain::webhook_paths;
use crate::metrics::Metrics;
use crate::service::Services;

pub mod call_urls;
pub mod form;
mod receipt;
pub mod signature;
mod sms;
pub mod twiml;
mod verified;
mod voice;

/// Deadline for a response. Twilio times out after 15 s; a 503 before that makes it retry.
const RESPONSE_DEADLINE: Duration = Duration::from_secs(9);

/// Shared state of the webhook handlers.
#[derive(Clone)]
pub struct WebhookState {
    pub services: Arc<Services>,
    pub metrics: Arc<Metrics>,
    /// The URL of the text webhook exactly as configured at Twilio, because signatures cover it.
    pub sms_url: String,
    /// The URL of the voice webhook exactly as configured at Twilio.
    pub voice_url: String,
    /// The public origin of this server, under which Twilio requests the steps of a call.
    pub public_url: String,
    /// The URL for delivery receipts, which is sent to Twilio with each text.
    pub receipts_url: String,
}

pub fn router(state: WebhookState) -> Router {
    Router::new()
        .route(webhook_paths::TEXT, post(sms::receive))
        .route(webhook_paths::RECEIPTS, post(receipt::receive))
        .merge(voice::router())
        .with_state(state)
}
