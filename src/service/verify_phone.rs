//! Verification of a user's phone: a code is texted to the phone, and the user enters it. Only verified phones are
//! dialed.

use std::convert::Infallible;

use chrono::{DateTime, TimeDelta, Utc};
use sha2::{Digest as _, Sha256};

use super::account_trouble::{evidence_from_attempt, observe};
use super::own_numbers::holders_of;
use super::text_limits::limit_exceeded;
use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::delivery::SendOutcome;
use crate::domain::dialing::check_number;
use crate::domain::hexadecimal::hexadecimal;
use crate::domain::opt_out::{Cleared, OptOutState, gate};
use crate::domain::pace::Pace;
use crate::domain::{AgencyId, Purpose, TwilioRequest, UserId};
use crate::entity::{phone_number, phone_verification, user, verification_text};
use crate::ports::twilio_rest::OutboundText;
use crate::store::directory_writes::save;
use crate::store::outbox::{pace_spent, spend_pace};
use crate::store::phone_verifications::{delete, find, record_text, replace, texts_since};
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{contacts, threads};

/// The validity of a code.
const CODE_TTL: TimeDelta = TimeDelta::minutes(10);
/// Limits of codes texted in [`WINDOW`]: for one user, to one phone, and for all users of an agency.
const MAX_PER_USER: usize = 5;
const MAX_PER_PHONE: usize = 5;
const MAX_PER_AGENCY: usize = 50;
const WINDOW: TimeDelta = TimeDelta::hours(1);
/// The number of wrong attempts after which a new code is required.
const MAX_WRONG_CODES: i32 = 5;

/// Texts a verification code to a phone for the viewer.
pub async fn start_phone_verification(services: &Services, viewer: &Viewer, phone: String) -> Outcome<()> {
    let code = new_code(services.ids.nonce());
    let begin = Begin { agency: viewer.agency(), user: viewer.id(), phone: phone.clone(), code: code.clone() };
    let (number, cleared) = services.writer.run(viewer.agency(), begin).await?;
    let account = services.accounts.by_id(number.twilio_account_id).await?;
    let agency = viewer.directory.agency.name.clone();
    // The code bypasses the outbox: it is not a text to a contact and it expires soon. It is sent once; a user who does
    // not receive it requests another.
    let outcome = match account.as_ref().and_then(|account| account.credentials()) {
        Some(credentials) => {
            let text = OutboundText {
                cleared,
                from: number.e164.clone(),
                to: phone,
                body: format!("{code} is your verification code for calls from {agency}. It expires in 10 minutes."),
                media_urls: Vec::new(),
                status_callback: services.sending.receipts_url.clone(),
                validity_seconds: u32::try_from(CODE_TTL.num_seconds()).unwrap_or(0),
            };
            services.sending.twilio.send(&credentials, &text).await
        }
        None => SendOutcome::NotNow { retry_after: None },
    };
    if let Some(account) = account {
        observe(services, &account, TwilioRequest::Text, evidence_from_attempt(&outcome)).await;
    }
    let refusal = match outcome {
        SendOutcome::Accepted { .. } | SendOutcome::InDoubt => return Ok(()),
        SendOutcome::Rejected { .. } => {
            Refusal::invalid("The carrier rejected the text to this phone. Check the number.", "phone")
        }
        SendOutcome::NotNow { .. } => {
            Refusal::new(RefusalCode::Conflict, "The carrier cannot be reached at the moment. Try again later.")
        }
        SendOutcome::Withheld { .. } => Refusal::not_served(),
    };
    Err(refusal.into())
}

/// A random code of six digits.
fn new_code(nonce: [u8; 24]) -> String {
    let number =
        u32::from_be_bytes([0, nonce[0], nonce[1], nonce[2]]) ^ u32::from_be_bytes([0, nonce[8], nonce[9], nonce[10]]);
    format!("{:06}", number % 1_000_000)
}

fn digest(agency: AgencyId, user: UserId, phone: &str, code: &str) -> String {
    let mut hasher = Sha256::new();
    for part in [agency.to_string().as_str(), user.to_string().as_str(), phone, code] {
        hasher.update(part);
        hasher.update([0]);
    }
    hexadecimal(&hasher.finalize())
}

struct Begin {
    agency: AgencyId,
    user: UserId,
    phone: String,
    code: String,
}

impl Unit for Begin {
    /// The number to send from, and the clearance to send.
    type Output = (phone_number::Model, Cleared);
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        if directory.active_user(self.user).is_none() {
            return Err(Refusal::not_found("user", "phone").into());
        }
        // Sends from a number of one of the user's pools if possible, otherwise from any number of the agency.
        let shared = directory.pool_numbers(self.user);
        let mut live: Vec<_> = directory.numbers.iter().filter(|number| number.live == Some(true)).collect();
        live.sort_by_key(|number| !shared.contains(&number.id));
        let number = live
            .first()
            .ok_or_else(|| Refusal::new(RefusalCode::Conflict, "The agency has no active number to text from."))?;
        if !holders_of(tx.conn, &self.phone).await?.is_empty() {
            let message = "This number is shared by an agency on this server. Enter the number of your own phone.";
            return Err(Refusal::invalid(message, "phone").into());
        }
        check_number(&self.phone, &number.e164, directory.calling_countries().as_deref())
            .map_err(|error| Refusal::invalid(format!("This phone cannot be used: {error}."), "phone"))?;
        // A phone that has opted out of the agency's texts gets no code either.
        let mut state = OptOutState { opted_out: false, blocked: false };
        if let Some(contact) = contacts::by_phone(tx.conn, self.agency, &self.phone).await? {
            let threads = threads::of_contact(tx.conn, self.agency, contact.id).await?;
            let from_number = threads.iter().find(|thread| thread.phone_number_id == number.id);
            state.blocked = from_number.is_some_and(|thread| thread.blocked_at.is_some());
            state.opted_out = contact.opted_out_at.is_some();
        }
        let cleared = gate(Purpose::Conversation, state).map_err(|_| {
            let message = "This phone does not accept the agency's texts. Text START from it, then try again.";
            Refusal::new(RefusalCode::OptedOut { at: None }, message).at("phone")
        })?;
        let recent = texts_since(tx.conn, self.agency, tx.now - WINDOW).await?;
        if let Some(refusal) = self.exceeded(&recent, tx.now) {
            return Err(refusal.into());
        }
        let text = verification_text::Model {
            agency_id: self.agency,
            id: tx.new_id(),
            user_id: self.user,
            phone: self.phone.clone(),
            sent_at: tx.now,
        };
        record_text(tx.conn, text).await?;
        // The code is sent at once, but it counts toward the pace of the texts that follow.
        let spent = pace_spent(tx.conn, self.agency, number.id).await?.unwrap_or(tx.now);
        let pace = Pace { per_second: number.texts_per_second, burst: number.texts_burst };
        spend_pace(tx.conn, self.agency, number.id, pace.spend(spent, tx.now, 1)).await?;
        let row = phone_verification::Model {
            agency_id: self.agency,
            user_id: self.user,
            phone: self.phone.clone(),
            code_digest: digest(self.agency, self.user, &self.phone, &self.code),
            wrong_codes: 0,
            sent: 1,
            first_sent_at: tx.now,
            expires_at: tx.now + CODE_TTL,
        };
        replace(tx.conn, row).await?;
        Ok((phone_number::Model::clone(number), cleared))
    }
}

impl Begin {
    /// The refusal if one more code would exceed a limit. `recent` are the codes texted in the last [`WINDOW`].
    fn exceeded(&self, recent: &[verification_text::Model], now: DateTime<Utc>) -> Option<Refusal> {
        type Counts<'a> = &'a dyn Fn(&verification_text::Model) -> bool;
        let limits: [(Counts<'_>, usize, String); 3] = [
            (
                &|text| text.user_id == self.user,
                MAX_PER_USER,
                format!("You can request at most {MAX_PER_USER} codes in an hour. Try again later."),
            ),
            (
                &|text| text.phone == self.phone,
                MAX_PER_PHONE,
                format!("At most {MAX_PER_PHONE} codes are texted to one phone in an hour. Try again later."),
            ),
            (
                &|_| true,
                MAX_PER_AGENCY,
                format!("Your agency can request at most {MAX_PER_AGENCY} codes in an hour. Try again later."),
            ),
        ];
        limits.into_iter().find_map(|(counts, limit, message)| {
            let mut sent: Vec<_> = recent.iter().filter(|text| counts(text)).map(|text| text.sent_at).collect();
            sent.sort_unstable();
            // Another code is allowed once this one has left the window.
            let oldest_counted = sent.len().checked_sub(limit).and_then(|at| sent.get(at))?;
            Some(limit_exceeded(message, *oldest_counted + WINDOW - now).at("phone"))
        })
    }
}

/// Checks the code that was texted. If it is correct, the phone becomes the viewer's verified phone, so calls can ring
/// it.
pub async fn confirm_phone_verification(services: &Services, viewer: &Viewer, code: String) -> Outcome<user::Model> {
    let unit = Confirm { agency: viewer.agency(), user: viewer.id(), code };
    Ok(services.writer.run(viewer.agency(), unit).await??)
}

struct Confirm {
    agency: AgencyId,
    user: UserId,
    code: String,
}

impl Unit for Confirm {
    /// The refusal is part of the output because the number of wrong codes must be kept.
    type Output = Result<user::Model, Refusal>;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, UnitError> {
        let directory = tx.directory(self.agency).await?;
        let wrong = || Ok(Err(Refusal::invalid("The code is wrong or has expired. Request a new one.", "code")));
        let Some(before) = directory.active_user(self.user) else { return wrong() };
        let Some(mut row) = find(tx.conn, self.agency, self.user).await? else { return wrong() };
        if row.expires_at <= tx.now || row.wrong_codes >= MAX_WRONG_CODES {
            return wrong();
        }
        // Comparing digests keeps the timing independent of the code.
        if digest(self.agency, self.user, &row.phone, self.code.trim()) != row.code_digest {
            row.wrong_codes += 1;
            replace(tx.conn, row).await?;
            return wrong();
        }
        delete(tx.conn, self.agency, self.user).await?;
        let mut after = user::Model::clone(before);
        after.phone = Some(row.phone);
        after.phone_verified = true;
        after.updated_at = tx.now;
        save(tx.conn, after.clone()).await?;
        tx.directory_updated(self.agency, &after.id.to_string(), "verifyPhone", Some(self.user))?;
        Ok(Ok(after))
    }
}
