//! Asks the carrier about calls whose callbacks did not arrive, because the number's status callback is not configured
//! at Twilio or the server was down. Every call ends, and no voicemail is lost.

use std::convert::Infallible;

use chrono::TimeDelta;
use futures_util::stream::{self, StreamExt as _};

use super::CallKey;
use super::record::record;
use super::rows::{CHECK_AFTER, CallRow};
use super::voicemail::{Recording, store_missed_voicemail};
use crate::domain::call::CallEvent;
use crate::domain::{CallEnd, Direction, TwilioRequest};
use crate::entity::call;
use crate::service::account_trouble::{evidence_from_response, observe};
use crate::service::{Fault, Services};
use crate::store::calls;
use crate::store::directory_writes::save;
use crate::store::writer::{Tx, Unit, UnitError};

const BATCH_SIZE: u64 = 50;
const MAX_CONCURRENT: usize = 8;
/// The pause before the carrier is asked again about a call that has ended while users are not notified yet.
const RETRY_DELAY: TimeDelta = TimeDelta::minutes(1);
/// The longest time after the end of a call during which a carrier that does not answer delays the MISSED_CALL
/// notification. The search for recordings continues afterwards.
const NOTIFY_AFTER: TimeDelta = TimeDelta::minutes(15);
/// The age of a call at which the search for its recordings ends.
const MAX_AGE: TimeDelta = TimeDelta::hours(24);

/// Checks all calls that are due. A second run notifies nobody again.
pub async fn check_overdue_calls(services: &Services) -> Result<(), Fault> {
    let due = calls::due(services.reader(), services.clock.now(), BATCH_SIZE).await?;
    let checks = due.into_iter().map(|call| async move { (ask_carrier(services, &call).await, call) });
    let mut checked = stream::iter(checks).buffer_unordered(MAX_CONCURRENT);
    while let Some((result, call)) = checked.next().await {
        services.writer.run(call.agency_id, RecordCheck { call, result }).await?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
enum CheckResult {
    /// The call is over, and its voicemails are stored. Contains how the call ended, unless that was known before.
    Over(Option<(CallEnd, Option<i32>)>),
    /// The call is active, or the carrier did not answer.
    Open,
}

async fn ask_carrier(services: &Services, call: &call::Model) -> CheckResult {
    let may_have_voicemail = call.direction == Direction::Inbound && call.answered_at.is_none() && !call.recorded;
    if call.end.is_some() && !may_have_voicemail {
        return CheckResult::Over(None);
    }
    // Without a SID, the carrier never accepted the call.
    let Some(sid) = &call.provider_sid else { return CheckResult::Over(Some((CallEnd::Failed, None))) };
    let account = match services.accounts.by_id(call.twilio_account_id).await {
        Ok(account) => account,
        Err(error) => {
            tracing::error!(%error, call = %call.id, "failed to read the Twilio account of a call");
            return CheckResult::Open;
        }
    };
    let Some(account) = account else { return CheckResult::Open };
    let Some(credentials) = account.credentials() else { return CheckResult::Open };
    let twilio = &services.sending.twilio;
    let end = if call.end.is_some() {
        None
    } else {
        let found = twilio.call(&credentials, sid).await;
        observe(services, &account, TwilioRequest::Lookup, evidence_from_response(&found)).await;
        match found {
            Ok(Some(found)) => match CallEnd::from_twilio(&found.status) {
                Some(end) => Some((end, found.seconds())),
                None => return CheckResult::Open,
            },
            Ok(None) => Some((CallEnd::Completed, None)),
            Err(_) => return CheckResult::Open,
        }
    };
    if !may_have_voicemail {
        return CheckResult::Over(end);
    }
    let listed = twilio.voicemails_of(&credentials, sid).await;
    observe(services, &account, TwilioRequest::Lookup, evidence_from_response(&listed)).await;
    match listed {
        Ok(recordings) => {
            for recording in recordings {
                let recording = Recording { sid: recording.sid, seconds: recording.seconds };
                if let Err(error) = store_missed_voicemail(services, key_of(call, sid), recording).await {
                    tracing::error!(%error, call = %call.id, "failed to store a voicemail that the carrier has");
                    return CheckResult::Open;
                }
            }
            CheckResult::Over(end)
        }
        Err(error) => {
            tracing::warn!(%error, call = %call.id, "failed to list the recordings of a call");
            let is_too_old = services.clock.now() - call.started_at >= MAX_AGE;
            if is_too_old { CheckResult::Over(end) } else { CheckResult::Open }
        }
    }
}

fn key_of(call: &call::Model, sid: &str) -> CallKey {
    CallKey {
        agency: call.agency_id,
        account: call.twilio_account_id,
        number: call.phone_number_id,
        sid: sid.to_owned(),
        // The stored call already names the caller, if known.
        from: String::new(),
    }
}

struct RecordCheck {
    call: call::Model,
    result: CheckResult,
}

impl Unit for RecordCheck {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let Some(before) = calls::by_id(tx.conn, self.call.agency_id, self.call.id).await? else { return Ok(()) };
        if before.look_at.is_none_or(|at| at > tx.now) {
            return Ok(());
        }
        match self.result {
            CheckResult::Over(end) => record_end(tx, before, end).await.map(drop),
            CheckResult::Open => {
                let is_overdue = before.end.is_some()
                    && before.told_at.is_none()
                    && before.ended_at.is_some_and(|ended| tx.now - ended >= NOTIFY_AFTER);
                let call = if is_overdue { record_end(tx, before, None).await? } else { before };
                let is_unnotified = call.end.is_some() && call.told_at.is_none();
                let pause = if is_unnotified { RETRY_DELAY } else { CHECK_AFTER };
                Ok(save(tx.conn, call::Model { look_at: Some(tx.now + pause), ..call }).await?)
            }
        }
    }
}

/// Records that nothing more is expected of a call.
async fn record_end(
    tx: &mut Tx<'_>,
    before: call::Model,
    end: Option<(CallEnd, Option<i32>)>,
) -> Result<call::Model, UnitError> {
    let after = call::Model { look_at: None, ..before.clone() };
    let events: Vec<CallEvent> = end.into_iter().map(|(end, seconds)| CallEvent::Ended { end, seconds }).collect();
    record(tx, CallRow { before: Some(before), after }, &events).await
}
