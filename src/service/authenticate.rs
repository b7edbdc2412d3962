//! Authentication with bearer tokens.
//!
//! Tokens are JWTs (RFC 7519) with `sub` (the user's key), `agency` (the agency's key) and `exp`, and with `iss` and
//! `aud` if the settings require them. Tokens that Partyline issues are signed with the configured secret (HS256),
//! tokens of an external issuer with one of its published keys (RS256, ES256). A token identifies a user and grants
//! nothing: role and active state are read from the directory each time.

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

const MAX_TOKEN_BYTES: usize = 8 * 1024;
/// How far the issuer's clock may be ahead of this server's, for `nbf`. There is no leeway for `exp`.
const LEEWAY_SECONDS: i64 = 5;
/// The longest validity of a token that is signed with the configured secret.
pub const MAX_TOKEN_LIFETIME: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// The user that a token identifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    pub agency: AgencyId,
    pub user: UserId,
    /// The token is invalid from this time on.
    pub expires_at: DateTime<Utc>,
    /// The generation of a token that Partyline issued; `None` for a token of an external issuer.
    generation: Option<i32>,
}

impl Identity {
    /// Whether the token is still accepted: the user is active and the token has not been revoked.
    pub fn is_accepted(&self, user: &user::Model) -> bool {
        user.active && self.generation.is_none_or(|generation| generation == user.token_generation)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    /// The token is forged, malformed, expired or revoked, or its user does not exist or is not active. The response
    /// does not tell these cases apart.
    #[error("the token is not valid")]
    Invalid,
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Errors of [`Authenticator::issue`].
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    #[error(
        "cannot issue a token: PARTYLINE_JWT_SECRET is not set, and tokens come from the issuer of PARTYLINE_JWKS_URL"
    )]
    NoSecret,
    #[error("a token can be valid for at most {} days", MAX_TOKEN_LIFETIME.as_secs() / (24 * 60 * 60))]
    TooLong,
    #[error("the token cannot be signed")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// The keys and claims that tokens are checked against.
pub struct TokenPolicy<'a> {
    /// The secret that signs the tokens that Partyline issues.
    pub secret: Option<&'a SecretString>,
    /// The keys of an external issuer.
    pub issuer_keys: Option<Jwks>,
    /// The required `iss` claim.
    pub issuer: Option<&'a str>,
    /// The required `aud` claim.
    pub audience: Option<&'a str>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    agency: String,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    /// A token without this claim belongs to the first generation.
    #[serde(default, rename = "gen")]
    generation: i32,
}

/// The user of an issued token.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The agency's key.
    pub agency: &'a str,
    /// The user's key.
    pub user: &'a str,
    /// The user's current token generation.
    pub generation: i32,
}

#[derive(Debug, Serialize)]
struct OwnClaims<'a> {
    #[serde(flatten)]
    claims: Claims,
    /// Token id (RFC 7519, section 4.1.7).
    jti: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
}

/// Checks and issues tokens.
pub struct Authenticator {
    own: Option<(EncodingKey, PinnedKey)>,
    issuer_keys: Option<IssuerKeys>,
    issuer: Option<String>,
    audience: Option<String>,
}

impl Authenticator {
    pub fn new(trust: TokenPolicy<'_>) -> Self {
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

    /// The user that this token identifies.
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
        if is_own && (expires_at - now).to_std().is_ok_and(|life| life > MAX_TOKEN_LIFETIME) {
            return Err(AuthError::Invalid);
        }
        let generation = is_own.then_some(claims.generation);
        let identity = Identity { agency: directory.agency_id(), user: user.id, expires_at, generation };
        if identity.is_accepted(user) { Ok(identity) } else { Err(AuthError::Invalid) }
    }

    /// The key that this token must be signed with. The token's header only selects among the trusted keys: each key is
    /// pinned to its algorithm.
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
        // `authenticate` checks the expiry against the injected clock.
        validation.validate_exp = false;
        validation
    }

    /// Issues a token for a user. `id` becomes the `jti` claim.
    pub fn issue(
        &self,
        subject: Subject<'_>,
        ttl: Duration,
        now: DateTime<Utc>,
        id: Uuid,
    ) -> Result<String, IssueError> {
        let (key, _) = self.own.as_ref().ok_or(IssueError::NoSecret)?;
        if ttl > MAX_TOKEN_LIFETIME {
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
