//! What is left of a call: who heard and did what, and every document that came.

use serde::{Deserialize, Serialize};

/// A call that is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// `CA` and 32 hexadecimal digits.
    pub sid: String,
    /// Twilio's word: `completed`, `busy`, `no-answer`, `canceled` or `failed`.
    pub status: String,
    /// From the answer to the end; 0 if it was not answered.
    pub seconds: u32,
    /// What Twilio would have put into its debugger: a code and what is wrong. The first, if there are several.
    pub error: Option<String>,
    /// In the order of their times.
    pub transcript: Vec<Line>,
    /// Every answer to a request for TwiML, of the call and of its legs, as they came.
    pub documents: Vec<Document>,
    /// The phones that were called, as they were named.
    pub legs: Vec<LegRecord>,
    /// The SIDs of what was recorded.
    pub recordings: Vec<String>,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Seconds since the call began, as the people on the line feel them: requests take no time.
    pub at_seconds: u32,
    /// `caller`, or a phone's number.
    pub who: String,
    /// Such as `hears: "Hello"`, `presses 1`, `rings`, `bridged`.
    pub what: String,
}

/// An answer to a request for TwiML.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// The SID of the call or the leg that asked.
    pub call: String,
    /// As it was requested, without the fragment.
    pub url: String,
    /// 0 if there was no answer.
    pub status: u16,
    /// Its first 64 kB.
    pub body: String,
}

/// A phone that was called by a Dial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegRecord {
    /// `CA` and 32 hexadecimal digits.
    pub sid: String,
    /// The phone.
    pub to: String,
    /// Twilio's word: `completed`, `busy`, `no-answer`, `canceled` or `failed`.
    pub status: String,
    /// Whether it was picked up.
    pub answered: bool,
    /// Whether its document ended without Hangup, so that it would be bridged.
    pub accepted: bool,
    /// Whether it was.
    pub bridged: bool,
    /// The words of its documents.
    pub heard: Vec<String>,
}

impl CallRecord {
    /// What this one heard: the words of each Say, and `[…]` for what was played.
    pub fn heard_by<'a>(&'a self, who: &'a str) -> impl Iterator<Item = &'a str> {
        let theirs = self.transcript.iter().filter(move |line| line.who == who);
        theirs.filter_map(|line| line.what.strip_prefix("hears: ")).map(|words| words.trim_matches('"'))
    }

    /// The leg that was bridged, if one was.
    pub fn bridged(&self) -> Option<&LegRecord> {
        self.legs.iter().find(|leg| leg.bridged)
    }
}
