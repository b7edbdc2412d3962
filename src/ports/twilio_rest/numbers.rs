//! The IncomingPhoneNumbers resource: where Twilio sends the texts and calls of a number.
//! Source: Twilio, "IncomingPhoneNumbers resource".

use serde::Deserialize;

use super::{Credentials, ListError, TwilioError, TwilioRest};

const PATH: &str = "/IncomingPhoneNumbers.json";
const PAGE_SIZE: &str = "100";
/// The maximum number of pages that are read to find one number.
const MAX_PAGES: usize = 20;

/// The configuration of a number at Twilio. Every field is nullable there, and an empty string also means "not set".
#[derive(Debug, Clone, Deserialize)]
pub struct TwilioNumber {
    phone_number: Option<String>,
    pub capabilities: Option<Capabilities>,
    /// The URL that receives texts.
    pub sms_url: Option<String>,
    pub sms_method: Option<String>,
    /// The URL that receives texts when `sms_url` fails.
    pub sms_fallback_url: Option<String>,
    pub sms_fallback_method: Option<String>,
    /// The TwiML application that receives texts instead of the URLs above.
    pub sms_application_sid: Option<String>,
    /// The URL that returns TwiML for calls.
    pub voice_url: Option<String>,
    pub voice_method: Option<String>,
    /// The URL that returns TwiML for calls when `voice_url` fails.
    pub voice_fallback_url: Option<String>,
    pub voice_fallback_method: Option<String>,
    /// The TwiML application that handles calls instead of the URLs above.
    pub voice_application_sid: Option<String>,
    /// The SIP trunk that takes calls instead of the URLs above.
    pub trunk_sid: Option<String>,
    /// The URL that is requested when a call ends.
    pub status_callback: Option<String>,
    pub status_callback_method: Option<String>,
}

/// The capabilities of a number. `None` means unknown. Twilio's documentation has the names in upper and lower case.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Capabilities {
    /// True if the number can send and receive texts.
    #[serde(alias = "SMS")]
    pub sms: Option<bool>,
    /// True if the number can make and receive calls.
    #[serde(alias = "Voice")]
    pub voice: Option<bool>,
}

impl TwilioRest {
    /// Checks that Twilio accepts the credentials. It lists the account's numbers, because Standard and Restricted API
    /// keys cannot read the account itself. Source: Twilio, "API keys: types of keys".
    ///
    /// # Errors
    /// Returns an error if Twilio rejects the credentials or cannot be reached.
    pub async fn check(&self, credentials: &Credentials) -> Result<(), TwilioError> {
        self.get::<serde_json::Value>(credentials, PATH, &[("PageSize", "1")]).await.map(drop)
    }

    /// The number with this E.164 form; `None` if the account does not have it.
    ///
    /// # Errors
    /// Returns an error if Twilio rejects the credentials or cannot be reached, or if 2,000 numbers contain this one.
    pub async fn number(&self, credentials: &Credentials, e164: &str) -> Result<Option<TwilioNumber>, ListError> {
        #[derive(Deserialize)]
        struct Page {
            incoming_phone_numbers: Vec<TwilioNumber>,
            next_page_uri: Option<String>,
        }
        // Twilio also lists longer numbers that contain this one.
        let query = [("PhoneNumber", e164), ("PageSize", PAGE_SIZE)];
        let mut page: Page = self.get(credentials, PATH, &query).await?;
        for _ in 0..MAX_PAGES {
            let matches = |number: &TwilioNumber| number.phone_number.as_deref() == Some(e164);
            match (page.incoming_phone_numbers.into_iter().find(matches), page.next_page_uri) {
                (Some(number), _) => return Ok(Some(number)),
                (None, Some(uri)) => page = self.get_uri(credentials, &uri).await?,
                (None, None) => return Ok(None),
            }
        }
        Err(ListError::TooManyPages)
    }
}
