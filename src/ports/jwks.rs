//! An issuer's public keys over HTTP (RFC 7517).

use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use reqwest::Client;
use reqwest::redirect::Policy;
use serde::Deserialize;
use url::Url;

const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// Many times what an issuer publishes.
const MAX_BYTES: usize = 256 * 1024;

/// The keys could not be had.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// There was no answer, or not the whole of it.
    #[error("the issuer's keys cannot be fetched")]
    Unreachable,
    /// The answer is no set of keys.
    #[error("what the issuer answers is no set of keys")]
    NoKeySet,
}

/// Where an issuer publishes its keys.
#[derive(Debug, Clone)]
pub struct Jwks {
    http: Client,
    url: Url,
}

impl Jwks {
    /// The keys at this address.
    ///
    /// # Errors
    /// When the machine's TLS cannot be set up.
    pub fn new(url: Url) -> Result<Self, reqwest::Error> {
        // The only provider that is built in; whoever installed it before us installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().timeout(ANSWER_WITHIN).redirect(Policy::none()).build()?;
        Ok(Self { http, url })
    }

    /// Fetches them. Keys of kinds that are not known here are left out.
    ///
    /// # Errors
    /// When they cannot be had.
    pub async fn fetch(&self) -> Result<Vec<Jwk>, JwksError> {
        #[derive(Deserialize)]
        struct KeySet {
            keys: Vec<serde_json::Value>,
        }
        let answer = self.http.get(self.url.clone()).send().await.and_then(reqwest::Response::error_for_status);
        let mut answer = answer.map_err(|_| JwksError::Unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|_| JwksError::Unreachable)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(JwksError::NoKeySet);
            }
            body.extend_from_slice(&chunk);
        }
        let set: KeySet = serde_json::from_slice(&body).map_err(|_| JwksError::NoKeySet)?;
        Ok(set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect())
    }
}
