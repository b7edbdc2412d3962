//! Limits on the files that are sent with a text.
//!
//! Source: Twilio, "Messages resource: MediaUrl"; "Accepted content types for media".

use super::media_type::can_be_sent;

/// The maximum size of a file that a user uploads, and of all files of a text together.
pub const MAX_BYTES: usize = 5 * 1024 * 1024;
/// The maximum number of files of a text.
pub const MAX_FILES: usize = 10;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AttachmentRefusal {
    /// Twilio does not send files of the type of the file at this position.
    WrongType(usize),
    /// The files up to the one at this position are too large together.
    TooLarge(usize),
}

/// Checks the types and sizes in bytes of the files of a text.
pub fn check_attachments<'a>(files: impl Iterator<Item = (&'a str, i32)>) -> Result<(), AttachmentRefusal> {
    let mut total = 0;
    for (position, (content_type, byte_size)) in files.enumerate() {
        total += usize::try_from(byte_size).unwrap_or(0);
        if !can_be_sent(content_type) {
            return Err(AttachmentRefusal::WrongType(position));
        }
        if total > MAX_BYTES {
            return Err(AttachmentRefusal::TooLarge(position));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_of_types_that_twilio_sends_and_at_most_5_mb_together() {
        const MB: i32 = 1024 * 1024;
        for (files, expected) in [
            (vec![], Ok(())),
            (vec![("image/jpeg", 5 * MB)], Ok(())),
            (vec![("image/jpeg", 3 * MB), ("application/pdf", 2 * MB)], Ok(())),
            (vec![("image/jpeg", 3 * MB), ("image/png", 2 * MB + 1)], Err(AttachmentRefusal::TooLarge(1))),
            (vec![("image/png", 1), ("text/html", 1)], Err(AttachmentRefusal::WrongType(1))),
            (vec![("image/svg+xml", 6 * MB)], Err(AttachmentRefusal::WrongType(0))),
        ] {
            assert_eq!(check_attachments(files.iter().copied()), expected, "{files:?}");
        }
    }
}
