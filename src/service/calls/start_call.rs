//! Click to call: a user starts a call. The user's own phone rings first, then the contact's, with the shared number as
//! the caller ID.

use std::convert::Infallible;

use chrono::TimeDelta;

use super::outbound::{OWN_LEG, RING_SECONDS};
use super::record::record;
use super::rows::{CallRow, find_or_begin_thread};
use crate::domain::call::{CallEvent, LegReport};
use crate::domain::call_error::REJECTED;
use crate::domain::dialing::{DisallowedNumber, check_number};
use crate::domain::{
    AgencyId, CallId, Direction, LegState, PhoneNumberId, StoredEnum as _, ThreadId, TwilioRequest, UserId,
};
use crate::entity::{call, phone_number};
use crate::ports::twilio_rest::{OutboundCall, StartCallOutcome, callback_url};
use crate::service::account_trouble::{AccountEvidence, observe};
use crate::service::text_limits::limit_exceeded;
use crate::service::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{Directory, calls, contacts, threads};

/// How many calls a user can start in 24 hours.
const MAX_PER_DAY: u64 = 200;
/// How long after its start the carrier is asked about an outbound call without a final status.
const CHECK_AFTER: TimeDelta = TimeDelta::minutes(3);

/// Where to call.
#[derive(Debug, Clone)]
pub enum StartCall {
    /// The contact of a thread, from the thread's number.
    Thread(ThreadId),
    /// A phone, from a number of the agency.
    Number(PhoneNumberId, String),
}

/// Starts a call. Its row is stored before the carrier is asked, once, to ring the user's phone.
pub async fn start_call(services: &Services, viewer: &Viewer, target: StartCall) -> Outcome<call::Model> {
    let begin = BeginCall { agency: viewer.agency(), user: viewer.id(), target };
    let (call, phone, number) = services.writer.run(viewer.agency(), begin).await?;
    let account = services.accounts.by_id(call.twilio_account_id).await?;
    let started = match account.as_ref().and_then(|account| account.credentials()) {
        Some(credentials) => {
            let of_call = |url: &str| {
                callback_url(url, vec![("agency", call.agency_id.to_string()), ("call", call.id.to_string())])
            };
            let outbound = OutboundCall {
                from: number,
                to: phone,
                url: of_call(&services.calls.outbound_url),
                status_callback: of_call(&services.calls.status_url),
                ring_seconds: RING_SECONDS,
            };
            services.sending.twilio.start_call(&credentials, &outbound).await
        }
        None => StartCallOutcome::Rejected(REJECTED.to_owned()),
    };
    let evidence = evidence_from_start(&started);
    let call = services.writer.run(call.agency_id, RecordStart { call, started }).await?;
    if let Some(account) = account {
        observe(services, &account, TwilioRequest::Call, evidence).await;
    }
    if matches!(evidence, Some(Err(_))) { Err(Refusal::not_served().into()) } else { Ok(call) }
}

/// The evidence about the account in the response to a started call.
fn evidence_from_start(started: &StartCallOutcome) -> AccountEvidence {
    match started {
        StartCallOutcome::Accepted(_) => Some(Ok(())),
        StartCallOutcome::Withheld(trouble) => Some(Err(*trouble)),
        StartCallOutcome::Rejected(_) | StartCallOutcome::InDoubt => None,
    }
}

struct BeginCall {
    agency: AgencyId,
    user: UserId,
    target: StartCall,
}

impl Unit for BeginCall {
    /// The call, the user's own phone, and the number to call from.
    type Output = (call::Model, String, String);
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, UnitError<Refusal>> {
        let directory = tx.directory(self.agency).await?;
        let viewer =
            Viewer::of(directory.clone(), self.user).ok_or_else(|| Refusal::not_found("thread", "threadId"))?;
        let (number, to) = self.number_and_recipient(tx, &viewer, &directory).await?;
        let phone = own_phone(&viewer, &number, &to)?;
        let since = tx.now - TimeDelta::days(1);
        let started = calls::started_by(tx.conn, self.agency, self.user, since).await?;
        if started.open > 0 {
            let code = RefusalCode::LimitExceeded { retry_after_seconds: None };
            let message = "You already have an active call. End it before you start another.";
            return Err(Refusal::new(code, message).into());
        }
        if started.calls >= MAX_PER_DAY {
            let message = format!("You can start at most {MAX_PER_DAY} calls in a day. Try again later.");
            let wait = started.first_at.map_or(TimeDelta::zero(), |first| first - since);
            return Err(limit_exceeded(message, wait).into());
        }
        let (contact, thread) = find_or_begin_thread(tx, &viewer, number.id, &to).await?;
        let (id, own) = (CallId(tx.new_id()), (number.twilio_account_id, number.id));
        let call = call::Model {
            contact_id: Some(contact),
            thread_id: Some(thread),
            step: OWN_LEG.into(),
            started_by_id: Some(self.user),
            look_at: Some(tx.now + CHECK_AFTER),
            ..call::Model::begin(self.agency, id, own, Direction::Outbound, tx.now)
        };
        let rings = CallEvent::Leg(LegReport::new(OWN_LEG, Some(self.user), None, LegState::Ringing));
        let call = record(tx, CallRow { before: None, after: call }, &[rings]).await?;
        Ok((call, phone, number.e164.clone()))
    }
}

impl BeginCall {
    async fn number_and_recipient(
        &self,
        tx: &Tx<'_>,
        viewer: &Viewer,
        directory: &Directory,
    ) -> Result<(phone_number::Model, String), UnitError<Refusal>> {
        let live =
            |id: PhoneNumberId| directory.number(id).filter(|row| row.live == Some(true)).map(|row| (**row).clone());
        match &self.target {
            StartCall::Thread(id) => {
                let thread = threads::visible(tx.conn, &viewer.scope(), *id).await?;
                let thread = thread.ok_or_else(|| Refusal::not_found("thread", "threadId"))?;
                let number = live(thread.phone_number_id)
                    .ok_or_else(|| Refusal::invalid("This phone number is no longer in use.", "threadId"))?;
                let contact = contacts::by_ids(tx.conn, self.agency, &[thread.contact_id]).await?.pop();
                let contact = contact.ok_or_else(|| UnitError::<Refusal>::Broken("a thread has no contact"))?;
                Ok((number, contact.phone))
            }
            StartCall::Number(id, to) => {
                let is_member = viewer.is_admin() || directory.pool_members(*id).any(|row| row.user_id == self.user);
                let number = live(*id).filter(|_| is_member);
                let number = number.ok_or_else(|| Refusal::not_found("phone number", "phoneNumberId"))?;
                Ok((number, to.clone()))
            }
        }
    }
}

/// The user's own phone, if both it and the recipient may be dialed.
pub fn own_phone(viewer: &Viewer, number: &phone_number::Model, to: &str) -> Result<String, Refusal> {
    let directory = &viewer.directory;
    let user = viewer.user();
    let phone = user.phone.clone().filter(|_| user.phone_verified);
    let phone = phone
        .ok_or_else(|| Refusal::new(RefusalCode::NotVerified, "Verify your own phone before you start a call."))?;
    let countries = directory.calling_countries();
    let refusal = |error: DisallowedNumber| {
        Refusal::new(RefusalCode::Invalid, format!("This number cannot be called: {error}.")).at("to")
    };
    if directory.is_shared(to) {
        return Err(Refusal::invalid("This is one of the agency's own numbers.", "to"));
    }
    check_number(to, &number.e164, countries.as_deref()).map_err(refusal)?;
    // The phone was verified, so it may be in any country, but it must not be a premium number.
    check_number(&phone, &phone, None).map_err(refusal)?;
    Ok(phone)
}

/// Records the carrier's response.
struct RecordStart {
    call: call::Model,
    started: StartCallOutcome,
}

impl Unit for RecordStart {
    type Output = call::Model;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<call::Model, UnitError> {
        let Some(before) = calls::by_id(tx.conn, self.call.agency_id, self.call.id).await? else {
            return Ok(self.call.clone());
        };
        let event = match &self.started {
            StartCallOutcome::Accepted(sid) => Some(CallEvent::SidAssigned(sid.clone())),
            StartCallOutcome::Rejected(code) => Some(CallEvent::Rejected { error_code: code.clone() }),
            StartCallOutcome::Withheld(trouble) => {
                Some(CallEvent::Rejected { error_code: trouble.as_str().to_owned() })
            }
            // If the carrier accepted the call, it requests the next step; otherwise the check for overdue calls ends
            // it.
            StartCallOutcome::InDoubt => None,
        };
        let row = CallRow { after: before.clone(), before: Some(before) };
        record(tx, row, event.as_slice()).await
    }
}
