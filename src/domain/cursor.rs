//! Cursors: a subscriber's position in an agency's event log.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::AgencyId;

/// A place in one agency's log: the subscriber has received all events up to and including `position`.
///
/// The epoch identifies the log. A log that is started again gets a new epoch, so that cursors of the former log are
/// not mistaken for places in the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub agency: AgencyId,
    pub epoch: Uuid,
    pub position: i64,
}

/// The text is not a cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor")]
pub struct ParseCursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}{:016x}", self.agency.0.simple(), self.epoch.simple(), self.position)
    }
}

impl FromStr for Cursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, ParseCursorError> {
        if text.len() != 80 || !text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            return Err(ParseCursorError);
        }
        let uuid = |digits: &str| Uuid::try_parse(digits).map_err(|_| ParseCursorError);
        Ok(Self {
            agency: AgencyId(uuid(&text[..32])?),
            epoch: uuid(&text[32..64])?,
            // A negative position is printed with digits above i64::MAX, which do not parse.
            position: i64::from_str_radix(&text[64..], 16).map_err(|_| ParseCursorError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip() {
        let cursor = Cursor { agency: AgencyId(Uuid::from_u128(1)), epoch: Uuid::from_u128(2), position: i64::MAX };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn other_texts_are_not_cursors() {
        let negative = Cursor { agency: AgencyId(Uuid::nil()), epoch: Uuid::nil(), position: -1 }.to_string();
        for text in ["", "42", "ä", negative.as_str(), &"A".repeat(400)] {
            assert_eq!(text.parse::<Cursor>(), Err(ParseCursorError), "{text}");
        }
    }
}
