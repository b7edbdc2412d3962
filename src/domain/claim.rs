//! Who holds a thread, and how that changes: claim, release, transfer, close, reopen.

use chrono::{DateTime, TimeDelta, Utc};

use super::routing::Roster;
use super::{Availability, Role, ThreadStatus, UserId};

/// Who holds a thread and since when. The assignee is set exactly when the status is CLAIMED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenure {
    /// Where the thread stands.
    pub status: ThreadStatus,
    /// Who holds it.
    pub assignee: Option<UserId>,
    /// Since when.
    pub claimed_at: Option<DateTime<Utc>>,
    /// Who held it when it was last closed.
    pub last_assignee: Option<UserId>,
    /// When that was.
    pub closed_at: Option<DateTime<Utc>>,
}

impl Tenure {
    /// A thread that nobody holds or held.
    pub fn unclaimed() -> Self {
        Self { status: ThreadStatus::Unclaimed, assignee: None, claimed_at: None, last_assignee: None, closed_at: None }
    }

    /// A thread that `user` holds since `at`.
    pub fn claimed(user: UserId, at: DateTime<Utc>) -> Self {
        Self { status: ThreadStatus::Claimed, assignee: Some(user), claimed_at: Some(at), ..Self::unclaimed() }
    }

    /// The same thread, held by nobody.
    #[must_use]
    pub fn released(&self) -> Self {
        Self { last_assignee: self.last_assignee, ..Self::unclaimed() }
    }

    /// The same thread, held by `user` from `at` on.
    #[must_use]
    pub fn taken(&self, user: UserId, at: DateTime<Utc>) -> Self {
        Self { last_assignee: self.last_assignee, ..Self::claimed(user, at) }
    }

    /// The same thread, closed at `at`; it remembers who held it.
    #[must_use]
    pub fn closed(&self, at: DateTime<Utc>) -> Self {
        Self {
            status: ThreadStatus::Closed,
            last_assignee: self.assignee.or(self.last_assignee),
            closed_at: Some(at),
            ..Self::unclaimed()
        }
    }
}

/// Someone who acts on a thread that they may handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    /// Who.
    pub user: UserId,
    /// Their role in the agency.
    pub role: Role,
}

/// Why an act on a thread is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// Somebody else holds the thread.
    AlreadyClaimed {
        /// Who.
        by: UserId,
        /// Since when.
        at: DateTime<Utc>,
    },
    /// The act is the assignee's or an admin's.
    NotAssignee,
    /// The thread is closed already, or not closed, so that there is nothing to do.
    Closed,
}

/// What an act makes of a thread; `None` if everything is so already.
pub type Decision = Result<Option<Tenure>, Refused>;

/// Claims: the first wins, and to claim what one holds changes nothing.
pub fn claim(tenure: &Tenure, actor: Actor, now: DateTime<Utc>) -> Decision {
    match (tenure.assignee, tenure.claimed_at) {
        (Some(by), _) if by == actor.user => Ok(None),
        (Some(by), at) => Err(Refused::AlreadyClaimed { by, at: at.unwrap_or(now) }),
        (None, _) => Ok(Some(tenure.taken(actor.user, now))),
    }
}

/// Releases: the assignee or an admin gives the thread back to the pool.
pub fn release(tenure: &Tenure, actor: Actor) -> Decision {
    match tenure.status {
        ThreadStatus::Unclaimed => Ok(None),
        ThreadStatus::Closed => Err(Refused::Closed),
        ThreadStatus::Claimed => holder_or_admin(tenure, actor).map(|()| Some(tenure.released())),
    }
}

/// Transfers to `to`. To oneself it is a take-over, which any handler may do; to another it is the
/// assignee's or an admin's, but any handler may assign a thread that nobody holds.
pub fn transfer(tenure: &Tenure, actor: Actor, to: UserId, now: DateTime<Utc>) -> Decision {
    if tenure.assignee == Some(to) {
        return Ok(None);
    }
    let free = actor.user == to || tenure.status == ThreadStatus::Unclaimed;
    if !free {
        holder_or_admin(tenure, actor)?;
    }
    Ok(Some(tenure.taken(to, now)))
}

/// Closes: the assignee's or an admin's.
pub fn close(tenure: &Tenure, actor: Actor, now: DateTime<Utc>) -> Decision {
    if tenure.status == ThreadStatus::Closed {
        return Ok(None);
    }
    holder_or_admin(tenure, actor)?;
    Ok(Some(tenure.closed(now)))
}

/// Reopens by hand, as an inbound text would.
pub fn reopen(tenure: &Tenure, roster: &Roster, reopen_within: TimeDelta, now: DateTime<Utc>) -> Decision {
    Ok((tenure.status == ThreadStatus::Closed).then(|| settle_reopened(tenure, roster, reopen_within, now)))
}

/// To whom a closed thread returns: its last assignee, if it was closed less than `reopen_within`
/// ago and they are eligible and available; otherwise to nobody.
pub fn settle_reopened(tenure: &Tenure, roster: &Roster, reopen_within: TimeDelta, now: DateTime<Utc>) -> Tenure {
    let recent = tenure.closed_at.is_some_and(|at| now - at < reopen_within);
    let returning = tenure.last_assignee.and_then(|user| roster.eligible(user));
    match returning {
        Some(member) if recent && member.availability == Availability::Available => tenure.taken(member.user, now),
        _ => tenure.released(),
    }
}

fn holder_or_admin(tenure: &Tenure, actor: Actor) -> Result<(), Refused> {
    if tenure.assignee == Some(actor.user) || actor.role == Role::Admin { Ok(()) } else { Err(Refused::NotAssignee) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    fn actor(n: u128, role: Role) -> Actor {
        Actor { user: user(n), role }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default()
    }

    const ME: u128 = 1;
    const OTHER: u128 = 2;

    fn states() -> [Tenure; 4] {
        [
            Tenure::unclaimed(),
            Tenure::claimed(user(ME), now()),
            Tenure::claimed(user(OTHER), now()),
            Tenure::claimed(user(OTHER), now()).closed(now()),
        ]
    }

    /// One letter per state above: `+` changes it, `=` changes nothing, a letter refuses
    /// (A already claimed, N not the assignee, C closed).
    fn row(decide: impl Fn(&Tenure) -> Decision) -> String {
        states()
            .iter()
            .map(|tenure| match decide(tenure) {
                Ok(Some(_)) => '+',
                Ok(None) => '=',
                Err(Refused::AlreadyClaimed { .. }) => 'A',
                Err(Refused::NotAssignee) => 'N',
                Err(Refused::Closed) => 'C',
            })
            .collect()
    }

    #[test]
    fn the_table_of_who_may_what() {
        let member = actor(ME, Role::Member);
        let admin = actor(ME, Role::Admin);
        // states: unclaimed, mine, another's, closed
        assert_eq!(row(|t| claim(t, member, now())), "+=A+");
        assert_eq!(row(|t| claim(t, admin, now())), "+=A+");
        assert_eq!(row(|t| release(t, member)), "=+NC");
        assert_eq!(row(|t| release(t, admin)), "=++C");
        assert_eq!(row(|t| transfer(t, member, user(ME), now())), "+=++");
        assert_eq!(row(|t| transfer(t, member, user(3), now())), "++NN");
        assert_eq!(row(|t| transfer(t, admin, user(3), now())), "++++");
        assert_eq!(row(|t| close(t, member, now())), "N+N=");
        assert_eq!(row(|t| close(t, admin, now())), "+++=");
    }

    #[test]
    fn closing_remembers_the_last_assignee() {
        let closed = Tenure::claimed(user(ME), now()).closed(now());
        assert_eq!((closed.assignee, closed.last_assignee), (None, Some(user(ME))));
        let again = closed.released().closed(now());
        assert_eq!(again.last_assignee, Some(user(ME)));
    }
}
