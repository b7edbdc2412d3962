//! Calls that only exist at the carrier: none of their webhooks was sent. They stand for calls that a fallback document
//! at the carrier handled while the application was unreachable.

use chrono::{DateTime, TimeDelta, Utc};
use serde::Deserialize;

use super::super::carrier::{Carrier, UnknownNumber};
use super::store::{Direction, Entry, Recording};

/// The status of an ended call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FinalStatus {
    #[default]
    Completed,
    Busy,
    NoAnswer,
    Canceled,
    Failed,
}

impl FinalStatus {
    fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Busy => "busy",
            Self::NoAnswer => "no-answer",
            Self::Canceled => "canceled",
            Self::Failed => "failed",
        }
    }
}

/// An ended call from a phone to a number. In JSON: `{"from": "+13035560001", "to": "+13035550100", "seconds": 20,
/// "voicemails": [5]}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct CarriedCall {
    pub from: String,
    pub to: String,
    /// The start of the call; now if missing.
    #[serde(default)]
    pub at: Option<DateTime<Utc>>,
    /// Default: `completed`.
    #[serde(default)]
    pub status: FinalStatus,
    /// The duration in seconds, which is at least that of the voicemails. Default: 0.
    #[serde(default)]
    pub seconds: u32,
    /// The seconds of each recording that the caller left, in their order. 0 for an absent recording.
    #[serde(default)]
    pub voicemails: Vec<u32>,
}

impl CarriedCall {
    /// A completed call of 0 seconds that starts now.
    pub fn new(from: impl Into<String>, to: impl Into<String>) -> Self {
        let (from, to) = (from.into(), to.into());
        Self { from, to, at: None, status: FinalStatus::default(), seconds: 0, voicemails: Vec::new() }
    }

    /// Sets the start of the call.
    #[must_use]
    pub fn started_at(self, at: DateTime<Utc>) -> Self {
        Self { at: Some(at), ..self }
    }

    /// Sets the status and the duration in seconds.
    #[must_use]
    pub fn ended(self, status: FinalStatus, seconds: u32) -> Self {
        Self { status, seconds, ..self }
    }

    /// Adds a recording of this many seconds.
    #[must_use]
    pub fn with_voicemail(mut self, seconds: u32) -> Self {
        self.voicemails.push(seconds);
        self
    }
}

/// The SIDs of a call that only exists at the carrier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CarriedCallSids {
    /// `CA` and 32 hexadecimal digits.
    pub call: String,
    /// The SIDs of the recordings, in the order of the voicemails.
    pub recordings: Vec<String>,
}

impl Carrier {
    pub(crate) fn carry_call(&self, call: &CarriedCall) -> Result<CarriedCallSids, UnknownNumber> {
        let account = self.settings.account_of(&call.to).ok_or(UnknownNumber)?;
        let start = call.at.unwrap_or_else(|| self.clock.now());
        let recorded = call.voicemails.iter().fold(0_u32, |sum, seconds| sum.saturating_add(*seconds));
        let seconds = recorded.max(call.seconds);
        let entry = Entry::new(self, account, &call.from, &call.to, Direction::Inbound);
        let entry = Entry {
            status: call.status.as_str(),
            seconds: Some(seconds),
            created: start,
            updated: after(start, seconds),
            ..entry
        };
        let sid = entry.sid.clone();
        self.calls.add(entry);
        let mut recorded_at = start;
        let mut recordings = Vec::new();
        for seconds in &call.voicemails {
            let recording = Recording::new(&account.sid, &sid, *seconds, recorded_at);
            recorded_at = after(recorded_at, *seconds);
            recordings.push(recording.sid.clone());
            self.calls.add_recording(recording);
        }
        Ok(CarriedCallSids { call: sid, recordings })
    }
}

/// The time this many seconds later; the same time if that is out of range.
fn after(at: DateTime<Utc>, seconds: u32) -> DateTime<Utc> {
    at.checked_add_signed(TimeDelta::seconds(seconds.into())).unwrap_or(at)
}
