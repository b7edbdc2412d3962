//! Explains the error codes of texts that did not arrive, and names the role that has to act.
//! Source: Twilio, "Error and warning dictionary".

use super::error_actor::ErrorActor::{self, Admin, Operator, Staff};
use super::error_actor::{Entry, find};

/// The contact opted out before the text was sent.
pub const OPTED_OUT: &str = "OPTED_OUT";
/// The text could not be handed to the carrier in time and was abandoned by Partyline.
pub const EXPIRED: &str = "EXPIRED";
/// A user marked the text as not sent.
pub const ABANDONED: &str = "ABANDONED";
/// A user sent the text again as another message.
pub const RESENT: &str = "RESENT";
/// A user took the text back before it was sent.
pub const CANCELED: &str = "CANCELED";
/// The contact or another user wrote while the text was held, so it was not sent.
pub const STALE_VIEW: &str = "STALE_VIEW";
/// The number was released before the text was sent.
pub const RELEASED: &str = "RELEASED";
/// The recipient became one of the account's own phone numbers before the text was sent.
pub const OWN_NUMBER: &str = "OWN_NUMBER";
/// The carrier refused without a code.
pub const REJECTED: &str = "REJECTED";
/// The carrier blocks texts from this number to this contact because the contact texted STOP to it.
pub const BLOCKED: &str = "21610";

/// Whether the failure was decided by a user. Such a failure causes no notification.
pub fn is_decision(code: &str) -> bool {
    code == ABANDONED || code == RESENT || code == CANCELED
}

/// Why a text was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureReason {
    /// The carrier reported an error code.
    Carrier,
    Rejected,
    OptedOut,
    CarrierBlocked,
    Expired,
    Abandoned,
    Resent,
    Released,
    OwnNumber,
    Canceled,
    StaleView,
}

/// The reason behind an error code.
pub fn reason(code: &str) -> FailureReason {
    match code {
        OPTED_OUT => FailureReason::OptedOut,
        EXPIRED => FailureReason::Expired,
        ABANDONED => FailureReason::Abandoned,
        RESENT => FailureReason::Resent,
        RELEASED => FailureReason::Released,
        OWN_NUMBER => FailureReason::OwnNumber,
        CANCELED => FailureReason::Canceled,
        STALE_VIEW => FailureReason::StaleView,
        REJECTED => FailureReason::Rejected,
        BLOCKED => FailureReason::CarrierBlocked,
        _ => FailureReason::Carrier,
    }
}

/// Explains an error code in a sentence for users. Clients show the code next to it.
pub fn explain(code: &str) -> &'static str {
    match code {
        ABANDONED => "A colleague marked the text as not sent.",
        RESENT => "A colleague sent the text again as another message.",
        CANCELED => "A user canceled the text before it was sent.",
        _ => find(CODES, code).map_or("The carrier refused the text.", |(_, _, sentence)| *sentence),
    }
}

/// The role that has to act; `None` if a user has already decided. For an unknown code it is the operator, who can look
/// the code up at Twilio.
pub fn actor(code: &str) -> Option<ErrorActor> {
    (!is_decision(code)).then(|| find(CODES, code).map_or(Operator, |(_, actor, _)| *actor))
}

const CODES: &[Entry] = &[
    (
        STALE_VIEW,
        Staff,
        "The contact or a colleague sent a newer text, so yours was not sent. Read the newer text, then send yours again.",
    ),
    (OPTED_OUT, Staff, "The contact opted out before the text was sent."),
    (EXPIRED, Operator, "The text could not be handed to the carrier within four hours and was not sent."),
    (OWN_NUMBER, Staff, "The recipient is one of your own phone numbers; the text was not sent."),
    (RELEASED, Admin, "The number was released before the text was sent."),
    (REJECTED, Operator, "The carrier refused the text without a reason."),
    ("10001", Operator, "The Twilio account is not active."),
    ("10002", Operator, "The Twilio account is a trial account, which does not allow this."),
    ("11200", Operator, "Twilio could not read the file that was to be attached."),
    ("12300", Staff, "The attached file is of a type that the carrier does not accept."),
    ("14107", Staff, "Too many texts went to this contact within a short time. Wait a minute and send it again."),
    ("20003", Operator, "Twilio rejected the credentials (error 20003)."),
    ("20005", Operator, "The Twilio account is suspended or closed."),
    ("20404", Operator, "Twilio does not know the account that the text was sent from."),
    ("20429", Operator, "Too many requests were sent to Twilio at the same time."),
    ("21211", Staff, "The contact's number is not a valid phone number."),
    ("21212", Admin, "The agency's number is not a valid sender."),
    ("21217", Staff, "The contact's number does not exist."),
    ("21219", Operator, "A Twilio trial account can only reach numbers that have been verified at Twilio."),
    ("21265", Staff, "A short code cannot be texted."),
    ("21266", Staff, "A number cannot text itself."),
    ("21267", Operator, "A Twilio trial account cannot send from an alphanumeric sender ID."),
    ("21268", Staff, "Premium-rate and information numbers cannot be texted."),
    ("21408", Operator, "The Twilio account has no permission to text this country."),
    ("21602", Staff, "The text was empty."),
    ("21603", Operator, "The text was sent without a sender."),
    ("21604", Staff, "The text was sent without a recipient."),
    ("21606", Operator, "The agency's number cannot send texts, or does not belong to the Twilio account."),
    ("21608", Operator, "A Twilio trial account can only text numbers that have been verified at Twilio."),
    ("21609", Operator, "Twilio cannot use this server's public URL to report the status of the text."),
    (BLOCKED, Staff, "The contact texted STOP to this number, and the carrier blocks it until they text START."),
    ("21611", Operator, "The carrier's queue for the agency's number is full."),
    ("21612", Admin, "The carrier cannot send texts from the agency's number to this contact."),
    ("21614", Staff, "The contact's number is not a mobile number."),
    ("21617", Staff, "The text is too long for the carrier."),
    ("21619", Staff, "The text has neither a body nor an attached file."),
    ("21620", Operator, "The address of the attached file is not valid."),
    ("21623", Staff, "The text has more attached files than the carrier accepts."),
    ("21635", Staff, "The contact's number is a landline, which cannot receive texts."),
    ("21656", Operator, "The contents of the message template are not valid."),
    ("21659", Operator, "The agency's number does not belong to Twilio."),
    ("21660", Operator, "The agency's number belongs to another Twilio account."),
    ("21661", Operator, "The agency's number is not set up for texts at Twilio."),
    ("21703", Operator, "The Messaging Service at Twilio has no number to send from."),
    ("21704", Operator, "The Messaging Service at Twilio has no number that can reach this contact."),
    ("21705", Operator, "The Messaging Service at Twilio does not exist."),
    ("21730", Operator, "Twilio is under maintenance."),
    ("30001", Staff, "Too many texts were waiting at the carrier, and this one was dropped. Send it again later."),
    ("30002", Operator, "The Twilio account was suspended before the text was sent."),
    ("30003", Staff, "The phone is switched off or unreachable."),
    ("30004", Staff, "The phone or its carrier blocks texts from this number."),
    ("30005", Staff, "The contact's number is unknown or no longer in use."),
    ("30006", Staff, "The number is a landline, or its carrier cannot be reached."),
    ("30007", Admin, "A carrier filtered the text as spam. Check its wording."),
    ("30008", Staff, "The text did not arrive, and the carrier gave no reason."),
    ("30009", Staff, "A part of the text was lost at the carrier."),
    ("30010", Operator, "The text costs more than the Twilio account allows."),
    ("30011", Staff, "This phone cannot receive pictures or other files. Send the text without them."),
    ("30012", Operator, "The validity period of the text was too short to send it."),
    ("30017", Staff, "The carrier is overloaded. Send the text again later."),
    ("30018", Admin, "The contact's carrier requires that the sender is registered, and the agency's number is not."),
    ("30019", Staff, "The text, with its files, is larger than the contact's carrier accepts."),
    ("30022", Operator, "The agency's registered campaign exceeds the rate that the carriers allow."),
    (
        "30023",
        Admin,
        "The agency's registered campaign has reached the number of texts that the carriers allow per day.",
    ),
    ("30024", Operator, "The agency's number is not set up at the contact's carrier yet."),
    ("30027", Admin, "The agency's registered campaign has reached the number of texts that T-Mobile allows per day."),
    ("30032", Admin, "The agency's toll-free number is not verified, so carriers do not accept its texts."),
    ("30033", Admin, "The campaign that the agency's number is registered for is suspended."),
    ("30034", Admin, "The agency's number is not registered for a campaign, so carriers do not accept its texts."),
    (
        "30035",
        Operator,
        "The agency's number is being assigned to another service at Twilio and cannot send until that is done.",
    ),
    (
        "30036",
        Staff,
        "The text waited at the carrier for too long and was not sent. Send it again if it is still needed.",
    ),
    ("30037", Operator, "Twilio has disabled outbound texts for the account."),
    ("30038", Admin, "The carrier does not accept texts with a sign-in code from the agency's number."),
    (
        "30039",
        Staff,
        "Too many texts went to this number, and the carrier stopped this one. Wait before you send it again.",
    ),
    ("30044", Operator, "The text is longer than a Twilio trial account may send."),
    ("30410", Staff, "The contact's carrier did not answer in time. Send the text again later."),
    ("30450", Operator, "Twilio blocked the text because it suspects fraud with texts to this range of numbers."),
    ("30500", Staff, "Twilio had an internal error. Send the text again."),
    ("63001", Operator, "The messaging channel rejected the credentials."),
    ("63003", Staff, "The contact cannot be reached on this channel, such as WhatsApp."),
    ("63005", Staff, "The channel does not accept the content of the message."),
    ("63007", Operator, "The agency's number is not set up as a sender on this channel."),
    ("63010", Operator, "The channel had an internal error at Twilio."),
    ("63012", Staff, "The channel's provider had an internal error. Send the message again later."),
    ("63013", Admin, "The message violates the policy of the channel."),
    ("63014", Staff, "The contact blocked messages from the agency on this channel."),
    ("63015", Operator, "The contact has not joined the channel's sandbox."),
    (
        "63016",
        Staff,
        "The contact's last message is older than 24 hours, so WhatsApp accepts only an approved template.",
    ),
    ("63017", Operator, "The Twilio account exceeded its rate of messages per second."),
    ("63018", Operator, "The sender has reached its limit on this channel."),
    ("63019", Staff, "The attached file could not be delivered on this channel."),
    ("63020", Operator, "The sender's account on this channel is not set up or not paid."),
    ("63021", Staff, "The format of the message is not valid on this channel."),
    ("63024", Staff, "The contact's number is not valid on this channel."),
    ("63032", Staff, "WhatsApp limits marketing messages to this contact and did not deliver this one."),
    ("63038", Operator, "The Twilio account has reached the number of messages that it may send per day."),
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_code_has_its_own_complete_sentence() {
        let mut codes = HashSet::new();
        let mut sentences = HashSet::from([explain("99999"), explain(ABANDONED), explain(RESENT)]);
        assert_eq!(sentences.len(), 3);
        for (code, _, sentence) in CODES {
            assert!(codes.insert(code), "{code} is listed twice");
            assert!(sentences.insert(sentence), "the sentence of {code} is not unique");
            assert_eq!(explain(code), *sentence);
            assert!(sentence.starts_with(|c: char| c.is_uppercase()) && sentence.ends_with('.'), "{code}: {sentence}");
            assert!(sentence.split_whitespace().count() >= 4, "{code}: {sentence}");
        }
    }

    #[test]
    fn common_codes_name_the_role_that_has_to_act() {
        for (actor_of_all, codes) in [
            (Staff, "OPTED_OUT 21211 21610 21614 21635 30003 30005 30006 30011 30036 30039 63003 63016 63024 30410"),
            (Admin, "RELEASED 30007 30018 30023 30032 30033 30034"),
            (Operator, "EXPIRED REJECTED 20003 20429 21408 21609 21611 30002 30022 30035 63017 63018 99999"),
        ] {
            for code in codes.split(' ') {
                assert_eq!(actor(code), Some(actor_of_all), "{code}");
            }
        }
        assert_eq!((actor(ABANDONED), actor(RESENT)), (None, None));
    }
}
