//! The words of the product as types. Each is stored and shown by the one name given here.

use serde::{Deserialize, Serialize};

/// A word that is stored as text.
pub trait Word: Sized + Copy + 'static {
    /// The name it is stored and shown by.
    fn as_str(self) -> &'static str;
    /// The word with this name, if there is one.
    fn from_name(name: &str) -> Option<Self>;
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),* }

            impl Word for $name {
                fn as_str(self) -> &'static str {
                    match self { $(Self::$variant => $text),* }
                }

                fn from_name(name: &str) -> Option<Self> {
                    match name { $($text => Some(Self::$variant),)* _ => None }
                }
            }
        )*
    };
}

/// Calls a macro with every word type, so that adapters cannot forget one.
macro_rules! words_list {
    ($with:ident) => {
        $with! {
            Role, Availability, PoolPolicy, RingStrategy, LegCallerId, OptOutReplies, ThreadStatus, Direction,
            MessageStatus, RoutingRung, MediaState, NotificationKind, ActivityKind, EventKind,
            QuarantineState, OutboxState, Purpose, CallStatus, CallStage, CallEnd,
            LegState, AccountTrouble, TwilioRequest, VoicemailFailure, CallerIdVerification
        }
    };
}
pub(crate) use words_list;

words! {
    /// What a user may do in the agency.
    Role {
        /// Runs the agency: pools, extensions, users; sees every thread.
        Admin = "ADMIN",
        /// Sees and handles what their pools and threads bring.
        Member = "MEMBER",
    }
    /// Whether a user takes work now. It matters for assignment and ringing, not for eligibility.
    Availability {
        /// Takes work.
        Available = "AVAILABLE",
        /// Does not.
        Away = "AWAY",
    }
    /// How the threads of a pool find an assignee.
    PoolPolicy {
        /// The first to claim or to reply is the assignee.
        FirstClaim = "FIRST_CLAIM",
        /// Threads stay unclaimed and any handler replies, until someone claims one.
        Shared = "SHARED",
    }
    /// How the phones of a pool ring.
    RingStrategy {
        /// All at once.
        Simultaneous = "SIMULTANEOUS",
        /// One after the other.
        Sequential = "SEQUENTIAL",
    }
    /// Which number the phones of a pool show while they ring for an inbound call.
    LegCallerId {
        /// The caller's, or the pool's number if the caller withholds theirs.
        Caller = "CALLER",
        /// The pool's number.
        Number = "NUMBER",
    }
    /// Who answers STOP, START and HELP.
    OptOutReplies {
        /// Twilio does; we send nothing.
        Twilio = "TWILIO",
        /// We do; Twilio's filter is off.
        Partyline = "PARTYLINE",
    }
    /// Where a thread stands.
    ThreadStatus {
        /// Nobody holds it.
        Unclaimed = "UNCLAIMED",
        /// Its assignee holds it.
        Claimed = "CLAIMED",
        /// Done, until the contact writes again.
        Closed = "CLOSED",
    }
    /// Which way a message went.
    Direction {
        /// From the contact.
        Inbound = "INBOUND",
        /// To the contact.
        Outbound = "OUTBOUND",
    }
    /// How far a message got.
    MessageStatus {
        /// An inbound one, stored.
        Received = "RECEIVED",
        /// Stored, not yet sent.
        Queued = "QUEUED",
        /// On its way to the carrier.
        Sending = "SENDING",
        /// It may or may not have reached the carrier.
        Unknown = "UNKNOWN",
        /// The carrier has it.
        Sent = "SENT",
        /// The carrier could not deliver it.
        Undelivered = "UNDELIVERED",
        /// It was not sent.
        Failed = "FAILED",
        /// The phone has it.
        Delivered = "DELIVERED",
    }
    /// Why a user was told of a message: the step of the routing that named them.
    RoutingRung {
        /// The text named an extension.
        Extension = "EXTENSION",
        /// The number's eligible users.
        Pool = "POOL",
        /// The contact's provider.
        Provider = "PROVIDER",
        /// The agency's default user.
        DefaultUser = "DEFAULT_USER",
        /// Every admin: the last rung, which is never empty.
        Admins = "ADMINS",
        /// The thread's assignee.
        Assignee = "ASSIGNEE",
    }
    /// Whether an attachment can be shown.
    MediaState {
        /// Not fetched yet.
        Pending = "PENDING",
        /// Kept here.
        Ready = "READY",
        /// It could not be fetched.
        Failed = "FAILED",
    }
    /// What a notification tells.
    NotificationKind {
        /// A client wrote.
        InboundClientMessage = "INBOUND_CLIENT_MESSAGE",
        /// A colleague gave the user a thread.
        ThreadAssigned = "THREAD_ASSIGNED",
        /// A colleague took the user's thread over.
        ThreadTakenOver = "THREAD_TAKEN_OVER",
        /// A thread lost its assignee and waits for someone of the pool.
        ThreadUnclaimed = "THREAD_UNCLAIMED",
        /// A text of the user's did not reach its contact, or nobody knows whether it did.
        DeliveryFailed = "DELIVERY_FAILED",
        /// Somebody called, and nobody answered.
        MissedCall = "MISSED_CALL",
        /// Somebody called and left a voicemail.
        Voicemail = "VOICEMAIL",
        /// Twilio does not serve the agency's account, so texts, calls or recordings wait. Sent to admins.
        CarrierAccountProblem = "CARRIER_ACCOUNT_PROBLEM",
    }
    /// What happened to a thread.
    ActivityKind {
        /// Someone claimed it.
        Claimed = "CLAIMED",
        /// Its assignee let it go.
        Released = "RELEASED",
        /// It went to another user, perhaps to the one who took it over.
        Transferred = "TRANSFERRED",
        /// It was closed.
        Closed = "CLOSED",
        /// It was reopened, by hand or by an inbound text.
        Reopened = "REOPENED",
        /// Its assignee lost their place in the pool.
        Unassigned = "UNASSIGNED",
        /// Its contact does not want texts any more.
        OptedOut = "OPTED_OUT",
        /// Its contact wants texts again.
        OptedIn = "OPTED_IN",
        /// The contact sent a text that sounds like a request to stop.
        OptOutHinted = "OPT_OUT_HINTED",
    }
    /// What an event of an agency's log tells.
    EventKind {
        /// A text came in.
        InboundMessage = "INBOUND_MESSAGE",
        /// A thread changed, other than by a text.
        ThreadUpdated = "THREAD_UPDATED",
        /// Pools, assignments, extensions, users or numbers changed.
        DirectoryUpdated = "DIRECTORY_UPDATED",
        /// A call began, or got further.
        CallUpdated = "CALL_UPDATED",
    }
    /// What became of a text in quarantine.
    QuarantineState {
        /// Waits for an operator.
        Held = "HELD",
        /// Given to an agency.
        Assigned = "ASSIGNED",
        /// Put aside by an operator.
        Discarded = "DISCARDED",
    }
    /// Where a text stands on its way to the carrier.
    OutboxState {
        /// It waits to be tried.
        Queued = "QUEUED",
        /// It is being tried, and may be there already.
        Attempting = "ATTEMPTING",
        /// It was tried, and nobody knows what came of it.
        InDoubt = "IN_DOUBT",
    }
    /// What a text is sent for: it decides whether it may go to a contact who opted out.
    Purpose {
        /// A member of the staff writes.
        Conversation = "CONVERSATION",
        /// It answers a STOP or a HELP.
        OptOutReply = "OPT_OUT_REPLY",
        /// It follows a call that nobody answered.
        MissedCall = "MISSED_CALL",
    }
    /// How far a call got.
    CallStatus {
        /// Nobody has answered yet.
        Ringing = "RINGING",
        /// Two people are talking.
        InProgress = "IN_PROGRESS",
        /// They were.
        Completed = "COMPLETED",
        /// Nobody answered, and no voicemail was left.
        NoAnswer = "NO_ANSWER",
        /// The other side was busy.
        Busy = "BUSY",
        /// It could not be put through.
        Failed = "FAILED",
        /// The caller left while it rang.
        Canceled = "CANCELED",
        /// Nobody answered, and a voicemail was left.
        Voicemail = "VOICEMAIL",
    }
    /// What a caller was last told to do: it decides what the end of the call means.
    CallStage {
        /// They hear the greeting and may dial an extension.
        Greeting = "GREETING",
        /// Phones ring for them.
        Ringing = "RINGING",
        /// They are asked for a voicemail.
        Recording = "RECORDING",
        /// They have been said goodbye to.
        Done = "DONE",
    }
    /// How the carrier says that a call ended.
    CallEnd {
        /// Somebody hung up.
        Completed = "COMPLETED",
        /// The other side was busy.
        Busy = "BUSY",
        /// The other side did not answer.
        NoAnswer = "NO_ANSWER",
        /// It was given up before it was answered.
        Canceled = "CANCELED",
        /// It could not be put through.
        Failed = "FAILED",
    }
    /// The carrier's verdict on the caller ID of an inbound call.
    CallerIdVerification {
        /// Verified; the originating carrier vouches for the caller's right to the number.
        PassedA = "PASSED_A",
        /// Verified; the originating carrier knows the caller, but not their right to the number.
        PassedB = "PASSED_B",
        /// Verified; the originating carrier only knows where the call entered its network.
        PassedC = "PASSED_C",
        /// The verification failed: the number may be forged.
        Failed = "FAILED",
        /// The call carried nothing that could be verified.
        NotVerified = "NOT_VERIFIED",
    }
    /// How far one phone's part in a call got. A later one in this list is never undone by an earlier.
    LegState {
        /// It rings.
        Ringing = "RINGING",
        /// It stopped ringing before anybody picked it up: the call went elsewhere.
        Canceled = "CANCELED",
        /// It rang to the end.
        NoAnswer = "NO_ANSWER",
        /// It was busy, or the call was refused.
        Busy = "BUSY",
        /// It could not be reached.
        Failed = "FAILED",
        /// Somebody, or a mobile's own voicemail, picked it up.
        PickedUp = "PICKED_UP",
        /// Whoever picked it up did not want the call.
        Declined = "DECLINED",
        /// Whoever picked it up wanted the call, and a colleague had it already.
        AlreadyTaken = "ALREADY_TAKEN",
        /// 1 was pressed.
        Accepted = "ACCEPTED",
        /// It was connected with the caller.
        Connected = "CONNECTED",
    }
    /// Why Twilio does not serve an account, from the least to the most severe reason.
    AccountTrouble {
        /// Twilio cannot use the public URL that receipts are sent to (error 21609).
        CallbackUrl = "CALLBACK_URL",
        /// The credentials lack a permission (HTTP 403).
        Forbidden = "FORBIDDEN",
        /// The account is suspended, unpaid or closed (errors 10001, 20005 and 30002).
        Suspended = "SUSPENDED",
        /// Twilio does not accept the credentials (HTTP 401, error 20003).
        Credentials = "CREDENTIALS",
    }
    /// The purpose of a request to Twilio's REST API.
    TwilioRequest {
        /// To send a text.
        Text = "TEXT",
        /// To find out what became of texts and calls.
        Lookup = "LOOKUP",
        /// To start a call.
        Call = "CALL",
        /// To fetch a recording.
        Recording = "RECORDING",
    }
    /// Why a recording could not be fetched.
    VoicemailFailure {
        /// Twilio does not have the recording.
        Missing = "MISSING",
        /// What Twilio delivered is not audio; the account may encrypt its recordings.
        NotAudio = "NOT_AUDIO",
        /// The recording is larger than 16 MiB.
        TooLarge = "TOO_LARGE",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_by_its_name() {
        for rung in [
            RoutingRung::Extension,
            RoutingRung::Pool,
            RoutingRung::Provider,
            RoutingRung::DefaultUser,
            RoutingRung::Admins,
            RoutingRung::Assignee,
        ] {
            assert_eq!(RoutingRung::from_name(rung.as_str()), Some(rung));
        }
        assert_eq!(RoutingRung::from_name("pool"), None);
    }
}
