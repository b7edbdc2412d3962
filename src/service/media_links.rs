//! Signed URLs of media. The signature covers the media id, the user and the expiry, so a browser can load the file
//! without a bearer token and the URL cannot be forged.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::domain::hexadecimal::hexadecimal;
use crate::domain::{AgencyId, UserId};

const VALID_FOR: TimeDelta = TimeDelta::minutes(15);

/// Creates and checks signed URLs.
pub struct MediaLinks {
    key: [u8; 32],
    public_url: String,
}

impl MediaLinks {
    /// Derives the signing key from the server's secret, for this purpose only.
    pub fn new(secret: &SecretString, public_url: &str) -> Self {
        let key = mac(secret.expose_secret().as_bytes(), "partyline media links");
        Self { key: key.finalize().into_bytes().into(), public_url: public_url.to_owned() }
    }

    /// When a URL that is signed now expires.
    pub fn expiry(now: DateTime<Utc>) -> DateTime<Utc> {
        now + VALID_FOR
    }

    /// The signed URL of a media file for a user. `id` is the public id.
    pub fn link(&self, (agency, user): (AgencyId, UserId), id: &str, now: DateTime<Utc>) -> String {
        let expires = Self::expiry(now).timestamp();
        let signature = mac(&self.key, &signed((agency, user), id, expires)).finalize().into_bytes();
        let signature = hexadecimal(&signature);
        format!("{}/media/{id}?agency={agency}&user={user}&expires={expires}&signature={signature}", self.public_url)
    }

    /// Whether the signature is valid and has not expired. The signature is compared in constant time.
    pub fn is_valid(
        &self,
        whose: (AgencyId, UserId),
        id: &str,
        expires: i64,
        signature: &str,
        now: DateTime<Utc>,
    ) -> bool {
        let given: Option<Vec<u8>> = (0..signature.len() / 2)
            .map(|at| u8::from_str_radix(signature.get(2 * at..2 * at + 2)?, 16).ok())
            .collect();
        let is_signed = mac(&self.key, &signed(whose, id, expires)).verify_slice(&given.unwrap_or_default()).is_ok();
        is_signed && now.timestamp() < expires
    }
}

fn signed((agency, user): (AgencyId, UserId), id: &str, expires: i64) -> String {
    format!("{agency}/{user}/{id}/{expires}")
}

fn mac(key: &[u8], text: &str) -> Hmac<Sha256> {
    // HMAC accepts keys of any length, so this does not fail.
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap_or_else(|_| Hmac::new(&Default::default()));
    mac.update(text.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_link_is_valid_for_15_minutes_for_one_user_and_one_file() {
        let links = MediaLinks::new(&SecretString::from("a secret of some length, for tests"), "https://p.example");
        let whose = (AgencyId(Uuid::nil()), UserId(Uuid::nil()));
        let now = DateTime::from_timestamp(1_795_446_000, 0).unwrap();
        let link = links.link(whose, "vml_1", now);
        let (_, query) = link.split_once("expires=").unwrap();
        let (expires, signature) = query.split_once("&signature=").unwrap();
        let expires: i64 = expires.parse().unwrap();
        let later = |seconds| now + TimeDelta::seconds(seconds);
        assert!(links.is_valid(whose, "vml_1", expires, signature, now));
        assert!(links.is_valid(whose, "vml_1", expires, signature, later(899)));
        assert!(!links.is_valid(whose, "vml_1", expires, signature, later(900)));
        assert!(!links.is_valid(whose, "vml_2", expires, signature, now));
        assert!(!links.is_valid(whose, "vml_1", expires + 1, signature, now));
        assert!(!links.is_valid((AgencyId(Uuid::from_u128(1)), whose.1), "vml_1", expires, signature, now));
        assert!(!links.is_valid((whose.0, UserId(Uuid::from_u128(1))), "vml_1", expires, signature, now));
        for forged in ["", "00", &signature[2..], &signature.to_uppercase().replace('A', "B"), "é"] {
            assert!(!links.is_valid(whose, "vml_1", expires, forged, now), "{forged}");
        }
        let other = MediaLinks::new(&SecretString::from("another secret of some length, for tests"), "");
        assert!(!other.is_valid(whose, "vml_1", expires, signature, now));
    }
}
