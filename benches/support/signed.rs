//! Signed requests, as Twilio sends them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;

pub(crate) const ACCOUNT: &str = "AC00000000000000000000000000000001";
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";
pub(crate) const PUBLIC_URL: &str = "https://bench.example";

/// Builds a whole HTTP request. `fields` must be sorted by name, the order in which they are signed.
pub(crate) fn signed_request(path: &str, fields: &[(&'static str, String)]) -> Vec<u8> {
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
