//! The record of an ended call: its transcript, its documents and its legs.

use serde::{Deserialize, Serialize};

/// The record of an ended call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// `CA` and 32 hexadecimal digits.
    pub sid: String,
    /// Twilio's final status: `completed`, `busy`, `no-answer`, `canceled` or `failed`.
    pub status: String,
    /// Seconds from the answer to the end; 0 if the call was not answered.
    pub seconds: u32,
    /// The first error that Twilio would show in its debugger, as the code and a description; `None` for no error.
    pub error: Option<String>,
    /// Events of the call and its legs, in the order of time.
    pub transcript: Vec<TranscriptLine>,
    /// The responses to all requests for TwiML, of the call and its legs, in the order of arrival.
    pub documents: Vec<FetchedDocument>,
    /// The phones that `<Dial>` called, in the order of the TwiML.
    pub legs: Vec<LegRecord>,
    /// The SIDs of the recordings that are not absent.
    pub recordings: Vec<String>,
}

/// An event of a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TranscriptLine {
    /// Simulated seconds since the start of the call. HTTP requests take no simulated time.
    pub at_seconds: u32,
    /// `caller`, or the number of a called phone.
    pub who: String,
    /// The event, such as `hears: "Hello"`, `presses 1`, `rings`, `bridged`.
    pub what: String,
}

/// The response to a request for TwiML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FetchedDocument {
    /// The SID of the call or leg.
    pub call: String,
    /// The requested URL without the fragment.
    pub url: String,
    /// The HTTP status; 0 if there was no response.
    pub status: u16,
    /// The first 64 KiB of the body.
    pub body: String,
}

/// The record of one phone that `<Dial>` called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegRecord {
    /// `CA` and 32 hexadecimal digits.
    pub sid: String,
    /// The number of the phone.
    pub to: String,
    /// Twilio's final status: `completed`, `busy`, `no-answer`, `canceled` or `failed`.
    pub status: String,
    /// True if the phone was picked up.
    pub answered: bool,
    /// True if the screening document ended without `<Hangup>`, so that the phone was due to be bridged.
    pub accepted: bool,
    /// True if the phone was connected to the caller.
    pub bridged: bool,
    /// The texts that the phone heard.
    pub heard: Vec<String>,
}

impl CallRecord {
    /// The texts that `who` heard: the text of each `<Say>`, and `[…]` for each `<Play>`.
    pub fn heard_by<'a>(&'a self, who: &'a str) -> impl Iterator<Item = &'a str> {
        let lines = self.transcript.iter().filter(move |line| line.who == who);
        lines.filter_map(|line| line.what.strip_prefix("hears: ")).map(|text| text.trim_matches('"'))
    }

    /// The leg that was connected to the caller, if any.
    pub fn bridged(&self) -> Option<&LegRecord> {
        self.legs.iter().find(|leg| leg.bridged)
    }
}
