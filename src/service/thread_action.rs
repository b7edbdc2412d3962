//! The common part of claim, release, transfer, close and reopen: one unit of work that reads the thread as its actor
//! may see it, lets `domain::claim` decide, and writes the decision with its history entry, its event and its
//! notifications.
//!
//! The flow is [`perform`], [`ThreadAction::decide`], [`ThreadAction::consequences`], [`write_claim_state`].

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::DbErr;

use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::access::{ThreadRelation, is_handler};
use crate::domain::claim::{Actor, ClaimRefusal, ClaimState, Decision};
use crate::domain::routing::{Roster, Route, route};
use crate::domain::{
    ActivityId, ActivityKind, AgencyId, NotificationKind, PhoneNumberId, RoutingRung, ThreadId, ThreadStatus, UserId,
};
use crate::entity::{activity, thread};
use crate::store::stand_ins::StandIns;
use crate::store::writer::{Notice, Tx, Unit, UnitError};
use crate::store::{Directory, contacts, thread_writes, threads};

/// The state on which an action decides.
pub(super) struct ThreadContext<'a> {
    pub(super) actor: Actor,
    pub(super) claim_state: ClaimState,
    /// Empty unless the action needs it.
    pub(super) roster: Roster,
    pub(super) directory: &'a Directory,
    pub(super) reopen_within: TimeDelta,
    pub(super) now: DateTime<Utc>,
}

/// What an action adds to the new claim state.
pub(super) struct Consequences {
    /// The entry in the history of the thread.
    pub(super) kind: ActivityKind,
    pub(super) to_user: Option<UserId>,
    pub(super) note: Option<String>,
    pub(super) alerts: Vec<Alert>,
}

impl Consequences {
    /// A history entry only.
    pub(super) fn of(kind: ActivityKind, to_user: Option<UserId>) -> Self {
        Self { kind, to_user, note: None, alerts: Vec::new() }
    }
}

/// The notification of some users about an action.
pub(super) struct Alert {
    pub(super) kind: NotificationKind,
    pub(super) users: Vec<UserId>,
    /// The rung that routed to the users. A rung that stands in for the pool lets them see the thread.
    pub(super) rung: Option<RoutingRung>,
}

impl Alert {
    /// An alert of one user that does not depend on routing.
    pub(super) fn user(kind: NotificationKind, user: UserId) -> Self {
        Self { kind, users: vec![user], rung: None }
    }

    /// An alert that the thread needs an assignee, routed like an inbound text. `except` is not notified.
    pub(super) fn unclaimed(roster: &Roster, except: UserId) -> Self {
        let Route { rung, recipients } = route(roster);
        let users = recipients.into_iter().filter(|user| *user != except).collect();
        Self { kind: NotificationKind::ThreadUnclaimed, users, rung: Some(rung) }
    }
}

/// Claim, release, transfer, close or reopen.
pub(super) trait ThreadAction: Send + Sync + 'static {
    /// Whether the action needs the roster, which costs a statement.
    const NEEDS_ROSTER: bool;

    /// Decides the new claim_state. The outer error is a refusal of the input itself.
    fn decide(&self, context: &ThreadContext<'_>) -> Result<Decision, Refusal>;

    fn consequences(&self, context: &ThreadContext<'_>, after: &ClaimState) -> Consequences;
}

/// Performs an action on a thread that the viewer may see.
pub(super) async fn perform(
    services: &Services,
    viewer: &Viewer,
    thread: ThreadId,
    action: impl ThreadAction,
) -> Outcome<thread::Model> {
    let unit = PerformAction { agency: viewer.agency(), user: viewer.id(), thread, action };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct PerformAction<A> {
    agency: AgencyId,
    user: UserId,
    thread: ThreadId,
    action: A,
}

impl<A: ThreadAction> Unit for PerformAction<A> {
    type Output = thread::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<thread::Model, UnitError<Refusal>> {
        let not_found = || Refusal::not_found("thread", "threadId");
        let directory = tx.directory(self.agency).await?;
        // The actor's current state under the lock, which may differ from the state at the time of the request.
        let viewer = Viewer::of(directory.clone(), self.user).ok_or_else(not_found)?;
        let before = threads::visible(tx.conn, &viewer.scope(), self.thread).await?.ok_or_else(not_found)?;
        let roster = if A::NEEDS_ROSTER { roster_of(tx, &directory, &before).await? } else { Roster::default() };
        let context = ThreadContext {
            actor: viewer.actor(),
            claim_state: before.claim_state(),
            roster,
            directory: &directory,
            reopen_within: directory.reopen_within(before.phone_number_id),
            now: tx.now,
        };
        let Some(claim_state) = self.action.decide(&context)?.map_err(Refusal::from)? else { return Ok(before) };
        let consequences = self.action.consequences(&context, &claim_state);
        Ok(write_claim_state(tx, &directory, &before, &claim_state, Some(self.user), consequences).await?)
    }

    fn is_direct(&self) -> bool {
        true
    }
}

/// Writes a new claim state with its history entry, event and notifications.
pub(super) async fn write_claim_state(
    tx: &mut Tx<'_>,
    directory: &Directory,
    before: &thread::Model,
    claim_state: &ClaimState,
    actor: Option<UserId>,
    consequences: Consequences,
) -> Result<thread::Model, UnitError> {
    let agency = before.agency_id;
    let mut after = before.clone();
    after.set_claim_state(claim_state);
    if after.status != ThreadStatus::Unclaimed {
        after.escalate_at = None;
    }
    if !thread_writes::set_claim_state(tx.conn, before, &after).await? {
        // The row was read under the agency's lock.
        return Err(UnitError::Broken("a thread changed although its agency was locked"));
    }
    let Consequences { kind, to_user, note, alerts } = consequences;
    let activity = ActivityId(tx.new_id());
    let entry = activity::Model::begin(agency, activity, before.id, kind, tx.now);
    tx.add_activity(activity::Model { actor_id: actor, to_user_id: to_user, note, ..entry });
    if let Some(assignee) = after.assignee_id {
        thread_writes::resolve_alerts(tx.conn, agency, before.id, assignee, tx.now).await?;
    }
    let lost_by = lost_by(tx, directory, before, &after).await?;
    let notices = alerts.into_iter().filter(|alert| !alert.users.is_empty()).map(|Alert { kind, users, rung }| {
        let thread = Some(before.id);
        Notice { kind, users, thread, message: None, call: None, node: None, rung }
    });
    tx.thread_updated(&mut after, Some(activity), &lost_by, notices.collect())?;
    Ok(after)
}

/// The users who could see the thread before the change and can no longer see it. Only users who see a thread because
/// of its history are considered: the assignee and stand-ins, not members of the pool.
async fn lost_by(
    tx: &Tx<'_>,
    directory: &Directory,
    before: &thread::Model,
    after: &thread::Model,
) -> Result<Vec<UserId>, DbErr> {
    let stand_ins = StandIns::load(tx.conn, before).await?;
    let mut users: Vec<UserId> = before.assignee_id.into_iter().chain(stand_ins.routed()).collect();
    users.sort_unstable();
    users.dedup();
    users.retain(|user| {
        let Some(row) = directory.user(*user) else { return false };
        let standing = |thread: &thread::Model| ThreadRelation {
            active: row.active,
            role: row.role,
            eligible: directory.is_eligible(thread.phone_number_id, *user),
            assignee: thread.assignee_id == Some(*user),
            stands_in: stand_ins.include(directory, *user),
            status: thread.status,
        };
        // The same unit may have removed a former assignee from the pool, so for the former assignee only the state
        // afterwards counts.
        !is_handler(&standing(after)) && (before.assignee_id == Some(*user) || is_handler(&standing(before)))
    });
    Ok(users)
}

/// The users who could be notified of a text to the thread.
async fn roster_of(tx: &Tx<'_>, directory: &Directory, thread: &thread::Model) -> Result<Roster, DbErr> {
    let contact = contacts::by_ids(tx.conn, thread.agency_id, &[thread.contact_id]).await?;
    let provider = contact.first().and_then(|contact| contact.provider_user_id);
    Ok(directory.roster(thread.phone_number_id, provider, None))
}

impl From<ClaimRefusal> for Refusal {
    fn from(refusal: ClaimRefusal) -> Self {
        let (code, message) = match refusal {
            ClaimRefusal::AlreadyClaimed { by, at } => {
                (RefusalCode::AlreadyClaimed { by, at }, "A colleague has claimed this thread.")
            }
            ClaimRefusal::NotAssignee { assignee } => {
                (RefusalCode::NotAssignee { assignee }, "Only the thread's assignee or an admin may do this.")
            }
            ClaimRefusal::Closed => (RefusalCode::Conflict, "The thread is closed."),
        };
        Self::new(code, message).at("threadId")
    }
}

/// Releases the threads that a user may no longer hold: those of one number, or all of them.
pub(super) async fn unassign_held(
    tx: &mut Tx<'_>,
    agency: AgencyId,
    user: UserId,
    number: Option<PhoneNumberId>,
    actor: Option<UserId>,
) -> Result<(), UnitError> {
    let directory = tx.directory(agency).await?;
    for before in threads::held_by(tx.conn, agency, user, number).await? {
        let roster = roster_of(tx, &directory, &before).await?;
        let alerts = vec![Alert::unclaimed(&roster, user)];
        let consequences = Consequences { alerts, ..Consequences::of(ActivityKind::Unassigned, None) };
        let claim_state = before.claim_state().released();
        write_claim_state(tx, &directory, &before, &claim_state, actor, consequences).await?;
    }
    Ok(())
}
