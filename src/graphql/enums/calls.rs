//! The enums of calls.

use async_graphql::Enum;

use crate::domain;

/// The status of a call.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::CallStatus")]
pub enum CallStatus {
    /// The call is in progress and nobody has answered it yet. The caller may still hear the greeting.
    Ringing,
    /// The call was answered and has not ended.
    InProgress,
    /// The call was answered and has ended.
    Completed,
    /// The call ended without an answer and without a voicemail.
    NoAnswer,
    /// The called phone was busy.
    Busy,
    /// The call could not be connected. For an outbound call, `Call.failure` gives the reason if the carrier refused
    /// it.
    Failed,
    /// The call was ended while phones were ringing, before anybody answered.
    Canceled,
    /// The call was not answered, and the caller left a voicemail.
    Voicemail,
}

/// The state of one leg of a call. The carrier's reports can arrive in any order; the most advanced state is kept.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::LegState")]
pub enum CallLegState {
    /// The phone is ringing.
    Ringing,
    /// The phone stopped ringing before it was picked up, for example because another user answered.
    Canceled,
    /// The phone rang for the full ring time and was not picked up.
    NoAnswer,
    /// The phone was busy, or the call was rejected on it.
    Busy,
    /// The phone could not be reached.
    Failed,
    /// The phone was picked up, by a person or by a mobile's own voicemail. Nobody has pressed 1 yet.
    PickedUp,
    /// The phone was picked up and the call was declined: another key than 1 was pressed, or none.
    Declined,
    /// The user pressed 1, but another user had already accepted the call.
    AlreadyTaken,
    /// The user pressed 1 to accept the call.
    Accepted,
    /// The phone was connected with the other party of the call.
    Connected,
}

/// The order in which the phones of a pool ring for an inbound call.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::RingStrategy")]
pub enum RingStrategy {
    /// All phones ring at the same time.
    Simultaneous,
    /// The phones ring one after the other, the primary user's phone first.
    Sequential,
}

/// The caller ID that the phones of a pool show while they ring for an inbound call.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::LegCallerId")]
pub enum LegCallerId {
    /// The phones show the caller's number. If it is withheld or not a valid number, they show the pool's number.
    Caller,
    /// The phones show the pool's number.
    Number,
}

/// The reason why the recording of a voicemail could not be fetched.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::VoicemailFailure")]
pub enum VoicemailFailure {
    /// The carrier does not have the recording.
    Missing,
    /// The carrier's response is not audio. The Twilio account may encrypt its recordings.
    NotAudio,
    /// The recording is larger than 16 MiB.
    TooLarge,
}

/// The reason why the phone of a user did not ring for an inbound call.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::NotRungReason")]
pub enum NotRungReason {
    /// The user was not active.
    Inactive,
    /// Calls to the phone number were switched off for the user: `Assignment.voiceEnabled` was false.
    VoiceOff,
    /// The user had no phone number, or the number was one of the agency's own.
    NoPhone,
    /// The user had not verified their phone.
    NotVerified,
    /// The user's availability was AWAY.
    Away,
}
