//! The assignee of a thread, and the actions that change it: claim, release, transfer, close, reopen.

use chrono::{DateTime, TimeDelta, Utc};

use super::routing::Roster;
use super::{Availability, Role, ThreadStatus, UserId};

/// The status and assignee of a thread. The assignee is set exactly when the status is CLAIMED.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimState {
    pub status: ThreadStatus,
    pub assignee: Option<UserId>,
    /// When the assignee claimed the thread.
    pub claimed_at: Option<DateTime<Utc>>,
    /// The assignee when the thread was last closed.
    pub last_assignee: Option<UserId>,
    pub closed_at: Option<DateTime<Utc>>,
}

impl ClaimState {
    /// A thread without a current or former assignee.
    pub fn unclaimed() -> Self {
        Self { status: ThreadStatus::Unclaimed, assignee: None, claimed_at: None, last_assignee: None, closed_at: None }
    }

    pub fn claimed(user: UserId, at: DateTime<Utc>) -> Self {
        Self { status: ThreadStatus::Claimed, assignee: Some(user), claimed_at: Some(at), ..Self::unclaimed() }
    }

    #[must_use]
    pub fn released(&self) -> Self {
        Self { last_assignee: self.last_assignee, ..Self::unclaimed() }
    }

    /// The same thread, claimed by `user` at `at`.
    #[must_use]
    pub fn taken(&self, user: UserId, at: DateTime<Utc>) -> Self {
        Self { last_assignee: self.last_assignee, ..Self::claimed(user, at) }
    }

    /// The same thread, closed at `at`. Its assignee is kept as the last assignee.
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

/// A handler of a thread who acts on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Actor {
    pub user: UserId,
    pub role: Role,
}

/// The reason why an action on a thread is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimRefusal {
    /// Another user has claimed the thread.
    AlreadyClaimed { by: UserId, at: DateTime<Utc> },
    /// Only the assignee or an admin may do this.
    NotAssignee { assignee: Option<UserId> },
    /// The thread is closed.
    Closed,
}

/// The new state of the thread; `None` if the action changes nothing.
pub type Decision = Result<Option<ClaimState>, ClaimRefusal>;

/// Claims the thread. The first claim wins. Claiming a thread that the user already holds changes nothing.
pub fn claim(state: &ClaimState, actor: Actor, now: DateTime<Utc>) -> Decision {
    match (state.assignee, state.claimed_at) {
        (Some(by), _) if by == actor.user => Ok(None),
        (Some(by), at) => Err(ClaimRefusal::AlreadyClaimed { by, at: at.unwrap_or(now) }),
        (None, _) => Ok(Some(state.taken(actor.user, now))),
    }
}

/// Returns the thread to the pool. Allowed for the assignee and admins.
pub fn release(state: &ClaimState, actor: Actor) -> Decision {
    match state.status {
        ThreadStatus::Unclaimed => Ok(None),
        ThreadStatus::Closed => Err(ClaimRefusal::Closed),
        ThreadStatus::Claimed => require_assignee_or_admin(state, actor).map(|()| Some(state.released())),
    }
}

/// Transfers the thread to `to`. Any handler may take a thread over by a transfer to self, and may assign an unclaimed
/// thread to any user. Other transfers are allowed for the assignee and admins.
pub fn transfer(state: &ClaimState, actor: Actor, to: UserId, now: DateTime<Utc>) -> Decision {
    if state.assignee == Some(to) {
        return Ok(None);
    }
    let free = actor.user == to || state.status == ThreadStatus::Unclaimed;
    if !free {
        require_assignee_or_admin(state, actor)?;
    }
    Ok(Some(state.taken(to, now)))
}

/// Closes the thread. Allowed for the assignee and admins.
pub fn close(state: &ClaimState, actor: Actor, now: DateTime<Utc>) -> Decision {
    if state.status == ThreadStatus::Closed {
        return Ok(None);
    }
    require_assignee_or_admin(state, actor)?;
    Ok(Some(state.closed(now)))
}

/// Reopens the thread, with the same effect as an inbound text.
pub fn reopen(state: &ClaimState, roster: &Roster, reopen_within: TimeDelta, now: DateTime<Utc>) -> Decision {
    Ok((state.status == ThreadStatus::Closed).then(|| reopened_state(state, roster, reopen_within, now)))
}

/// The state of a closed thread after it is reopened. It is assigned to its last assignee if it was closed less than
/// `reopen_within` ago and that user is eligible and AVAILABLE; otherwise it is unclaimed.
pub fn reopened_state(state: &ClaimState, roster: &Roster, reopen_within: TimeDelta, now: DateTime<Utc>) -> ClaimState {
    let recent = state.closed_at.is_some_and(|at| now - at < reopen_within);
    let returning = state.last_assignee.and_then(|user| roster.eligible(user));
    match returning {
        Some(member) if recent && member.availability == Availability::Available => state.taken(member.user, now),
        _ => state.released(),
    }
}

fn require_assignee_or_admin(state: &ClaimState, actor: Actor) -> Result<(), ClaimRefusal> {
    if state.assignee == Some(actor.user) || actor.role == Role::Admin {
        Ok(())
    } else {
        Err(ClaimRefusal::NotAssignee { assignee: state.assignee })
    }
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

    fn states() -> [ClaimState; 4] {
        [
            ClaimState::unclaimed(),
            ClaimState::claimed(user(ME), now()),
            ClaimState::claimed(user(OTHER), now()),
            ClaimState::claimed(user(OTHER), now()).closed(now()),
        ]
    }

    /// One character per state of [`states`]: `+` for a change, `=` for no change, and a letter for a refusal (A
    /// already claimed, N not the assignee, C closed).
    fn row(decide: impl Fn(&ClaimState) -> Decision) -> String {
        states()
            .iter()
            .map(|state| match decide(state) {
                Ok(Some(_)) => '+',
                Ok(None) => '=',
                Err(ClaimRefusal::AlreadyClaimed { .. }) => 'A',
                Err(ClaimRefusal::NotAssignee { .. }) => 'N',
                Err(ClaimRefusal::Closed) => 'C',
            })
            .collect()
    }

    #[test]
    fn each_action_is_decided_by_role_and_state() {
        let member = actor(ME, Role::Member);
        let admin = actor(ME, Role::Admin);
        // States: unclaimed, claimed by the actor, claimed by another user, closed.
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
    fn closing_keeps_the_last_assignee() {
        let closed = ClaimState::claimed(user(ME), now()).closed(now());
        assert_eq!((closed.assignee, closed.last_assignee), (None, Some(user(ME))));
        let again = closed.released().closed(now());
        assert_eq!(again.last_assignee, Some(user(ME)));
    }
}
