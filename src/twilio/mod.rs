//! The side door: Twilio's form-encoded webhooks, each verified before anything else is done with it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::post;

use crate::rest::metrics::Metrics;
use crate::service::Services;

pub mod form;
pub mod links;
mod receipt;
pub mod signature;
mod sms;
pub mod twiml;
mod verified;
mod voice;

/// Twilio gives up on an answer after 15 s; before that we say 503 ourselves, so that it comes back.
const ANSWER_WITHIN: Duration = Duration::from_secs(9);

/// What the webhooks work with.
#[derive(Clone)]
pub struct WebhookState {
    /// The use cases.
    pub services: Arc<Services>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// The address of the text webhook as it is set at Twilio: signatures are computed over it.
    pub sms_url: String,
    /// The address of the voice webhook as it is set at Twilio.
    pub voice_url: String,
    /// The origin that Twilio sees: the steps of a call live below it.
    pub public_url: String,
    /// The address of the receipts, as we give it along with each text.
    pub receipts_url: String,
}

/// The path of the text webhook.
pub const SMS_PATH: &str = "/api/twilio/webhook";

/// The path of the delivery receipts.
pub const RECEIPTS_PATH: &str = "/api/twilio/message-status";

/// The path of the voice webhook.
pub const VOICE_PATH: &str = "/api/twilio/voice/inbound";

/// The path that says what the phone of a user hears who asked to be called.
pub const OUTBOUND_PATH: &str = "/api/twilio/voice/outbound";

/// The path of the reports on calls.
pub const VOICE_STATUS_PATH: &str = "/api/twilio/voice/status";

/// Where the steps of a call live.
pub const VOICE_STEPS: &str = "/api/twilio/voice";

/// The routes that Twilio calls.
pub fn router(state: WebhookState) -> Router {
    Router::new()
        .route(SMS_PATH, post(sms::receive))
        .route(RECEIPTS_PATH, post(receipt::receive))
        .merge(voice::router())
        .with_state(state)
}
