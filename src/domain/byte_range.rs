//! Which bytes of a file a `Range` header requests.
//!
//! Source: RFC 9110, section 14.

use std::ops::Range;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestedBytes {
    /// The whole file. The header is malformed, has another unit, or requests several ranges, which a server may ignore.
    Whole,
    Part(Range<u64>),
    /// The range begins after the end of the file.
    Unsatisfiable,
}

/// Reads the header of a request for a file of `size` bytes.
pub fn requested_bytes(header: &str, size: u64) -> RequestedBytes {
    let range = header.split_once('=').filter(|(unit, _)| unit.trim().eq_ignore_ascii_case("bytes"));
    let Some((first, last)) = range.and_then(|(_, range)| range.trim().split_once('-')) else {
        return RequestedBytes::Whole;
    };
    let range = match (position(first), position(last)) {
        (Some(Some(first)), Some(None)) => first..size,
        (Some(Some(first)), Some(Some(last))) if first <= last => first..size.min(last.saturating_add(1)),
        // The last bytes of the file.
        (Some(None), Some(Some(count))) => size.saturating_sub(count)..size,
        _ => return RequestedBytes::Whole,
    };
    if range.start < range.end { RequestedBytes::Part(range) } else { RequestedBytes::Unsatisfiable }
}

/// A position, or `Some(None)` if the text is empty; `None` if it is not a number.
fn position(text: &str) -> Option<Option<u64>> {
    match text {
        "" => Some(None),
        _ if text.bytes().all(|byte| byte.is_ascii_digit()) => text.parse().ok().map(Some),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::RequestedBytes::{Part, Unsatisfiable, Whole};
    use super::*;

    #[test]
    fn one_range_is_served_and_anything_else_gets_the_whole_file() {
        for (header, expected) in [
            ("bytes=0-", Part(0..100)),
            ("bytes=0-0", Part(0..1)),
            ("bytes=10-19", Part(10..20)),
            ("Bytes=90-1000", Part(90..100)),
            ("bytes=99-18446744073709551615", Part(99..100)),
            ("bytes=-10", Part(90..100)),
            ("bytes=-1000", Part(0..100)),
            ("bytes=100-", Unsatisfiable),
            ("bytes=100-200", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=0-1,5-6", Whole),
            ("bytes=20-10", Whole),
            ("bytes=-", Whole),
            ("bytes=+1-5", Whole),
            ("bytes=a-b", Whole),
            ("bytes=99999999999999999999-", Whole),
            ("items=0-1", Whole),
            ("", Whole),
        ] {
            assert_eq!(requested_bytes(header, 100), expected, "{header}");
        }
        assert_eq!(requested_bytes("bytes=0-", 0), Unsatisfiable);
    }
}
