//! Typed identifiers, one type per entity, so that a thread's id cannot be passed as a message's.
//!
//! API clients see opaque strings: a prefix such as `thr_` and 32 hexadecimal digits. Internally they are version 7
//! UUIDs (RFC 9562), which sort by creation time.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is not an id of the expected type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this type")]
pub struct ParseIdError;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $name(pub Uuid);

            impl $name {
                /// The prefix of the id's external form.
                pub const PREFIX: &'static str = $prefix;
            }

            impl fmt::Display for $name {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    write!(f, concat!($prefix, "_{}"), self.0.simple())
                }
            }

            impl FromStr for $name {
                type Err = ParseIdError;

                fn from_str(text: &str) -> Result<Self, ParseIdError> {
                    let digits = text.strip_prefix(concat!($prefix, "_")).ok_or(ParseIdError)?;
                    // Only the printed form is accepted, so that each id has one spelling. The UUID parser accepts
                    // others too.
                    if digits.len() != 32 || digits.bytes().any(|b| b.is_ascii_uppercase()) {
                        return Err(ParseIdError);
                    }
                    Uuid::try_parse(digits).map(Self).map_err(|_| ParseIdError)
                }
            }
        )*
    };
}

ids! {
    /// A Twilio account, which serves one or more agencies.
    AccountId = "acc";
    /// A tenant.
    AgencyId = "agy";
    /// A staff member of an agency.
    UserId = "usr";
    /// A shared phone number. Its pool has the same UUID.
    PhoneNumberId = "num";
    /// The pool of a phone number.
    PoolId = "pol";
    /// The membership of a user in a pool.
    AssignmentId = "asg";
    /// Digits that a caller dials to reach a user.
    ExtensionId = "ext";
    /// An outside person.
    ContactId = "con";
    /// All messages and calls between one phone number and one contact.
    ThreadId = "thr";
    /// An entry in a thread's history.
    ActivityId = "act";
    /// A text.
    MessageId = "msg";
    /// An attachment of a message.
    MediaId = "med";
    /// A file that a user uploaded to send it.
    UploadId = "upl";
    /// A notification for one user.
    NotificationId = "ntf";
    /// A quarantined text.
    QuarantineId = "qtn";
    /// The texts and calls that one reconciliation with the carrier imported.
    LateArrivalId = "lat";
    /// A resource to delete at the carrier.
    CarrierDeletionId = "cdl";
    /// An entry in the audit log.
    AuditId = "aud";
    /// A phone call.
    CallId = "cal";
    /// A leg of a call.
    CallLegId = "leg";
    /// A voicemail.
    VoicemailId = "vml";
}

impl From<PhoneNumberId> for PoolId {
    fn from(id: PhoneNumberId) -> Self {
        Self(id.0)
    }
}

impl From<PoolId> for PhoneNumberId {
    fn from(id: PoolId) -> Self {
        Self(id.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_round_trip_and_do_not_parse_as_another_type() {
        let id = ThreadId(Uuid::from_u128(0x0192_f000_7000_8000_0000_0000_0001));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().parse::<MessageId>(), Err(ParseIdError));
    }

    #[test]
    fn only_the_printed_form_is_accepted() {
        for text in [
            "",
            "thr_",
            "thr_0192F000700080000000000000000001",
            "thr_0192f000-7000-8000-0000-000000000001",
            "thr_0192f00070008000000000000000000",
            "0192f000700080000000000000000001",
        ] {
            assert_eq!(text.parse::<ThreadId>(), Err(ParseIdError), "{text}");
        }
    }
}
