//! Random operations, applied both to the server and to the model.

use partyline::domain::{Availability, ThreadId};
use partyline::service::claim_thread::claim_thread;
use partyline::service::close_thread::close_thread;
use partyline::service::inbound::{self, InboundOutcome, text_of};
use partyline::service::manage_pool::{
    AddPoolMember, UpdatePoolMember, add_pool_member, remove_pool_member, update_pool_member,
};
use partyline::service::mark_thread_read::mark_thread_read;
use partyline::service::release_thread::release_thread;
use partyline::service::reopen_thread::reopen_thread;
use partyline::service::set_availability::set_availability;
use partyline::service::transfer_thread::transfer_thread;
use partyline::service::{Error, Outcome, RefusalCode};

use super::state::{ActionResult, Contact, Membership, Number, Pair, RefusalKind, State, User};
use super::{CONTACTS, Case, EXTENSION_USERS, NUMBERS, USERS};
use crate::support::random::Random;

#[derive(Debug, Clone)]
pub(super) enum Operation {
    Text { sid: String, pair: Pair, body: &'static str },
    Claim(User, Pair),
    Release(User, Pair),
    Transfer(User, Pair, User),
    Close(User, Pair),
    Reopen(User, Pair),
    MarkRead(User, Pair),
    SetAway(User, bool),
    Add(User, Number, Membership),
    Update(User, Number, Membership),
    Remove(User, Number, User),
}

/// The result of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Response {
    Stored,
    Duplicate,
    Action(ActionResult),
}

const BODIES: [&str; 8] = ["hello", "hello", "hello", "hello", "#101 hello", "102: hello", "10:30", "STOP"];

impl Operation {
    pub(super) fn random(random: &mut Random, case: &Case<'_>) -> Self {
        let (user, to) = (random.below(USERS.len()), random.below(USERS.len()));
        let number = random.below(NUMBERS);
        let pair = (number, random.below(CONTACTS));
        // Usually the admin manages the pools; other users are refused.
        let actor = if random.chance(10) { user } else { 0 };
        let place = Membership { user: to, sms: !random.chance(3), primary: random.chance(5) };
        match random.below(100) {
            0..40 => {
                let again = random.chance(5);
                let sid = if again { random.below(case.sent + 1) } else { case.sent + random.below(3) };
                Self::Text { sid: case.sid(sid), pair, body: BODIES[random.below(BODIES.len())] }
            }
            40..55 => Self::Claim(user, pair),
            55..62 => Self::Release(user, pair),
            62..69 => Self::Transfer(user, pair, to),
            69..77 => Self::Close(user, pair),
            77..80 => Self::Reopen(user, pair),
            80..87 => Self::MarkRead(user, pair),
            87..91 => Self::SetAway(user, random.chance(2)),
            91..94 => Self::Add(actor, number, place),
            94..98 => Self::Update(actor, number, place),
            _ => Self::Remove(actor, number, to),
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Text { .. })
    }

    /// The thread of an operation on a thread.
    fn target(&self) -> Option<Pair> {
        match self {
            Self::Claim(_, pair)
            | Self::Release(_, pair)
            | Self::Transfer(_, pair, _)
            | Self::Close(_, pair)
            | Self::Reopen(_, pair)
            | Self::MarkRead(_, pair) => Some(*pair),
            Self::Text { .. } | Self::SetAway(..) | Self::Add(..) | Self::Update(..) | Self::Remove(..) => None,
        }
    }

    /// Applies the operation to the model.
    pub(super) fn apply(&self, case: &Case<'_>, state: &mut State) -> Response {
        // The thread starts in this batch, so no client could know its id yet.
        if self.target().is_some_and(|pair| !case.thread_ids.contains_key(&pair)) {
            return Response::Action(Err(RefusalKind::NotFound));
        }
        let answer = match self {
            Self::Text { sid, pair, body } => {
                let extension = EXTENSION_USERS.iter().find(|(digits, number, _)| {
                    let names = body.trim_start_matches('#').starts_with(&format!("{digits} "))
                        && body.starts_with('#')
                        || body.starts_with(&format!("{digits}: "));
                    names && number.is_none_or(|number| number == pair.0)
                });
                let new = state.text(sid, *pair, extension.map(|(.., user)| *user));
                return if new { Response::Stored } else { Response::Duplicate };
            }
            Self::Claim(user, pair) => state.claim(*user, *pair),
            Self::Release(user, pair) => state.release(*user, *pair),
            Self::Transfer(user, pair, to) => state.transfer(*user, *pair, *to),
            Self::Close(user, pair) => state.close(*user, *pair),
            Self::Reopen(user, pair) => state.reopen(*user, *pair),
            Self::MarkRead(user, pair) => state.mark_read(*user, *pair),
            Self::SetAway(user, away) => {
                state.set_away(*user, *away);
                Ok(())
            }
            Self::Add(actor, number, place) => state.add_member(*actor, *number, place.clone()),
            Self::Update(actor, number, place) => state.update_member(*actor, *number, place),
            Self::Remove(actor, number, user) => state.remove_member(*actor, *number, *user),
        };
        Response::Action(answer)
    }

    /// Runs the operation on the server.
    pub(super) async fn perform(&self, case: &Case<'_>) -> Response {
        let services = case.app.services();
        let thread = |pair: &Pair| case.thread_ids.get(pair).copied().unwrap_or(ThreadId(uuid::Uuid::nil()));
        let viewer = |user: &User| &case.viewers[*user];
        let answer = match self {
            Self::Text { sid, pair, body } => return receive(case, sid, *pair, body).await,
            Self::Claim(user, pair) => result_of(case, claim_thread(services, viewer(user), thread(pair)).await),
            Self::Release(user, pair) => result_of(case, release_thread(services, viewer(user), thread(pair)).await),
            Self::Transfer(user, pair, to) => {
                let to = case.users[*to];
                result_of(case, transfer_thread(services, viewer(user), thread(pair), to, None).await)
            }
            Self::Close(user, pair) => result_of(case, close_thread(services, viewer(user), thread(pair)).await),
            Self::Reopen(user, pair) => result_of(case, reopen_thread(services, viewer(user), thread(pair)).await),
            Self::MarkRead(user, pair) => {
                result_of(case, mark_thread_read(services, viewer(user), thread(pair), None).await)
            }
            Self::SetAway(user, away) => {
                let availability = if *away { Availability::Away } else { Availability::Available };
                result_of(case, set_availability(services, viewer(user), availability).await)
            }
            Self::Add(actor, number, place) => {
                let input = AddPoolMember {
                    number: case.numbers[*number],
                    user: case.users[place.user],
                    sms_enabled: place.sms,
                    voice_enabled: true,
                    is_primary: place.primary,
                };
                result_of(case, add_pool_member(services, viewer(actor), input).await)
            }
            Self::Update(actor, number, place) => {
                let input = UpdatePoolMember {
                    number: case.numbers[*number],
                    user: case.users[place.user],
                    sms_enabled: Some(place.sms),
                    voice_enabled: None,
                    is_primary: Some(place.primary),
                };
                result_of(case, update_pool_member(services, viewer(actor), input).await)
            }
            Self::Remove(actor, number, user) => {
                let (number, user) = (case.numbers[*number], case.users[*user]);
                result_of(case, remove_pool_member(services, viewer(actor), number, user).await)
            }
        };
        Response::Action(answer)
    }
}

async fn receive(case: &Case<'_>, sid: &str, (number, contact): (Number, Contact), body: &str) -> Response {
    let fields = [("MessageSid", sid), ("From", &case.phone(contact)), ("To", &case.e164[number]), ("Body", body)];
    let form = fields.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let text = text_of(case.account, form).expect("a valid form");
    match inbound::receive(case.app.services(), text).await.expect("the database works") {
        InboundOutcome::Stored(agency, _) => {
            assert_eq!(agency, case.agency);
            Response::Stored
        }
        InboundOutcome::Duplicate => Response::Duplicate,
        InboundOutcome::Quarantined => panic!("{sid} is in quarantine"),
    }
}

fn result_of<T>(case: &Case<'_>, outcome: Outcome<T>) -> ActionResult {
    outcome.map(drop).map_err(|error| match error {
        Error::Failed(fault) => panic!("the database failed: {fault}"),
        Error::Refused(refusal) => match refusal.code {
            RefusalCode::NotFound => RefusalKind::NotFound,
            RefusalCode::AlreadyClaimed { by, .. } => RefusalKind::AlreadyClaimed(case.user(by)),
            RefusalCode::NotAssignee { .. } => RefusalKind::NotAssignee,
            RefusalCode::Conflict => RefusalKind::Conflict,
            RefusalCode::Forbidden => RefusalKind::Forbidden,
            code @ (RefusalCode::Invalid
            | RefusalCode::ExtensionTaken { .. }
            | RefusalCode::OptedOut { .. }
            | RefusalCode::CarrierBlocked
            | RefusalCode::NotVerified
            | RefusalCode::TooLate { .. }
            | RefusalCode::LimitExceeded { .. }
            | RefusalCode::StaleView { .. }) => {
                panic!("{code:?}: {}", refusal.message)
            }
        },
    })
}
