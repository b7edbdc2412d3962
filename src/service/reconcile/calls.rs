//! Imports calls with their voicemails.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use chrono::{DateTime, Utc};

use super::report::report;
use super::{ReconcileError, Run};
use crate::domain::reconciliation::{Arrivals, is_on_its_way};
use crate::domain::{AccountId, AgencyId, CallEnd, CallId, PhoneNumberId};
use crate::entity::call;
use crate::ports::twilio_rest::ReceivedCall;
use crate::service::calls::{CallKey, EndedCall, Recording, import_call};
use crate::service::{Fault, Services};
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{accounts, calls};

/// Imports the calls that are missing, oldest first. Returns what was imported, and the beginning of the first call that
/// has not ended.
pub(super) async fn import(run: &Run<'_>) -> Result<(Arrivals, Option<DateTime<Utc>>), ReconcileError> {
    let services = run.services;
    let received = run.observed(services.sending.twilio.calls_since(run.credentials, run.since).await).await?;
    let numbers = numbers(services, run.account.id).await?;
    let mut by_agency = BTreeMap::<AgencyId, Vec<(ReceivedCall, PhoneNumberId)>>::new();
    for call in received {
        if let Some((agency, number)) = numbers.get(&call.to).copied() {
            by_agency.entry(agency).or_default().push((call, number));
        }
    }
    let (mut total, mut open_since) = (Arrivals::default(), None::<DateTime<Utc>>);
    for (agency, calls) in by_agency {
        let mut arrivals = Arrivals::default();
        let result = import_of_agency(run, agency, &calls, &mut arrivals).await;
        // What was imported is reported even if the rest fails.
        report(services, agency, arrivals).await?;
        total.add(arrivals);
        let open = result?;
        open_since = open_since.into_iter().chain(open).min();
    }
    Ok((total, open_since))
}

/// The live numbers of the account, with their agencies.
async fn numbers(
    services: &Services,
    account: AccountId,
) -> Result<HashMap<String, (AgencyId, PhoneNumberId)>, ReconcileError> {
    let mut numbers = HashMap::new();
    for agency in accounts::agencies_of(services.reader(), account).await? {
        let Some(directory) = services.directories.get(agency).await.map_err(Fault::from)? else { continue };
        let live = directory.numbers.iter().filter(|row| row.live == Some(true) && row.twilio_account_id == account);
        numbers.extend(live.map(|row| (row.e164.clone(), (agency, row.id))));
    }
    Ok(numbers)
}

async fn import_of_agency(
    run: &Run<'_>,
    agency: AgencyId,
    received: &[(ReceivedCall, PhoneNumberId)],
    arrivals: &mut Arrivals,
) -> Result<Option<DateTime<Utc>>, ReconcileError> {
    let services = run.services;
    let known = known(run, agency, received).await?;
    let mut open_since = None::<DateTime<Utc>>;
    let mut overdue = Vec::new();
    for (call, number) in received {
        let end = CallEnd::from_twilio(&call.status);
        match (known.get(&call.sid), end) {
            // The callback of the end is missing or on its way. The usual check of overdue calls asks for the rest.
            (Some(row), Some(_)) if row.end.is_none() => overdue.push(row.id),
            (Some(_), _) => {}
            (None, None) => open_since = open_since.into_iter().chain([call.started_at]).min(),
            (None, Some(end)) => {
                let ended_at = call.ended_at.unwrap_or(call.started_at);
                if !run.includes_newest && is_on_its_way(ended_at, services.clock.now()) {
                    continue;
                }
                run.lease.renew(services).await?;
                let recordings = services.sending.twilio.voicemails_of(run.credentials, &call.sid).await;
                let recordings: Vec<_> = run
                    .observed(recordings)
                    .await?
                    .into_iter()
                    .map(|listed| Recording { sid: listed.sid, seconds: listed.seconds })
                    .collect();
                let voicemails = i32::try_from(recordings.len()).unwrap_or(i32::MAX);
                let key = CallKey {
                    agency,
                    account: run.account.id,
                    number: *number,
                    sid: call.sid.clone(),
                    from: call.from.clone(),
                };
                let (started_at, seconds) = (call.started_at, call.seconds);
                let ended = EndedCall { key, started_at, ended_at, end, seconds, recordings };
                if import_call(services, ended).await? {
                    arrivals.add_call(started_at, voicemails);
                }
            }
        }
    }
    if !overdue.is_empty() {
        services.writer.run(agency, CheckNow { agency, calls: overdue }).await.map_err(Fault::from)?;
    }
    Ok(open_since)
}

/// The calls that are stored, by SID.
async fn known(
    run: &Run<'_>,
    agency: AgencyId,
    received: &[(ReceivedCall, PhoneNumberId)],
) -> Result<HashMap<String, call::Model>, ReconcileError> {
    let sids: Vec<&str> = received.iter().map(|(call, _)| call.sid.as_str()).collect();
    let mut known = HashMap::new();
    for part in sids.chunks(64) {
        let rows = calls::by_sids(run.services.reader(), agency, run.account.id, part).await?;
        known.extend(rows.into_iter().filter_map(|row| Some((row.provider_sid.clone()?, row))));
    }
    Ok(known)
}

/// Makes the check of calls due that have ended at the carrier.
struct CheckNow {
    agency: AgencyId,
    calls: Vec<CallId>,
}

impl Unit for CheckNow {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        Ok(calls::check_now(tx.conn, self.agency, &self.calls, tx.now).await?)
    }
}
