//! Apply a directory file: create and update agencies, users, numbers, pools, extensions and contacts. Idempotent.
//!
//! Fields and rows that the file omits are left unchanged. The whole file is one unit of work, so it is applied
//! atomically. A running server sees the change within a second.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use sea_orm::DbErr;
use secrecy::{ExposeSecret as _, SecretString};

use super::accounts::Secret;
use super::seal::Sealer;
use super::{Fault, Services};
use crate::domain::retention::{DEFAULT_EVENTS_DAYS, Period};
use crate::domain::{AccountId, AgencyId, OptOutReplies, PhoneNumberId, UserId};
use crate::entity::{account, agency};
use crate::store;
use crate::store::directory_writes::{add, save};
use crate::store::writer::{Tx, Unit, UnitError};

mod check;
mod contacts;
mod file;
mod numbers;
mod phones;
mod users;

pub use file::DirectoryFile;
use file::{AgencyEntry, OptOutTexts, RetentionEntry, TwilioEntry};

/// A validation error of a directory file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The place in the file, such as `agencies[0].users[1].phone`. Empty if it is not known.
    pub path: String,
    pub message: String,
}

impl Problem {
    pub(super) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.path, self.message) }
    }
}

/// The numbers of rows that a file created and updated.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    pub created: usize,
    pub updated: usize,
}

/// Applies a file. If the file has problems, returns all of them and changes nothing.
pub async fn apply_directory(
    services: &Services,
    sealer: Arc<Sealer>,
    mut file: DirectoryFile,
) -> Result<Result<Summary, Vec<Problem>>, Fault> {
    let (mut agencies, mut problems) = (Vec::new(), Vec::new());
    for (at, entry) in file.agencies.iter_mut().enumerate() {
        let directory = services.directories.by_key(&entry.key).await?;
        let country = phones::country(entry, directory.as_deref());
        problems.extend(phones::normalize(entry, &format!("agencies[{at}]"), country));
        agencies.extend(directory.map(|directory| directory.agency_id()));
    }
    problems.extend(check::check(&file));
    if !problems.is_empty() {
        return Ok(Err(problems));
    }
    match services.writer.run_for(agencies, Apply { file: Arc::new(file), sealer }).await {
        Ok(summary) => Ok(Ok(summary)),
        Err(error) => Ok(Err(error.into_refusal()?)),
    }
}

struct Apply {
    file: Arc<DirectoryFile>,
    sealer: Arc<Sealer>,
}

impl Unit for Apply {
    type Output = Summary;
    type Refusal = Vec<Problem>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Summary, UnitError<Vec<Problem>>> {
        let mut summary = Summary::default();
        let mut problems = Vec::new();
        let file = self.file.clone();
        for (at, entry) in file.agencies.iter().enumerate() {
            let path = format!("agencies[{at}]");
            self.apply_agency(tx, entry, path, &mut summary, &mut problems).await.map_err(UnitError::widen)?;
        }
        if problems.is_empty() { Ok(summary) } else { Err(UnitError::Refused(problems)) }
    }
}

/// The state of applying one agency's entry.
struct Context<'a, 't> {
    tx: &'a mut Tx<'t>,
    agency: AgencyId,
    account: Option<AccountId>,
    path: String,
    summary: &'a mut Summary,
    problems: &'a mut Vec<Problem>,
    /// The agency's users by key, including those that the file creates.
    users: HashMap<String, UserId>,
    /// The agency's numbers, including those that the file creates.
    numbers: HashMap<String, PhoneNumberId>,
}

impl Context<'_, '_> {
    fn add_problem(&mut self, path: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(format!("{}.{path}", self.path), message));
    }

    /// Counts a created or updated row of the directory and emits its event.
    fn record_change(&mut self, node: &str, is_new: bool) -> Result<(), DbErr> {
        self.count(is_new);
        self.tx.directory_updated(self.agency, node, "apply", None)
    }

    fn count(&mut self, is_new: bool) {
        let count = if is_new { &mut self.summary.created } else { &mut self.summary.updated };
        *count += 1;
    }

    /// The user with this key. Adds a problem if neither the agency nor the file has one.
    fn user(&mut self, key: &str, path: &str) -> Option<UserId> {
        let user = self.users.get(key).copied();
        if user.is_none() {
            self.add_problem(path, "there is no user with this key");
        }
        user
    }
}

impl Apply {
    async fn apply_agency(
        &self,
        tx: &mut Tx<'_>,
        entry: &AgencyEntry,
        path: String,
        summary: &mut Summary,
        problems: &mut Vec<Problem>,
    ) -> Result<(), UnitError> {
        let account = match &entry.twilio {
            Some(twilio) => Some(self.account(tx, twilio, summary).await?),
            None => None,
        };
        let before = store::accounts::agency_by_key(tx.conn, &entry.key).await?;
        let row = match (&before, &entry.name, &entry.time_zone) {
            (Some(row), ..) => row.clone(),
            (None, Some(name), Some(time_zone)) => {
                let row = create_agency(tx, entry, name, time_zone).await?;
                summary.created += 1;
                row
            }
            (None, ..) => {
                problems.push(Problem::new(path, "a new agency requires a name and a timeZone"));
                return Ok(());
            }
        };
        let directory = tx.directory(row.id).await?;
        let mut context = Context {
            tx,
            agency: row.id,
            account: account.or(row.twilio_account_id),
            path,
            summary,
            problems,
            users: directory.users.iter().map(|user| (user.key.clone(), user.id)).collect(),
            numbers: directory.numbers.iter().map(|number| (number.e164.clone(), number.id)).collect(),
        };
        users::apply(&mut context, &entry.users, &directory).await?;
        numbers::apply(&mut context, &entry.phone_numbers, &directory).await?;
        users::check_phones(&mut context, &entry.users).await?;
        numbers::apply_extensions(&mut context, &entry.extensions, &directory).await?;
        contacts::apply(&mut context, &entry.contacts, phones::country(entry, Some(&directory))).await?;
        update_agency(&mut context, entry, row).await?;
        if context.tx.directory(context.agency).await?.admins().next().is_none() {
            context.add_problem("users", "an agency requires at least one active ADMIN");
        }
        Ok(())
    }

    async fn account(&self, tx: &Tx<'_>, entry: &TwilioEntry, summary: &mut Summary) -> Result<AccountId, DbErr> {
        let sid = &entry.account_sid;
        let before = store::accounts::by_sid(tx.conn, sid).await?;
        // Sealing the same secret twice gives different texts, so the decrypted secrets are compared.
        let is_unchanged = |sealed: Option<&String>, secret: &SecretString, which: Secret| {
            let opened = sealed.and_then(|sealed| self.sealer.unseal(sealed, &which.context(sid)).ok());
            opened.is_some_and(|opened| opened.expose_secret() == secret.expose_secret())
        };
        let seal = |sealed: Option<&String>, secret: &SecretString, which: Secret| match sealed {
            Some(sealed) if is_unchanged(Some(sealed), secret, which) => Ok(sealed.clone()),
            _ => self.sealer.seal(secret, &which.context(sid)).map_err(|error| DbErr::Custom(error.to_string())),
        };
        let old = before.as_ref();
        let second = entry.secondary_auth_token.as_ref();
        let api_secret = entry.api_key_secret.as_ref();
        let row = account::Model {
            id: old.map_or_else(|| AccountId(tx.new_id()), |row| row.id),
            account_sid: sid.clone(),
            auth_token_sealed: seal(old.map(|row| &row.auth_token_sealed), &entry.auth_token, Secret::AuthToken)?,
            // Unlike other fields, an omitted secondary token is removed.
            secondary_auth_token_sealed: second
                .map(|secret| {
                    let sealed = old.and_then(|row| row.secondary_auth_token_sealed.as_ref());
                    seal(sealed, secret, Secret::SecondaryAuthToken)
                })
                .transpose()?,
            api_key_sid: entry.api_key_sid.clone(),
            api_key_secret_sealed: api_secret
                .map(|secret| {
                    let sealed = old.and_then(|row| row.api_key_secret_sealed.as_ref());
                    seal(sealed, secret, Secret::ApiKeySecret)
                })
                .transpose()?,
            trouble: old.and_then(|row| row.trouble),
            trouble_request: old.and_then(|row| row.trouble_request),
            trouble_since: old.and_then(|row| row.trouble_since),
            created_at: old.map_or(tx.now, |row| row.created_at),
            updated_at: old.map_or(tx.now, |row| row.updated_at),
        };
        match old {
            None => {
                add(tx.conn, row.clone()).await?;
                summary.created += 1;
            }
            Some(old) if *old != row => {
                save(tx.conn, account::Model { updated_at: tx.now, ..row.clone() }).await?;
                summary.updated += 1;
            }
            Some(_) => {}
        }
        Ok(row.id)
    }
}

async fn create_agency(
    tx: &mut Tx<'_>,
    entry: &AgencyEntry,
    name: &str,
    time_zone: &str,
) -> Result<agency::Model, DbErr> {
    let row = agency::Model {
        id: AgencyId(tx.new_id()),
        key: entry.key.clone(),
        name: name.to_owned(),
        time_zone: time_zone.to_owned(),
        twilio_account_id: None,
        default_user_id: None,
        opt_out_replies: OptOutReplies::Twilio,
        stop_reply: None,
        help_reply: None,
        calling_countries: None,
        messages_days: None,
        media_days: None,
        recordings_days: None,
        events_days: DEFAULT_EVENTS_DAYS,
        delete_at_carrier: false,
        created_at: tx.now,
        updated_at: tx.now,
    };
    add(tx.conn, row.clone()).await?;
    tx.begin_log(row.id).await?;
    tx.directory_updated(row.id, &row.id.to_string(), "apply", None)?;
    Ok(row)
}

/// Updates the agency's own fields. Runs last, because they may refer to a user that the file creates.
async fn update_agency(context: &mut Context<'_, '_>, entry: &AgencyEntry, before: agency::Model) -> Result<(), DbErr> {
    let default_user_id = match &entry.default_user {
        Some(key) => context.user(key, "defaultUser"),
        None => before.default_user_id,
    };
    let days = |of: fn(RetentionEntry) -> Option<Period>, before: Option<i32>| {
        entry.retention.and_then(of).map_or(before, Period::days)
    };
    let text = |of: fn(&OptOutTexts) -> Option<String>| entry.opt_out_texts.as_ref().and_then(of);
    let after = agency::Model {
        name: entry.name.clone().unwrap_or_else(|| before.name.clone()),
        time_zone: entry.time_zone.clone().unwrap_or_else(|| before.time_zone.clone()),
        twilio_account_id: context.account,
        default_user_id,
        opt_out_replies: entry.opt_out_replies.unwrap_or(before.opt_out_replies),
        stop_reply: text(|texts| texts.stop.clone()).or_else(|| before.stop_reply.clone()),
        calling_countries: entry
            .calling_countries
            .as_ref()
            .and_then(|countries| serde_json::to_string(countries).ok())
            .or_else(|| before.calling_countries.clone()),
        help_reply: text(|texts| texts.help.clone()).or_else(|| before.help_reply.clone()),
        messages_days: days(|entry| entry.messages, before.messages_days),
        media_days: days(|entry| entry.media, before.media_days),
        recordings_days: days(|entry| entry.recordings, before.recordings_days),
        events_days: days(|entry| entry.events, Some(before.events_days)).unwrap_or(before.events_days),
        delete_at_carrier: entry
            .retention
            .and_then(|entry| entry.delete_at_carrier)
            .unwrap_or(before.delete_at_carrier),
        ..before.clone()
    };
    if after != before {
        save(context.tx.conn, agency::Model { updated_at: context.tx.now, ..after }).await?;
        context.record_change(&before.id.to_string(), false)?;
    }
    Ok(())
}
