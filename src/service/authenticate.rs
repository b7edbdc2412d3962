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
    /// The session of a token that is signed with the configured secret; `None` for a token of an external issuer.
    pub session: Option<Session>,
}

/// The session that a token of our own belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// The user's token generation when the session began.
    pub generation: i32,
    /// When the user signed in; `None` if the token does not say it.
    pub began_at: Option<DateTime<Utc>>,
}

impl Identity {
    /// Checks that the token is still accepted: its user exists and is active, and the token has not been revoked.
    pub fn check(&self, user: Option<&user::Model>) -> Result<(), TokenProblem> {
        let user = user.ok_or(TokenProblem::Invalid)?;
        if !user.active {
            return Err(TokenProblem::Inactive);
        }
        match self.session {
            Some(session) if session.generation != user.token_generation => Err(TokenProblem::Revoked),
            _ => Ok(()),
        }
    }
}

/// The reason why a token is not accepted. The last three are told only to holders of a token with a valid signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    /// The token is missing, forged or malformed, or its user does not exist.
    #[error("the token is not valid")]
    Invalid,
    #[error("the token has expired")]
    Expired,
    #[error("the token was revoked")]
    Revoked,
    /// The user was deactivated.
    #[error("the user of the token is not active")]
    Inactive,
}

impl TokenProblem {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "INVALID",
            Self::Expired => "EXPIRED",
            Self::Revoked => "REVOKED",
            Self::Inactive => "INACTIVE",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum AuthError {
    #[error(transparent)]
    Rejected(#[from] TokenProblem),
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
    /// When the user signed in, in seconds. Renewed tokens keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    auth_time: Option<i64>,
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
            return Err(TokenProblem::Invalid.into());
        }
        let pinned = self.key_of(token, &*services.clock).await?;
        let validation = self.validation(pinned.algorithm);
        let decoded = jsonwebtoken::decode::<Claims>(token, &pinned.key, &validation);
        let claims = decoded.map_err(|_| TokenProblem::Invalid)?.claims;
        let now = services.clock.now();
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(TokenProblem::Invalid)?;
        if claims.nbf.is_some_and(|nbf| nbf > now.timestamp().saturating_add(LEEWAY_SECONDS)) {
            return Err(TokenProblem::Invalid.into());
        }
        if expires_at <= now {
            return Err(TokenProblem::Expired.into());
        }
        let is_own = pinned.algorithm == Algorithm::HS256;
        if is_own && (expires_at - now).to_std().is_ok_and(|life| life > MAX_TOKEN_LIFETIME) {
            return Err(TokenProblem::Invalid.into());
        }
        let directory = services.directories.by_key(&claims.agency).await.map_err(Fault::from)?;
        let directory = directory.ok_or(TokenProblem::Invalid)?;
        let user = directory.user_by_key(&claims.sub).ok_or(TokenProblem::Invalid)?;
        let session = is_own.then(|| Session {
            generation: claims.generation,
            began_at: claims.auth_time.and_then(|at| DateTime::from_timestamp(at, 0)),
        });
        let identity = Identity { agency: directory.agency_id(), user: user.id, expires_at, session };
        identity.check(Some(user))?;
        Ok(identity)
    }

    /// The key that this token must be signed with. The token's header only selects among the trusted keys: each key is
    /// pinned to its algorithm.
    async fn key_of(&self, token: &str, clock: &dyn Clock) -> Result<PinnedKey, AuthError> {
        let header = decode_header(token).map_err(|_| TokenProblem::Invalid)?;
        if header.alg == Algorithm::HS256 {
            return Ok(self.own.as_ref().map(|(_, key)| key.clone()).ok_or(TokenProblem::Invalid)?);
        }
        let keys = self.issuer_keys.as_ref().ok_or(TokenProblem::Invalid)?;
        let found = keys.find(header.kid.as_deref(), clock).await.map_err(Fault::from)?;
        Ok(found.filter(|key| key.algorithm == header.alg).ok_or(TokenProblem::Invalid)?)
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

    /// Issues the first token of a session, for a user who signs in now. `id` becomes the `jti` claim.
    pub fn issue(
        &self,
        subject: Subject<'_>,
        ttl: Duration,
        now: DateTime<Utc>,
        id: Uuid,
    ) -> Result<String, IssueError> {
        if ttl > MAX_TOKEN_LIFETIME {
            return Err(IssueError::TooLong);
        }
        self.sign(subject, now, now + ttl, id)
    }

    /// Issues a token of a session that began at `signed_in_at`.
    pub(super) fn sign(
        &self,
        subject: Subject<'_>,
        signed_in_at: DateTime<Utc>,
        expires_at: DateTime<Utc>,
        id: Uuid,
    ) -> Result<String, IssueError> {
        let (key, _) = self.own.as_ref().ok_or(IssueError::NoSecret)?;
        let Subject { agency, user, generation } = subject;
        let claims = Claims {
            sub: user.to_owned(),
            agency: agency.to_owned(),
            exp: expires_at.timestamp(),
            nbf: None,
            generation,
            auth_time: Some(signed_in_at.timestamp()),
        };
        let claims = OwnClaims { claims, jti: id, iss: self.issuer.as_deref(), aud: self.audience.as_deref() };
        Ok(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, key)?)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator")
    }
}
