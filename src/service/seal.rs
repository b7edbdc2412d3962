//! Encryption of secrets at rest, such as Twilio tokens.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chacha20poly1305::aead::{Aead as _, Payload};
use chacha20poly1305::{KeyInit as _, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

use crate::ports::IdGen;

const NONCE_BYTES: usize = 24;

/// Encrypts with XChaCha20-Poly1305 under the SHA-256 of the configured secret.
pub struct Sealer {
    current: XChaCha20Poly1305,
    previous: Option<XChaCha20Poly1305>,
    ids: Arc<dyn IdGen>,
}

/// The sealed text was made with another secret or for another context, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret cannot be decrypted: PARTYLINE_SECRET_KEY may have changed")]
pub struct UnsealError;

impl Sealer {
    /// Seals under `current`, a secret of any length. Also unseals what was sealed under `previous`.
    pub fn new(current: &SecretString, previous: Option<&SecretString>, ids: Arc<dyn IdGen>) -> Self {
        let cipher = |secret: &SecretString| XChaCha20Poly1305::new(&Sha256::digest(secret.expose_secret().as_bytes()));
        Self { current: cipher(current), previous: previous.map(cipher), ids }
    }

    /// Whether a key rotation is configured, so that stored secrets must be sealed again.
    pub fn has_previous(&self) -> bool {
        self.previous.is_some()
    }

    /// Seals a secret for one context, such as an account and a field: it is authenticated with the secret, so the
    /// sealed text cannot be unsealed with another context. Fails only for secrets beyond the cipher's size limit.
    pub fn seal(&self, secret: &SecretString, context: &str) -> Result<String, UnsealError> {
        let nonce = self.ids.nonce();
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: context.as_bytes() };
        let sealed = self.current.encrypt(&XNonce::from(nonce), payload).map_err(|_| UnsealError)?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// Unseals a secret that was sealed for this context.
    pub fn unseal(&self, sealed: &str, context: &str) -> Result<SecretString, UnsealError> {
        let opened = open(&self.current, sealed, context);
        match &self.previous {
            Some(previous) => opened.or_else(|_| open(previous, sealed, context)),
            None => opened,
        }
    }

    /// The secret sealed again under the current key; `None` if it already is. Fails if neither key unseals it.
    pub fn reseal(&self, sealed: &str, context: &str) -> Result<Option<String>, UnsealError> {
        if open(&self.current, sealed, context).is_ok() {
            return Ok(None);
        }
        self.seal(&self.unseal(sealed, context)?, context).map(Some)
    }
}

fn open(cipher: &XChaCha20Poly1305, sealed: &str, context: &str) -> Result<SecretString, UnsealError> {
    let bytes = STANDARD.decode(sealed).map_err(|_| UnsealError)?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or(UnsealError)?;
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| UnsealError)?;
    let payload = Payload { msg: sealed, aad: context.as_bytes() };
    let opened = cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| UnsealError)?;
    Ok(SecretString::from(String::from_utf8(opened).map_err(|_| UnsealError)?))
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ports::SystemIdGen;

    #[test]
    fn a_sealed_secret_is_unsealed_only_with_its_key_and_context() {
        let sealer = |secret: &str| Sealer::new(&SecretString::from(secret), None, Arc::new(SystemIdGen::new()));
        let sealed = sealer("one").seal(&SecretString::from("token"), "AC1/auth").unwrap();
        assert_eq!(sealer("one").unseal(&sealed, "AC1/auth").unwrap().expose_secret(), "token");
        assert!(sealer("two").unseal(&sealed, "AC1/auth").is_err());
        assert!(sealer("one").unseal(&sealed, "AC2/auth").is_err());
        assert!(sealer("one").unseal("", "AC1/auth").is_err());
        assert!(!sealed.contains("token"));
    }

    #[test]
    fn secrets_sealed_under_the_previous_key_are_unsealed_and_resealed() {
        let secret = |text: &str| SecretString::from(text);
        let ids = || Arc::new(SystemIdGen::new());
        let sealed = Sealer::new(&secret("one"), None, ids()).seal(&secret("token"), "AC1/auth").unwrap();
        let both = Sealer::new(&secret("two"), Some(&secret("one")), ids());
        assert_eq!(both.unseal(&sealed, "AC1/auth").unwrap().expose_secret(), "token");
        let again = both.reseal(&sealed, "AC1/auth").unwrap().expect("the previous key sealed it");
        assert_eq!(both.reseal(&again, "AC1/auth"), Ok(None));
        let two = Sealer::new(&secret("two"), None, ids());
        assert_eq!(two.unseal(&again, "AC1/auth").unwrap().expose_secret(), "token");
        assert!(two.reseal(&sealed, "AC1/auth").is_err());
    }
}
