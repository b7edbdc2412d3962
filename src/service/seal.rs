//! Secrets at rest: Twilio tokens are stored sealed and never read back by anybody but us.

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

/// Seals with XChaCha20-Poly1305 under the SHA-256 of the configured secret.
pub struct Sealer {
    current: XChaCha20Poly1305,
    previous: Option<XChaCha20Poly1305>,
    ids: Arc<dyn IdGen>,
}

/// The sealed text was made under another secret, or for another place, or is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a stored secret cannot be opened: was PARTYLINE_SECRET_KEY changed?")]
pub struct UnsealError;

impl Sealer {
    /// A sealer under the secret `current`, of any length. It also opens what was sealed under `previous`.
    pub fn new(current: &SecretString, previous: Option<&SecretString>, ids: Arc<dyn IdGen>) -> Self {
        let cipher = |secret: &SecretString| XChaCha20Poly1305::new(&Sha256::digest(secret.expose_secret().as_bytes()));
        Self { current: cipher(current), previous: previous.map(cipher), ids }
    }

    /// Whether secrets that another key sealed are expected and are to be sealed again.
    pub fn has_previous(&self) -> bool {
        self.previous.is_some()
    }

    /// Seals a secret for one place; it opens nowhere else.
    ///
    /// # Errors
    /// Never for secrets of a sane length.
    pub fn seal(&self, secret: &SecretString, place: &str) -> Result<String, UnsealError> {
        let nonce = self.ids.nonce();
        let payload = Payload { msg: secret.expose_secret().as_bytes(), aad: place.as_bytes() };
        let sealed = self.current.encrypt(&XNonce::from(nonce), payload).map_err(|_| UnsealError)?;
        Ok(STANDARD.encode([&nonce[..], &sealed].concat()))
    }

    /// Opens what was sealed for this place.
    ///
    /// # Errors
    /// When it does not open.
    pub fn unseal(&self, sealed: &str, place: &str) -> Result<SecretString, UnsealError> {
        let opened = open(&self.current, sealed, place);
        match &self.previous {
            Some(previous) => opened.or_else(|_| open(previous, sealed, place)),
            None => opened,
        }
    }

    /// A secret sealed again under the current key; `None` if the current key opens it as it is.
    ///
    /// # Errors
    /// If neither key opens it.
    pub fn reseal(&self, sealed: &str, place: &str) -> Result<Option<String>, UnsealError> {
        if open(&self.current, sealed, place).is_ok() {
            return Ok(None);
        }
        self.seal(&self.unseal(sealed, place)?, place).map(Some)
    }
}

fn open(cipher: &XChaCha20Poly1305, sealed: &str, place: &str) -> Result<SecretString, UnsealError> {
    let bytes = STANDARD.decode(sealed).map_err(|_| UnsealError)?;
    let (nonce, sealed) = bytes.split_at_checked(NONCE_BYTES).ok_or(UnsealError)?;
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| UnsealError)?;
    let payload = Payload { msg: sealed, aad: place.as_bytes() };
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
    fn a_seal_opens_for_its_secret_and_place_alone() {
        let sealer = |secret: &str| Sealer::new(&SecretString::from(secret), None, Arc::new(SystemIdGen::new()));
        let sealed = sealer("one").seal(&SecretString::from("token"), "AC1/auth").unwrap();
        assert_eq!(sealer("one").unseal(&sealed, "AC1/auth").unwrap().expose_secret(), "token");
        assert!(sealer("two").unseal(&sealed, "AC1/auth").is_err());
        assert!(sealer("one").unseal(&sealed, "AC2/auth").is_err());
        assert!(sealer("one").unseal("", "AC1/auth").is_err());
        assert!(!sealed.contains("token"));
    }

    #[test]
    fn secrets_of_the_previous_key_open_and_are_sealed_again() {
        let secret = |text: &str| SecretString::from(text);
        let ids = || Arc::new(SystemIdGen::new());
        let sealed = Sealer::new(&secret("one"), None, ids()).seal(&secret("token"), "AC1/auth").unwrap();
        let both = Sealer::new(&secret("two"), Some(&secret("one")), ids());
        assert_eq!(both.unseal(&sealed, "AC1/auth").unwrap().expose_secret(), "token");
        let again = both.reseal(&sealed, "AC1/auth").unwrap().expect("another key sealed it");
        assert_eq!(both.reseal(&again, "AC1/auth"), Ok(None));
        let two = Sealer::new(&secret("two"), None, ids());
        assert_eq!(two.unseal(&again, "AC1/auth").unwrap().expose_secret(), "token");
        assert!(two.reseal(&sealed, "AC1/auth").is_err());
    }
}
