//! What claim, release, transfer, close and reopen have in common: one unit of work that reads the
//! thread as its actor may see it, has `domain::claim` decide, and writes the decision with its
//! history, its event and its notifications.

use sea_orm::DbErr;

use super::{Outcome, Refusal, RefusalCode, Services, Viewer};
use crate::domain::access::{Standing, is_handler};
use crate::domain::claim::{Actor, Decision, Refused, Tenure};
use crate::domain::routing::{Roster, Route, route};
use crate::domain::{
    ActivityId, ActivityKind, AgencyId, NotificationKind, PoolId, RoutingRung, ThreadId, ThreadStatus, UserId,
};
use crate::entity::{activity, thread};
use crate::store::stand_ins::StandIns;
use crate::store::writer::{Notice, Tx, Unit};
use crate::store::{Directory, contacts, thread_writes, threads};

/// What an act has to decide on.
pub(super) struct Facts<'a> {
    pub(super) actor: Actor,
    pub(super) tenure: Tenure,
    pub(super) roster: Roster,
    pub(super) directory: &'a Directory,
    pub(super) reopen_within: chrono::TimeDelta,
    pub(super) now: chrono::DateTime<chrono::Utc>,
}

/// What an act leaves in the thread's history.
pub(super) struct Record {
    pub(super) kind: ActivityKind,
    pub(super) to_user: Option<UserId>,
    pub(super) note: Option<String>,
    /// Who is told what, besides the event.
    pub(super) told: Vec<Told>,
}

/// Users who are told of an act.
pub(super) struct Told {
    pub(super) kind: NotificationKind,
    pub(super) users: Vec<UserId>,
    /// The rung that named them; one that stands in for the pool lets them see the thread.
    pub(super) rung: Option<RoutingRung>,
}

impl Told {
    /// One user, for who they are.
    pub(super) fn one(kind: NotificationKind, user: UserId) -> Self {
        Self { kind, users: vec![user], rung: None }
    }

    /// That a thread waits for somebody: the ladder of an inbound text, without `except`.
    pub(super) fn waiting(roster: &Roster, except: UserId) -> Self {
        let Route { rung, recipients } = route(roster);
        let users = recipients.into_iter().filter(|user| *user != except).collect();
        Self { kind: NotificationKind::ThreadUnclaimed, users, rung: Some(rung) }
    }
}

/// One of the five acts.
pub(super) trait Act: Send + Sync + 'static {
    /// Whether it looks at the roster, which costs a statement.
    const ASKS_ROSTER: bool;

    /// What becomes of the thread. A refusal of the input itself comes first.
    fn decide(&self, facts: &Facts<'_>) -> Result<Decision, Refusal>;

    /// What is told of it.
    fn record(&self, facts: &Facts<'_>, after: &Tenure) -> Record;
}

/// Performs an act on a thread that the viewer may see.
pub(super) async fn perform(
    services: &Services,
    viewer: &Viewer,
    thread: ThreadId,
    act: impl Act,
) -> Outcome<thread::Model> {
    let unit = ThreadUnit { agency: viewer.agency(), user: viewer.id(), thread, act };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

struct ThreadUnit<A> {
    agency: AgencyId,
    user: UserId,
    thread: ThreadId,
    act: A,
}

impl<A: Act> Unit for ThreadUnit<A> {
    type Output = Result<thread::Model, Refusal>;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<Self::Output, DbErr> {
        let not_found = || Refusal::not_found("thread", "threadId");
        let directory = tx.directory(self.agency).await?;
        // As the actor stands under the lock, not as they stood when they asked.
        let Some(viewer) = Viewer::of(directory.clone(), self.user) else { return Ok(Err(not_found())) };
        let Some(before) = threads::visible(tx.conn, &viewer.scope(), self.thread).await? else {
            return Ok(Err(not_found()));
        };
        let roster = if A::ASKS_ROSTER { roster_of(tx, &directory, &before).await? } else { Roster::default() };
        let pool = directory.pool(PoolId::from(before.phone_number_id));
        let facts = Facts {
            actor: viewer.actor(),
            tenure: before.tenure(),
            roster,
            directory: &directory,
            reopen_within: chrono::TimeDelta::days(pool.map_or(7, |pool| pool.reopen_within_days.into())),
            now: tx.now,
        };
        let tenure = match self.act.decide(&facts) {
            Err(refusal) => return Ok(Err(refusal)),
            Ok(Err(refused)) => return Ok(Err(refusal_of(refused))),
            Ok(Ok(None)) => return Ok(Ok(before)),
            Ok(Ok(Some(tenure))) => tenure,
        };
        let record = self.act.record(&facts, &tenure);
        let after = settle(tx, &directory, &before, &tenure, Some(self.user), record).await?;
        Ok(Ok(after))
    }
}

/// Writes a new tenure with everything that follows from it.
pub(super) async fn settle(
    tx: &mut Tx<'_>,
    directory: &Directory,
    before: &thread::Model,
    tenure: &Tenure,
    actor: Option<UserId>,
    record: Record,
) -> Result<thread::Model, DbErr> {
    let agency = before.agency_id;
    let mut after = before.clone();
    after.set_tenure(tenure);
    after.last_activity_at = tx.now;
    if after.status != ThreadStatus::Unclaimed {
        after.escalate_at = None;
    }
    if !thread_writes::set_tenure(tx.conn, before, &after).await? {
        // The agency is locked and the row was read under the lock.
        return Err(DbErr::Custom("a thread changed under the agency's lock".to_owned()));
    }
    let row = activity::Model {
        agency_id: agency,
        id: ActivityId(tx.new_id()),
        thread_id: before.id,
        kind: record.kind,
        actor_id: actor,
        to_user_id: record.to_user,
        note: record.note,
        created_at: tx.now,
    };
    thread_writes::add_activity(tx.conn, row).await?;
    if let Some(assignee) = after.assignee_id {
        thread_writes::resolve_alerts(tx.conn, agency, before.id, assignee, tx.now).await?;
    }
    let lost_by = lost_by(tx, directory, before, &after).await?;
    let told = record.told.into_iter().filter(|told| !told.users.is_empty());
    let notices = told.map(|Told { kind, users, rung }| {
        let thread = Some(before.id);
        Notice { kind, users, thread, message: None, call: None, rung }
    });
    tx.thread_updated(agency, before.id, &lost_by, notices.collect())?;
    Ok(after)
}

/// Who could see the thread until now: of those who see it for what happened in it, not for their
/// place in the pool.
async fn lost_by(
    tx: &Tx<'_>,
    directory: &Directory,
    before: &thread::Model,
    after: &thread::Model,
) -> Result<Vec<UserId>, DbErr> {
    let stand_ins = StandIns::of(tx.conn, before).await?;
    let mut users: Vec<UserId> = before.assignee_id.into_iter().chain(stand_ins.routed()).collect();
    users.sort_unstable();
    users.dedup();
    users.retain(|user| {
        let Some(row) = directory.user(*user) else { return false };
        let standing = |thread: &thread::Model| Standing {
            active: row.active,
            role: row.role,
            eligible: directory.is_eligible(thread.phone_number_id, *user),
            assignee: thread.assignee_id == Some(*user),
            stands_in: stand_ins.include(directory, *user),
            status: thread.status,
        };
        // A former assignee may have lost their place in the pool by the same work, so only what
        // they may see afterwards is asked.
        !is_handler(&standing(after)) && (before.assignee_id == Some(*user) || is_handler(&standing(before)))
    });
    Ok(users)
}

/// Who could hear of a text to a thread.
async fn roster_of(tx: &Tx<'_>, directory: &Directory, thread: &thread::Model) -> Result<Roster, DbErr> {
    let contact = contacts::by_ids(tx.conn, thread.agency_id, &[thread.contact_id]).await?;
    let provider = contact.first().and_then(|contact| contact.provider_user_id);
    Ok(directory.roster(thread.phone_number_id, provider, None))
}

pub(super) fn refusal_of(refused: Refused) -> Refusal {
    match refused {
        Refused::AlreadyClaimed { by, at } => {
            Refusal::new(RefusalCode::AlreadyClaimed { by, at }, "A colleague has claimed this thread.").at("threadId")
        }
        Refused::NotAssignee => {
            Refusal::new(RefusalCode::NotAssignee, "Only the thread's assignee or an admin may do this.").at("threadId")
        }
        Refused::Closed => Refusal::new(RefusalCode::Conflict, "The thread is closed.").at("threadId"),
    }
}

/// Gives back the threads that a user may no longer hold: those of one number, or all of them.
pub(super) async fn unassign_held(
    tx: &mut Tx<'_>,
    agency: AgencyId,
    user: UserId,
    number: Option<crate::domain::PhoneNumberId>,
    actor: Option<UserId>,
) -> Result<(), DbErr> {
    let directory = tx.directory(agency).await?;
    for before in threads::held_by(tx.conn, agency, user, number).await? {
        let roster = roster_of(tx, &directory, &before).await?;
        let record = Record {
            kind: ActivityKind::Unassigned,
            to_user: None,
            note: None,
            told: vec![Told::waiting(&roster, user)],
        };
        let tenure = before.tenure().released();
        settle(tx, &directory, &before, &tenure, actor, record).await?;
    }
    Ok(())
}
