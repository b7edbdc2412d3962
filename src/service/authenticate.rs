//! Who a bearer token speaks for.
//!
//! Tokens are JWTs (RFC 7519), HS256 under the configured secret, with `sub` (the user's key),
//! `agency` (the agency's key) and `exp`. They say who one is, never what one may: role and activity
//! are read from the directory each time.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{Fault, Services};
use crate::domain::{AgencyId, UserId};

/// The longest token that is looked at.
const MAX_TOKEN_BYTES: usize = 4096;

/// Whom a token speaks for, and until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// The user's agency.
    pub agency: AgencyId,
    /// The user.
    pub user: UserId,
    /// From then on the token is worth nothing.
    pub expires_at: DateTime<Utc>,
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

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    agency: String,
    exp: i64,
}

/// Checks tokens, and makes them for the command line.
pub struct Authenticator {
    encoding: EncodingKey,
    decoding: DecodingKey,
    validation: Validation,
}

impl Authenticator {
    /// An authenticator under the configured secret.
    pub fn new(secret: &SecretString) -> Self {
        let secret = secret.expose_secret().as_bytes();
        // The algorithm is ours, never the token's header's.
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_required_spec_claims(&["sub", "exp"]);
        // Expiry is checked below, by the clock of the port and without leeway.
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self { encoding: EncodingKey::from_secret(secret), decoding: DecodingKey::from_secret(secret), validation }
    }

    /// Whom this token speaks for.
    ///
    /// # Errors
    /// When it speaks for nobody, or cannot be checked.
    pub async fn authenticate(&self, services: &Services, token: &str) -> Result<Identity, AuthError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(AuthError::Invalid);
        }
        let decoded = jsonwebtoken::decode::<Claims>(token, &self.decoding, &self.validation);
        let claims = decoded.map_err(|_| AuthError::Invalid)?.claims;
        let expires_at = DateTime::from_timestamp(claims.exp, 0).ok_or(AuthError::Invalid)?;
        if expires_at <= services.clock.now() {
            return Err(AuthError::Invalid);
        }
        let directory = services.directories.by_key(&claims.agency).await.map_err(Fault::from)?;
        let directory = directory.ok_or(AuthError::Invalid)?;
        let user = directory.user_by_key(&claims.sub).filter(|user| user.active).ok_or(AuthError::Invalid)?;
        Ok(Identity { agency: directory.agency_id(), user: user.id, expires_at })
    }

    /// A token for a user, by the stable names.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn issue(
        &self,
        agency: &str,
        user: &str,
        ttl: Duration,
        now: DateTime<Utc>,
    ) -> Result<String, jsonwebtoken::errors::Error> {
        let ttl = i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX);
        let exp = now.timestamp().saturating_add(ttl);
        let claims = Claims { sub: user.to_owned(), agency: agency.to_owned(), exp };
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.encoding)
    }
}

impl fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authenticator")
    }
}
