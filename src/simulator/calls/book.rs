//! The calls that the carrier holds, the newest so many of them, and what phones do.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::super::carrier::Carrier;
use super::super::settings::Account;
use super::super::webhook::Form;
use super::record::CallRecord;
use super::script::PhoneScript;

/// An old one goes for each further one.
const CAPACITY: usize = 10_000;

/// What goes wrong with the status callbacks of calls; requests for TwiML are spared.
/// In JSON: `"lost"`, `"duplicated"`, `"reordered"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallbackFault {
    /// None is sent.
    Lost,
    /// Each is sent twice.
    Duplicated,
    /// They are held back until the call is over, and then sent the last first.
    Reordered,
}

/// Who made a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// A phone.
    Inbound,
    /// The API.
    OutboundApi,
    /// A Dial.
    OutboundDial,
}

impl Direction {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundDial => "outbound-dial",
        }
    }
}

/// A call or a leg, as the API shows it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) sid: String,
    pub(super) parent: Option<String>,
    pub(super) account: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) direction: Direction,
    pub(super) status: &'static str,
    /// Once it is over.
    pub(super) seconds: Option<u32>,
    /// Whether the API has asked for its end.
    pub(super) is_to_end: bool,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
}

impl Entry {
    pub(super) fn new(carrier: &Carrier, account: &Account, from: &str, to: &str, direction: Direction) -> Self {
        let now = carrier.clock.now();
        Self {
            sid: format!("CA{}", carrier.ids.uuid(now).simple()),
            parent: None,
            account: account.sid.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            direction,
            status: "queued",
            seconds: None,
            is_to_end: false,
            created: now,
            updated: now,
        }
    }

    /// What every request says of its call. Source: Twilio, "Twilio's request to your application".
    pub(super) fn fields(&self, status: &str) -> Form {
        let mut form = vec![
            ("CallSid", self.sid.clone()),
            ("AccountSid", self.account.clone()),
            ("From", self.from.clone()),
            ("To", self.to.clone()),
            ("Caller", self.from.clone()),
            ("Called", self.to.clone()),
            ("CallStatus", status.to_owned()),
            ("Direction", self.direction.word().to_owned()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ];
        form.extend(self.parent.clone().map(|parent| ("ParentCallSid", parent)));
        form
    }

    /// What a status callback says. Source: Twilio, "Call resource: StatusCallback".
    pub(super) fn progress(&self, status: &str, seconds: Option<u32>, number: usize, now: DateTime<Utc>) -> Form {
        let mut form = self.fields(status);
        form.extend([
            ("Timestamp", now.to_rfc2822()),
            ("SequenceNumber", number.to_string()),
            ("CallbackSource", "call-progress-events".to_owned()),
        ]);
        if let Some(seconds) = seconds {
            form.extend([("CallDuration", seconds.to_string()), ("Duration", seconds.div_ceil(60).to_string())]);
        }
        form
    }
}

/// Something that was recorded.
#[derive(Debug, Clone)]
pub(super) struct Recording {
    pub(super) account: String,
    pub(super) call: String,
    /// 0 for a recording that is absent: too short, or silent.
    pub(super) seconds: u32,
    pub(super) created: DateTime<Utc>,
}

impl Recording {
    /// Source: Twilio, "Recordings resource".
    pub(super) fn status(&self) -> &'static str {
        if self.seconds == 0 { "absent" } else { "completed" }
    }
}

/// The newest so many of something, by their SIDs.
#[derive(Debug)]
struct Newest<T> {
    order: VecDeque<String>,
    held: HashMap<String, T>,
}

impl<T> Default for Newest<T> {
    fn default() -> Self {
        Self { order: VecDeque::new(), held: HashMap::new() }
    }
}

impl<T> Newest<T> {
    fn add(&mut self, key: String, value: T) {
        if self.held.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.held.remove(&oldest);
        }
    }
}

#[derive(Debug, Default)]
struct Held {
    entries: Newest<Entry>,
    records: Newest<CallRecord>,
    recordings: Newest<Recording>,
    phones: Newest<PhoneScript>,
    fault: Option<CallbackFault>,
}

/// Everything that is known of calls.
#[derive(Debug, Default)]
pub(in crate::simulator) struct CallBook {
    held: Mutex<Held>,
}

impl CallBook {
    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::simulator) fn set_phone(&self, number: String, script: PhoneScript) {
        self.held().phones.add(number, script);
    }

    pub(super) fn phone(&self, number: &str) -> PhoneScript {
        self.held().phones.held.get(number).copied().unwrap_or_default()
    }

    pub(in crate::simulator) fn set_fault(&self, fault: Option<CallbackFault>) {
        self.held().fault = fault;
    }

    pub(super) fn fault(&self) -> Option<CallbackFault> {
        self.held().fault
    }

    pub(in crate::simulator) fn record(&self, sid: &str) -> Option<CallRecord> {
        self.held().records.held.get(sid).cloned()
    }

    pub(super) fn keep(&self, record: CallRecord) {
        self.held().records.add(record.sid.clone(), record);
    }

    pub(super) fn add(&self, entry: Entry) {
        self.held().entries.add(entry.sid.clone(), entry);
    }

    pub(super) fn entry(&self, account: &str, sid: &str) -> Option<Entry> {
        self.held().entries.held.get(sid).filter(|entry| entry.account == account).cloned()
    }

    /// Asks a call or a leg to end within its second; nothing happens to one that is over.
    pub(super) fn end(&self, sid: &str) {
        if let Some(entry) = self.held().entries.held.get_mut(sid) {
            entry.is_to_end = true;
        }
    }

    pub(super) fn is_to_end(&self, sid: &str) -> bool {
        self.held().entries.held.get(sid).is_some_and(|entry| entry.is_to_end)
    }

    /// Writes down what has become of a call.
    pub(super) fn change(&self, sid: &str, status: &'static str, seconds: Option<u32>, now: DateTime<Utc>) {
        if let Some(entry) = self.held().entries.held.get_mut(sid) {
            (entry.status, entry.seconds, entry.updated) = (status, seconds, now);
        }
    }

    pub(super) fn add_recording(&self, sid: String, recording: Recording) {
        self.held().recordings.add(sid, recording);
    }

    /// The recordings of a call with their SIDs, newest first.
    pub(super) fn recordings_of(&self, account: &str, call: &str) -> Vec<(String, Recording)> {
        let held = self.held();
        let newest = held.recordings.order.iter().rev();
        let all = newest.filter_map(|sid| held.recordings.held.get_key_value(sid));
        let of_call = all.filter(|(_, recording)| recording.account == account && recording.call == call);
        of_call.map(|(sid, recording)| (sid.clone(), recording.clone())).collect()
    }

    pub(super) fn recording(&self, account: &str, sid: &str) -> Option<Recording> {
        self.held().recordings.held.get(sid).filter(|recording| recording.account == account).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_go() {
        let mut newest = Newest::default();
        for n in 0..=CAPACITY {
            newest.add(n.to_string(), n);
        }
        newest.add("1".to_owned(), 7);
        assert_eq!((newest.held.get("0"), newest.held.get("1"), newest.held.len()), (None, Some(&7), CAPACITY));
    }
}
