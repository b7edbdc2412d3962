//! What an answer of Twilio's REST API says that is not a success.
//! Source: Twilio, "Error and warning dictionary"; "Twilio's response".

use super::AccountTrouble;

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarrierRefusal {
    /// The account: no request of this kind is served until somebody repairs it.
    Account(AccountTrouble),
    /// Any request at the moment: Twilio is busy, a queue is full, or a rate was exceeded.
    Busy,
    /// This request alone, for good.
    Request,
}

/// Reads an answer by its HTTP status and Twilio's error code. A code says more than a status: Twilio sends some of
/// them under several. `None`: the answer does not tell whether Twilio has carried the request out.
pub fn refusal(status: u16, code: Option<i64>) -> Option<CarrierRefusal> {
    Some(match (status, code) {
        // The rate between two numbers, of the API, of a number's queue, a maintenance, and the rates of a channel.
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
    fn the_code_goes_before_the_status() {
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
