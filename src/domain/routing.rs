//! Chooses the recipients of an inbound text: the first rung of a ladder that names anybody.

use std::cmp::Ordering;

use super::{Availability, RoutingRung, UserId};

/// An active user, with the facts that routing needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    pub user: UserId,
    pub availability: Availability,
}

/// The possible recipients of a text from one contact to one number. All of them are active.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// The user of the extension that the text or its thread addresses.
    pub extension: Option<Member>,
    /// The number's eligible users: the primary one first, then from the oldest assignment to the newest.
    pub pool: Vec<Member>,
    /// Whether the pool has members, but none with SMS on.
    pub pool_muted: bool,
    pub provider: Option<Member>,
    pub default_user: Option<Member>,
    pub admins: Vec<Member>,
    /// The thread's assignee. It may be a user on no rung, because a thread can be transferred to any user of the
    /// agency.
    pub assignee: Option<Member>,
}

impl Roster {
    pub fn eligible(&self, user: UserId) -> Option<&Member> {
        self.pool.iter().find(|member| member.user == user)
    }

    /// Whether the assignee or pool member with this id is AWAY.
    pub fn is_away(&self, user: UserId) -> bool {
        let known = self.assignee.iter().chain(&self.pool).find(|member| member.user == user);
        known.is_some_and(|member| member.availability == Availability::Away)
    }
}

/// The recipients of a text and the rung that named them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    pub rung: RoutingRung,
    /// The recipients without duplicates, in the order of the rung.
    pub recipients: Vec<UserId>,
}

/// Routes a text by the first rung that names anybody. A muted or empty pool falls through to the next rung.
pub fn route(roster: &Roster) -> Route {
    let one = |rung, member: &Member| Route { rung, recipients: vec![member.user] };
    if let Some(member) = &roster.extension {
        return one(RoutingRung::Extension, member);
    }
    pool_route(roster).unwrap_or_else(|| {
        if let Some(member) = &roster.provider {
            one(RoutingRung::Provider, member)
        } else if let Some(member) = &roster.default_user {
            one(RoutingRung::DefaultUser, member)
        } else {
            Route { rung: RoutingRung::Admins, recipients: users(&roster.admins) }
        }
    })
}

/// The route by the pool alone; `None` if the pool has no eligible user.
pub fn pool_route(roster: &Roster) -> Option<Route> {
    (!roster.pool.is_empty()).then(|| Route { rung: RoutingRung::Pool, recipients: users(&roster.pool) })
}

/// The outcome of one rung for an inbound text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RungOutcome {
    Reached,
    /// The rung named no users.
    Empty,
    /// The pool has members, but SMS is off for all of them.
    Muted,
    NotTried,
}

/// The rungs of an inbound text in the order in which they were tried, given the rung that routed it. `was_reached`
/// tells which later rungs were alerted afterwards.
pub fn steps(
    routed_by: RoutingRung,
    pool_muted: bool,
    was_reached: impl Fn(RoutingRung) -> bool,
) -> Vec<(RoutingRung, RungOutcome)> {
    if routed_by == RoutingRung::Assignee {
        return vec![(RoutingRung::Assignee, RungOutcome::Reached)];
    }
    let chosen = RUNGS.iter().position(|rung| *rung == routed_by).unwrap_or(RUNGS.len());
    let outcome = |(position, rung): (usize, &RoutingRung)| {
        let outcome = match position.cmp(&chosen) {
            Ordering::Equal => RungOutcome::Reached,
            Ordering::Greater if was_reached(*rung) => RungOutcome::Reached,
            Ordering::Greater => RungOutcome::NotTried,
            Ordering::Less if *rung == RoutingRung::Pool && pool_muted => RungOutcome::Muted,
            Ordering::Less => RungOutcome::Empty,
        };
        (*rung, outcome)
    };
    RUNGS.iter().enumerate().map(outcome).collect()
}

/// The rungs for a thread without an assignee, in the order in which they are tried.
const RUNGS: [RoutingRung; 5] =
    [RoutingRung::Extension, RoutingRung::Pool, RoutingRung::Provider, RoutingRung::DefaultUser, RoutingRung::Admins];

fn users(members: &[Member]) -> Vec<UserId> {
    members.iter().map(|member| member.user).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn member(n: u128) -> Member {
        Member { user: UserId(Uuid::from_u128(n)), availability: Availability::Available }
    }

    fn full() -> Roster {
        Roster {
            extension: Some(member(9)),
            pool: vec![member(1), member(2)],
            pool_muted: false,
            provider: Some(member(3)),
            default_user: Some(member(4)),
            admins: vec![member(5), member(6)],
            assignee: None,
        }
    }

    #[test]
    fn each_rung_is_used_when_the_rungs_above_it_are_empty() {
        let mut roster = full();
        let expect = |roster: &Roster, rung, users: &[u128]| {
            let recipients = users.iter().map(|n| member(*n).user).collect();
            assert_eq!(route(roster), Route { rung, recipients });
        };
        expect(&roster, RoutingRung::Extension, &[9]);
        roster.extension = None;
        expect(&roster, RoutingRung::Pool, &[1, 2]);
        roster.pool.clear();
        expect(&roster, RoutingRung::Provider, &[3]);
        roster.provider = None;
        expect(&roster, RoutingRung::DefaultUser, &[4]);
        roster.default_user = None;
        expect(&roster, RoutingRung::Admins, &[5, 6]);
    }

    #[test]
    fn steps_contain_the_outcome_of_each_rung() {
        use RungOutcome::{Empty, Muted, NotTried, Reached};
        let outcomes = |rung, muted, reached: &[RoutingRung]| {
            let steps = steps(rung, muted, |rung| reached.contains(&rung));
            steps.into_iter().map(|(_, outcome)| outcome).collect::<Vec<_>>()
        };
        assert_eq!(outcomes(RoutingRung::Pool, false, &[]), [Empty, Reached, NotTried, NotTried, NotTried]);
        assert_eq!(outcomes(RoutingRung::DefaultUser, true, &[]), [Empty, Muted, Empty, Reached, NotTried]);
        let escalated = [RoutingRung::Extension, RoutingRung::Pool];
        assert_eq!(
            outcomes(RoutingRung::Extension, false, &escalated),
            [Reached, Reached, NotTried, NotTried, NotTried]
        );
        assert_eq!(steps(RoutingRung::Assignee, false, |_| false), [(RoutingRung::Assignee, Reached)]);
    }
}
