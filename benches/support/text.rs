//! Inbound texts, as Twilio sends them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::signed::{ACCOUNT, signed_request};

const PATH: &str = "/api/twilio/webhook";

/// Makes the SID of each text unique.
static SERIAL: AtomicU64 = AtomicU64::new(1);
const CONTACTS: u64 = 1_000;

/// The fields of a text from one of `CONTACTS` contacts, sorted by name.
pub(crate) fn fields(to: &str, body: &str) -> [(&'static str, String); 9] {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    [
        ("AccountSid", ACCOUNT.to_owned()),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("Body", body.to_owned()),
        ("From", format!("+1303556{:04}", serial * 7919 % CONTACTS)),
        ("MessageSid", format!("SM{serial:032x}")),
        ("NumMedia", "0".to_owned()),
        ("NumSegments", "1".to_owned()),
        ("SmsStatus", "received".to_owned()),
        ("To", to.to_owned()),
    ]
}

/// Builds the signed HTTP request of such a text.
pub(crate) fn request(to: &str, body: &str) -> Vec<u8> {
    signed_request(PATH, &fields(to, body))
}
