//! Calls, recordings and phone scripts, up to a fixed number of the newest of each.

use std::cmp::Reverse;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use serde::Deserialize;

use uuid::Uuid;

use super::super::carrier::Carrier;
use super::super::settings::Account;
use super::super::webhook::Form;
use super::record::CallRecord;
use super::script::PhoneScript;
use super::twiml_bin::TwimlBin;

/// Bounds the memory of a long-running simulator. When a map is full, the oldest entry is removed.
const CAPACITY: usize = 10_000;

/// A fault of the status callbacks of calls. It does not affect requests for TwiML.
/// In JSON: `"lost"`, `"duplicated"`, `"reordered"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum CallbackFault {
    /// No callback is sent.
    Lost,
    /// Each callback is sent twice.
    Duplicated,
    /// Callbacks are held back until the call has ended and then sent in reverse order.
    Reordered,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Inbound,
    OutboundApi,
    OutboundDial,
}

impl Direction {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundDial => "outbound-dial",
        }
    }
}

/// A call or leg as the API shows it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) sid: String,
    pub(super) parent: Option<String>,
    pub(super) account: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) direction: Direction,
    pub(super) status: &'static str,
    /// The duration; `None` until the call has ended.
    pub(super) seconds: Option<u32>,
    /// True if the API has requested the end of the call.
    pub(super) end_requested: bool,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
}

impl Entry {
    pub(super) fn new(carrier: &Carrier, account: &Account, from: &str, to: &str, direction: Direction) -> Self {
        let now = carrier.clock.now();
        Self {
            sid: format!("CA{}", Uuid::new_v4().simple()),
            parent: None,
            account: account.sid.clone(),
            from: from.to_owned(),
            to: to.to_owned(),
            direction,
            status: "queued",
            seconds: None,
            end_requested: false,
            created: now,
            updated: now,
        }
    }

    /// The parameters of every webhook request. Source: Twilio, "Twilio's request to your application".
    pub(super) fn request_fields(&self, status: &str) -> Form {
        let mut form = vec![
            ("CallSid", self.sid.clone()),
            ("AccountSid", self.account.clone()),
            ("From", self.from.clone()),
            ("To", self.to.clone()),
            ("Caller", self.from.clone()),
            ("Called", self.to.clone()),
            ("CallStatus", status.to_owned()),
            ("Direction", self.direction.as_str().to_owned()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ];
        form.extend(self.parent.clone().map(|parent| ("ParentCallSid", parent)));
        form
    }

    /// The parameters of a status callback. Source: Twilio, "Call resource: StatusCallback".
    pub(super) fn status_fields(&self, status: &str, seconds: Option<u32>, number: usize, now: DateTime<Utc>) -> Form {
        let mut form = self.request_fields(status);
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

#[derive(Debug, Clone)]
pub(super) struct Recording {
    pub(super) sid: String,
    pub(super) account: String,
    pub(super) call: String,
    /// 0 for an absent recording, which is too short or silent.
    pub(super) seconds: u32,
    pub(super) created: DateTime<Utc>,
}

impl Recording {
    pub(super) fn new(account: &str, call: &str, seconds: u32, created: DateTime<Utc>) -> Self {
        let sid = format!("RE{}", Uuid::new_v4().simple());
        Self { sid, account: account.to_owned(), call: call.to_owned(), seconds, created }
    }

    /// Source: Twilio, "Recordings resource".
    pub(super) fn status(&self) -> &'static str {
        if self.seconds == 0 { "absent" } else { "completed" }
    }
}

/// A map that keeps only the newest entries.
#[derive(Debug)]
struct BoundedMap<T> {
    order: VecDeque<String>,
    entries: HashMap<String, T>,
}

impl<T> Default for BoundedMap<T> {
    fn default() -> Self {
        Self { order: VecDeque::new(), entries: HashMap::new() }
    }
}

impl<T> BoundedMap<T> {
    fn add(&mut self, key: String, value: T) {
        if self.entries.insert(key.clone(), value).is_some() {
            return;
        }
        self.order.push_back(key);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.entries.remove(&oldest);
        }
    }

    /// All entries, in the reverse order in which they were added.
    fn newest_first(&self) -> impl Iterator<Item = &T> {
        self.order.iter().rev().filter_map(|key| self.entries.get(key))
    }

    /// Removes an entry if it matches; false if there is no such entry.
    fn remove_if(&mut self, key: &str, matches: impl Fn(&T) -> bool) -> bool {
        let is_present = self.entries.get(key).is_some_and(matches);
        if is_present {
            self.entries.remove(key);
            self.order.retain(|other| other != key);
        }
        is_present
    }
}

#[derive(Debug, Default)]
struct State {
    calls: BoundedMap<Entry>,
    records: BoundedMap<CallRecord>,
    recordings: BoundedMap<Recording>,
    phones: BoundedMap<PhoneScript>,
    callback_fault: Option<CallbackFault>,
    voice_fallback: Option<TwimlBin>,
}

#[derive(Debug, Default)]
pub(crate) struct CallStore {
    state: Mutex<State>,
}

impl CallStore {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_phone(&self, number: String, script: PhoneScript) {
        self.state().phones.add(number, script);
    }

    pub(super) fn phone_script(&self, number: &str) -> PhoneScript {
        self.state().phones.entries.get(number).copied().unwrap_or_default()
    }

    pub(crate) fn set_callback_fault(&self, fault: Option<CallbackFault>) {
        self.state().callback_fault = fault;
    }

    pub(super) fn callback_fault(&self) -> Option<CallbackFault> {
        self.state().callback_fault
    }

    pub(crate) fn record(&self, sid: &str) -> Option<CallRecord> {
        self.state().records.entries.get(sid).cloned()
    }

    pub(super) fn add_record(&self, record: CallRecord) {
        self.state().records.add(record.sid.clone(), record);
    }

    pub(super) fn add(&self, entry: Entry) {
        self.state().calls.add(entry.sid.clone(), entry);
    }

    pub(super) fn entry(&self, account: &str, sid: &str) -> Option<Entry> {
        self.state().calls.entries.get(sid).filter(|entry| entry.account == account).cloned()
    }

    /// Requests that a call or leg ends within its current second. An ended call is not changed.
    pub(super) fn request_end(&self, sid: &str) {
        if let Some(entry) = self.state().calls.entries.get_mut(sid) {
            entry.end_requested = true;
        }
    }

    pub(super) fn is_end_requested(&self, sid: &str) -> bool {
        self.state().calls.entries.get(sid).is_some_and(|entry| entry.end_requested)
    }

    pub(super) fn update(&self, sid: &str, status: &'static str, seconds: Option<u32>, now: DateTime<Utc>) {
        if let Some(entry) = self.state().calls.entries.get_mut(sid) {
            (entry.status, entry.seconds, entry.updated) = (status, seconds, now);
        }
    }

    /// The matching calls and legs, newest first.
    pub(super) fn calls(&self, matches: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let state = self.state();
        let mut found: Vec<Entry> = state.calls.newest_first().filter(|entry| matches(entry)).cloned().collect();
        // Calls with a date in the past may have been added late. The sort is stable.
        found.sort_by_key(|entry| Reverse(entry.created));
        found
    }

    /// Deletes an ended call; its recordings remain. `None` if there is no such call, false if it is in progress.
    pub(super) fn delete_call(&self, account: &str, sid: &str) -> Option<bool> {
        let is_ended = self.entry(account, sid)?.seconds.is_some();
        Some(is_ended && self.state().calls.remove_if(sid, |entry| entry.account == account))
    }

    pub(super) fn add_recording(&self, recording: Recording) {
        self.state().recordings.add(recording.sid.clone(), recording);
    }

    /// The matching recordings, newest first.
    pub(super) fn recordings(&self, matches: impl Fn(&Recording) -> bool) -> Vec<Recording> {
        let state = self.state();
        let newest = state.recordings.newest_first();
        let mut found: Vec<Recording> = newest.filter(|recording| matches(recording)).cloned().collect();
        found.sort_by_key(|recording| Reverse(recording.created));
        found
    }

    pub(super) fn delete_recording(&self, account: &str, sid: &str) -> bool {
        self.state().recordings.remove_if(sid, |recording| recording.account == account)
    }

    pub(crate) fn set_voice_fallback(&self, twiml: Option<String>) {
        self.state().voice_fallback = twiml.map(TwimlBin::new);
    }

    pub(super) fn voice_fallback(&self) -> Option<TwimlBin> {
        self.state().voice_fallback.clone()
    }

    pub(super) fn recording(&self, account: &str, sid: &str) -> Option<Recording> {
        self.state().recordings.entries.get(sid).filter(|recording| recording.account == account).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_entry_is_removed() {
        let mut map = BoundedMap::default();
        for n in 0..=CAPACITY {
            map.add(n.to_string(), n);
        }
        map.add("1".to_owned(), 7);
        assert_eq!((map.entries.get("0"), map.entries.get("1"), map.entries.len()), (None, Some(&7), CAPACITY));
        assert!(!map.remove_if("1", |value| *value == 8) && map.remove_if("1", |value| *value == 7));
        assert_eq!((map.newest_first().next(), map.newest_first().count()), (Some(&CAPACITY), CAPACITY - 1));
    }
}
