//! Requests about new calls, as Twilio sends them.

use std::sync::atomic::{AtomicU64, Ordering};

use super::signed::{ACCOUNT, signed_request};

pub(crate) const INBOUND: &str = "/api/twilio/voice/inbound";
/// A status callback of a call in progress needs no work.
pub(crate) const STATUS: &str = "/api/twilio/voice/status";
/// The demo's number, whose pool has three members.
const NUMBER: &str = "+13035550100";
const CALLERS: u64 = 1_000;

/// Makes the SID of each call unique.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// Builds the signed HTTP request for `INBOUND` or `STATUS`.
pub(crate) fn call(path: &str) -> Vec<u8> {
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    let from = format!("+1303556{:04}", serial * 7919 % CALLERS);
    let fields = [
        ("AccountSid", ACCOUNT.to_owned()),
        ("ApiVersion", "2010-04-01".to_owned()),
        ("CallSid", format!("CA{serial:032x}")),
        ("CallStatus", "ringing".to_owned()),
        ("Called", NUMBER.to_owned()),
        ("Caller", from.clone()),
        ("Direction", "inbound".to_owned()),
        ("From", from),
        ("To", NUMBER.to_owned()),
    ];
    signed_request(path, &fields)
}
