//! An issuer's public keys in memory. Each is good for one algorithm: which, is the key's to say and
//! never the token's.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use tokio::sync::Mutex;

use crate::ports::Clock;
use crate::ports::jwks::{Jwks, JwksError};

/// Anybody can name a key that there is not: the issuer is asked no more often than this.
const ASK_AGAIN_AFTER: Duration = Duration::from_secs(60);
/// A key that the issuer has withdrawn is taken no longer than this.
const FRESH_FOR: Duration = Duration::from_secs(15 * 60);

/// A key and the one algorithm it is for.
#[derive(Clone)]
pub(super) struct PinnedKey {
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// The keys of one issuer.
pub(super) struct IssuerKeys {
    source: Jwks,
    held: RwLock<Held>,
    /// The last time that the issuer was asked, and whether it answered. Who holds it may ask.
    asked: Mutex<Option<(Duration, bool)>>,
}

#[derive(Clone, Default)]
struct Held {
    keys: Arc<HashMap<String, PinnedKey>>,
    since: Duration,
}

impl IssuerKeys {
    pub(super) fn new(source: Jwks) -> Self {
        Self { source, held: RwLock::default(), asked: Mutex::default() }
    }

    /// The key of this name; of no name, the only one there is.
    ///
    /// # Errors
    /// When it is not known and the issuer does not answer.
    pub(super) async fn find(&self, name: Option<&str>, clock: &dyn Clock) -> Result<Option<PinnedKey>, JwksError> {
        // Nobody waits for an answer of the issuer whose key is there and fresh.
        let now = clock.monotonic();
        if let Some(key) = self.held().find(name, now, FRESH_FOR) {
            return Ok(Some(key));
        }
        let mut asked = self.asked.lock().await;
        if asked.is_none_or(|(at, _)| now.saturating_sub(at) >= ASK_AGAIN_AFTER) {
            let fetched = self.source.fetch().await;
            *asked = Some((now, fetched.is_ok()));
            match fetched {
                Ok(keys) => {
                    let keys = Arc::new(keys.iter().filter_map(pin).collect());
                    *self.held.write().unwrap_or_else(PoisonError::into_inner) = Held { keys, since: now };
                }
                Err(error) => tracing::warn!(%error, "the issuer's keys were not refreshed"),
            }
        }
        // While the issuer does not answer, an old key stands.
        match (self.held().find(name, now, Duration::MAX), *asked) {
            (Some(key), _) => Ok(Some(key)),
            // Whether it is a new key or none cannot be told now.
            (None, Some((_, false))) => Err(JwksError::Unreachable),
            (None, _) => Ok(None),
        }
    }

    fn held(&self) -> Held {
        self.held.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Held {
    fn find(&self, name: Option<&str>, now: Duration, fresh_for: Duration) -> Option<PinnedKey> {
        if now.saturating_sub(self.since) >= fresh_for {
            return None;
        }
        match name {
            Some(name) => self.keys.get(name).cloned(),
            None if self.keys.len() == 1 => self.keys.values().next().cloned(),
            None => None,
        }
    }
}

/// A key for signatures of RS256 or ES256 under its name; every other is left out.
fn pin(jwk: &Jwk) -> Option<(String, PinnedKey)> {
    if jwk.common.public_key_use.as_ref().is_some_and(|used| *used != PublicKeyUse::Signature) {
        return None;
    }
    let (algorithm, named) = match &jwk.algorithm {
        AlgorithmParameters::RSA(_) => (Algorithm::RS256, KeyAlgorithm::RS256),
        AlgorithmParameters::EllipticCurve(curve) if curve.curve == EllipticCurve::P256 => {
            (Algorithm::ES256, KeyAlgorithm::ES256)
        }
        _ => return None,
    };
    if jwk.common.key_algorithm.is_some_and(|said| said != named) {
        return None;
    }
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some((jwk.common.key_id.clone().unwrap_or_default(), PinnedKey { algorithm, key }))
}
