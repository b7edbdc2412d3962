//! Verify a user's own phone: a code is texted to it, and whoever gives it back has the phone. Only verified
//! phones are ever dialled.

use std::fmt::Write as _;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;
use sha2::{Digest as _, Sha256};

use super::account_trouble::{observe, shown_by_attempt};
use super::own_numbers::holders_of;
use super::text_limits::limit_exceeded;
use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::delivery::Attempted;
use crate::domain::dialling::check_number;
use crate::domain::opt_out::{Wishes, gate};
use crate::domain::pace::Pace;
use crate::domain::{AgencyId, Purpose, TwilioRequest, UserId};
use crate::entity::{phone_number, phone_verification, user, verification_text};
use crate::ports::twilio_rest::OutboundText;
use crate::store::directory_writes::save;
use crate::store::outbox::{pace_spent, spend_pace};
use crate::store::phone_verifications::{find, forget, keep, record_text, texts_since};
use crate::store::writer::{Tx, Unit};
use crate::store::{contacts, threads};

/// How long a code is good.
const GOOD_FOR: TimeDelta = TimeDelta::minutes(10);
/// How many codes are texted in [`WINDOW`]: for one user, to one phone, and for all users of an agency.
const MOST_PER_USER: usize = 5;
const MOST_PER_PHONE: usize = 5;
const MOST_PER_AGENCY: usize = 50;
const WINDOW: TimeDelta = TimeDelta::hours(1);
/// How many wrong codes are taken before a new one is needed.
const MOST_WRONG: i32 = 5;

/// Texts a code to a phone that the viewer says is theirs.
///
/// # Errors
/// When the database fails.
pub async fn start_phone_verification(services: &Services, viewer: &Viewer, phone: String) -> Outcome<()> {
    let code = code(services.ids.nonce());
    let begin = Begin { agency: viewer.agency(), user: viewer.id(), phone: phone.clone(), code: code.clone() };
    let number = match services.writer.run(viewer.agency(), begin).await? {
        Ok(number) => number,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let account = services.accounts.by_id(number.twilio_account_id).await?;
    let agency = viewer.directory.agency.name.clone();
    // It is no text to a client, and worth nothing once its ten minutes are over: it is tried once, and whoever
    // does not get it asks again.
    let attempted = match account.as_ref().and_then(|account| account.credentials()) {
        Some(credentials) => {
            let text = OutboundText {
                from: number.e164.clone(),
                to: phone,
                body: format!("{code} is your code for calls by {agency}. It is good for 10 minutes."),
                status_callback: services.sending.receipts_url.clone(),
                validity_seconds: u32::try_from(GOOD_FOR.num_seconds()).unwrap_or(0),
            };
            services.sending.twilio.send(&credentials, &text).await
        }
        None => Attempted::NotNow { retry_after: None },
    };
    if let Some(account) = account {
        observe(services, &account, TwilioRequest::Text, shown_by_attempt(&attempted)).await;
    }
    Ok(match attempted {
        Attempted::Accepted { .. } | Attempted::InDoubt => Ok(()),
        Attempted::Rejected { .. } => Err(Refusal::invalid("The carrier does not text this phone.", "phone")),
        Attempted::NotNow { .. } => {
            Err(Refusal::new(RefusalCode::Conflict, "The carrier cannot be reached now; try again."))
        }
        Attempted::Withheld { .. } => Err(Refusal::not_served()),
    })
}

/// Six digits, of three random bytes.
fn code(nonce: [u8; 24]) -> String {
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
    hasher.finalize().iter().fold(String::new(), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

struct Begin {
    agency: AgencyId,
    user: UserId,
    phone: String,
    code: String,
}

impl Unit for Begin {
    type Output = Result<phone_number::Model, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let directory = tx.directory(self.agency).await?;
        if directory.active_user(self.user).is_none() {
            return Ok(Err(Refusal::not_found("user", "phone")));
        }
        // From a number that they share, or any other of the agency.
        let shared = directory.pool_numbers(self.user);
        let mut live: Vec<_> = directory.numbers.iter().filter(|number| number.live == Some(true)).collect();
        live.sort_by_key(|number| !shared.contains(&number.id));
        let Some(number) = live.first() else {
            return Ok(Err(Refusal::new(RefusalCode::Conflict, "The agency has no number to text from.")));
        };
        if !holders_of(tx.conn, &self.phone).await?.is_empty() {
            let message = "This number is shared by an agency on this server. Enter the number of your own phone.";
            return Ok(Err(Refusal::invalid(message, "phone")));
        }
        if let Err(error) = check_number(&self.phone, &number.e164, directory.calling_countries().as_deref()) {
            return Ok(Err(Refusal::invalid(format!("This phone cannot be used: {error}."), "phone")));
        }
        // Whoever does not want the agency's texts gets none, whatever it is for.
        if let Some(contact) = contacts::by_phone(tx.conn, self.agency, &self.phone).await? {
            let threads = threads::of_contact(tx.conn, self.agency, contact.id).await?;
            let from_number = threads.iter().find(|thread| thread.phone_number_id == number.id);
            let blocked = from_number.is_some_and(|thread| thread.blocked_at.is_some());
            let wishes = Wishes { opted_out: contact.opted_out_at.is_some(), blocked };
            if gate(Purpose::Conversation, wishes).is_err() {
                let message = "This phone does not accept the agency's texts. Text START from it, then try again.";
                return Ok(Err(Refusal::new(RefusalCode::OptedOut, message).at("phone")));
            }
        }
        let recent = texts_since(tx.conn, self.agency, tx.now - WINDOW).await?;
        if let Some(refusal) = self.exceeded(&recent, tx.now) {
            return Ok(Err(refusal));
        }
        let text = verification_text::Model {
            agency_id: self.agency,
            id: tx.new_id(),
            user_id: self.user,
            phone: self.phone.clone(),
            sent_at: tx.now,
        };
        record_text(tx.conn, text).await?;
        // The code does not wait its turn, but the texts behind it do.
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
            expires_at: tx.now + GOOD_FOR,
        };
        keep(tx.conn, row).await?;
        Ok(Ok(phone_number::Model::clone(number)))
    }
}

impl Begin {
    /// The limit that one more code would exceed, given the codes that were texted in the last [`WINDOW`].
    fn exceeded(&self, recent: &[verification_text::Model], now: DateTime<Utc>) -> Option<Refusal> {
        type Counts<'a> = &'a dyn Fn(&verification_text::Model) -> bool;
        let limits: [(Counts<'_>, usize, String); 3] = [
            (
                &|text| text.user_id == self.user,
                MOST_PER_USER,
                format!("You can request at most {MOST_PER_USER} codes in an hour. Try again later."),
            ),
            (
                &|text| text.phone == self.phone,
                MOST_PER_PHONE,
                format!("At most {MOST_PER_PHONE} codes are texted to one phone in an hour. Try again later."),
            ),
            (
                &|_| true,
                MOST_PER_AGENCY,
                format!("Your agency can request at most {MOST_PER_AGENCY} codes in an hour. Try again later."),
            ),
        ];
        limits.into_iter().find_map(|(counts, most, message)| {
            let mut sent: Vec<_> = recent.iter().filter(|text| counts(text)).map(|text| text.sent_at).collect();
            sent.sort_unstable();
            // The one whose hour has to be over for another to be within the limit.
            let last = sent.len().checked_sub(most).and_then(|at| sent.get(at))?;
            Some(limit_exceeded(message, *last + WINDOW - now).at("phone"))
        })
    }
}

/// Takes the code that was texted: the phone is the viewer's, and calls may ring it.
///
/// # Errors
/// When the database fails.
pub async fn confirm_phone_verification(services: &Services, viewer: &Viewer, code: String) -> Outcome<user::Model> {
    let unit = Confirm { agency: viewer.agency(), user: viewer.id(), code };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct Confirm {
    agency: AgencyId,
    user: UserId,
    code: String,
}

impl Unit for Confirm {
    type Output = Result<user::Model, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let directory = tx.directory(self.agency).await?;
        let wrong = || Ok(Err(Refusal::invalid("The code is wrong or has expired. Request a new one.", "code")));
        let Some(before) = directory.active_user(self.user) else { return wrong() };
        let Some(mut row) = find(tx.conn, self.agency, self.user).await? else { return wrong() };
        if row.expires_at <= tx.now || row.wrong_codes >= MOST_WRONG {
            return wrong();
        }
        // What is compared are digests: how long it takes says nothing of the code.
        if digest(self.agency, self.user, &row.phone, self.code.trim()) != row.code_digest {
            row.wrong_codes += 1;
            keep(tx.conn, row).await?;
            return wrong();
        }
        forget(tx.conn, self.agency, self.user).await?;
        let mut after = user::Model::clone(before);
        after.phone = Some(row.phone);
        after.phone_verified = true;
        after.updated_at = tx.now;
        save(tx.conn, after.clone()).await?;
        tx.directory_updated(self.agency, &after.id.to_string(), "verifyPhone", Some(self.user))?;
        Ok(Ok(after))
    }
}
