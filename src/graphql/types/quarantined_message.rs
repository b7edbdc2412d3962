use async_graphql::{ID, Object};

use crate::domain::inbound_form::readable_body;
use crate::entity::quarantine;
use crate::graphql::direct::Direct;
use crate::graphql::pagination::Listed;
use crate::graphql::scalars::DateTime;
use crate::store::page::Key;

/// A text that is authentic but fitted no number of the agency.
pub struct QuarantinedMessage {
    model: quarantine::Model,
    form: Vec<(String, String)>,
}

impl QuarantinedMessage {
    /// A text held for the agency of an ADMIN.
    pub fn new(model: quarantine::Model) -> Self {
        // The form was put into JSON by us; one that does not read back shows as empty.
        let form = serde_json::from_str(&model.form).unwrap_or_default();
        Self { model, form }
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

impl Direct for QuarantinedMessage {}

impl Listed for QuarantinedMessage {
    fn cursor(&self) -> String {
        Key { at: self.model.created_at, id: self.model.id.0 }.to_string()
    }
}

/// A text that is authentic but fitted no number of the agency: one that was released, or is unknown
/// to the account. ADMINs see it.
#[Object]
impl QuarantinedMessage {
    /// Opaque, `qtn_…`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// Twilio's MessageSid.
    async fn message_sid(&self) -> &str {
        &self.model.provider_sid
    }

    /// Who sent it, as it came.
    async fn from(&self) -> Option<&str> {
        self.value("From")
    }

    /// To which number.
    async fn to(&self) -> &str {
        &self.model.to_address
    }

    /// The message as its thread would show it. Null if the form has no body.
    async fn body(&self) -> Option<String> {
        Some(readable_body(&self.form)).filter(|body| !body.is_empty() || self.value("Body").is_some())
    }

    /// Why the message is in quarantine. UNMATCHED: it was sent to a number that is not an active number of the account.
    /// REFUSED: it could not be stored as a message, or it is a delivery receipt that arrived at the webhook for inbound
    /// texts and matches no text.
    async fn reason(&self) -> &str {
        &self.model.reason
    }

    /// When it came.
    async fn received_at(&self) -> DateTime {
        self.model.created_at.into()
    }
}
