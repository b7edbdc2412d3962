//! Where a subscriber stands in an agency's event log.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::AgencyId;

/// A place in one agency's log: everything up to `position` has been seen.
///
/// The epoch names the log itself: a log that was begun anew has another, so that a cursor of the
/// former one is not mistaken for a place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// Whose log.
    pub agency: AgencyId,
    /// Which log.
    pub epoch: Uuid,
    /// How far.
    pub position: i64,
}

/// The text is no cursor.
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
            // A position above i64::MAX would be a negative one, and does not parse.
            position: i64::from_str_radix(&text[64..], 16).map_err(|_| ParseCursorError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_itself() {
        let cursor = Cursor { agency: AgencyId(Uuid::from_u128(1)), epoch: Uuid::from_u128(2), position: i64::MAX };
        assert_eq!(cursor.to_string().parse(), Ok(cursor));
    }

    #[test]
    fn other_texts_are_no_cursors() {
        let negative = Cursor { agency: AgencyId(Uuid::nil()), epoch: Uuid::nil(), position: -1 }.to_string();
        for text in ["", "42", "ä", negative.as_str(), &"A".repeat(400)] {
            assert_eq!(text.parse::<Cursor>(), Err(ParseCursorError), "{text}");
        }
    }
}
