//! Texts of which nobody knows whether the carrier has them: they are looked for there, and if that
//! does not help, a person is asked.

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use sea_orm::DbErr;

use super::arrive::{after, doubt};
use crate::domain::address::own_address;
use crate::domain::delivery::{Report, look_again};
use crate::domain::{AgencyId, MessageId, OutboxState, TwilioRequest};
use crate::entity::{message, outbox};
use crate::ports::twilio_rest::{ANSWER_WITHIN, CarriedMessage};
use crate::service::account_trouble::{observe, shown_by_answer};
use crate::service::report::{flag, report};
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit};
use crate::store::{contacts, messages, outbox as store, threads};

/// How many texts one round takes, and how many it looks for at a time.
const ROUND: u64 = 200;
const AT_A_TIME: usize = 8;
/// How long an attempt lasts at most.
const ATTEMPT_LASTS: TimeDelta = TimeDelta::seconds(2 * ANSWER_WITHIN.as_secs().cast_signed());
/// An attempt that began longer ago than it can take has been cut off: its server is gone.
const CUT_OFF_AFTER: TimeDelta = TimeDelta::seconds(2 * ANSWER_WITHIN.as_secs().cast_signed() + 5);
/// What Twilio puts in front of each text of a trial account. Source: Twilio, "How to work with your free Twilio trial
/// account".
const TRIAL_PREFIX: &str = "Sent from your Twilio trial account - ";
/// How far the carrier's clock may be from ours.
const CLOCKS_APART: TimeDelta = TimeDelta::seconds(30);

/// Attempts that were cut off by a crash: the texts may have arrived.
///
/// # Errors
/// When the database fails; the next round makes up for it.
pub async fn cut_off_attempts(services: &Services) -> Result<(), Fault> {
    let before = services.clock.now() - CUT_OFF_AFTER;
    for row in store::cut_off(services.reader(), before, ROUND).await? {
        let unit = CutOff { agency: row.agency_id, message: row.message_id };
        services.writer.run(row.agency_id, unit).await?;
    }
    Ok(())
}

struct CutOff {
    agency: AgencyId,
    message: MessageId,
}

impl Unit for CutOff {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        doubt(tx, self.agency, self.message).await
    }
}

/// Looks for the texts in doubt that are due to be looked for.
///
/// # Errors
/// When the database fails; the next round makes up for it.
pub async fn look_for_doubtful(services: &Services) -> Result<(), Fault> {
    let rows = store::in_doubt(services.reader(), services.clock.now(), ROUND).await?;
    let mut looks =
        futures_util::stream::iter(rows.into_iter().map(|row| look_for(services, row))).buffer_unordered(AT_A_TIME);
    while let Some(looked) = looks.next().await {
        looked?;
    }
    Ok(())
}

async fn look_for(services: &Services, row: outbox::Model) -> Result<(), Fault> {
    let carried = carried(services, &row).await?;
    let unknown_after = TimeDelta::from_std(services.sending.unknown_after).unwrap_or(TimeDelta::MAX);
    let agency = row.agency_id;
    Ok(services.writer.run(agency, Found { row, carried, unknown_after }).await?)
}

/// What the carrier has between the same two addresses since shortly before the attempt. It may not
/// say: then it is asked again later.
async fn carried(services: &Services, row: &outbox::Model) -> Result<Vec<CarriedMessage>, Fault> {
    let (conn, agency) = (services.reader(), row.agency_id);
    let message = messages::by_ids(conn, agency, &[row.message_id]).await?.pop();
    let thread = threads::by_id(conn, agency, row.thread_id).await?;
    let directory = services.directories.get(agency).await?;
    let number = directory.as_ref().and_then(|directory| directory.number(row.phone_number_id));
    let (Some(message), Some(thread), Some(number)) = (message, thread, number) else { return Ok(Vec::new()) };
    let Some(contact) = contacts::by_ids(conn, agency, &[thread.contact_id]).await?.pop() else {
        return Ok(Vec::new());
    };
    let account = services.accounts.by_id(message.twilio_account_id).await?;
    let Some(account) = account else { return Ok(Vec::new()) };
    let Some(credentials) = account.credentials() else { return Ok(Vec::new()) };
    let since = row.attempted_at.unwrap_or(row.due_at) - CLOCKS_APART;
    let from = own_address(&number.e164, &contact.phone);
    let listed = services.sending.twilio.sent_since(&credentials, &from, &contact.phone, since).await;
    observe(services, &account, TwilioRequest::Lookup, shown_by_answer(&listed)).await;
    Ok(listed.unwrap_or_else(|error| {
        tracing::warn!(%error, "a text in doubt could not be looked for; it is tried again");
        Vec::new()
    }))
}

struct Found {
    row: outbox::Model,
    carried: Vec<CarriedMessage>,
    unknown_after: TimeDelta,
}

impl Unit for Found {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let (agency, id) = (self.row.agency_id, self.row.message_id);
        let row = store::by_message(tx.conn, agency, id).await?.filter(|row| row.state == OutboxState::InDoubt);
        let (Some(row), Some(message)) = (row, messages::by_ids(tx.conn, agency, &[id]).await?.pop()) else {
            // A receipt was quicker.
            return Ok(());
        };
        let directory = tx.directory(agency).await?;
        if let Some(same) = self.same_as(tx, &message).await? {
            let code = same.error_code.map(|code| code.to_string());
            if let Some(found) = Report::from_twilio(&same.status, code.as_deref()) {
                return report(tx, &directory, &message, found, Some(&same.sid)).await.map(drop);
            }
        }
        let since = row.attempted_at.unwrap_or(message.created_at);
        if tx.now - since >= self.unknown_after {
            return flag(tx, &directory, &message).await;
        }
        let looks = u32::try_from(row.attempts).unwrap_or(u32::MAX).saturating_add(1);
        let due = after(tx.now, look_again(looks)).min(since + self.unknown_after);
        store::look_again(tx.conn, &row, due).await.map(drop)
    }
}

impl Found {
    /// The carried message that is this text, if that is certain: by its words, or, where Twilio does not show them, by
    /// its time and its segments.
    async fn same_as(&self, tx: &Tx<'_>, message: &message::Model) -> Result<Option<&CarriedMessage>, DbErr> {
        match self.by_words(tx, message).await? {
            None => self.by_time(tx, message).await,
            found => Ok(found),
        }
    }

    /// The oldest carried message that says the same and is none of our others. While fewer are there
    /// than texts of ours that might be them, none is taken for any: one that was not sent would count
    /// as sent.
    async fn by_words(&self, tx: &Tx<'_>, message: &message::Model) -> Result<Option<&CarriedMessage>, DbErr> {
        let says_the_same = |body: &str| {
            let (body, own) = (body.trim(), message.body.trim());
            body == own || body.strip_prefix(TRIAL_PREFIX).is_some_and(|rest| rest.trim() == own)
        };
        let same = self.carried.iter().filter(|carried| carried.body.as_deref().is_some_and(says_the_same)).collect();
        let same = unknown(tx, message, same).await?;
        if same.is_empty() || (same.len() as u64) < messages::count_unnamed_like(tx.conn, message).await? {
            return Ok(None);
        }
        Ok(same.into_iter().min_by_key(|carried| carried.date_created))
    }

    /// The one carried message whose words Twilio has redacted and that can be this text. With two of them, or two texts
    /// of ours that one could be, nobody can say which is which.
    async fn by_time(&self, tx: &Tx<'_>, message: &message::Model) -> Result<Option<&CarriedMessage>, DbErr> {
        let began = self.row.attempted_at.unwrap_or(self.row.due_at);
        let until = began + ATTEMPT_LASTS + CLOCKS_APART;
        // A text that a person was asked about before this was tried too early for any of these messages.
        let flagged_since = began - ATTEMPT_LASTS - CLOCKS_APART * 2;
        let own_segments = message.segments.and_then(|count| u32::try_from(count).ok());
        let fits = |carried: &&CarriedMessage| {
            let same_length = carried.segments.is_none() || carried.segments == own_segments;
            carried.body.is_none() && same_length && carried.date_created <= until
        };
        let fitting = unknown(tx, message, self.carried.iter().filter(fits).collect()).await?;
        match fitting.as_slice() {
            [one] if messages::count_unnamed_as_long(tx.conn, message, flagged_since).await? == 1 => Ok(Some(one)),
            _ => Ok(None),
        }
    }
}

/// Those of these carried messages that are none of our other texts.
async fn unknown<'a>(
    tx: &Tx<'_>,
    message: &message::Model,
    mut carried: Vec<&'a CarriedMessage>,
) -> Result<Vec<&'a CarriedMessage>, DbErr> {
    if carried.is_empty() {
        return Ok(carried);
    }
    let sids: Vec<String> = carried.iter().map(|carried| carried.sid.clone()).collect();
    let known = messages::known_sids(tx.conn, message.agency_id, message.twilio_account_id, &sids).await?;
    carried.retain(|carried| !known.contains(&carried.sid));
    Ok(carried)
}
