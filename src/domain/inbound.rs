//! The effect of an inbound text on its thread, and its recipients.

use chrono::{DateTime, TimeDelta, Utc};

use super::claim::{ClaimState, reopened_state};
use super::routing::{Roster, Route, pool_route, route};
use super::{RoutingRung, ThreadStatus};

/// The time after which an unclaimed text to an extension also alerts the pool.
pub const EXTENSION_ESCALATION_DELAY: TimeDelta = TimeDelta::minutes(5);

/// The age from which a text gets no automatic reply.
const MAX_AGE_FOR_REPLY: TimeDelta = TimeDelta::minutes(10);

/// Whether a text reached the carrier so long ago that an automatic reply would be a surprise.
pub fn is_late(received_at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - received_at > MAX_AGE_FOR_REPLY
}

/// The effect of one inbound text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundEffect {
    /// The thread's state after the text.
    pub claim_state: ClaimState,
    /// Whether the text reopened a closed thread.
    pub reopened: bool,
    /// The users to notify, and the rung that named them.
    pub route: Route,
    /// When to alert the pool as well if the thread is still unclaimed.
    pub escalate_at: Option<DateTime<Utc>>,
}

/// Decides the effect of a text on a thread.
///
/// A closed thread is reopened, see [`reopened_state`]. A claimed thread alerts its assignee, the user of an extension
/// that the text addresses, and, while the assignee is AWAY, the pool.
pub fn receive(
    claim_state: &ClaimState,
    roster: &Roster,
    reopen_within: TimeDelta,
    now: DateTime<Utc>,
) -> InboundEffect {
    let reopened = claim_state.status == ThreadStatus::Closed;
    let claim_state =
        if reopened { reopened_state(claim_state, roster, reopen_within, now) } else { claim_state.clone() };

    let (route, escalate_at) = match claim_state.assignee {
        Some(assignee) => {
            let mut recipients = vec![assignee];
            recipients.extend(roster.extension.map(|member| member.user));
            if roster.is_away(assignee) {
                recipients.extend(roster.pool.iter().map(|member| member.user));
            }
            let mut seen = Vec::with_capacity(recipients.len());
            recipients.retain(|user| {
                !seen.contains(user) && {
                    seen.push(*user);
                    true
                }
            });
            (Route { rung: RoutingRung::Assignee, recipients }, None)
        }
        None => {
            let route = route(roster);
            let waits = route.rung == RoutingRung::Extension && pool_route(roster).is_some();
            (route, waits.then(|| now + EXTENSION_ESCALATION_DELAY))
        }
    };
    InboundEffect { claim_state, reopened, route, escalate_at }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::routing::Member;
    use crate::domain::{Availability, UserId};

    const WEEK: TimeDelta = TimeDelta::days(7);

    fn user(n: u128) -> UserId {
        UserId(Uuid::from_u128(n))
    }

    fn member(n: u128, availability: Availability) -> Member {
        Member { user: user(n), availability }
    }

    fn roster(availability: Availability) -> Roster {
        Roster {
            pool: vec![member(1, availability), member(2, Availability::Available)],
            admins: vec![member(5, Availability::Available)],
            ..Roster::default()
        }
    }

    fn now() -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000, 0).unwrap_or_default()
    }

    fn closed(days_ago: i64) -> ClaimState {
        ClaimState {
            status: ThreadStatus::Closed,
            last_assignee: Some(user(1)),
            closed_at: Some(now() - TimeDelta::days(days_ago)),
            ..ClaimState::unclaimed()
        }
    }

    #[test]
    fn a_text_is_late_after_ten_minutes() {
        for (age, expected) in [(0, false), (600, false), (601, true), (-60, false)] {
            assert_eq!(is_late(now() - TimeDelta::seconds(age), now()), expected, "{age}");
        }
    }

    #[test]
    fn an_unclaimed_thread_alerts_the_whole_pool() {
        let got = receive(&ClaimState::unclaimed(), &roster(Availability::Away), WEEK, now());
        assert_eq!(got.route, Route { rung: RoutingRung::Pool, recipients: vec![user(1), user(2)] });
        assert!(!got.reopened);
    }

    #[test]
    fn a_claimed_thread_alerts_its_assignee_and_also_the_pool_while_the_assignee_is_away() {
        let held = ClaimState::claimed(user(1), now());
        let there = receive(&held, &roster(Availability::Available), WEEK, now());
        assert_eq!(there.route, Route { rung: RoutingRung::Assignee, recipients: vec![user(1)] });
        let away = receive(&held, &roster(Availability::Away), WEEK, now());
        assert_eq!(away.route.recipients, vec![user(1), user(2)]);
        // The thread was transferred to a user outside the pool.
        let outside = Roster { assignee: Some(member(8, Availability::Away)), ..roster(Availability::Available) };
        let away = receive(&ClaimState::claimed(user(8), now()), &outside, WEEK, now());
        assert_eq!(away.route.recipients, vec![user(8), user(1), user(2)]);
    }

    #[test]
    fn a_closed_thread_returns_to_its_last_assignee_for_a_week() {
        let soon = receive(&closed(6), &roster(Availability::Available), WEEK, now());
        assert_eq!((soon.claim_state.status, soon.claim_state.assignee), (ThreadStatus::Claimed, Some(user(1))));
        assert!(soon.reopened);
        for (days, availability) in [(7, Availability::Available), (1, Availability::Away)] {
            let got = receive(&closed(days), &roster(availability), WEEK, now());
            assert_eq!((got.claim_state.status, got.route.rung), (ThreadStatus::Unclaimed, RoutingRung::Pool));
        }
    }

    #[test]
    fn an_extension_is_alerted_first_and_the_pool_after_five_minutes() {
        let mut with_extension = roster(Availability::Available);
        with_extension.extension = Some(member(9, Availability::Available));
        let got = receive(&ClaimState::unclaimed(), &with_extension, WEEK, now());
        assert_eq!(got.route, Route { rung: RoutingRung::Extension, recipients: vec![user(9)] });
        assert_eq!(got.escalate_at, Some(now() + TimeDelta::minutes(5)));
        let held = receive(&ClaimState::claimed(user(1), now()), &with_extension, WEEK, now());
        assert_eq!(held.route.recipients, vec![user(1), user(9)]);
        assert_eq!(held.escalate_at, None);
    }
}
