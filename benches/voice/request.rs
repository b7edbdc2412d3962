//! A call that begins, as Twilio sends it.

use std::sync::atomic::{AtomicU64, Ordering};

use super::signed::{ACCOUNT, signed};

pub(crate) const INBOUND: &str = "/api/twilio/voice/inbound";
/// Of a call that goes on there is nothing to do.
pub(crate) const STATUS: &str = "/api/twilio/voice/status";
/// The demo's number with a pool of three.
const NUMBER: &str = "+13035550100";
/// How many people call.
const CALLERS: u64 = 1_000;

/// No two calls of a run have the same SID.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// The whole HTTP request, at one of these paths.
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
    signed(path, &fields)
}
