//! The Messaging Services of an account, which can override the webhooks of their numbers.
//! Source: Twilio, "Messaging: Service resource" and "PhoneNumber resource".

use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::{Credentials, TwilioError, TwilioRest};

const PAGE_SIZE: &str = "100";
/// The maximum number of pages that are read of one list, which allows for 10,000 entries.
const MAX_PAGES: usize = 100;

/// An error while reading all pages of a list.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    #[error(transparent)]
    Twilio(#[from] TwilioError),
    #[error("Twilio's list has more pages than Partyline reads")]
    TooManyPages,
}

/// The configuration of a Messaging Service.
#[derive(Debug, Clone, Deserialize)]
pub struct MessagingService {
    /// `MG` and 32 hexadecimal digits.
    pub sid: String,
    /// True if texts go to the URLs of the number that received them instead of the URLs of the service.
    pub use_inbound_webhook_on_number: Option<bool>,
    /// The URL that receives texts. Without it, Twilio discards texts and does not log them.
    pub inbound_request_url: Option<String>,
    pub inbound_method: Option<String>,
    /// The URL that receives texts when `inbound_request_url` fails.
    pub fallback_url: Option<String>,
    pub fallback_method: Option<String>,
}

impl TwilioRest {
    /// All Messaging Services of the account.
    ///
    /// # Errors
    /// Returns an error if Twilio rejects the credentials, cannot be reached, or lists more than 10,000 entries.
    pub async fn messaging_services(&self, credentials: &Credentials) -> Result<Vec<MessagingService>, ListError> {
        self.list(credentials, &[]).await
    }

    /// All numbers of a Messaging Service, in E.164.
    ///
    /// # Errors
    /// Returns an error if Twilio rejects the credentials, cannot be reached, or lists more than 10,000 entries.
    pub async fn service_numbers(&self, credentials: &Credentials, sid: &str) -> Result<Vec<String>, ListError> {
        #[derive(Deserialize)]
        struct Member {
            phone_number: Option<String>,
        }
        let members: Vec<Member> = self.list(credentials, &[sid, "PhoneNumbers"]).await?;
        Ok(members.into_iter().filter_map(|member| member.phone_number).collect())
    }

    /// All entries of the list below `/v1/Services`.
    async fn list<T: DeserializeOwned>(&self, credentials: &Credentials, below: &[&str]) -> Result<Vec<T>, ListError> {
        #[derive(Deserialize)]
        struct Page<T> {
            #[serde(alias = "services", alias = "phone_numbers")]
            entries: Vec<T>,
            meta: Meta,
        }
        #[derive(Deserialize)]
        struct Meta {
            next_page_url: Option<String>,
        }
        let mut url = self.messaging_url("/v1/Services")?;
        if let Ok(mut path) = url.path_segments_mut() {
            path.extend(below);
        }
        url.query_pairs_mut().append_pair("PageSize", PAGE_SIZE);
        let mut found = Vec::new();
        for _ in 0..MAX_PAGES {
            let page: Page<T> = self.read(credentials, url).await?;
            found.extend(page.entries);
            let Some(next) = page.meta.next_page_url else { return Ok(found) };
            // The credentials are sent only to the configured host, even if the URL in the response has another one.
            let next = Url::parse(&next).ok().filter(|next| next.path().starts_with('/'));
            let next = next.ok_or(TwilioError::Unreachable)?;
            url = self.messaging_url(next.path())?;
            url.set_query(next.query());
        }
        Err(ListError::TooManyPages)
    }

    fn messaging_url(&self, path: &str) -> Result<Url, TwilioError> {
        Url::parse(&format!("{}{path}", self.messaging_base)).map_err(|_| TwilioError::Unreachable)
    }
}
