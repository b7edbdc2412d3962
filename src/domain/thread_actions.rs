//! The actions that a handler can take on a thread. The mutations decide with the same functions, so an action that is
//! listed here is not refused, unless the thread changes in between.

use chrono::{DateTime, TimeDelta, Utc};

use super::claim::{Actor, ClaimState, claim, close, release, reopen, transfer};
use super::reply::reply;
use super::routing::Roster;
use super::{PoolPolicy, Role, ThreadStatus, UserId};

/// What a handler can do with a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ThreadAction {
    Claim,
    Reply,
    /// Transfer the thread of another user to oneself.
    TakeOver,
    Release,
    /// Transfer a thread without an assignee to another user.
    Assign,
    /// Transfer a thread with an assignee to another user.
    Transfer,
    Close,
    Reopen,
    Call,
    SetOptOut,
}

/// A thread, as far as its actions depend on it.
#[derive(Debug, Clone)]
pub struct Actionable<'a> {
    pub claim_state: &'a ClaimState,
    pub policy: PoolPolicy,
    /// Whether a text to the contact can be sent at all.
    pub can_be_texted: bool,
    /// Whether the actor may call the contact.
    pub can_be_called: bool,
}

/// The actions that change something, in the order of [`ThreadAction`]. `other` is any user except the actor and the
/// assignee.
pub fn actions(thread: &Actionable<'_>, actor: Actor, other: UserId, now: DateTime<Utc>) -> Vec<ThreadAction> {
    let state = thread.claim_state;
    let changes = |decision: super::claim::Decision| matches!(decision, Ok(Some(_)));
    let is_unclaimed = state.status == ThreadStatus::Unclaimed;
    let can_transfer = changes(transfer(state, actor, other, now));
    let is_of_another = state.assignee.is_some_and(|assignee| assignee != actor.user);
    let table = [
        (ThreadAction::Claim, changes(claim(state, actor, now))),
        (ThreadAction::Reply, thread.can_be_texted && reply(state, actor, thread.policy, now).is_ok()),
        (ThreadAction::TakeOver, is_of_another && changes(transfer(state, actor, actor.user, now))),
        (ThreadAction::Release, changes(release(state, actor))),
        (ThreadAction::Assign, is_unclaimed && can_transfer),
        (ThreadAction::Transfer, !is_unclaimed && can_transfer),
        (ThreadAction::Close, changes(close(state, actor, now))),
        (ThreadAction::Reopen, changes(reopen(state, &Roster::default(), TimeDelta::zero(), now))),
        (ThreadAction::Call, thread.can_be_called),
        (ThreadAction::SetOptOut, actor.role == Role::Admin),
    ];
    table.into_iter().filter(|(_, allowed)| *allowed).map(|(action, _)| action).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::ThreadAction::{Assign, Call, Claim, Close, Release, Reopen, Reply, SetOptOut, TakeOver, Transfer};
    use super::*;

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    #[test]
    fn the_actions_of_a_thread_depend_on_its_state_and_the_role() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let of = |claim_state: &ClaimState, role| {
            let policy = PoolPolicy::FirstClaim;
            let thread = Actionable { claim_state, policy, can_be_texted: true, can_be_called: false };
            actions(&thread, Actor { user: user(1), role }, user(9), now)
        };
        let free = ClaimState::unclaimed();
        let mine = ClaimState::claimed(user(1), now);
        let theirs = ClaimState::claimed(user(2), now);
        let closed = theirs.closed(now);
        for (state, member, admin) in [
            (&free, vec![Claim, Reply, Assign], vec![Claim, Reply, Assign, Close, SetOptOut]),
            (&mine, vec![Reply, Release, Transfer, Close], vec![Reply, Release, Transfer, Close, SetOptOut]),
            (&theirs, vec![TakeOver], vec![TakeOver, Release, Transfer, Close, SetOptOut]),
            (&closed, vec![Claim, Reply, Reopen], vec![Claim, Reply, Transfer, Reopen, SetOptOut]),
        ] {
            assert_eq!(of(state, Role::Member), member, "{state:?}");
            assert_eq!(of(state, Role::Admin), admin, "{state:?}");
        }
        let blocked =
            Actionable { claim_state: &mine, policy: PoolPolicy::Shared, can_be_texted: false, can_be_called: true };
        let actor = Actor { user: user(1), role: Role::Member };
        assert_eq!(actions(&blocked, actor, user(9), now), [Release, Transfer, Close, Call]);
    }
}
