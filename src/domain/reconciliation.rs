//! The comparison of the carrier's texts and calls with those that are stored: what is compared, and what counts as late.

use chrono::{DateTime, TimeDelta, Utc};

/// How far before the end of the last comparison the next one begins. Covers differences of the clocks, and texts that the
/// carrier lists late.
const OVERLAP: TimeDelta = TimeDelta::minutes(15);

/// The time during which the carrier may still repeat a webhook. A text of this age is on its way and not late.
const WEBHOOK_WINDOW: TimeDelta = TimeDelta::seconds(35);

/// The time within which arrivals are reported to the admins as one.
pub const REPORT_WINDOW: TimeDelta = TimeDelta::minutes(10);

/// When the texts and calls begin that are compared after a comparison that ended at `reconciled_until`.
pub fn compare_from(reconciled_until: DateTime<Utc>) -> DateTime<Utc> {
    reconciled_until - OVERLAP
}

/// The end of the comparison that stands for all that the carrier had when an account was added at `created_at`: those
/// texts and calls were never meant for this server. A minute covers the difference of the clocks.
pub fn reconciled_at_creation(created_at: DateTime<Utc>) -> DateTime<Utc> {
    created_at + OVERLAP - TimeDelta::minutes(1)
}

/// Whether the webhooks of an event of this time may still arrive.
pub fn is_on_its_way(at: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - at < WEBHOOK_WINDOW
}

/// Texts and calls of an agency that were imported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Arrivals {
    pub texts: i32,
    /// The calls without a voicemail.
    pub calls: i32,
    pub voicemails: i32,
    /// When the first and the last of them reached the carrier; `None` if there are none.
    pub span: Option<(DateTime<Utc>, DateTime<Utc>)>,
}

impl Arrivals {
    pub fn is_empty(&self) -> bool {
        self.span.is_none()
    }

    pub fn add_text(&mut self, at: DateTime<Utc>) {
        self.texts += 1;
        self.extend(at);
    }

    /// Adds a call with its number of voicemails.
    pub fn add_call(&mut self, at: DateTime<Utc>, voicemails: i32) {
        self.calls += i32::from(voicemails == 0);
        self.voicemails += voicemails;
        self.extend(at);
    }

    pub fn add(&mut self, others: Self) {
        self.texts += others.texts;
        self.calls += others.calls;
        self.voicemails += others.voicemails;
        if let Some((first, last)) = others.span {
            self.extend(first);
            self.extend(last);
        }
    }

    fn extend(&mut self, at: DateTime<Utc>) {
        let (first, last) = self.span.unwrap_or((at, at));
        self.span = Some((first.min(at), last.max(at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arrivals_are_counted_with_the_time_from_the_first_to_the_last() {
        let at = |minute: i64| DateTime::from_timestamp(1_795_446_000 + minute * 60, 0).unwrap();
        let mut arrivals = Arrivals::default();
        assert!(arrivals.is_empty());
        arrivals.add_text(at(5));
        arrivals.add_call(at(2), 0);
        arrivals.add_call(at(9), 2);
        assert_eq!(arrivals, Arrivals { texts: 1, calls: 1, voicemails: 2, span: Some((at(2), at(9))) });
    }

    #[test]
    fn a_text_is_on_its_way_for_35_seconds() {
        let now = DateTime::from_timestamp(1_795_446_000, 0).unwrap();
        let ago = |seconds| now - TimeDelta::seconds(seconds);
        for (age, expected) in [(-5, true), (34, true), (35, false), (600, false)] {
            assert_eq!(is_on_its_way(ago(age), now), expected, "{age}");
        }
        assert_eq!(compare_from(now), ago(15 * 60));
        assert_eq!(compare_from(reconciled_at_creation(now)), ago(60));
    }
}
