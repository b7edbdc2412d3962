//! The format of the directory file, the input of `partyline apply`.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use secrecy::SecretString;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::Problem;
use crate::domain::hours::{Hours, Span, Weekday};
use crate::domain::retention::{InvalidPeriod, Period};
use crate::domain::schedule::Holiday;
use crate::domain::{LegCallerId, OptOutReplies, PoolPolicy, RingStrategy, Role};

/// A directory file. Fields and rows that it omits are left unchanged.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DirectoryFile {
    pub agencies: Vec<AgencyEntry>,
}

/// An agency, identified by its key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AgencyEntry {
    pub key: String,
    pub name: Option<String>,
    pub time_zone: Option<String>,
    pub twilio: Option<TwilioEntry>,
    pub default_user: Option<String>,
    pub opt_out_replies: Option<OptOutReplies>,
    pub opt_out_texts: Option<OptOutTexts>,
    pub calling_countries: Option<Vec<String>>,
    pub retention: Option<RetentionEntry>,
    #[serde(default)]
    pub users: Vec<UserEntry>,
    #[serde(default)]
    pub phone_numbers: Vec<NumberEntry>,
    #[serde(default)]
    pub extensions: Vec<ExtensionEntry>,
    #[serde(default)]
    pub contacts: Vec<ContactEntry>,
}

/// The Twilio account of an agency.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct TwilioEntry {
    pub account_sid: String,
    #[serde(deserialize_with = "secret")]
    pub auth_token: SecretString,
    #[serde(default, deserialize_with = "optional_secret")]
    pub secondary_auth_token: Option<SecretString>,
    pub api_key_sid: Option<String>,
    #[serde(default, deserialize_with = "optional_secret")]
    pub api_key_secret: Option<SecretString>,
}

/// The replies to STOP and HELP if Partyline sends them (`optOutReplies: PARTYLINE`).
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptOutTexts {
    pub stop: Option<String>,
    pub help: Option<String>,
}

/// How long the data of an agency is kept. `null` and `forever` mean the same.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RetentionEntry {
    #[serde(default, deserialize_with = "period")]
    pub messages: Option<Period>,
    #[serde(default, deserialize_with = "period")]
    pub media: Option<Period>,
    #[serde(default, deserialize_with = "period")]
    pub recordings: Option<Period>,
    #[serde(default, deserialize_with = "period")]
    pub events: Option<Period>,
    pub delete_at_carrier: Option<bool>,
}

/// The sending pace of a phone number, in segments.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PaceEntry {
    pub per_second: Option<i32>,
    pub burst: Option<i32>,
}

/// A user, identified by their key.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct UserEntry {
    pub key: String,
    pub name: Option<String>,
    pub role: Option<Role>,
    pub phone: Option<String>,
    pub phone_verified: Option<bool>,
    pub active: Option<bool>,
}

/// A phone number and its pool, identified by the number.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NumberEntry {
    pub number: String,
    pub label: Option<String>,
    pub active: Option<bool>,
    pub policy: Option<PoolPolicy>,
    pub ring_strategy: Option<RingStrategy>,
    pub ring_seconds: Option<i32>,
    pub leg_caller_id: Option<LegCallerId>,
    pub hours: Option<BTreeMap<Weekday, Vec<Span>>>,
    pub holidays: Option<Vec<NaiveDate>>,
    pub greeting: Option<String>,
    pub voicemail_greeting: Option<String>,
    pub missed_call_text: Option<String>,
    pub pace: Option<PaceEntry>,
    #[serde(default)]
    pub pool: Vec<MemberEntry>,
}

/// An assignment of a user to the enclosing phone number's pool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct MemberEntry {
    pub user: String,
    pub primary: Option<bool>,
    pub sms_enabled: Option<bool>,
    pub voice_enabled: Option<bool>,
}

/// An extension, identified by its digits and its phone number.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ExtensionEntry {
    pub digits: String,
    pub user: String,
    pub number: Option<String>,
}

/// A contact, identified by their phone.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct ContactEntry {
    pub phone: String,
    pub name: Option<String>,
    pub provider: Option<String>,
}

impl NumberEntry {
    pub(super) fn hours_json(&self) -> Option<String> {
        let hours: &Hours = self.hours.as_ref()?;
        serde_json::to_string(hours).ok()
    }

    /// The holidays with the names that they have so far, because the file has none.
    pub(super) fn holidays(&self, named: &[Holiday]) -> Option<Vec<Holiday>> {
        let name = |date: NaiveDate| named.iter().find(|holiday| holiday.date == date)?.name.clone();
        Some(self.holidays.as_ref()?.iter().map(|date| Holiday { date: *date, name: name(*date) }).collect())
    }
}

impl DirectoryFile {
    /// Parses a file. Secrets of the form `env:NAME` are looked up with `env`.
    ///
    /// # Errors
    /// The problems with their paths. No message contains a secret.
    pub fn parse(yaml: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self, Vec<Problem>> {
        // Deserialized by way of a JSON value, so that errors carry their path.
        let value: serde_json::Value = serde_saphyr::from_str(yaml)
            // The lines around the error are omitted, because they may contain a secret.
            .map_err(|error| vec![Problem::new("", format!("this is not valid YAML: {}", error.without_snippet()))])?;
        let mut file: Self = serde_path_to_error::deserialize(value)
            .map_err(|error| vec![Problem::new(error.path().to_string(), error.inner().to_string())])?;
        let mut problems = Vec::new();
        for (at, agency) in file.agencies.iter_mut().enumerate() {
            if let Some(twilio) = &mut agency.twilio {
                let path = format!("agencies[{at}].twilio");
                let mut resolve = |secret: &mut SecretString, field: &str| {
                    if let Err(message) = resolve(secret, &env) {
                        problems.push(Problem::new(format!("{path}.{field}"), message));
                    }
                };
                resolve(&mut twilio.auth_token, "authToken");
                if let Some(secret) = &mut twilio.secondary_auth_token {
                    resolve(secret, "secondaryAuthToken");
                }
                if let Some(secret) = &mut twilio.api_key_secret {
                    resolve(secret, "apiKeySecret");
                }
            }
        }
        if problems.is_empty() { Ok(file) } else { Err(problems) }
    }
}

/// Deserializes a secret. Serde's own type error would repeat the value, such as a token of digits without quotes.
fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    optional_secret(deserializer)?.ok_or_else(|| D::Error::custom(NOT_A_SECRET))
}

fn optional_secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SecretString>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(None),
        serde_json::Value::String(text) => Ok(Some(text.into())),
        _ => Err(D::Error::custom(NOT_A_SECRET)),
    }
}

/// Deserializes a period that the file names. An omitted one is `None`.
fn period<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Period>, D::Error> {
    match serde_json::Value::deserialize(deserializer)? {
        serde_json::Value::Null => Ok(Some(Period::Forever)),
        serde_json::Value::String(text) => Period::parse(&text).map(Some).map_err(D::Error::custom),
        _ => Err(D::Error::custom(InvalidPeriod)),
    }
}

const NOT_A_SECRET: &str = "a secret must be a string; put it in quotes";

fn resolve(secret: &mut SecretString, env: &impl Fn(&str) -> Option<String>) -> Result<(), String> {
    use secrecy::ExposeSecret as _;
    if let Some(name) = secret.expose_secret().strip_prefix("env:") {
        let value = env(name).ok_or_else(|| format!("the environment variable {name} is not set"))?;
        *secret = SecretString::from(value);
    }
    if secret.expose_secret().is_empty() {
        return Err("a secret cannot be empty".to_owned());
    }
    Ok(())
}
