//! Identifiers, one type per thing, so that a thread's id can never be passed for a message's.
//!
//! Outside they are opaque strings, `thr_` and 32 hexadecimal digits; inside they are UUIDs of
//! version 7 (RFC 9562), so that they sort by the time they were made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The text is no id of the type that was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an id of this kind")]
pub struct ParseIdError;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $name(pub Uuid);

            impl $name {
                /// What the outside form of this id begins with.
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
                    // One spelling per id: what we print, and nothing else that a UUID parser takes.
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
    /// A member of an agency's staff.
    UserId = "usr";
    /// A number that a team shares. Its pool has the same UUID: they are one to one.
    PhoneNumberId = "num";
    /// The pool of a phone number.
    PoolId = "pol";
    /// One user in one pool.
    AssignmentId = "asg";
    /// Digits that a caller dials to reach a user.
    ExtensionId = "ext";
    /// A person outside.
    ContactId = "con";
    /// All messages between one phone number and one contact.
    ThreadId = "thr";
    /// One line of a thread's history.
    ActivityId = "act";
    /// One text.
    MessageId = "msg";
    /// One attachment.
    MediaId = "med";
    /// One thing that one user should know.
    NotificationId = "ntf";
    /// A text that fitted no number.
    QuarantineId = "qtn";
    /// One line of the audit log.
    AuditId = "aud";
    /// One telephone call.
    CallId = "cal";
    /// One phone's part in a call.
    CallLegId = "leg";
    /// What a caller said to nobody.
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
    fn an_id_reads_back_as_itself_and_as_no_other_kind() {
        let id = ThreadId(Uuid::from_u128(0x0192_f000_7000_8000_0000_0000_0001));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().parse::<MessageId>(), Err(ParseIdError));
    }

    #[test]
    fn only_the_printed_spelling_is_an_id() {
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
