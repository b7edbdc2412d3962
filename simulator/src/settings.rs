//! Settings of a simulator.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::services::MessagingService;

/// A simulated Twilio account.
#[derive(Debug, Clone)]
pub struct Account {
    /// `AC` and 32 hexadecimal digits.
    pub sid: String,
    /// The token that authenticates API requests and signs webhooks.
    pub auth_token: SecretString,
    /// A key that also authenticates API requests.
    pub api_key: Option<ApiKey>,
    /// The account's numbers in E.164. If empty, the account has every number.
    pub numbers: Vec<String>,
    state: Arc<AccountState>,
}

/// The part of an account that changes while the simulator runs. Clones of the account share it.
#[derive(Debug, Default)]
struct AccountState {
    /// The token that has replaced `auth_token`.
    promoted: RwLock<Option<SecretString>>,
    suspended: AtomicBool,
}

/// An API key of an account.
#[derive(Debug, Clone)]
pub struct ApiKey {
    /// `SK` and 32 hexadecimal digits.
    pub sid: String,
    pub secret: SecretString,
}

impl Account {
    /// An account without an API key that has every number.
    pub fn new(sid: impl Into<String>, auth_token: impl Into<SecretString>) -> Self {
        let (sid, auth_token) = (sid.into(), auth_token.into());
        Self { sid, auth_token, api_key: None, numbers: Vec::new(), state: Arc::default() }
    }

    /// Restricts the account to these numbers.
    #[must_use]
    pub fn with_numbers<'a>(mut self, numbers: impl IntoIterator<Item = &'a str>) -> Self {
        self.numbers = numbers.into_iter().map(str::to_owned).collect();
        self
    }

    pub(super) fn has(&self, number: &str) -> bool {
        let number = split_channel(number).1;
        self.numbers.is_empty() || self.numbers.iter().any(|own| own == number)
    }

    pub(super) fn accepts(&self, username: &str, password: &str) -> bool {
        let by_key = |key: &ApiKey| key.sid == username && key.secret.expose_secret() == password;
        self.sid == username && self.token().expose_secret() == password || self.api_key.as_ref().is_some_and(by_key)
    }

    /// The current token.
    pub(super) fn token(&self) -> SecretString {
        let promoted = self.state.promoted.read().unwrap_or_else(PoisonError::into_inner);
        promoted.as_ref().unwrap_or(&self.auth_token).clone()
    }

    pub(super) fn promote(&self, token: SecretString) {
        *self.state.promoted.write().unwrap_or_else(PoisonError::into_inner) = Some(token);
    }

    pub(super) fn is_suspended(&self) -> bool {
        self.state.suspended.load(Ordering::Relaxed)
    }

    pub(super) fn suspend(&self, suspended: bool) {
        self.state.suspended.store(suspended, Ordering::Relaxed);
    }
}

/// Sends webhooks for a public origin to a local server, as a reverse proxy would. Signatures are computed over the
/// public URL.
#[derive(Debug, Clone)]
pub struct OriginMapping {
    /// The origin in webhook URLs, such as `https://app.example`.
    pub public: Url,
    /// The origin to connect to, such as `http://127.0.0.1:8080`.
    pub local: Url,
}

impl OriginMapping {
    /// The URL to connect to instead of `address`.
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

/// Delays of the simulation. Shorten them to make tests fast.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Time from the acceptance of a message until its status is `sent`. Default: 200 ms.
    pub sent: Duration,
    /// Time from `sent` until `delivered` or `undelivered`. Default: 500 ms.
    pub delivered: Duration,
    /// Time from a failed webhook until it is retried. Default: 200 ms.
    pub retry: Duration,
    /// Real time per simulated second of a call. Default: 1 s.
    pub second: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let millis = Duration::from_millis;
        Self { sent: millis(200), delivered: millis(500), retry: millis(200), second: millis(1_000) }
    }
}

/// The treatment of the other phones of a `<Dial>` when the first is picked up and its screening document starts.
/// Twilio documents neither behavior, so an application must handle both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LegPolicy {
    /// They keep ringing until one phone is bridged.
    Keep,
    /// They are canceled.
    #[default]
    Cancel,
}

/// Settings of a simulator: its accounts and the configuration of their numbers.
///
/// Webhook URLs may end with Twilio's connection overrides, such as `#rc=5&rp=5xx,ct,rt`, which set how often and after
/// which failures a request is retried.
#[derive(Debug, Clone)]
pub struct SimulatorSettings {
    /// The accounts that may use the API. A number that no account lists belongs to the first account without numbers.
    pub accounts: Vec<Account>,
    /// The messaging webhook of all numbers.
    pub sms_url: String,
    /// Messaging webhooks of single numbers, by number in E.164, instead of `sms_url`.
    pub sms_urls: BTreeMap<String, String>,
    /// The Messaging Services of all accounts. A number is in one service at most.
    pub services: Vec<MessagingService>,
    /// The voice webhook of all numbers, which returns TwiML. Calls to a number fail if it is empty.
    pub voice_url: String,
    /// The voice fallback URL, which is requested when a URL returns no usable TwiML. `None` means `voice_url`.
    pub voice_fallback_url: Option<String>,
    /// The status callback for the end of calls to a number; `None` for no callback.
    pub voice_status_url: Option<String>,
    /// The treatment of the other phones of a `<Dial>` when the first is picked up.
    pub legs: LegPolicy,
    /// The size of a recording's file in bytes. Default: 4 KiB.
    pub recording_bytes: usize,
    /// See [`super::Simulator::map_origin`].
    pub origin_mapping: Option<OriginMapping>,
    /// True if the simulator handles STOP, START and HELP as Twilio's opt-out filter does. Default: true.
    pub opt_out_filter: bool,
    /// The seed of random faults and the percentage of messages that get one; `None` for no random faults.
    pub random_faults: Option<(u64, u8)>,
    pub pace: Pace,
}

impl SimulatorSettings {
    /// Settings with these accounts and this messaging webhook, without a voice webhook and without faults.
    pub fn new(accounts: Vec<Account>, sms_url: impl Into<String>) -> Self {
        Self {
            accounts,
            sms_url: sms_url.into(),
            sms_urls: BTreeMap::new(),
            services: Vec::new(),
            voice_url: String::new(),
            voice_fallback_url: None,
            voice_status_url: None,
            legs: LegPolicy::default(),
            recording_bytes: 4 * 1_024,
            origin_mapping: None,
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

    /// The account that has this number.
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
    fn only_the_public_origin_is_mapped() {
        let url = |text: &str| Url::parse(text).unwrap();
        let mapping = OriginMapping { public: url("https://p.test"), local: url("http://127.0.0.1:9") };
        assert_eq!(mapping.locate(&url("https://p.test/a/b?c=d")).as_str(), "http://127.0.0.1:9/a/b?c=d");
        assert_eq!(mapping.locate(&url("https://p.test:8443/a")).as_str(), "https://p.test:8443/a");
    }

    #[test]
    fn a_number_belongs_to_the_account_that_lists_it() {
        let accounts = vec![Account::new("AC1", "t"), Account::new("AC2", "t").with_numbers(["+12"])];
        let settings = SimulatorSettings::new(accounts, "");
        assert_eq!(settings.account_of("+12").unwrap().sid, "AC2");
        assert_eq!(settings.account_of("whatsapp:+12").unwrap().sid, "AC2");
        assert!(settings.accounts[1].has("rcs:+12") && !settings.accounts[1].has("rcs:+13"));
        assert_eq!(settings.account_of("+13").unwrap().sid, "AC1");
    }
}
