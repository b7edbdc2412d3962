//! Who may see a thread. `store::threads` says the same in SQL for lists; a test holds the two together.

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
    /// Whether one of the thread's messages was routed to them by a rung that stands in for the pool.
    pub stood_in: bool,
    /// Where the thread stands.
    pub status: ThreadStatus,
}

/// Whether this user is a handler of the thread; to everybody else it does not exist.
pub fn is_handler(standing: &Standing) -> bool {
    standing.active
        && (standing.role == Role::Admin
            || standing.eligible
            || standing.assignee
            || (standing.stood_in && standing.status != ThreadStatus::Closed))
}

/// The rungs that stand in for the pool: whom they name may see the thread while it is not closed,
/// for somebody who is told of a text must be able to read it.
pub const STAND_IN_RUNGS: [RoutingRung; 4] =
    [RoutingRung::Extension, RoutingRung::Provider, RoutingRung::DefaultUser, RoutingRung::Admins];

#[cfg(test)]
mod tests {
    use super::*;

    fn nobody() -> Standing {
        Standing {
            active: true,
            role: Role::Member,
            eligible: false,
            assignee: false,
            stood_in: false,
            status: ThreadStatus::Claimed,
        }
    }

    #[test]
    fn each_way_to_be_a_handler() {
        assert!(!is_handler(&nobody()));
        assert!(is_handler(&Standing { role: Role::Admin, ..nobody() }));
        assert!(is_handler(&Standing { eligible: true, ..nobody() }));
        assert!(is_handler(&Standing { assignee: true, ..nobody() }));
        assert!(is_handler(&Standing { stood_in: true, ..nobody() }));
        assert!(!is_handler(&Standing { stood_in: true, status: ThreadStatus::Closed, ..nobody() }));
        assert!(!is_handler(&Standing {
            active: false,
            role: Role::Admin,
            eligible: true,
            assignee: true,
            ..nobody()
        }));
    }
}
