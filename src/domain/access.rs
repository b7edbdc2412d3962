//! Access rules of threads and calls. `store::threads` and `store::calls` implement the same rules in SQL for lists; a
//! test compares the two.

use super::{Role, RoutingRung, ThreadStatus};

/// The relation of a user to a thread of the user's agency.
#[derive(Debug, Clone, Copy)]
pub struct ThreadRelation {
    pub active: bool,
    pub role: Role,
    /// Whether the user is eligible in the pool of the thread's number.
    pub eligible: bool,
    /// Whether the user is the assignee of the thread.
    pub assignee: bool,
    /// Whether the thread was routed to the user by one of [`STAND_IN_RUNGS`], and that rung still names the user.
    pub stands_in: bool,
    pub status: ThreadStatus,
}

/// Whether the user is a handler of the thread. For all other users the thread does not exist.
pub fn is_handler(relation: &ThreadRelation) -> bool {
    relation.active
        && (relation.role == Role::Admin
            || relation.eligible
            || relation.assignee
            || (relation.stands_in && relation.status != ThreadStatus::Closed))
}

/// Why a user is a handler of a thread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandlerReason {
    Admin,
    Pool,
    Assignee,
    Extension,
    Provider,
    DefaultUser,
}

/// The reasons for which the user is a handler; empty if the user is not a handler. `rungs` are the stand-in rungs that
/// still name the user.
pub fn handler_reasons(relation: &ThreadRelation, rungs: impl IntoIterator<Item = RoutingRung>) -> Vec<HandlerReason> {
    if !is_handler(relation) {
        return Vec::new();
    }
    let stands_in = rungs.into_iter().filter(|_| relation.status != ThreadStatus::Closed);
    let by_rung = stands_in.filter_map(|rung| match rung {
        RoutingRung::Extension => Some(HandlerReason::Extension),
        RoutingRung::Provider => Some(HandlerReason::Provider),
        RoutingRung::DefaultUser => Some(HandlerReason::DefaultUser),
        RoutingRung::Admins | RoutingRung::Pool | RoutingRung::Assignee => None,
    });
    let by_relation = [
        (relation.role == Role::Admin, HandlerReason::Admin),
        (relation.eligible, HandlerReason::Pool),
        (relation.assignee, HandlerReason::Assignee),
    ];
    by_relation.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason).chain(by_rung).collect()
}

/// The rungs that stand in for the pool. Their users may see the thread while it is not closed, because a user who is
/// notified of a text must be able to read it. A user who loses the extension or role that the routing was based on
/// also loses access to the thread.
pub const STAND_IN_RUNGS: [RoutingRung; 4] =
    [RoutingRung::Extension, RoutingRung::Provider, RoutingRung::DefaultUser, RoutingRung::Admins];

/// The relation of an active user to a call of the user's agency.
#[derive(Debug, Clone, Copy, Default)]
pub struct CallRelation {
    /// Whether the user is an ADMIN or in the pool of the call's number, with texts and calls enabled or not.
    pub has_number: bool,
    /// Whether the user may currently see the call's thread.
    pub sees_thread: bool,
    /// Whether the call went to the user's mailbox and the user still has the extension that was dialed.
    pub has_mailbox: bool,
    /// Whether the user was notified of the call as the agency's default user, and still is the default user.
    pub stands_in: bool,
    /// Whether the user answered or started the call, or its voicemail was left for the user.
    pub took_part: bool,
}

/// The extent to which a user sees a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CallVisibility {
    Full,
    /// Only that the call took place and the user's own part in it: neither the contact, nor what was said, nor the
    /// parts of colleagues.
    OwnPart,
}

/// The extent to which the user sees the call; `None` if the call does not exist for the user.
pub fn call_visibility(relation: &CallRelation) -> Option<CallVisibility> {
    let CallRelation { has_number, sees_thread, has_mailbox, stands_in, took_part } = *relation;
    if has_number || sees_thread || has_mailbox || stands_in {
        Some(CallVisibility::Full)
    } else {
        took_part.then_some(CallVisibility::OwnPart)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> ThreadRelation {
        ThreadRelation {
            active: true,
            role: Role::Member,
            eligible: false,
            assignee: false,
            stands_in: false,
            status: ThreadStatus::Claimed,
        }
    }

    #[test]
    fn each_relation_that_makes_a_user_a_handler() {
        assert!(!is_handler(&nobody()));
        assert!(is_handler(&ThreadRelation { role: Role::Admin, ..nobody() }));
        assert!(is_handler(&ThreadRelation { eligible: true, ..nobody() }));
        assert!(is_handler(&ThreadRelation { assignee: true, ..nobody() }));
        assert!(is_handler(&ThreadRelation { stands_in: true, ..nobody() }));
        assert!(!is_handler(&ThreadRelation { stands_in: true, status: ThreadStatus::Closed, ..nobody() }));
        assert!(!is_handler(&ThreadRelation {
            active: false,
            role: Role::Admin,
            eligible: true,
            assignee: true,
            ..nobody()
        }));
    }

    #[test]
    fn taking_part_in_a_call_does_not_grant_full_access() {
        let none = CallRelation::default();
        assert_eq!(call_visibility(&none), None);
        assert_eq!(call_visibility(&CallRelation { took_part: true, ..none }), Some(CallVisibility::OwnPart));
        for relation in [
            CallRelation { has_number: true, ..none },
            CallRelation { sees_thread: true, ..none },
            CallRelation { has_mailbox: true, ..none },
            CallRelation { stands_in: true, ..none },
        ] {
            assert_eq!(call_visibility(&relation), Some(CallVisibility::Full));
        }
    }
}
