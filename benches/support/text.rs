//! A text as Twilio sends it, signed.

use std::sync::atomic::{AtomicU64, Ordering};

use super::signed::{ACCOUNT, signed};

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
