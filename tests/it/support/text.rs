//! Inbound texts as Twilio delivers them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

use super::directory::{ACCOUNT, DESK, TOKEN};

/// The origin over which signatures are computed; nothing connects to it.
pub(crate) const PUBLIC_URL: &str = "https://partyline.test";
pub(crate) const SMS_PATH: &str = "/api/twilio/webhook";

/// An inbound text, by default from Carla to acme's front desk.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) sid: String,
    token: String,
    fields: Vec<(String, String)>,
}

impl Text {
    pub(crate) fn new(sid: impl Into<String>) -> Self {
        let sid = sid.into();
        let fields = [
            ("MessageSid", sid.as_str()),
            ("AccountSid", ACCOUNT),
            ("From", "+13035560001"),
            ("To", DESK),
            ("Body", "hello"),
            ("NumMedia", "0"),
        ];
        let fields = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Self { sid, token: TOKEN.to_owned(), fields }
    }

    pub(crate) fn from(self, from: &str) -> Self {
        self.field("From", from)
    }

    pub(crate) fn to(self, to: &str) -> Self {
        self.field("To", to)
    }

    pub(crate) fn body(self, body: &str) -> Self {
        self.field("Body", body)
    }

    pub(crate) fn account(self, sid: &str, token: &str) -> Self {
        Self { token: token.to_owned(), ..self.field("AccountSid", sid) }
    }

    /// Sets a field of the form.
    pub(crate) fn field(mut self, name: &str, value: &str) -> Self {
        self.fields.retain(|(key, _)| key != name);
        self.fields.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Removes a field of the form.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(key, _)| key != name);
        self
    }

    pub(crate) fn form(&self) -> String {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(&self.fields);
        form.finish()
    }

    /// The value of `X-Twilio-Signature`: an HMAC, keyed with the account's token, of the URL followed by each field's
    /// name and value in the order of the names.
    pub(crate) fn signature(&self) -> String {
        let mut fields = self.fields.clone();
        fields.sort();
        let mut mac = Hmac::<Sha1>::new_from_slice(self.token.as_bytes()).expect("a key of any length");
        mac.update(format!("{PUBLIC_URL}{SMS_PATH}").as_bytes());
        for (name, value) in fields {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        STANDARD.encode(mac.finalize().into_bytes())
    }
}
