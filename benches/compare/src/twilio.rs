//! Twilio's webhook requests: forms and signatures.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};

pub const BODY: &str = "Hello, I would like to move my appointment to Thursday please";
pub const TWIML: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response></Response>";

pub type Form<'a> = Vec<(Cow<'a, str>, Cow<'a, str>)>;

/// What a signature depends on: the URL that Twilio is configured with, and the account's auth token.
#[derive(Clone, Default)]
pub struct Account {
    pub url: String,
    pub sid: String,
    pub token: String,
}

impl Account {
    /// The form of inbound text number `i`, and its signature.
    pub fn text(&self, i: u128, number: u32, contact: u32) -> (String, String) {
        let (sid, to, from) = (format!("SM{i:032x}"), number_e164(number), contact_e164(contact));
        self.signed(vec![
            ("ToCountry", "US"),
            ("ToState", "CO"),
            ("SmsMessageSid", &sid),
            ("NumMedia", "0"),
            ("ToCity", "DENVER"),
            ("FromZip", "80202"),
            ("SmsSid", &sid),
            ("FromState", "CO"),
            ("SmsStatus", "received"),
            ("FromCity", "DENVER"),
            ("Body", BODY),
            ("FromCountry", "US"),
            ("To", &to),
            ("ToZip", "80202"),
            ("NumSegments", "1"),
            ("MessageSid", &sid),
            ("AccountSid", &self.sid),
            ("From", &from),
            ("ApiVersion", "2010-04-01"),
        ])
    }

    /// The form of inbound call number `i`, and its signature.
    pub fn call(&self, i: u128, number: u32, contact: u32) -> (String, String) {
        let (sid, to, from) = (format!("CA{i:032x}"), number_e164(number), contact_e164(contact));
        self.signed(vec![
            ("CallSid", &sid),
            ("AccountSid", &self.sid),
            ("From", &from),
            ("To", &to),
            ("Called", &to),
            ("Caller", &from),
            ("CallStatus", "ringing"),
            ("Direction", "inbound"),
            ("ApiVersion", "2010-04-01"),
            ("FromCity", "DENVER"),
            ("FromState", "CO"),
            ("FromZip", "80202"),
            ("FromCountry", "US"),
            ("ToCity", "DENVER"),
            ("ToState", "CO"),
            ("ToZip", "80202"),
            ("ToCountry", "US"),
        ])
    }

    /// The parsed form, if the signature is valid.
    pub fn verify<'a>(&self, body: &'a [u8], signature: &str) -> Option<Form<'a>> {
        let form: Form<'a> = serde_urlencoded::from_bytes(body).ok()?;
        let mut fields: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        let given = STANDARD.decode(signature).ok()?;
        self.mac(&mut fields).verify_slice(&given).ok()?;
        Some(form)
    }

    fn signed(&self, mut fields: Vec<(&str, &str)>) -> (String, String) {
        let body = serde_urlencoded::to_string(&fields).unwrap();
        (body, STANDARD.encode(self.mac(&mut fields).finalize().into_bytes()))
    }

    fn mac(&self, fields: &mut [(&str, &str)]) -> Hmac<sha1::Sha1> {
        fields.sort_unstable();
        let mut mac = Hmac::new_from_slice(self.token.as_bytes()).unwrap();
        mac.update(self.url.as_bytes());
        for (name, value) in fields.iter() {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        mac
    }
}

/// One of the agency's hundred numbers.
pub fn number_e164(number: u32) -> String {
    format!("+1303555{:04}", 100 + number)
}

pub fn contact_e164(contact: u32) -> String {
    format!("+1720{:07}", 2_000_000 + contact)
}
