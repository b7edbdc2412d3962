//! Sessions: how a user signs in with a one-time code, and how a token is renewed.
//!
//! A link to the console contains a code instead of a token, because links are stored in histories and logs. A code is
//! exchanged for a token once, within [`CODE_LIFETIME`]. Only its hash is stored.

use std::convert::Infallible;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::authenticate::{Identity, Session, Subject};
use super::{Fault, Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::hexadecimal::hexadecimal;
use crate::domain::{AgencyId, UserId};
use crate::entity::sign_in_code;
use crate::store::sign_in_codes;
use crate::store::writer::{Tx, Unit, UnitError};

/// The lifetime of a token that a code or a renewal returns.
pub const TOKEN_LIFETIME: TimeDelta = TimeDelta::hours(12);
/// The longest session: a renewed token ends at most this long after the user signed in.
pub const MAX_SESSION: TimeDelta = TimeDelta::days(7);
/// The time within which a code must be exchanged.
pub const CODE_LIFETIME: TimeDelta = TimeDelta::minutes(10);

/// A token and the time from which it is invalid.
pub struct IssuedToken {
    pub token: SecretString,
    pub expires_at: DateTime<Utc>,
}

/// The expiry of the token that a renewal would return now. `None` if the token cannot be renewed: it comes from an
/// external issuer or does not say when the session began, a new token would end earlier, or the session has reached
/// its longest duration.
pub fn renewed_until(identity: &Identity, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let end = identity.session?.began_at?.checked_add_signed(MAX_SESSION)?;
    let until = (now + TOKEN_LIFETIME).min(end);
    (end > identity.expires_at && until >= identity.expires_at).then_some(until)
}

/// Issues another token of the same session. The former token stays valid until it expires.
pub fn renew_session(services: &Services, viewer: &Viewer, identity: &Identity) -> Outcome<IssuedToken> {
    let now = services.clock.now();
    let (Some(expires_at), Some(session)) = (renewed_until(identity, now), identity.session) else {
        let message = "This session cannot be extended. Sign in again.";
        return Err(Refusal::new(RefusalCode::Forbidden, message).into());
    };
    issue(services, viewer, session, expires_at)
}

fn issue(services: &Services, viewer: &Viewer, session: Session, expires_at: DateTime<Utc>) -> Outcome<IssuedToken> {
    let now = services.clock.now();
    // Tokens hold whole seconds.
    let expires_at = expires_at.trunc_subsecs(0);
    let (user, generation) = (viewer.user(), session.generation);
    let subject = Subject { agency: &viewer.directory.agency.key, user: &user.key, generation };
    let began_at = session.began_at.unwrap_or(now);
    let token = services.authenticator.sign(subject, began_at, expires_at, services.ids.uuid(now))?;
    Ok(IssuedToken { token: token.into(), expires_at })
}

/// Creates a code with which this user can sign in: the agency's id and a random number, in base64url.
pub async fn create_sign_in_code(services: &Services, agency: AgencyId, user: UserId) -> Result<SecretString, Fault> {
    let code = [agency.0.as_bytes().as_slice(), &services.ids.nonce()].concat();
    let code = SecretString::from(URL_SAFE_NO_PAD.encode(code));
    let unit = Create { agency, user, digest: digest(&code) };
    services.writer.run(agency, unit).await?;
    Ok(code)
}

/// Exchanges a code for a token. A code that is unknown, used or expired, or whose user is not active, is refused.
pub async fn exchange_sign_in_code(services: &Services, code: &SecretString) -> Outcome<IssuedToken> {
    let refused =
        || Refusal::invalid("This sign-in link was already used or has expired. Request another one.", "code");
    let (agency, digest) = (agency_of(code).ok_or_else(refused)?, digest(code));
    // Read first, so that unknown codes do not reach the writer.
    let row = sign_in_codes::find(services.request_reader(), agency, &digest).await?.ok_or_else(refused)?;
    let redeem = RedeemCode { agency, user: row.user_id, digest };
    let generation = services.writer.run(agency, redeem).await?.ok_or_else(refused)?;
    let viewer = services.viewer(agency, row.user_id).await?.ok_or_else(refused)?;
    let now = services.clock.now();
    let session = Session { generation, began_at: Some(now) };
    issue(services, &viewer, session, now + TOKEN_LIFETIME)
}

fn agency_of(code: &SecretString) -> Option<AgencyId> {
    let bytes = URL_SAFE_NO_PAD.decode(code.expose_secret()).ok()?;
    Uuid::from_slice(bytes.get(..16)?).ok().map(AgencyId)
}

/// The SHA-256 hash of a code, in hexadecimal.
fn digest(code: &SecretString) -> String {
    hexadecimal(&Sha256::digest(code.expose_secret()))
}

struct Create {
    agency: AgencyId,
    user: UserId,
    digest: String,
}

impl Unit for Create {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        sign_in_codes::delete_before(tx.conn, self.agency, tx.now).await?;
        let row = sign_in_code::Model {
            digest: self.digest.clone(),
            agency_id: self.agency,
            user_id: self.user,
            expires_at: tx.now + CODE_LIFETIME,
        };
        Ok(sign_in_codes::save(tx.conn, row).await?)
    }
}

/// Uses a code up. Returns the user's token generation if the code was valid: read in the same transaction, so that a
/// revocation that follows also revokes the token.
struct RedeemCode {
    agency: AgencyId,
    user: UserId,
    digest: String,
}

impl Unit for RedeemCode {
    type Output = Option<i32>;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Option<i32>, UnitError> {
        let directory = tx.directory(self.agency).await?;
        let generation = directory.active_user(self.user).map(|user| user.token_generation);
        let is_valid = sign_in_codes::take(tx.conn, self.agency, &self.digest, tx.now).await?;
        Ok(generation.filter(|_| is_valid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(hours: i64) -> DateTime<Utc> {
        match DateTime::from_timestamp(1_800_000_000 + hours * 3_600, 0) {
            Some(at) => at,
            None => DateTime::UNIX_EPOCH,
        }
    }

    fn until(began_at: Option<i64>, expires_at: i64, now: i64) -> Option<DateTime<Utc>> {
        let session = Some(Session { generation: 0, began_at: began_at.map(at) });
        let (agency, user) = (AgencyId(Uuid::nil()), UserId(Uuid::nil()));
        renewed_until(&Identity { agency, user, expires_at: at(expires_at), session }, at(now))
    }

    #[test]
    fn a_session_ends_a_week_after_the_sign_in_however_often_it_is_renewed() {
        let week = 7 * 24;
        assert_eq!(until(Some(0), 12, 0), Some(at(12)));
        assert_eq!(until(Some(0), 12, 11), Some(at(23)));
        assert_eq!(until(Some(0), week - 2, week - 3), Some(at(week)));
        assert_eq!(until(Some(0), week, week - 1), None);
        assert_eq!(until(Some(0), 30 * 24, 1), None, "a token of thirty days is not cut short");
        assert_eq!(until(Some(0), 24, 1), None, "nor is one of a day");
        assert_eq!(until(Some(0), 24, 13), Some(at(25)));
        assert_eq!(until(None, 5, 4), None, "a token of another program is not renewed");
        let far = Session { generation: 0, began_at: Some(DateTime::<Utc>::MAX_UTC) };
        let (agency, user) = (AgencyId(Uuid::nil()), UserId(Uuid::nil()));
        assert_eq!(renewed_until(&Identity { agency, user, expires_at: at(1), session: Some(far) }, at(0)), None);
    }
}
