//! Signed URLs of media. The signature covers the media id, the user and the expiry, so a browser can load the file
//! without a bearer token and the URL cannot be forged. URLs for the carrier are signed with another key and name no
//! user, so neither kind of URL can be turned into the other.

use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

use crate::domain::hexadecimal::hexadecimal;
use crate::domain::{AgencyId, UserId};

const VALID_FOR: TimeDelta = TimeDelta::minutes(15);
/// Longer than the carrier may hold a text before it fetches its files.
const VALID_FOR_CARRIER: TimeDelta = TimeDelta::hours(6);

/// Creates and checks signed URLs.
pub struct MediaLinks {
    key: [u8; 32],
    carrier_key: [u8; 32],
    public_url: String,
}

impl MediaLinks {
    /// Derives the signing keys from the server's secret, each for one purpose only.
    pub fn new(secret: &SecretString, public_url: &str) -> Self {
        let derive = |purpose| mac(secret.expose_secret().as_bytes(), purpose).finalize().into_bytes().into();
        let (key, carrier_key) = (derive("partyline media links"), derive("partyline media links for the carrier"));
        Self { key, carrier_key, public_url: public_url.to_owned() }
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
        is_valid(&self.key, &signed(whose, id, expires), expires, signature, now)
    }

    /// The signed URL at which the carrier fetches a file of an outbound text. `id` is the public id.
    pub fn carrier_link(&self, agency: AgencyId, id: &str, now: DateTime<Utc>) -> String {
        let expires = (now + VALID_FOR_CARRIER).timestamp();
        let signature = mac(&self.carrier_key, &signed_for_carrier(agency, id, expires)).finalize().into_bytes();
        let signature = hexadecimal(&signature);
        format!("{}/media/{id}?agency={agency}&expires={expires}&signature={signature}", self.public_url)
    }

    /// Whether the signature of a URL for the carrier is valid and has not expired.
    pub fn is_valid_for_carrier(
        &self,
        agency: AgencyId,
        id: &str,
        expires: i64,
        signature: &str,
        now: DateTime<Utc>,
    ) -> bool {
        is_valid(&self.carrier_key, &signed_for_carrier(agency, id, expires), expires, signature, now)
    }

    /// The id in a URL of this server, whose signature may have expired, or the text itself if it is not a URL. The id
    /// is not checked.
    pub fn id_in<'a>(&self, url: &'a str) -> &'a str {
        let path = url.strip_prefix(&self.public_url).and_then(|path| path.strip_prefix("/media/"));
        path.map_or(url, |path| path.split(['?', '#']).next().unwrap_or_default())
    }
}

/// Compares in constant time.
fn is_valid(key: &[u8], signed: &str, expires: i64, signature: &str, now: DateTime<Utc>) -> bool {
    let given: Option<Vec<u8>> =
        (0..signature.len() / 2).map(|at| u8::from_str_radix(signature.get(2 * at..2 * at + 2)?, 16).ok()).collect();
    let is_signed = mac(key, signed).verify_slice(&given.unwrap_or_default()).is_ok();
    is_signed && now.timestamp() < expires
}

fn signed((agency, user): (AgencyId, UserId), id: &str, expires: i64) -> String {
    format!("{agency}/{user}/{id}/{expires}")
}

fn signed_for_carrier(agency: AgencyId, id: &str, expires: i64) -> String {
    format!("{agency}/{id}/{expires}")
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
    #[test]
    fn a_link_for_the_carrier_is_valid_for_6_hours_and_only_for_the_carrier() {
        let links = MediaLinks::new(&SecretString::from("a secret of some length, for tests"), "https://p.example");
        let (agency, user) = (AgencyId(Uuid::nil()), UserId(Uuid::nil()));
        let now = DateTime::from_timestamp(1_795_446_000, 0).unwrap();
        let link = links.carrier_link(agency, "med_1", now);
        assert!(link.starts_with("https://p.example/media/med_1?agency=agy_") && !link.contains("user="), "{link}");
        let (expires, signature) = link.split_once("expires=").unwrap().1.split_once("&signature=").unwrap();
        let expires: i64 = expires.parse().unwrap();
        let valid =
            |id, seconds| links.is_valid_for_carrier(agency, id, expires, signature, now + TimeDelta::seconds(seconds));
        assert!(valid("med_1", 0) && valid("med_1", 6 * 3_600 - 1));
        assert!(!valid("med_1", 6 * 3_600) && !valid("med_2", 0));
        assert!(!links.is_valid((agency, user), "med_1", expires, signature, now));
        let own = links.link((agency, user), "med_1", now);
        let (expires, signature) = own.split_once("expires=").unwrap().1.split_once("&signature=").unwrap();
        assert!(!links.is_valid_for_carrier(agency, "med_1", expires.parse().unwrap(), signature, now));
    }

    #[test]
    fn a_url_of_this_server_identifies_its_file() {
        let links = MediaLinks::new(&SecretString::from("a secret of some length, for tests"), "https://p.example");
        for (text, id) in [
            ("upl_1", "upl_1"),
            ("https://p.example/media/upl_1", "upl_1"),
            ("https://p.example/media/upl_1?expires=1&signature=00#x", "upl_1"),
            ("https://p.example.evil/media/upl_1", "https://p.example.evil/media/upl_1"),
            ("https://p.example/other/upl_1", "https://p.example/other/upl_1"),
        ] {
            assert_eq!(links.id_in(text), id, "{text}");
        }
    }
}
