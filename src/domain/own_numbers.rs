//! No text goes to a number of ours: an automatic one could be answered by another automatic one, for ever, and one of
//! the staff would come back as if a client had written it.

use super::{AccountId, Purpose};

/// Whether a text of this purpose may not go to an address because of the accounts in which that is a live number.
///
/// What the staff writes is kept from the numbers of the sender's own account, its agency's and those of other agencies.
/// An automatic text is kept from every number on this server: two agencies must not answer each other.
pub fn is_kept_from(purpose: Purpose, sender: AccountId, holders: &[AccountId]) -> bool {
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
    fn the_staff_may_text_other_accounts_and_automatic_texts_may_not() {
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
            assert_eq!(is_kept_from(purpose, own, holders), expected, "{purpose:?} {holders:?}");
        }
    }
}
