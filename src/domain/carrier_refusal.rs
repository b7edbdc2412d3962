//! Interprets error responses of Twilio's REST API.
//! Source: Twilio, "Error and warning dictionary"; "Twilio's response".

use super::AccountTrouble;

/// The scope of a refusal by Twilio.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierRefusal {
    /// The account: no request of this kind is served until the problem is fixed.
    Account(AccountTrouble),
    /// Any request at the moment: Twilio is busy, a queue is full, or a rate limit was exceeded.
    Busy,
    /// This request alone, permanently.
    Request,
}

/// Interprets a response by its HTTP status and Twilio's error code. The code takes precedence, because Twilio sends
/// some codes with different statuses. `None` if the response does not tell whether Twilio has carried out the request.
pub fn refusal(status: u16, code: Option<i64>) -> Option<CarrierRefusal> {
    Some(match (status, code) {
        // In order: the rate between two numbers, the API's rate, a number's full queue, maintenance, a channel's
        // rates.
        (_, Some(14107 | 20429 | 21611 | 21730 | 63017 | 63018)) | (429, _) => CarrierRefusal::Busy,
        (_, Some(21609)) => CarrierRefusal::Account(AccountTrouble::CallbackUrl),
        (_, Some(10001 | 20005 | 30002)) => CarrierRefusal::Account(AccountTrouble::Suspended),
        (401, _) | (_, Some(20003)) => CarrierRefusal::Account(AccountTrouble::Credentials),
        (403, _) => CarrierRefusal::Account(AccountTrouble::Forbidden),
        (408, _) => return None,
        (400..=499, _) => CarrierRefusal::Request,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::CarrierRefusal::{Account, Busy, Request};
    use super::*;

    #[test]
    fn the_code_takes_precedence_over_the_status() {
        let (url, forbidden) = (AccountTrouble::CallbackUrl, AccountTrouble::Forbidden);
        let (suspended, credentials) = (AccountTrouble::Suspended, AccountTrouble::Credentials);
        for (status, code, expected) in [
            (429, None, Some(Busy)),
            (429, Some(20429), Some(Busy)),
            (400, Some(20429), Some(Busy)),
            (503, Some(20429), Some(Busy)),
            (400, Some(21611), Some(Busy)),
            (400, Some(14107), Some(Busy)),
            (400, Some(63017), Some(Busy)),
            (403, Some(63018), Some(Busy)),
            (503, Some(21730), Some(Busy)),
            (400, Some(21609), Some(Account(url))),
            (401, None, Some(Account(credentials))),
            (401, Some(20003), Some(Account(credentials))),
            (403, Some(20003), Some(Account(credentials))),
            (401, Some(20005), Some(Account(suspended))),
            (403, Some(20005), Some(Account(suspended))),
            (400, Some(30002), Some(Account(suspended))),
            (400, Some(10001), Some(Account(suspended))),
            (403, None, Some(Account(forbidden))),
            (403, Some(20403), Some(Account(forbidden))),
            (400, Some(21211), Some(Request)),
            (400, None, Some(Request)),
            (404, Some(20404), Some(Request)),
            (408, None, None),
            (500, Some(20500), None),
            (502, None, None),
            (307, None, None),
        ] {
            assert_eq!(refusal(status, code), expected, "{status} {code:?}");
        }
    }
}
