//! The paths at which Twilio reaches this server.

/// The text webhook.
pub const TEXT: &str = "/api/twilio/webhook";
/// The delivery receipts.
pub const RECEIPTS: &str = "/api/twilio/message-status";
/// The voice webhook.
pub const VOICE: &str = "/api/twilio/voice/inbound";
/// The instructions for the user's phone in a call that the user started.
pub const OUTBOUND_CALL: &str = "/api/twilio/voice/outbound";
/// The call status callbacks.
pub const CALL_STATUS: &str = "/api/twilio/voice/status";
/// The parent path of the steps of a call.
pub const CALL_STEPS: &str = "/api/twilio/voice";
