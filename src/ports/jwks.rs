//! Fetches the public keys of a token issuer over HTTP (RFC 7517).

use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use reqwest::Client;
use reqwest::redirect::Policy;
use serde::Deserialize;
use url::Url;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// Far more than the key set of any issuer.
const MAX_BYTES: usize = 256 * 1024;

/// An error while fetching an issuer's keys.
#[derive(Debug, thiserror::Error)]
pub enum JwksError {
    /// There was no response, an incomplete response, or an error status.
    #[error("the issuer's keys cannot be fetched")]
    Unreachable,
    /// The response is not a JWK Set, or it is too large.
    #[error("the issuer's response is not a JSON Web Key Set")]
    InvalidKeySet,
}

/// A client for the key set of one issuer.
#[derive(Debug, Clone)]
pub struct Jwks {
    http: Client,
    url: Url,
}

impl Jwks {
    /// A client for the JWK Set at this URL.
    ///
    /// # Errors
    /// Returns an error if TLS cannot be set up.
    pub fn new(url: Url) -> Result<Self, reqwest::Error> {
        // Fails if a provider is installed already. That is the same one, because only one is compiled in.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().timeout(REQUEST_TIMEOUT).redirect(Policy::none()).build()?;
        Ok(Self { http, url })
    }

    /// Fetches the keys. Keys of unsupported types are left out.
    pub async fn fetch(&self) -> Result<Vec<Jwk>, JwksError> {
        #[derive(Deserialize)]
        struct KeySet {
            keys: Vec<serde_json::Value>,
        }
        let response = self.http.get(self.url.clone()).send().await.and_then(reqwest::Response::error_for_status);
        let mut response = response.map_err(|_| JwksError::Unreachable)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|_| JwksError::Unreachable)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(JwksError::InvalidKeySet);
            }
            body.extend_from_slice(&chunk);
        }
        let set: KeySet = serde_json::from_slice(&body).map_err(|_| JwksError::InvalidKeySet)?;
        Ok(set.keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect())
    }
}
