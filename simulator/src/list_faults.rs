//! Faults of the lists of the REST API, each for a number of requests.

use std::collections::VecDeque;

use serde::Deserialize;

/// Bounds the memory of a long-running simulator. Further faults are ignored.
const MAX_PENDING: usize = 1_000;

/// A list of the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum List {
    /// `/Messages.json`
    Messages,
    /// `/Calls.json`
    Calls,
    /// `/Recordings.json`, and the recordings of a call
    Recordings,
    /// The media of a message
    Media,
}

/// An error response to requests for a list. In JSON: `{"list": "messages", "times": 3, "seconds": 2}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct ListFault {
    /// The list; every list if missing.
    #[serde(default)]
    pub list: Option<List>,
    /// The HTTP status. Default: 429.
    #[serde(default = "too_many_requests")]
    pub status: u16,
    /// The value of `Retry-After` in seconds. Without it, the header is missing.
    #[serde(default)]
    pub seconds: Option<u32>,
    /// The number of requests. Default: 1.
    #[serde(default = "once")]
    pub times: u32,
}

fn too_many_requests() -> u16 {
    429
}

fn once() -> u32 {
    1
}

impl ListFault {
    /// Status 429 with `Retry-After` for this number of requests of a list.
    pub fn too_many_requests(list: List, seconds: u32, times: u32) -> Self {
        Self { list: Some(list), status: too_many_requests(), seconds: Some(seconds), times }
    }
}

/// The pending faults, in the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct ListFaults {
    pending: VecDeque<ListFault>,
}

impl ListFaults {
    pub(super) fn add(&mut self, fault: ListFault) {
        if fault.times > 0 && self.pending.len() < MAX_PENDING {
            self.pending.push_back(fault);
        }
    }

    /// Takes the fault of a request for this list.
    pub(super) fn take(&mut self, list: List) -> Option<ListFault> {
        let at = self.pending.iter().position(|fault| fault.list.is_none_or(|faulty| faulty == list))?;
        let fault = self.pending.get_mut(at)?;
        let taken = *fault;
        fault.times -= 1;
        if fault.times == 0 {
            self.pending.remove(at);
        }
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_applies_to_its_list_as_often_as_requested() {
        let mut faults = ListFaults::default();
        faults.add(ListFault::too_many_requests(List::Calls, 2, 2));
        faults.add(serde_json::from_str(r#"{"status": 500}"#).unwrap());
        assert_eq!(faults.take(List::Messages).unwrap().status, 500);
        assert_eq!(faults.take(List::Messages), None);
        assert_eq!(faults.take(List::Calls).unwrap().seconds, Some(2));
        assert_eq!(faults.take(List::Calls).unwrap().status, 429);
        assert_eq!(faults.take(List::Calls), None);
    }
}
