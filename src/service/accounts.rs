//! Twilio accounts with their tokens open, for checking signatures. Never more than a second old.

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use sea_orm::{DatabaseConnection, DbErr};
use secrecy::SecretString;

use super::Fault;
use super::seal::{Sealer, UnsealError};
use crate::domain::AccountId;
use crate::domain::account_trouble::OpenTrouble;
use crate::entity::account;
use crate::ports::Clock;
use crate::ports::twilio_rest::Credentials;
use crate::store;

/// How old a cached account may be.
const FRESH: Duration = Duration::from_secs(1);
/// How long the database is waited for before what was known last is used.
const PATIENCE: Duration = Duration::from_secs(1);

/// An account, ready to check signatures with.
#[derive(Debug)]
pub struct Account {
    /// Our id of it.
    pub id: AccountId,
    /// Twilio's name for it.
    pub sid: String,
    /// Its auth tokens: one, or two while they are rotated.
    pub auth_tokens: Vec<SecretString>,
    /// SID and secret of the API key for REST calls, if one is used.
    pub api_key: Option<(String, SecretString)>,
    /// Why Twilio does not serve it, and which request met that; `None` while Twilio does.
    pub trouble: Option<OpenTrouble>,
    secondary_first: Arc<AtomicBool>,
}

impl Account {
    /// What to ask Twilio's REST API with: the API key, or else the auth tokens.
    pub fn credentials(&self) -> Option<Credentials> {
        let (username, password, secondary) = match &self.api_key {
            Some((sid, secret)) => (sid.clone(), secret.clone(), None),
            None => (self.sid.clone(), self.auth_tokens.first()?.clone(), self.auth_tokens.get(1).cloned()),
        };
        let secondary_first = self.secondary_first.clone();
        Some(Credentials { account_sid: self.sid.clone(), username, password, secondary, secondary_first })
    }
}

/// Which of an account's secrets a sealed text is.
#[derive(Debug, Clone, Copy)]
pub enum Secret {
    /// The auth token.
    AuthToken,
    /// The secondary one.
    SecondaryAuthToken,
    /// The API key's secret.
    ApiKeySecret,
}

impl Secret {
    /// The place it is sealed for.
    pub fn place(self, account_sid: &str) -> String {
        let name = match self {
            Self::AuthToken => "auth-token",
            Self::SecondaryAuthToken => "secondary-auth-token",
            Self::ApiKeySecret => "api-key-secret",
        };
        format!("{account_sid}/{name}")
    }
}

/// Accounts by SID.
#[derive(Debug)]
pub struct Accounts {
    conn: DatabaseConnection,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    cache: RwLock<HashMap<String, (Arc<Account>, Duration)>>,
}

impl Accounts {
    /// An empty cache over a pool that reads.
    pub fn new(conn: DatabaseConnection, sealer: Arc<Sealer>, clock: Arc<dyn Clock>) -> Self {
        Self { conn, sealer, clock, cache: RwLock::default() }
    }

    /// Reads all accounts, so that the first webhooks after a start do not depend on how fast the database answers. An
    /// account whose tokens do not open is left out here: each use of it reports why.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(&self) -> Result<(), DbErr> {
        let now = self.clock.monotonic();
        let rows = store::accounts::all(&self.conn).await?;
        let opened = rows.iter().filter_map(|row| self.open(row).ok());
        let entries = opened.map(|account| (account.sid.clone(), (Arc::new(account), now)));
        self.cache.write().unwrap_or_else(PoisonError::into_inner).extend(entries);
        Ok(())
    }

    /// The account with this SID; `None` if there is none. While the database does not answer, as it was last known.
    ///
    /// # Errors
    /// When the database fails, or the account's tokens do not open. That is no `None`: what it is
    /// sent may be authentic, and must be asked for again.
    pub async fn by_sid(&self, sid: &str) -> Result<Option<Arc<Account>>, Fault> {
        let now = self.clock.monotonic();
        let known = self.cache.read().unwrap_or_else(PoisonError::into_inner).get(sid).cloned();
        if let Some((account, read)) = &known
            && now.saturating_sub(*read) < FRESH
        {
            return Ok(Some(account.clone()));
        }
        let read = tokio::select! {
            read = store::accounts::by_sid(&self.conn, sid) => read,
            () = self.clock.sleep(PATIENCE), if known.is_some() => Err(DbErr::Custom("the accounts were not read in time".to_owned())),
        };
        let row = match (read, &known) {
            (Ok(row), _) => row,
            // A caller is on the line, and is answered from memory. What must be stored is refused there.
            (Err(_), Some((account, _))) => return Ok(Some(account.clone())),
            (Err(error), None) => return Err(error.into()),
        };
        let mut account = row.map(|row| self.open(&row)).transpose()?;
        // Which token Twilio accepts is remembered as long as the account is.
        if let (Some(account), Some((known, _))) = (&mut account, known) {
            account.secondary_first = known.secondary_first.clone();
        }
        let account = account.map(Arc::new);
        // Only accounts that are there are kept, so nobody outside can fill this.
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        match &account {
            Some(account) => cache.insert(sid.to_owned(), (account.clone(), now)),
            None => cache.remove(sid),
        };
        Ok(account)
    }

    /// The account with this id; `None` if there is none.
    ///
    /// # Errors
    /// As of [`Self::by_sid`].
    pub async fn by_id(&self, id: AccountId) -> Result<Option<Arc<Account>>, Fault> {
        let now = self.clock.monotonic();
        {
            let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
            let fresh = |read: Duration| now.saturating_sub(read) < FRESH;
            if let Some((account, _)) = cache.values().find(|(account, read)| account.id == id && fresh(*read)) {
                return Ok(Some(account.clone()));
            }
        }
        match store::accounts::by_id(&self.conn, id).await? {
            Some(row) => self.by_sid(&row.account_sid).await,
            None => Ok(None),
        }
    }

    /// Makes the next use of an account read it from the database, because its row has changed.
    pub(super) fn expire(&self, sid: &str) {
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, read)) = cache.get_mut(sid) {
            *read = read.saturating_sub(FRESH);
        }
    }

    /// Opens the secrets of an account.
    ///
    /// # Errors
    /// When they were sealed under another key.
    pub fn open(&self, row: &account::Model) -> Result<Account, UnsealError> {
        let open = |sealed: &str, which: Secret| self.sealer.unseal(sealed, &which.place(&row.account_sid));
        let mut auth_tokens = vec![open(&row.auth_token_sealed, Secret::AuthToken)?];
        if let Some(sealed) = &row.secondary_auth_token_sealed {
            auth_tokens.push(open(sealed, Secret::SecondaryAuthToken)?);
        }
        let api_key = match (&row.api_key_sid, &row.api_key_secret_sealed) {
            (Some(sid), Some(sealed)) => Some((sid.clone(), open(sealed, Secret::ApiKeySecret)?)),
            _ => None,
        };
        Ok(Account {
            id: row.id,
            sid: row.account_sid.clone(),
            auth_tokens,
            api_key,
            trouble: row.trouble.zip(row.trouble_request),
            secondary_first: Arc::default(),
        })
    }
}
