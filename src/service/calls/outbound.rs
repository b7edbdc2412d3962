//! Click to call: the user's own phone rings first, and once they have pressed 1 the contact's, with the shared
//! number as caller.

use chrono::TimeDelta;
use sea_orm::DbErr;

use super::LegNews;
use super::rows::{Legs, Row, thread_with};
use super::settle::{end, settle};
use crate::domain::call::{leg_report, was_picked_up};
use crate::domain::call_error::REJECTED;
use crate::domain::dialling::{Undialled, check_number};
use crate::domain::ivr::{LegPlan, answer_press, ask_to_dial};
use crate::domain::{
    AccountId, AgencyId, CallEnd, CallId, CallStage, Direction, LegState, PhoneNumberId, ThreadId, TwilioRequest,
    UserId, Word as _,
};
use crate::entity::{call, phone_number};
use crate::ports::twilio_rest::{OutboundCall, Started, callback_url};
use crate::service::account_trouble::{Shown, observe};
use crate::service::text_limits::limit_exceeded;
use crate::service::{Fault, Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::store::writer::{Tx, Unit, WhenAway};
use crate::store::{Directory, calls, contacts, threads};

/// How long a phone rings, in seconds.
const RING_SECONDS: u16 = 30;
/// The longest conversation, in seconds: one that nobody ended costs no more.
const LIMIT_SECONDS: u16 = 2 * 60 * 60;
/// How many calls a user starts in a day at most.
const MOST_A_DAY: u64 = 200;
/// When to look what became of a call of which nothing is heard.
const LOOK_AFTER: TimeDelta = TimeDelta::minutes(3);

/// The step in which the user's own phone rings.
pub(super) const OWN_LEG: u8 = 1;
/// The step in which the contact's does.
pub const CONTACTS_LEG: u8 = 2;

/// Whom to call.
#[derive(Debug, Clone)]
pub enum StartCall {
    /// The contact of a thread, from its number.
    Thread(ThreadId),
    /// A number, from one of ours.
    Number(PhoneNumberId, String),
}

/// A call that a user started, as its requests name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundKey {
    /// Whose call.
    pub agency: AgencyId,
    /// Which.
    pub call: CallId,
    /// The account whose token signed the request.
    pub account: AccountId,
    /// Twilio's name for it.
    pub sid: String,
}

/// Whom to connect a user with who has pressed 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dial {
    /// The shared number.
    pub from: String,
    /// The contact's.
    pub to: String,
    /// How long it rings, in seconds.
    pub ring_seconds: u16,
    /// How long the conversation may be, in seconds.
    pub limit_seconds: u16,
}

/// Starts a call: the row is there before the carrier is asked, once, to ring the user's phone.
///
/// # Errors
/// When the database fails.
pub async fn start_call(services: &Services, viewer: &Viewer, wish: StartCall) -> Outcome<call::Model> {
    let begin = Begin { agency: viewer.agency(), user: viewer.id(), wish };
    let (call, phone, number) = match services.writer.run(viewer.agency(), begin).await? {
        Ok(begun) => begun,
        Err(refusal) => return Ok(Err(refusal)),
    };
    let account = services.accounts.by_id(call.twilio_account_id).await?;
    let started = match account.as_ref().and_then(|account| account.credentials()) {
        Some(credentials) => {
            let of_call = |address: &str| {
                callback_url(address, vec![("agency", call.agency_id.to_string()), ("call", call.id.to_string())])
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
        None => Started::Rejected(REJECTED.to_owned()),
    };
    let shown = shown_by_start(&started);
    let call = services.writer.run(call.agency_id, Begun { call, started }).await?;
    if let Some(account) = account {
        observe(services, &account, TwilioRequest::Call, shown).await;
    }
    Ok(if matches!(shown, Some(Err(_))) { Err(Refusal::not_served()) } else { Ok(call) })
}

/// What starting a call shows about the account.
fn shown_by_start(started: &Started) -> Shown {
    match started {
        Started::Accepted(_) => Some(Ok(())),
        Started::Withheld(trouble) => Some(Err(*trouble)),
        Started::Rejected(_) | Started::InDoubt => None,
    }
}

struct Begin {
    agency: AgencyId,
    user: UserId,
    wish: StartCall,
}

type Checked<T> = Result<T, Refusal>;

impl Unit for Begin {
    type Output = Checked<(call::Model, String, String)>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let directory = tx.directory(self.agency).await?;
        let Some(viewer) = Viewer::of(directory.clone(), self.user) else {
            return Ok(Err(Refusal::not_found("thread", "threadId")));
        };
        let (number, to) = match self.whom(tx, &viewer, &directory).await? {
            Ok(whom) => whom,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let phone = match checked(&directory, &viewer, &number, &to) {
            Ok(phone) => phone,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let day = tx.now - TimeDelta::days(1);
        let started = calls::started_by(tx.conn, self.agency, self.user, day).await?;
        if started.open > 0 {
            let code = RefusalCode::LimitExceeded { retry_after_seconds: None };
            let message = "You already have an active call. End it before you start another.";
            return Ok(Err(Refusal::new(code, message)));
        }
        if started.calls >= MOST_A_DAY {
            let message = format!("You can start at most {MOST_A_DAY} calls in a day.");
            let wait = started.first_at.map_or(TimeDelta::zero(), |first| first - day);
            return Ok(Err(limit_exceeded(message, wait)));
        }
        let (contact, thread) = thread_with(tx, &viewer, number.id, &to).await?;
        let (id, own) = (CallId(tx.new_id()), (number.twilio_account_id, number.id));
        let call = call::Model {
            contact_id: Some(contact),
            thread_id: Some(thread),
            step: OWN_LEG.into(),
            started_by_id: Some(self.user),
            look_at: Some(tx.now + LOOK_AFTER),
            ..call::Model::begin(self.agency, id, own, Direction::Outbound, tx.now)
        };
        let row = Row { before: None, after: call };
        let mut legs = Legs::of(tx, &row).await?;
        legs.hear(tx, &LegNews::of(OWN_LEG, Some(self.user), None, LegState::Ringing));
        let call = settle(tx, row.before, row.after, legs).await?;
        Ok(Ok((call, phone, number.e164.clone())))
    }
}

impl Begin {
    /// From which number to whom.
    async fn whom(
        &self,
        tx: &Tx<'_>,
        viewer: &Viewer,
        directory: &Directory,
    ) -> Result<Checked<(phone_number::Model, String)>, DbErr> {
        let live =
            |id: PhoneNumberId| directory.number(id).filter(|row| row.live == Some(true)).map(|row| (**row).clone());
        match &self.wish {
            StartCall::Thread(id) => {
                let Some(thread) = threads::visible(tx.conn, &viewer.scope(), *id).await? else {
                    return Ok(Err(Refusal::not_found("thread", "threadId")));
                };
                let Some(number) = live(thread.phone_number_id) else {
                    return Ok(Err(Refusal::invalid("This number is not in use any more.", "threadId")));
                };
                let found = contacts::by_ids(tx.conn, self.agency, &[thread.contact_id]).await?.pop();
                let contact = found.ok_or_else(|| DbErr::Custom("a thread without its contact".to_owned()))?;
                Ok(Ok((number, contact.phone)))
            }
            StartCall::Number(id, to) => {
                let shares = viewer.is_admin() || directory.pool_members(*id).any(|row| row.user_id == self.user);
                let number = live(*id).filter(|_| shares);
                Ok(number
                    .map(|number| (number, to.clone()))
                    .ok_or_else(|| Refusal::not_found("phone number", "phoneNumberId")))
            }
        }
    }
}

/// The user's own phone, if it and the number that is to be called may be dialled.
fn checked(directory: &Directory, viewer: &Viewer, number: &phone_number::Model, to: &str) -> Checked<String> {
    let user = viewer.user();
    let phone = user.phone.clone().filter(|_| user.phone_verified);
    let phone = phone.ok_or_else(|| Refusal::new(RefusalCode::Invalid, "Verify your own phone first."))?;
    let countries = directory.calling_countries();
    let refused = |error: Undialled| {
        Refusal::new(RefusalCode::Invalid, format!("This number cannot be called: {error}.")).at("to")
    };
    if directory.is_shared(to) {
        return Err(Refusal::invalid("This is one of the agency's own numbers.", "to"));
    }
    check_number(to, &number.e164, countries.as_deref()).map_err(refused)?;
    // Wherever it is, it was verified; but it must be no number that costs a premium.
    check_number(&phone, &phone, None).map_err(refused)?;
    Ok(phone)
}

/// What the carrier said to it.
struct Begun {
    call: call::Model,
    started: Started,
}

impl Unit for Begun {
    type Output = call::Model;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<call::Model, DbErr> {
        let Some(before) = calls::by_id(tx.conn, self.call.agency_id, self.call.id).await? else {
            return Ok(self.call.clone());
        };
        let mut after = before.clone();
        match &self.started {
            Started::Accepted(sid) => after.provider_sid = after.provider_sid.or_else(|| Some(sid.clone())),
            Started::Rejected(code) => {
                after.error_code = Some(code.clone());
                end(tx, &mut after, CallEnd::Failed, None);
            }
            Started::Withheld(trouble) => {
                after.error_code = Some(trouble.as_str().to_owned());
                end(tx, &mut after, CallEnd::Failed, None);
            }
            // If the carrier has it, it asks what to do with it; if not, it is looked for in vain.
            Started::InDoubt => {}
        }
        let row = Row { before: Some(before), after };
        let legs = Legs::of(tx, &row).await?;
        settle(tx, row.before, row.after, legs).await
    }
}

/// The user's phone was picked up, by them or by a mobile's own voicemail.
///
/// # Errors
/// When the database fails.
pub async fn outbound_picked_up(services: &Services, key: OutboundKey) -> Result<Option<LegPlan>, Fault> {
    let agency = key.agency;
    let Some(call) = services.writer.run(agency, PickedUp { key, wants: None }).await? else { return Ok(None) };
    let directory = services.read_with_retry(|| services.directories.get(agency)).await?;
    let label = directory.as_ref().and_then(|directory| directory.number(call.0.phone_number_id));
    Ok(Some(ask_to_dial(label.map_or("your number", |number| &number.label))))
}

/// A key was pressed on it: whom to connect it with, or what to say.
///
/// # Errors
/// When the database fails.
pub async fn outbound_pressed(
    services: &Services,
    key: OutboundKey,
    digits: &str,
) -> Result<Option<Result<Dial, LegPlan>>, Fault> {
    let agency = key.agency;
    let wants = digits == "1";
    let Some((call, dial)) = services.writer.run(agency, PickedUp { key, wants: Some(wants) }).await? else {
        return Ok(None);
    };
    Ok(Some(match dial.filter(|_| wants && call.end.is_none()) {
        Some(dial) => Ok(dial),
        None => Err(answer_press(digits, wants.then_some(false))),
    }))
}

struct PickedUp {
    key: OutboundKey,
    /// Whether 1 was pressed, if a key was.
    wants: Option<bool>,
}

impl Unit for PickedUp {
    type Output = Option<(call::Model, Option<Dial>)>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let Some(mut row) = find(tx, &self.key).await? else { return Ok(None) };
        let mut legs = Legs::of(tx, &row).await?;
        let state = match self.wants {
            None => LegState::PickedUp,
            Some(true) => LegState::Accepted,
            Some(false) => LegState::Declined,
        };
        if let Some(user) = row.after.started_by_id {
            legs.hear(tx, &LegNews::of(OWN_LEG, Some(user), Some(self.key.sid.clone()), state));
        }
        if self.wants == Some(true) && row.after.end.is_none() {
            row.after.stage = CallStage::Ringing;
            row.after.step = CONTACTS_LEG.into();
            legs.hear(tx, &LegNews::of(CONTACTS_LEG, None, None, LegState::Ringing));
        }
        let dial = self.dial(tx, &row.after).await?;
        let call = settle(tx, row.before, row.after, legs).await?;
        Ok(Some((call, dial)))
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}

impl PickedUp {
    async fn dial(&self, tx: &mut Tx<'_>, call: &call::Model) -> Result<Option<Dial>, DbErr> {
        let directory = tx.directory(call.agency_id).await?;
        let number = directory.number(call.phone_number_id).map(|number| number.e164.clone());
        let contact = match call.contact_id {
            Some(id) => contacts::by_ids(tx.conn, call.agency_id, &[id]).await?.pop(),
            None => None,
        };
        Ok(number.zip(contact).map(|(from, contact)| Dial {
            from,
            to: contact.phone,
            ring_seconds: RING_SECONDS,
            limit_seconds: LIMIT_SECONDS,
        }))
    }
}

/// The contact's phone has stopped ringing, or the conversation is over. Tells whether there was one.
///
/// # Errors
/// When it is not stored.
pub async fn outbound_dialled(
    services: &Services,
    key: OutboundKey,
    status: String,
    bridged: Option<bool>,
) -> Result<bool, Fault> {
    let agency = key.agency;
    Ok(services.writer.run(agency, Dialled { key, status, bridged }).await?)
}

struct Dialled {
    key: OutboundKey,
    status: String,
    bridged: Option<bool>,
}

impl Unit for Dialled {
    type Output = bool;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, DbErr> {
        let Some(mut row) = find(tx, &self.key).await? else { return Ok(false) };
        let mut legs = Legs::of(tx, &row).await?;
        let talked = self.bridged.unwrap_or(was_picked_up(&self.status));
        let state = if talked { Some(LegState::Connected) } else { leg_report(&self.status) };
        if let Some(state) = state.filter(|state| talked || *state != LegState::PickedUp) {
            legs.hear(tx, &LegNews::of(CONTACTS_LEG, None, None, state).over(None));
        }
        if talked {
            row.after.answered_at = row.after.answered_at.or(Some(tx.now));
        }
        let ended = if talked { Some(CallEnd::Completed) } else { CallEnd::from_twilio(&self.status) };
        end(tx, &mut row.after, ended.unwrap_or(CallEnd::NoAnswer), None);
        settle(tx, row.before, row.after, legs).await?;
        Ok(talked)
    }

    fn when_away(&self) -> WhenAway {
        WhenAway::Retry
    }
}

/// The call that a request is about, which takes the carrier's name from it; `None` if the account that signed is
/// not its own.
pub(super) async fn find(tx: &Tx<'_>, key: &OutboundKey) -> Result<Option<Row>, DbErr> {
    let found = calls::by_id(tx.conn, key.agency, key.call).await?;
    let Some(before) =
        found.filter(|call| call.twilio_account_id == key.account && call.direction == Direction::Outbound)
    else {
        return Ok(None);
    };
    let mut after = before.clone();
    after.provider_sid = after.provider_sid.or_else(|| Some(key.sid.clone()));
    Ok(Some(Row { before: Some(before), after }))
}
