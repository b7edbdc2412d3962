//! Replies: whether a text can be sent in a thread at all, whether the user may reply, and whether the reply claims the
//! thread.

use chrono::{DateTime, Utc};

use super::address::can_be_texted;
use super::claim::{Actor, ClaimRefusal, ClaimState};
use super::opt_out::{Cleared, GateRefusal, OptOutState, gate};
use super::{PoolPolicy, Purpose, ThreadStatus};

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

/// Why nobody can send a text in a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyBlock {
    /// The agency has released the number.
    NumberReleased,
    /// The contact's address is not a number that can be texted.
    SenderCannotReceive,
    CarrierBlocked,
    OptedOut,
}

/// Decides whether staff can send a text from a number to a contact at all.
pub fn clear_reply(number_is_live: bool, address: &str, state: OptOutState) -> Result<Cleared, ReplyBlock> {
    if !number_is_live {
        return Err(ReplyBlock::NumberReleased);
    }
    if !can_be_texted(address) {
        return Err(ReplyBlock::SenderCannotReceive);
    }
    gate(Purpose::Conversation, state).map_err(|refusal| match refusal {
        GateRefusal::Blocked => ReplyBlock::CarrierBlocked,
        GateRefusal::OptedOut => ReplyBlock::OptedOut,
    })
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

    #[test]
    fn a_reply_is_blocked_by_the_first_reason_that_applies() {
        let free = OptOutState { opted_out: false, blocked: false };
        let stopped = OptOutState { opted_out: true, blocked: false };
        let blocked = OptOutState { opted_out: true, blocked: true };
        let phone = "+13035560001";
        assert!(clear_reply(true, phone, free).is_ok());
        for (is_live, address, state, block) in [
            (true, phone, stopped, ReplyBlock::OptedOut),
            (true, phone, blocked, ReplyBlock::CarrierBlocked),
            (true, "CLINIC", blocked, ReplyBlock::SenderCannotReceive),
            (false, "CLINIC", blocked, ReplyBlock::NumberReleased),
        ] {
            assert_eq!(clear_reply(is_live, address, state).err(), Some(block));
        }
    }
}
