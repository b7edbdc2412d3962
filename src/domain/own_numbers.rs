//! Refuses texts to the server's own phone numbers. Automatic texts could answer each other without end, and a user's
//! text would arrive at the agency as if a contact had written it.

use super::{AccountId, Purpose};

/// Whether a text must not be sent because its recipient is one of the server's own phone numbers. `holders` are the
/// accounts in which the recipient is a live number.
///
/// A user's text may not go to any number of the account that sends it. An automatic text may not go to any number
/// on this server, so that two agencies never answer each other.
pub fn is_forbidden_recipient(purpose: Purpose, sender: AccountId, holders: &[AccountId]) -> bool {
    match purpose {
        Purpose::Conversation => holders.contains(&sender),
        Purpose::OptOutReply | Purpose::MissedCall => !holders.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn users_may_text_other_accounts_and_automatic_texts_may_not() {
        let account = |n| AccountId(Uuid::from_u128(n));
        let (own, other) = (account(1), account(2));
        for (purpose, holders, expected) in [
            (Purpose::Conversation, &[][..], false),
            (Purpose::Conversation, &[own], true),
            (Purpose::Conversation, &[other], false),
            (Purpose::Conversation, &[other, own], true),
            (Purpose::OptOutReply, &[], false),
            (Purpose::OptOutReply, &[other], true),
            (Purpose::MissedCall, &[], false),
            (Purpose::MissedCall, &[own], true),
        ] {
            assert_eq!(is_forbidden_recipient(purpose, own, holders), expected, "{purpose:?} {holders:?}");
        }
    }
}
