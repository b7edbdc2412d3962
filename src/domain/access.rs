//! Who may see a thread, and what of a call. `store::threads` and `store::calls` say the same in SQL for lists; a test
//! holds the two together.

use super::{Role, RoutingRung, ThreadStatus};

/// What is known of one user and one thread of their agency.
#[derive(Debug, Clone, Copy)]
pub struct Standing {
    /// Whether the user is active at all.
    pub active: bool,
    /// Their role.
    pub role: Role,
    /// Whether they are eligible in the pool of the thread's number.
    pub eligible: bool,
    /// Whether they hold the thread.
    pub assignee: bool,
    /// Whether the thread was routed to them by a rung that stands in for the pool, and that rung still names them.
    pub stands_in: bool,
    /// Where the thread stands.
    pub status: ThreadStatus,
}

/// Whether this user is a handler of the thread; to everybody else it does not exist.
pub fn is_handler(standing: &Standing) -> bool {
    standing.active
        && (standing.role == Role::Admin
            || standing.eligible
            || standing.assignee
            || (standing.stands_in && standing.status != ThreadStatus::Closed))
}

/// The rungs that stand in for the pool. Their users may see the thread while it is not closed, because a user who is
/// notified of a text must be able to read it. A user loses the thread when they lose the extension or the role by which
/// it was routed to them.
pub const STAND_IN_RUNGS: [RoutingRung; 4] =
    [RoutingRung::Extension, RoutingRung::Provider, RoutingRung::DefaultUser, RoutingRung::Admins];

/// What is known of one active user and one call of their agency.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallStanding {
    /// Whether they are an ADMIN, or in the pool of the call's number, with texts and calls on or off.
    pub has_number: bool,
    /// Whether they may see the call's thread now.
    pub sees_thread: bool,
    /// Whether the call went to their mailbox and they still have the extension that was dialed.
    pub has_mailbox: bool,
    /// Whether they were notified of the call as the agency's default user, and still are that user.
    pub stands_in: bool,
    /// Whether they answered or started the call, or its voicemail was theirs.
    pub took_part: bool,
}

/// How much of a call a user sees. A user who has neither sees nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallSight {
    /// All of it.
    Full,
    /// That it took place and their own part in it: nothing that tells who the contact is or what was said, and no part
    /// of a colleague.
    OwnPart,
}

/// How much of the call this user sees; `None` if it does not exist for them.
pub fn call_sight(standing: &CallStanding) -> Option<CallSight> {
    let CallStanding { has_number, sees_thread, has_mailbox, stands_in, took_part } = *standing;
    if has_number || sees_thread || has_mailbox || stands_in {
        Some(CallSight::Full)
    } else {
        took_part.then_some(CallSight::OwnPart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Standing {
        Standing {
            active: true,
            role: Role::Member,
            eligible: false,
            assignee: false,
            stands_in: false,
            status: ThreadStatus::Claimed,
        }
    }

    #[test]
    fn each_way_to_be_a_handler() {
        assert!(!is_handler(&nobody()));
        assert!(is_handler(&Standing { role: Role::Admin, ..nobody() }));
        assert!(is_handler(&Standing { eligible: true, ..nobody() }));
        assert!(is_handler(&Standing { assignee: true, ..nobody() }));
        assert!(is_handler(&Standing { stands_in: true, ..nobody() }));
        assert!(!is_handler(&Standing { stands_in: true, status: ThreadStatus::Closed, ..nobody() }));
        assert!(!is_handler(&Standing {
            active: false,
            role: Role::Admin,
            eligible: true,
            assignee: true,
            ..nobody()
        }));
    }

    #[test]
    fn a_part_in_a_call_is_not_a_right_to_all_of_it() {
        let none = CallStanding::default();
        assert_eq!(call_sight(&none), None);
        assert_eq!(call_sight(&CallStanding { took_part: true, ..none }), Some(CallSight::OwnPart));
        for standing in [
            CallStanding { has_number: true, ..none },
            CallStanding { sees_thread: true, ..none },
            CallStanding { has_mailbox: true, ..none },
            CallStanding { stands_in: true, ..none },
        ] {
            assert_eq!(call_sight(&standing), Some(CallSight::Full));
        }
    }
}
