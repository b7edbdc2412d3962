use async_graphql::{ID, Object};

use crate::domain::inbound_form::readable_body;
use crate::entity::quarantine;
use crate::graphql::direct_json::DirectJson;
use crate::graphql::enums::QuarantineReason;
use crate::graphql::pagination::ConnectionNode;
use crate::graphql::scalars::DateTime;
use crate::store::page::Key;

pub struct QuarantinedMessage {
    model: quarantine::Model,
    form: Vec<(String, String)>,
}

impl QuarantinedMessage {
    /// Wraps a quarantined text. The viewer must be an ADMIN of the agency that it is shown to.
    pub fn new(model: quarantine::Model) -> Self {
        // Partyline wrote this JSON. If it cannot be read, the message is shown without a sender and a body.
        let form = serde_json::from_str(&model.form).unwrap_or_default();
        Self { model, form }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl DirectJson for QuarantinedMessage {}

impl ConnectionNode for QuarantinedMessage {
    fn cursor(&self) -> String {
        Key { at: self.model.created_at, id: self.model.id.0 }.to_string()
    }
}

/// An authentic text from Twilio that could not be put into a thread, for example because its number was released.
/// ADMINs only.
#[Object]
impl QuarantinedMessage {
    /// The opaque, globally unique ID of the quarantined message, prefixed with `qtn_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The MessageSid of the text at Twilio.
    async fn message_sid(&self) -> &str {
        &self.model.provider_sid
    }

    /// The sender of the text, as received. Null if Twilio's request did not name one.
    async fn from(&self) -> Option<&str> {
        self.value("From")
    }

    /// The phone number or address that the text was sent to.
    async fn to(&self) -> &str {
        &self.model.to_address
    }

    /// The text as its thread would show it. Null if Twilio's request has no body.
    async fn body(&self) -> Option<String> {
        Some(readable_body(&self.form)).filter(|body| !body.is_empty() || self.value("Body").is_some())
    }

    /// The reason why the text is in quarantine.
    async fn reason(&self) -> QuarantineReason {
        self.model.reason.into()
    }

    /// The time at which the text was received.
    async fn received_at(&self) -> DateTime {
        self.model.created_at.into()
    }
}
