//! Who a bearer token speaks for.
//!
//! Tokens are JWTs (RFC 7519) with `sub` (the user's key), `agency` (the agency's key) and `exp`; with
//! `iss` and `aud`, if the settings name them. Ours are signed with the configured secret (HS256), an
//! issuer's with one of its published keys (RS256, ES256). They say who one is, never what one may:
//! role and activity are read from the directory each time.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode_header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::issuer_keys::{IssuerKeys, PinnedKey};
use super::{Fault, Services};
use crate::domain::{AgencyId, UserId};
use crate::entity::user;
use crate::ports::Clock;
use crate::ports::jwks::Jwks;

/// The longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How far an issuer's clock may be ahead of ours. For `exp` there is no leeway.
const LEEWAY_SECONDS: i64 = 5;
/// The longest life of a token that is signed with the configured secret.
pub const LONGEST_LIFE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Whom a token speaks for, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The user's agency.
    pub agency: AgencyId,
    /// The user.
    pub user: UserId,
    /// From then on the token is worth nothing.
    pub expires_at: DateTime<Utc>,
    /// The generation of a token of our own; `None` for an issuer's, which have none.
    generation: Option<i32>,
}

impl Identity {
    /// Whether the token is accepted from this user as they stand now: an active user who has not had it revoked.
    pub fn is_accepted(&self, user: &user::Model) -> bool {
        user.active && self.generation.is_none_or(|generation| generation == user.token_generation)
    }
}

/// Why a token is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// It is no token of ours, has expired, or its user is not there or not active. Which of them
    /// is not told.
    #[error("the token is not valid")]
    Invalid,
    /// It could not be checked.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Why there is no new token.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Tokens are the issuer's to make.
    #[error("tokens come from the issuer of PARTYLINE_JWKS_URL: PARTYLINE_JWT_SECRET is not set")]
    NoSecret,
    /// It would be valid for too long.
    #[error("a token is valid for at most {} days", LONGEST_LIFE.as_secs() / (24 * 60 * 60))]
    TooLong,
    /// It cannot be signed.
    #[error("the token cannot be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// Whose tokens are taken.
pub struct Trust<'a> {
    /// Signs our own.
    pub secret: Option<&'a SecretString>,
    /// An issuer's keys.
    pub issuer_keys: Option<Jwks>,
    /// What tokens must say in `iss`.
    pub issuer: Option<&'a str>,
    /// What tokens must say in `aud`.
    pub audience: Option<&'a str>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    agency: String,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    /// A token without one is of the first generation.
    #[serde(default, rename = "gen")]
    generation: i32,
}

/// The user that a new token is issued to.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The agency's key.
    pub agency: &'a str,
    /// The user's key.
    pub user: &'a str,
    /// The user's current generation of tokens.
    pub generation: i32,
}

#[derive(Debug, Serialize)]
struct OwnClaims<'a> {
    #[serde(flatten)]
    claims: Claims,
    /// The id of this token (RFC 7519, section 4.1.7).
    jti: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// Checks tokens, and makes them.
pub struct Authenticator {
    own: Option<(EncodingKey, PinnedKey)>,
    issuer_keys: Option<IssuerKeys>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Authenticator {
    /// An authenticator that trusts these.
    pub fn new(trust: Trust<'_>) -> Self {
        let own = trust.secret.map(|secret| {
            let secret = secret.expose_secret().as_bytes();
            let key = DecodingKey::from_secret(secret);
            (EncodingKey::from_secret(secret), PinnedKey { algorithm: Algorithm::HS256, key })
        });
        Self {
            own,
            issuer_keys: trust.issuer_keys.map(IssuerKeys::new),
            issuer: trust.issuer.map(str::to_owned),
            audience: trust.audience.map(str::to_owned),
        }
    }

    /// Whom this token speaks for.
    ///
    /// # Errors
    /// When it speaks for nobody, or cannot be checked.
    pub async fn authenticate(&self, services: &Services, token: &str) -> Result<Identity, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Invalid);
        }
        let pinned = self.key_of(token, &*services.clock).await?;
        let validation = self.validation(pinned.algorithm);
        let decoded = jsonwebtoken::decode::<Claims>(token, &pinned.key, &validation);
        let claims = decoded.map_err(|_| AuthError::Invalid)?.claims;
        let now = services.clock.now();
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(AuthError::Invalid)?;
        let too_early = claims.nbf.is_some_and(|nbf| nbf > now.timestamp().saturating_add(LEEWAY_SECONDS));
        if expires_at <= now || too_early {
            return Err(AuthError::Invalid);
        }
        let directory = services.directories.by_key(&claims.agency).await.map_err(Fault::from)?;
        let directory = directory.ok_or(AuthError::Invalid)?;
        let user = directory.user_by_key(&claims.sub).ok_or(AuthError::Invalid)?;
        let is_own = pinned.algorithm == Algorithm::HS256;
        if is_own && (expires_at - now).to_std().is_ok_and(|life| life > LONGEST_LIFE) {
            return Err(AuthError::Invalid);
        }
        let generation = is_own.then_some(claims.generation);
        let identity = Identity { agency: directory.agency_id(), user: user.id, expires_at, generation };
        if identity.is_accepted(user) { Ok(identity) } else { Err(AuthError::Invalid) }
    }

    /// The key that this token must be signed with. Its header only says which of ours to try: the
    /// algorithm is the key's own.
    async fn key_of(&self, token: &str, clock: &dyn Clock) -> Result<PinnedKey, AuthError> {
        let header = decode_header(token).map_err(|_| AuthError::Invalid)?;
        if header.alg == Algorithm::HS256 {
            return self.own.as_ref().map(|(_, key)| key.clone()).ok_or(AuthError::Invalid);
        }
        let keys = self.issuer_keys.as_ref().ok_or(AuthError::Invalid)?;
        let found = keys.find(header.kid.as_deref(), clock).await.map_err(Fault::from)?;
        found.filter(|key| key.algorithm == header.alg).ok_or(AuthError::Invalid)
    }

    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        let mut required = vec!["sub", "exp"];
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        match &self.audience {
            Some(audience) => {
                validation.set_audience(&[audience]);
                required.push("aud");
            }
            None => validation.validate_aud = false,
        }
        validation.set_required_spec_claims(&required);
        // Time is checked by the clock of the port.
        validation.validate_exp = false;
        validation
    }

    /// A token for a user, named `id`.
    ///
    /// # Errors
    /// If it would be valid for too long, or cannot be signed.
    pub fn issue(
        &self,
        subject: Subject<'_>,
        ttl: Duration,
        now: DateTime<Utc>,
        id: Uuid,
    ) -> Result<String, IssueError> {
        let (key, _) = self.own.as_ref().ok_or(IssueError::NoSecret)?;
        if ttl > LONGEST_LIFE {
            return Err(IssueError::TooLong);
        }
        let Subject { agency, user, generation } = subject;
        let exp = now.timestamp().saturating_add(i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX));
        let claims = Claims { sub: user.to_owned(), agency: agency.to_owned(), exp, nbf: None, generation };
        let claims = OwnClaims { claims, jti: id, iss: self.issuer.as_deref(), aud: self.audience.as_deref() };
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, key)?)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator")
    }
}
