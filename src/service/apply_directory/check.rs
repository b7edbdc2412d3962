//! Validation of a directory file that needs no database access.

use std::collections::{HashMap, HashSet};

use secrecy::{ExposeSecret as _, SecretString};

use super::Problem;
use super::file::{AgencyEntry, DirectoryFile, NumberEntry, RetentionEntry, TwilioEntry};
use crate::domain::dialing::{DisallowedNumber, check_number};
use crate::domain::extension::check_digits;
use crate::domain::retention::{EVENTS_DAYS, FILES_DAYS, MESSAGES_DAYS, Period};
use crate::domain::voice_settings::{
    check_country, check_greeting, check_holidays, check_hours, check_ring_seconds, check_text,
};

pub(super) fn check(file: &DirectoryFile) -> Vec<Problem> {
    let mut found = Findings::default();
    let mut accounts: HashMap<&str, &TwilioEntry> = HashMap::new();
    let mut keys = HashSet::new();
    for (at, agency) in file.agencies.iter().enumerate() {
        let path = format!("agencies[{at}]");
        found.key(&agency.key, &format!("{path}.key"));
        if !keys.insert(agency.key.as_str()) {
            found.add(format!("{path}.key"), "this agency appears twice in the file");
        }
        if let Some(twilio) = &agency.twilio {
            match accounts.get(twilio.account_sid.as_str()) {
                Some(other) if !same_credentials(other, twilio) => {
                    found.add(format!("{path}.twilio"), "another agency gives different credentials for this account");
                }
                Some(_) => {}
                None => {
                    accounts.insert(&twilio.account_sid, twilio);
                }
            }
            if twilio.account_sid.is_empty() || twilio.account_sid.len() > 64 {
                found.add(format!("{path}.twilio.accountSid"), "an account SID has 1 to 64 characters");
            }
            if twilio.api_key_sid.is_some() != twilio.api_key_secret.is_some() {
                found.add(format!("{path}.twilio"), "apiKeySid and apiKeySecret must be given together");
            }
        }
        check_agency(&mut found, agency, &path);
    }
    found.problems
}

/// Agencies that share an account must give the same credentials. Otherwise the last one would win.
fn same_credentials(one: &TwilioEntry, other: &TwilioEntry) -> bool {
    let open = |secret: &Option<SecretString>| secret.as_ref().map(|secret| secret.expose_secret().to_owned());
    one.auth_token.expose_secret() == other.auth_token.expose_secret()
        && open(&one.secondary_auth_token) == open(&other.secondary_auth_token)
        && one.api_key_sid == other.api_key_sid
        && open(&one.api_key_secret) == open(&other.api_key_secret)
}

fn check_agency(found: &mut Findings, agency: &AgencyEntry, path: &str) {
    found.name(agency.name.as_deref(), &format!("{path}.name"));
    if let Some(zone) = &agency.time_zone
        && jiff::tz::TimeZone::get(zone).is_err()
    {
        found.add(format!("{path}.timeZone"), "this is not a known time zone; use an IANA name such as America/Denver");
    }
    let texts = agency.opt_out_texts.iter().flat_map(|texts| [("stop", &texts.stop), ("help", &texts.help)]);
    for (field, text) in texts {
        let is_invalid = |text: &String| text.trim().is_empty() || text.chars().count() > 320 || text.contains('\0');
        if text.as_ref().is_some_and(is_invalid) {
            found.add(format!("{path}.optOutTexts.{field}"), "a text must have 1 to 320 characters and no NUL");
        }
    }
    for (at, country) in agency.calling_countries.iter().flatten().enumerate() {
        if let Err(wrong) = check_country(country) {
            found.add(format!("{path}.callingCountries[{at}]"), wrong.to_string());
        }
    }
    if let Some(retention) = &agency.retention {
        check_retention(found, retention, &format!("{path}.retention"));
    }
    found.unique(path, "users", agency.users.iter().map(|user| user.key.clone()));
    for (at, user) in agency.users.iter().enumerate() {
        let path = format!("{path}.users[{at}]");
        found.key(&user.key, &format!("{path}.key"));
        found.name(user.name.as_deref(), &format!("{path}.name"));
        // Any country is allowed here. Premium, special and emergency numbers are not, because calls may ring this
        // phone.
        let ring = user.phone.as_deref().map(|phone| check_number(phone, phone, None));
        if let Some(Err(
            error @ (DisallowedNumber::Premium | DisallowedNumber::Special | DisallowedNumber::Emergency),
        )) = ring
        {
            found.add(format!("{path}.phone"), error.to_string());
        }
    }
    found.unique(path, "phoneNumbers", agency.phone_numbers.iter().map(|number| number.number.clone()));
    for (at, number) in agency.phone_numbers.iter().enumerate() {
        let path = format!("{path}.phoneNumbers[{at}]");
        found.name(number.label.as_deref(), &format!("{path}.label"));
        check_voice(found, number, &path);
        let pace = number.pace.iter().flat_map(|pace| [("perSecond", pace.per_second), ("burst", pace.burst)]);
        for (field, value) in pace {
            if value.is_some_and(|value| !(1..=1_000).contains(&value)) {
                found.add(format!("{path}.pace.{field}"), "must be from 1 to 1000 segments");
            }
        }
        found.unique(&path, "pool", number.pool.iter().map(|member| member.user.clone()));
        if number.pool.iter().filter(|member| member.primary == Some(true)).count() > 1 {
            found.add(format!("{path}.pool"), "a pool can have only one primary user");
        }
    }
    let scoped = agency.extensions.iter().map(|row| format!("{} {}", row.digits, row.number.as_deref().unwrap_or("")));
    found.unique(path, "extensions", scoped);
    for (at, extension) in agency.extensions.iter().enumerate() {
        if let Err(error) = check_digits(&extension.digits) {
            found.add(format!("{path}.extensions[{at}].digits"), error.to_string());
        }
    }
    found.unique(path, "contacts", agency.contacts.iter().map(|contact| contact.phone.clone()));
    for (at, contact) in agency.contacts.iter().enumerate() {
        found.name(contact.name.as_deref(), &format!("{path}.contacts[{at}].name"));
    }
}

fn check_retention(found: &mut Findings, retention: &RetentionEntry, path: &str) {
    for (field, period, allowed) in [
        ("messages", retention.messages, MESSAGES_DAYS),
        ("media", retention.media, FILES_DAYS),
        ("recordings", retention.recordings, FILES_DAYS),
        ("events", retention.events, EVENTS_DAYS),
    ] {
        match period {
            Some(Period::Days(days)) if !allowed.contains(&days) => {
                found
                    .add(format!("{path}.{field}"), format!("must be from {}d to {}d", allowed.start(), allowed.end()));
            }
            Some(Period::Forever) if field == "events" => {
                found.add(format!("{path}.{field}"), "events cannot be kept forever; give a number of days");
            }
            _ => {}
        }
    }
}

fn check_voice(found: &mut Findings, number: &NumberEntry, path: &str) {
    let checked = [
        ("ringSeconds", number.ring_seconds.map(check_ring_seconds)),
        ("hours", number.hours.as_ref().map(check_hours)),
        ("holidays", number.holidays(&[]).as_deref().map(check_holidays)),
        ("greeting", number.greeting.as_deref().map(check_greeting)),
        ("voicemailGreeting", number.voicemail_greeting.as_deref().map(check_greeting)),
        ("missedCallText", number.missed_call_text.as_deref().map(check_text)),
    ];
    for (field, wrong) in checked.into_iter().filter_map(|(field, checked)| Some((field, checked?.err()?))) {
        found.add(format!("{path}.{field}"), wrong.to_string());
    }
}

#[derive(Default)]
struct Findings {
    problems: Vec<Problem>,
}

impl Findings {
    fn add(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    /// Keys appear in tokens and URLs, so their characters are restricted.
    fn key(&mut self, key: &str, path: &str) {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        if key.is_empty() || key.len() > 64 || !key.bytes().all(is_allowed) {
            self.add(path, "a key must have 1 to 64 letters, digits, dots, hyphens or underscores");
        }
    }

    fn name(&mut self, name: Option<&str>, path: &str) {
        let is_invalid =
            |name: &str| name.trim().is_empty() || name.chars().count() > 200 || name.contains(char::is_control);
        if name.is_some_and(is_invalid) {
            self.add(path, "a name must have 1 to 200 characters and no control characters");
        }
    }

    fn unique(&mut self, path: &str, list: &str, names: impl Iterator<Item = String>) {
        let mut seen = HashSet::new();
        for (at, name) in names.enumerate() {
            if !seen.insert(name) {
                self.add(format!("{path}.{list}[{at}]"), "this entry appears twice in the list");
            }
        }
    }
}
