//! The effect of a reply on its thread: whether the user may reply, and whether the reply claims the thread.

use chrono::{DateTime, Utc};

use super::claim::{Actor, ClaimRefusal, ClaimState};
use super::{PoolPolicy, ThreadStatus};

/// Decides on a reply of a handler. `Some` is the new state of the thread, to be stored in the transaction of the
/// reply.
///
/// A thread that another user holds cannot be replied to, not even by an admin: the sender must take it over first. In
/// an unclaimed or closed thread, FIRST_CLAIM assigns the thread to the sender; SHARED leaves it unclaimed.
pub fn reply(
    state: &ClaimState,
    actor: Actor,
    policy: PoolPolicy,
    now: DateTime<Utc>,
) -> Result<Option<ClaimState>, ClaimRefusal> {
    match (state.assignee, policy) {
        (Some(assignee), _) if assignee == actor.user => Ok(None),
        (assignee @ Some(_), _) => Err(ClaimRefusal::NotAssignee { assignee }),
        (None, PoolPolicy::FirstClaim) => Ok(Some(state.taken(actor.user, now))),
        (None, PoolPolicy::Shared) => Ok((state.status == ThreadStatus::Closed).then(|| state.released())),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{Role, UserId};

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default()
    }

    #[test]
    fn replies_claim_threads_according_to_the_policy() {
        let free = ClaimState::unclaimed();
        let mine = ClaimState::claimed(user(1), now());
        let theirs = ClaimState::claimed(user(2), now());
        let closed = theirs.closed(now());
        for role in [Role::Member, Role::Admin] {
            let actor = Actor { user: user(1), role };
            let with = |state: &ClaimState, policy| reply(state, actor, policy, now());
            for policy in [PoolPolicy::FirstClaim, PoolPolicy::Shared] {
                assert_eq!(with(&mine, policy), Ok(None));
                assert_eq!(with(&theirs, policy), Err(ClaimRefusal::NotAssignee { assignee: Some(user(2)) }));
            }
            let taken = |state: &ClaimState| {
                with(state, PoolPolicy::FirstClaim).unwrap().map(|after| (after.status, after.assignee))
            };
            assert_eq!(taken(&free), Some((ThreadStatus::Claimed, Some(user(1)))));
            assert_eq!(taken(&closed), Some((ThreadStatus::Claimed, Some(user(1)))));
            assert_eq!(with(&free, PoolPolicy::Shared), Ok(None));
            let reopened = with(&closed, PoolPolicy::Shared).unwrap().unwrap();
            assert_eq!((reopened.status, reopened.assignee), (ThreadStatus::Unclaimed, None));
        }
    }
}
