//! Asks the carrier about calls whose webhooks did not arrive: a number's status callback may not be set at Twilio, or the
//! server was down. Every call ends, and no voicemail is lost.

use chrono::TimeDelta;
use futures_util::stream::{self, StreamExt as _};
use sea_orm::DbErr;

use super::CallKey;
use super::rows::{LOOK_AFTER, Legs, Row};
use super::settle::{end, settle};
use super::voicemail::{Recording, store_missed_voicemail};
use crate::domain::{CallEnd, Direction, TwilioRequest};
use crate::entity::call;
use crate::service::account_trouble::{observe, shown_by_answer};
use crate::service::{Fault, Services};
use crate::store::calls;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit};

/// How many calls one round takes.
const ROUND: u64 = 50;
/// Of how many the carrier is asked at a time.
const AT_A_TIME: usize = 8;
/// The pause before the carrier is asked again about a call that has ended while the staff are not notified yet.
const ASK_AGAIN_AFTER: TimeDelta = TimeDelta::minutes(1);
/// The longest time after the end of a call during which a carrier that does not answer delays the MISSED_CALL
/// notification. The search for recordings goes on afterwards.
const TELL_AFTER: TimeDelta = TimeDelta::minutes(15);
/// The age of a call at which the search for its recordings ends.
const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(24);

/// Looks at all calls that are due. Running it twice tells nobody twice.
///
/// # Errors
/// When the database fails; the next round makes up for it.
pub async fn look_at_calls(services: &Services) -> Result<(), Fault> {
    let due = calls::due(services.reader(), services.clock.now(), ROUND).await?;
    let asking = due.into_iter().map(|call| async move { (ask(services, &call).await, call) });
    let mut asked = stream::iter(asking).buffer_unordered(AT_A_TIME);
    while let Some((found, call)) = asked.next().await {
        services.writer.run(call.agency_id, Look { call, found }).await?;
    }
    Ok(())
}

enum Found {
    /// The call is over, and its voicemails are stored. Holds how the call ended, unless that was known before.
    Over(Option<(CallEnd, Option<i32>)>),
    /// The call goes on, or the carrier did not answer.
    Open,
}

async fn ask(services: &Services, call: &call::Model) -> Found {
    let may_have_voicemail = call.direction == Direction::Inbound && call.answered_at.is_none() && !call.recorded;
    if call.end.is_some() && !may_have_voicemail {
        return Found::Over(None);
    }
    // One that the carrier never took.
    let Some(sid) = &call.provider_sid else { return Found::Over(Some((CallEnd::Failed, None))) };
    let account = match services.accounts.by_id(call.twilio_account_id).await {
        Ok(account) => account,
        Err(error) => {
            tracing::error!(%error, call = %call.id, "what became of a call cannot be asked");
            return Found::Open;
        }
    };
    let Some(account) = account else { return Found::Open };
    let Some(credentials) = account.credentials() else { return Found::Open };
    let twilio = &services.sending.twilio;
    let ended = if call.end.is_some() {
        None
    } else {
        let known = twilio.call(&credentials, sid).await;
        observe(services, &account, TwilioRequest::Lookup, shown_by_answer(&known)).await;
        match known {
            Ok(Some(known)) => match CallEnd::from_twilio(&known.status) {
                Some(ended) => Some((ended, known.seconds())),
                None => return Found::Open,
            },
            Ok(None) => Some((CallEnd::Completed, None)),
            Err(_) => return Found::Open,
        }
    };
    if !may_have_voicemail {
        return Found::Over(ended);
    }
    let listed = twilio.voicemails_of(&credentials, sid).await;
    observe(services, &account, TwilioRequest::Lookup, shown_by_answer(&listed)).await;
    match listed {
        Ok(recordings) => {
            for recording in recordings {
                let recording = Recording { sid: recording.sid, seconds: recording.seconds };
                if let Err(error) = store_missed_voicemail(services, key_of(call, sid), recording).await {
                    tracing::error!(%error, call = %call.id, "a voicemail that the carrier holds was not stored");
                    return Found::Open;
                }
            }
            Found::Over(ended)
        }
        Err(error) => {
            tracing::warn!(%error, call = %call.id, "the recordings of a call could not be listed");
            let gives_up = services.clock.now() - call.started_at >= GIVE_UP_AFTER;
            if gives_up { Found::Over(ended) } else { Found::Open }
        }
    }
}

fn key_of(call: &call::Model, sid: &str) -> CallKey {
    CallKey {
        agency: call.agency_id,
        account: call.twilio_account_id,
        number: call.phone_number_id,
        sid: sid.to_owned(),
        // The row exists and already names the caller, if known.
        from: String::new(),
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
        match self.found {
            Found::Over(ended) => record_end(tx, before, ended).await.map(drop),
            Found::Open => {
                let is_overdue = before.end.is_some()
                    && before.told_at.is_none()
                    && before.ended_at.is_some_and(|ended| tx.now - ended >= TELL_AFTER);
                let call = if is_overdue { record_end(tx, before, None).await? } else { before };
                let waits = call.end.is_some() && call.told_at.is_none();
                let pause = if waits { ASK_AGAIN_AFTER } else { LOOK_AFTER };
                save(tx.conn, call::Model { look_at: Some(tx.now + pause), ..call }).await
            }
        }
    }
}

async fn record_end(
    tx: &mut Tx<'_>,
    before: call::Model,
    ended: Option<(CallEnd, Option<i32>)>,
) -> Result<call::Model, DbErr> {
    let mut after = call::Model { look_at: None, ..before.clone() };
    if let Some((ended, seconds)) = ended {
        end(tx, &mut after, ended, seconds);
    }
    let row = Row { before: Some(before), after };
    let legs = Legs::of(tx, &row).await?;
    settle(tx, row.before, row.after, legs).await
}
