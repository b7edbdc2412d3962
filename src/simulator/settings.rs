//! How a simulator is set up.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::services::MessagingService;

/// An account with the carrier.
#[derive(Debug, Clone)]
pub struct Account {
    /// `AC` and 32 hexadecimal digits.
    pub sid: String,
    /// Opens the API, and signs webhooks.
    pub auth_token: SecretString,
    /// Opens the API, too.
    pub api_key: Option<ApiKey>,
    /// Its numbers in E.164. Without any, every number is taken for its own.
    pub numbers: Vec<String>,
    standing: Arc<Standing>,
}

/// What has happened to an account since the start.
#[derive(Debug, Default)]
struct Standing {
    /// The token that has taken the place of the first.
    promoted: RwLock<Option<SecretString>>,
    suspended: AtomicBool,
}

/// A key of an account.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// `SK` and 32 hexadecimal digits.
    pub sid: String,
    /// Its secret.
    pub secret: SecretString,
}

impl Account {
    /// An account that has every number.
    pub fn of(sid: impl Into<String>, auth_token: impl Into<SecretString>) -> Self {
        let (sid, auth_token) = (sid.into(), auth_token.into());
        Self { sid, auth_token, api_key: None, numbers: Vec::new(), standing: Arc::default() }
    }

    /// The same account with these numbers and no others.
    #[must_use]
    pub fn with_numbers<'a>(mut self, numbers: impl IntoIterator<Item = &'a str>) -> Self {
        self.numbers = numbers.into_iter().map(str::to_owned).collect();
        self
    }

    pub(super) fn has(&self, number: &str) -> bool {
        let number = split_channel(number).1;
        self.numbers.is_empty() || self.numbers.iter().any(|own| own == number)
    }

    pub(super) fn takes(&self, username: &str, password: &str) -> bool {
        let by_key = |key: &ApiKey| key.sid == username && key.secret.expose_secret() == password;
        self.sid == username && self.token().expose_secret() == password || self.api_key.as_ref().is_some_and(by_key)
    }

    /// The token that opens the API and signs webhooks now.
    pub(super) fn token(&self) -> SecretString {
        let promoted = self.standing.promoted.read().unwrap_or_else(PoisonError::into_inner);
        promoted.as_ref().unwrap_or(&self.auth_token).clone()
    }

    /// Puts a secondary token in the place of the first, which is not accepted any more.
    pub(super) fn promote(&self, token: SecretString) {
        *self.standing.promoted.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.standing.suspended.load(Ordering::Relaxed)
    }

    pub(super) fn suspend(&self, suspended: bool) {
        self.standing.suspended.store(suspended, Ordering::Relaxed);
    }
}

/// An origin that is really at another address: signatures are over the first, connections go to the second.
#[derive(Debug, Clone)]
pub struct Deliver {
    /// As it stands in webhook addresses.
    pub public: Url,
    /// Where it answers.
    pub local: Url,
}

impl Deliver {
    /// The address to connect to for this one.
    pub(super) fn locate(&self, address: &Url) -> Url {
        if address.origin() != self.public.origin() {
            return address.clone();
        }
        let mut located = self.local.clone();
        located.set_path(address.path());
        located.set_query(address.query());
        located
    }
}

/// How fast things happen.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// From the acceptance of a message until it is sent.
    pub sent: Duration,
    /// From then until it is delivered, or not.
    pub delivered: Duration,
    /// From a webhook that failed until it is repeated.
    pub repeat: Duration,
    /// How long a second of a call lasts.
    pub second: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self { sent: millis(200), delivered: millis(500), repeat: millis(200), second: millis(1_000) }
    }
}

/// What becomes of a Dial's other phones when the first is picked up and its document begins.
/// Twilio promises neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Legs {
    /// They ring on until one of them is bridged.
    Keep,
    /// They are canceled.
    #[default]
    Cancel,
}

/// What a simulator is to do.
#[derive(Debug, Clone)]
pub struct SimulatorSettings {
    /// Who may use it. A text to a number that no account names goes to the first that names none.
    pub accounts: Vec<Account>,
    /// Where texts to a number are sent to, with the fragment that says how often to repeat.
    pub sms_url: String,
    /// The same for single numbers.
    pub sms_urls: BTreeMap<String, String>,
    /// The Messaging Services of all accounts. A number is in one service at most.
    pub services: Vec<MessagingService>,
    /// Where calls to a number ask for TwiML, with its fragment. Without it, such calls fail.
    pub voice_url: String,
    /// Where such a call asks for TwiML when an address had no usable answer, with its fragment; `None` is `voice_url`.
    pub voice_fallback_url: Option<String>,
    /// Where the end of such a call is reported.
    pub voice_status_url: Option<String>,
    /// What becomes of a Dial's other phones.
    pub legs: Legs,
    /// The size of a recording's file, in bytes.
    pub recording_bytes: usize,
    /// Where webhooks really go; see [`super::Simulator::deliver_to`].
    pub deliver: Option<Deliver>,
    /// Whether STOP, START and HELP are acted on.
    pub opt_out_filter: bool,
    /// How many of a hundred messages meet a random fault, and the seed.
    pub random_faults: Option<(u64, u8)>,
    /// How fast things happen.
    pub pace: Pace,
}

impl SimulatorSettings {
    /// The carrier at its best.
    pub fn of(accounts: Vec<Account>, sms_url: impl Into<String>) -> Self {
        Self {
            accounts,
            sms_url: sms_url.into(),
            sms_urls: BTreeMap::new(),
            services: Vec::new(),
            voice_url: String::new(),
            voice_fallback_url: None,
            voice_status_url: None,
            legs: Legs::default(),
            recording_bytes: 4 * 1_024,
            deliver: None,
            opt_out_filter: true,
            random_faults: None,
            pace: Pace::default(),
        }
    }

    pub(super) fn voice_fallback_url(&self) -> &str {
        self.voice_fallback_url.as_ref().unwrap_or(&self.voice_url)
    }

    pub(super) fn sms_url_of(&self, number: &str) -> &str {
        self.sms_urls.get(split_channel(number).1).unwrap_or(&self.sms_url)
    }

    /// Whose number this is.
    pub(super) fn account_of(&self, number: &str) -> Option<&Account> {
        let number = split_channel(number).1;
        let named = self.accounts.iter().find(|account| account.numbers.iter().any(|own| own == number));
        named.or_else(|| self.accounts.iter().find(|account| account.numbers.is_empty()))
    }
}

/// Splits an address into its channel prefix (`whatsapp:`, `rcs:`, or empty for SMS) and the number.
pub(super) fn split_channel(address: &str) -> (&str, &str) {
    let length =
        ["whatsapp:", "rcs:"].iter().find(|prefix| address.starts_with(**prefix)).map_or(0, |prefix| prefix.len());
    address.split_at(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_public_origin_is_elsewhere() {
        let url = |text: &str| Url::parse(text).unwrap();
        let deliver = Deliver { public: url("https://p.test"), local: url("http://127.0.0.1:9") };
        assert_eq!(deliver.locate(&url("https://p.test/a/b?c=d")).as_str(), "http://127.0.0.1:9/a/b?c=d");
        assert_eq!(deliver.locate(&url("https://p.test:8443/a")).as_str(), "https://p.test:8443/a");
    }

    #[test]
    fn a_number_belongs_to_who_names_it() {
        let accounts = vec![Account::of("AC1", "t"), Account::of("AC2", "t").with_numbers(["+12"])];
        let settings = SimulatorSettings::of(accounts, "");
        assert_eq!(settings.account_of("+12").unwrap().sid, "AC2");
        assert_eq!(settings.account_of("whatsapp:+12").unwrap().sid, "AC2");
        assert!(settings.accounts[1].has("rcs:+12") && !settings.accounts[1].has("rcs:+13"));
        assert_eq!(settings.account_of("+13").unwrap().sid, "AC1");
    }
}
