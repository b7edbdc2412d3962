//! A cache of an issuer's public keys. Each key is valid for one algorithm, which the key determines and never the
//! token.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;

use crate::ports::Clock;
use crate::ports::jwks::{Jwks, JwksError};

/// The shortest time between two requests to the issuer. Without it, tokens with unknown key ids would cause a request
/// each.
const MIN_FETCH_INTERVAL: Duration = Duration::from_secs(60);
/// The age at which cached keys are fetched again. Bounds how long a withdrawn key is accepted while the issuer
/// answers.
const CACHE_TTL: Duration = Duration::from_secs(15 * 60);

/// A key and the only algorithm that it is accepted for.
#[derive(Clone)]
pub(super) struct PinnedKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

pub(super) struct IssuerKeys {
    source: Jwks,
    cached: RwLock<CachedKeys>,
    /// The time and the success of the last request to the issuer. The lock makes requests single-flight.
    last_fetch: Mutex<Option<(Duration, bool)>>,
}

#[derive(Clone, Default)]
struct CachedKeys {
    keys: Arc<HashMap<String, PinnedKey>>,
    fetched_at: Duration,
}

impl IssuerKeys {
    pub(super) fn new(source: Jwks) -> Self {
        Self { source, cached: RwLock::default(), last_fetch: Mutex::default() }
    }

    /// The key with this key id (`kid`), or the issuer's only key if the token has no key id.
    ///
    /// # Errors
    /// When the key is not cached and the issuer does not answer.
    pub(super) async fn find(&self, key_id: Option<&str>, clock: &dyn Clock) -> Result<Option<PinnedKey>, JwksError> {
        // A fresh key is returned without taking the lock, so it never waits for a request to the issuer.
        let now = clock.monotonic();
        if let Some(key) = self.cached().find(key_id, now, CACHE_TTL) {
            return Ok(Some(key));
        }
        let mut last_fetch = self.last_fetch.lock().await;
        if last_fetch.is_none_or(|(at, _)| now.saturating_sub(at) >= MIN_FETCH_INTERVAL) {
            let fetched = self.source.fetch().await;
            *last_fetch = Some((now, fetched.is_ok()));
            match fetched {
                Ok(keys) => {
                    let keys = Arc::new(keys.iter().filter_map(pin).collect());
                    *self.cached.write().unwrap_or_else(PoisonError::into_inner) = CachedKeys { keys, fetched_at: now };
                }
                Err(error) => tracing::warn!(%error, "failed to refresh the issuer's keys"),
            }
        }
        // While the issuer does not answer, expired keys are still accepted.
        match (self.cached().find(key_id, now, Duration::MAX), *last_fetch) {
            (Some(key), _) => Ok(Some(key)),
            // This may be a new key of the issuer, so the token cannot be rejected.
            (None, Some((_, false))) => Err(JwksError::Unreachable),
            (None, _) => Ok(None),
        }
    }

    fn cached(&self) -> CachedKeys {
        self.cached.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl CachedKeys {
    fn find(&self, key_id: Option<&str>, now: Duration, max_age: Duration) -> Option<PinnedKey> {
        if now.saturating_sub(self.fetched_at) >= max_age {
            return None;
        }
        match key_id {
            Some(key_id) => self.keys.get(key_id).cloned(),
            None if self.keys.len() == 1 => self.keys.values().next().cloned(),
            None => None,
        }
    }
}

/// The key id and the key, if it is a signature key for RS256 or ES256.
fn pin(jwk: &Jwk) -> Option<(String, PinnedKey)> {
    if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
        return None;
    }
    let (algorithm, expected) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|declared| declared != expected) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone().unwrap_or_default(), PinnedKey { algorithm, key }))
}
