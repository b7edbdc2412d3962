//! A text as Twilio sends it, signed.

use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const PUBLIC_URL: &str = "https://bench.example";
const PATH: &str = "/api/twilio/webhook";

/// No two texts of a run have the same SID.
static SERIAL: AtomicU64 = AtomicU64::new(1);
/// How many people text.
const CONTACTS: u64 = 1_000;

/// The fields of a text from one of a thousand people, in the order in which they are signed.
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

/// The whole HTTP request of such a text.
pub(crate) fn request(to: &str, body: &str) -> Vec<u8> {
    signed(PATH, &fields(to, body))
}

/// The whole HTTP request of a form whose fields stand in the order in which they are signed.
pub(crate) fn signed(path: &str, fields: &[(&'static str, String)]) -> Vec<u8> {
    let mut mac = Hmac::<Sha1>::new_from_slice(TOKEN.as_bytes()).unwrap();
    mac.update(PUBLIC_URL.as_bytes());
    mac.update(path.as_bytes());
    for (name, value) in fields {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let length = form.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: bench.example\r\nX-Twilio-Signature: {signature}\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {length}\r\n\r\n{form}"
    )
    .into_bytes()
}
