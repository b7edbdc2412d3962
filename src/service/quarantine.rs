//! Operators settle what is in quarantine: give a text to a number of its account, or discard it.

use sea_orm::DbErr;

use super::receive_sms::text_of;
use super::{Fault, Outcome, Refusal, RefusalCode, Services};
use crate::domain::address::without_channel;
use crate::domain::{QuarantineId, QuarantineState};
use crate::entity::quarantine;
use crate::store;
use crate::store::writer::{InboundOutcome, InboundText, Tx, Unit};

/// The longest that is held, for the command line.
///
/// # Errors
/// When the database fails.
pub async fn list(services: &Services, limit: u64) -> Result<Vec<quarantine::Model>, Fault> {
    Ok(store::quarantine::oldest_held(services.reader(), limit).await?)
}

/// Receives a quarantined text as if it had been sent to `number`, a live number of its account.
///
/// # Errors
/// When the database fails.
pub async fn assign(services: &Services, id: QuarantineId, number: &str) -> Outcome<InboundOutcome> {
    let Some(held) = store::quarantine::by_id(services.reader(), None, id).await? else {
        return Ok(Err(Refusal::new(RefusalCode::NotFound, "Nothing with this id is held in quarantine.")));
    };
    if !store::accounts::has_live_number(services.reader(), held.twilio_account_id, without_channel(number)).await? {
        let message = "This is no live number of the account that the text came to.";
        return Ok(Err(Refusal::new(RefusalCode::NotFound, message)));
    }
    let Some(text) = text_for(&held, number) else {
        return Ok(Err(Refusal::new(RefusalCode::Invalid, "The kept form cannot be read.")));
    };
    Ok(Ok(services.writer.receive(text).await?))
}

/// Puts a quarantined text aside. It stays in the database.
///
/// # Errors
/// When the database fails.
pub async fn discard(services: &Services, id: QuarantineId) -> Outcome<()> {
    if store::quarantine::by_id(services.reader(), None, id).await?.is_none() {
        return Ok(Err(Refusal::new(RefusalCode::NotFound, "Nothing with this id is held in quarantine.")));
    }
    services.writer.run_for(Vec::new(), Discard(id)).await?;
    Ok(Ok(()))
}

struct Discard(QuarantineId);

impl Unit for Discard {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        store::quarantine::settle(tx.conn, &[self.0], QuarantineState::Discarded, tx.now).await
    }
}

/// The fields of the form that came, as far as they can be read.
pub fn form_of(held: &quarantine::Model) -> Option<Vec<(String, String)>> {
    serde_json::from_str(&held.form).ok()
}

fn text_for(held: &quarantine::Model, number: &str) -> Option<InboundText> {
    let text = text_of(held.twilio_account_id, form_of(held)?).ok()?;
    Some(InboundText { to: number.to_owned(), settles: Some(held.id), ..text })
}
