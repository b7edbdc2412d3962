//! A cache of Twilio accounts with their secrets decrypted, for checking signatures and for calling the REST API. While
//! the database answers, an entry is at most [`CACHE_TTL`] old.

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

const CACHE_TTL: Duration = Duration::from_secs(1);
/// The time limit for reading an account that is cached. After it, the expired entry is used.
const READ_TIMEOUT: Duration = Duration::from_secs(1);

/// A Twilio account with its secrets decrypted.
#[derive(Debug)]
pub struct Account {
    pub id: AccountId,
    pub sid: String,
    /// The auth tokens: one, or two during a rotation.
    pub auth_tokens: Vec<SecretString>,
    /// SID and secret of the API key for REST requests, if the account has one.
    pub api_key: Option<(String, SecretString)>,
    /// The reason why Twilio does not serve the account, and the request that showed it. `None` while Twilio serves it.
    pub trouble: Option<OpenTrouble>,
    secondary_first: Arc<AtomicBool>,
}

impl Account {
    /// The credentials for Twilio's REST API: the API key if there is one, otherwise the auth tokens.
    pub fn credentials(&self) -> Option<Credentials> {
        let (username, password, secondary) = match &self.api_key {
            Some((sid, secret)) => (sid.clone(), secret.clone(), None),
            None => (self.sid.clone(), self.auth_tokens.first()?.clone(), self.auth_tokens.get(1).cloned()),
        };
        let secondary_first = self.secondary_first.clone();
        Some(Credentials { account_sid: self.sid.clone(), username, password, secondary, secondary_first })
    }
}

/// The secrets of an account that are stored sealed.
#[derive(Debug, Clone, Copy)]
pub enum Secret {
    AuthToken,
    SecondaryAuthToken,
    ApiKeySecret,
}

impl Secret {
    /// The context that the secret is sealed for: see [`Sealer::seal`].
    pub fn context(self, account_sid: &str) -> String {
        let name = match self {
            Self::AuthToken => "auth-token",
            Self::SecondaryAuthToken => "secondary-auth-token",
            Self::ApiKeySecret => "api-key-secret",
        };
        format!("{account_sid}/{name}")
    }
}

/// The account cache, by SID.
#[derive(Debug)]
pub struct Accounts {
    conn: DatabaseConnection,
    sealer: Arc<Sealer>,
    clock: Arc<dyn Clock>,
    cache: RwLock<HashMap<String, (Arc<Account>, Duration)>>,
}

impl Accounts {
    pub fn new(conn: DatabaseConnection, sealer: Arc<Sealer>, clock: Arc<dyn Clock>) -> Self {
        Self { conn, sealer, clock, cache: RwLock::default() }
    }

    /// Fills the cache, so that the first webhooks after a start do not depend on how fast the database answers. An
    /// account whose secrets cannot be decrypted is left out: each use of it reports the error.
    pub async fn load(&self) -> Result<(), DbErr> {
        let now = self.clock.monotonic();
        let rows = store::accounts::all(&self.conn).await?;
        let opened = rows.iter().filter_map(|row| self.open(row).ok());
        let entries = opened.map(|account| (account.sid.clone(), (Arc::new(account), now)));
        self.cache.write().unwrap_or_else(PoisonError::into_inner).extend(entries);
        Ok(())
    }

    /// The account with this SID; `None` if there is none. While the database does not answer, returns the cached
    /// account.
    ///
    /// # Errors
    /// When the account is not cached and the database fails, or when a secret cannot be decrypted. This differs from
    /// `None`: the webhook may be authentic, so the sender must repeat it.
    pub async fn by_sid(&self, sid: &str) -> Result<Option<Arc<Account>>, Fault> {
        let now = self.clock.monotonic();
        let known = self.cache.read().unwrap_or_else(PoisonError::into_inner).get(sid).cloned();
        if let Some((account, read)) = &known
            && now.saturating_sub(*read) < CACHE_TTL
        {
            return Ok(Some(account.clone()));
        }
        let read = tokio::select! {
            read = store::accounts::by_sid(&self.conn, sid) => read,
            () = self.clock.sleep(READ_TIMEOUT), if known.is_some() => {
                Err(DbErr::Custom("timed out reading an account".to_owned()))
            }
        };
        let row = match (read, &known) {
            (Ok(row), _) => row,
            // Webhooks of live calls must be answered even now. A request that has to store something fails in the
            // writer.
            (Err(_), Some((account, _))) => return Ok(Some(account.clone())),
            (Err(error), None) => return Err(error.into()),
        };
        let mut account = row.map(|row| self.open(&row)).transpose()?;
        // Keeps the knowledge of which token Twilio accepts for as long as the account is cached.
        if let (Some(account), Some((known, _))) = (&mut account, known) {
            account.secondary_first = known.secondary_first.clone();
        }
        let account = account.map(Arc::new);
        // Unknown SIDs are not cached, so requests from outside cannot fill the cache.
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        match &account {
            Some(account) => cache.insert(sid.to_owned(), (account.clone(), now)),
            None => cache.remove(sid),
        };
        Ok(account)
    }

    /// The account with this id; `None` if there is none. Fails as [`Self::by_sid`] does.
    pub async fn by_id(&self, id: AccountId) -> Result<Option<Arc<Account>>, Fault> {
        let now = self.clock.monotonic();
        {
            let cache = self.cache.read().unwrap_or_else(PoisonError::into_inner);
            let fresh = |read: Duration| now.saturating_sub(read) < CACHE_TTL;
            if let Some((account, _)) = cache.values().find(|(account, read)| account.id == id && fresh(*read)) {
                return Ok(Some(account.clone()));
            }
        }
        match store::accounts::by_id(&self.conn, id).await? {
            Some(row) => self.by_sid(&row.account_sid).await,
            None => Ok(None),
        }
    }

    /// Expires a cache entry after a change of its row, so that the next use reads the database.
    pub(super) fn expire(&self, sid: &str) {
        let mut cache = self.cache.write().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, read)) = cache.get_mut(sid) {
            *read = read.saturating_sub(CACHE_TTL);
        }
    }

    /// Decrypts the secrets of an account. Fails if they were sealed under another key.
    pub fn open(&self, row: &account::Model) -> Result<Account, UnsealError> {
        let open = |sealed: &str, which: Secret| self.sealer.unseal(sealed, &which.context(&row.account_sid));
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
