//! Decides whether an inbound call rings the phone of a user.

use serde::{Deserialize, Serialize};

use super::{Availability, NotRungReason};

/// The facts about a user that determine whether a call rings their phone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RingFacts {
    /// Whether the user is active.
    pub active: bool,
    /// Whether calls to the number are switched on for the user; true for a call to the user's extension.
    pub voice_enabled: bool,
    /// Whether the user has a phone other than the agency's own numbers.
    pub has_phone: bool,
    pub phone_verified: bool,
    pub availability: Availability,
}

/// The reason why a call does not ring the user's phone; `None` if it does. Of several reasons, the one that is hardest
/// to remove comes first.
pub fn not_rung_reason(facts: &RingFacts) -> Option<NotRungReason> {
    if !facts.active {
        Some(NotRungReason::Inactive)
    } else if !facts.voice_enabled {
        Some(NotRungReason::VoiceOff)
    } else if !facts.has_phone {
        Some(NotRungReason::NoPhone)
    } else if !facts.phone_verified {
        Some(NotRungReason::NotVerified)
    } else if facts.availability == Availability::Away {
        Some(NotRungReason::Away)
    } else {
        None
    }
}

/// A step of a call in which the phone of a user did not ring. The order is that of the steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct NotRung {
    pub step: i32,
    pub reason: NotRungReason,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_reason_in_the_order_of_precedence_is_given() {
        use NotRungReason::{Away, Inactive, NoPhone, NotVerified, VoiceOff};
        let mut facts = RingFacts {
            active: false,
            voice_enabled: false,
            has_phone: false,
            phone_verified: false,
            availability: Availability::Away,
        };
        assert_eq!(not_rung_reason(&facts), Some(Inactive));
        facts.active = true;
        assert_eq!(not_rung_reason(&facts), Some(VoiceOff));
        facts.voice_enabled = true;
        assert_eq!(not_rung_reason(&facts), Some(NoPhone));
        facts.has_phone = true;
        assert_eq!(not_rung_reason(&facts), Some(NotVerified));
        facts.phone_verified = true;
        assert_eq!(not_rung_reason(&facts), Some(Away));
        facts.availability = Availability::Available;
        assert_eq!(not_rung_reason(&facts), None);
    }
}
