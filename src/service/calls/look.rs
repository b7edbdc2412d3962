//! Calls of which nothing more is heard. A number's own status callback may not be set at Twilio, and a
//! report may be lost: so the carrier is asked, and no call rings for ever.

use futures_util::stream::{self, StreamExt as _};
use sea_orm::DbErr;

use super::rows::{LOOK_AFTER, Legs, Row};
use super::settle::{end, settle};
use crate::domain::{CallEnd, TwilioRequest};
use crate::entity::call;
use crate::service::account_trouble::{observe, shown_by_answer};
use crate::service::{Fault, Services};
use crate::store::calls;
use crate::store::writer::{Tx, Unit};

/// How many calls one round takes.
const ROUND: u64 = 50;
/// Of how many the carrier is asked at a time.
const AT_A_TIME: usize = 8;

/// Looks at all calls that are due. Running it twice tells nobody twice.
///
/// # Errors
/// When the database fails; the next round makes up for it.
pub async fn look_at_calls(services: &Services) -> Result<(), Fault> {
    let due = calls::due(services.reader(), services.clock.now(), ROUND).await?;
    let asking = due.into_iter().map(|call| async move {
        let found = if call.end.is_some() { Found::Ended } else { ask(services, &call).await };
        (found, call)
    });
    let mut asked = stream::iter(asking).buffer_unordered(AT_A_TIME);
    while let Some((found, call)) = asked.next().await {
        services.writer.run(call.agency_id, Look { call, found }).await?;
    }
    Ok(())
}

enum Found {
    /// We know that it is over: what came of it is to be told.
    Ended,
    /// It ended so.
    At(CallEnd, Option<i32>),
    /// It goes on, or nobody says.
    Open,
}

async fn ask(services: &Services, call: &call::Model) -> Found {
    // One that the carrier never took.
    let Some(sid) = &call.provider_sid else { return Found::At(CallEnd::Failed, None) };
    let account = match services.accounts.by_id(call.twilio_account_id).await {
        Ok(account) => account,
        Err(error) => {
            tracing::error!(%error, call = %call.id, "what became of a call cannot be asked");
            return Found::Open;
        }
    };
    let Some(account) = account else { return Found::Open };
    let Some(credentials) = account.credentials() else { return Found::Open };
    let known = services.sending.twilio.call(&credentials, sid).await;
    observe(services, &account, TwilioRequest::Lookup, shown_by_answer(&known)).await;
    match known {
        Ok(Some(known)) => match CallEnd::from_twilio(&known.status) {
            Some(ended) => Found::At(ended, known.seconds()),
            None => Found::Open,
        },
        Ok(None) => Found::At(CallEnd::Completed, None),
        Err(_) => Found::Open,
    }
}

struct Look {
    call: call::Model,
    found: Found,
}

impl Unit for Look {
    type Output = ();

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), DbErr> {
        let Some(before) = calls::by_id(tx.conn, self.call.agency_id, self.call.id).await? else { return Ok(()) };
        if before.look_at.is_none_or(|at| at > tx.now) {
            return Ok(());
        }
        let mut after = call::Model { look_at: None, ..before.clone() };
        match self.found {
            Found::Ended => {}
            Found::At(ended, seconds) => end(tx, &mut after, ended, seconds),
            Found::Open => after.look_at = Some(tx.now + LOOK_AFTER),
        }
        let row = Row { before: Some(before), after };
        let legs = Legs::of(tx, &row).await?;
        settle(tx, row.before, row.after, legs).await.map(drop)
    }
}
