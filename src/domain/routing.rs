//! Who hears of a text: a ladder of rungs that never ends in nobody.

use super::{Availability, RoutingRung, UserId};

/// An active user, as far as routing needs to know them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Who.
    pub user: UserId,
    /// Whether they take work now.
    pub availability: Availability,
}

/// Everyone who could hear of a text to one number from one contact. All of them are active.
#[derive(Debug, Clone, Default)]
pub struct Roster {
    /// The user of the extension that the text, or its thread, names.
    pub extension: Option<Member>,
    /// The number's eligible users, primary first, then by the age of their assignment.
    pub pool: Vec<Member>,
    /// The contact's provider.
    pub provider: Option<Member>,
    /// The agency's default user.
    pub default_user: Option<Member>,
    /// Every admin of the agency.
    pub admins: Vec<Member>,
    /// Who holds the thread, on whichever rung they stand or on none: threads are transferred to
    /// any user of the agency.
    pub assignee: Option<Member>,
}

impl Roster {
    /// The eligible user with this id.
    pub fn eligible(&self, user: UserId) -> Option<&Member> {
        self.pool.iter().find(|member| member.user == user)
    }

    /// Whether this assignee takes no work now.
    pub fn is_away(&self, user: UserId) -> bool {
        let known = self.assignee.iter().chain(&self.pool).find(|member| member.user == user);
        known.is_some_and(|member| member.availability == Availability::Away)
    }
}

/// Whom a text reaches, and by which rung.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The rung that named them.
    pub rung: RoutingRung,
    /// Each once, in the order in which they were named.
    pub recipients: Vec<UserId>,
}

/// The first rung that names anybody. A muted or empty pool falls through to the next one.
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

/// The pool's rung alone, if anyone stands on it.
pub fn pool_route(roster: &Roster) -> Option<Route> {
    (!roster.pool.is_empty()).then(|| Route { rung: RoutingRung::Pool, recipients: users(&roster.pool) })
}

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
            provider: Some(member(3)),
            default_user: Some(member(4)),
            admins: vec![member(5), member(6)],
            assignee: None,
        }
    }

    #[test]
    fn each_rung_is_reached_when_the_ones_above_are_empty() {
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
}
