//! The product's enumerations. Each value is stored, and shown to API clients, under the name given here.

use serde::{Deserialize, Serialize};

/// An enumeration whose values are stored as text.
pub trait StoredEnum: Sized + Copy + 'static {
    fn as_str(self) -> &'static str;
    fn from_name(name: &str) -> Option<Self>;
}

macro_rules! words {
    ($($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $text:literal),* $(,)? })*) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            pub enum $name { $($(#[$vdoc])* #[serde(rename = $text)] $variant),* }

            impl StoredEnum for $name {
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

/// Calls a macro with every enumeration, so that adapters cannot omit one.
macro_rules! words_list {
    ($with:ident) => {
        $with! {
            Role, Availability, PoolPolicy, RingStrategy, LegCallerId, OptOutReplies, ThreadStatus, Direction,
            MessageStatus, RoutingRung, MediaState, NotificationKind, ActivityKind, EventKind,
            QuarantineState, QuarantineReason, DeliverySource, OutboxState, Purpose, CallStatus, CallStage, CallEnd,
            LegState, NotRungReason, AccountTrouble, TwilioRequest, VoicemailFailure, MediaFailure,
            CallerIdVerification
        }
    };
}
pub(crate) use words_list;

words! {
    /// The permissions of a user in the agency.
    Role {
        /// Manages pools, extensions and users, and sees every thread.
        Admin = "ADMIN",
        /// Sees and handles the threads of the user's pools, and threads assigned to the user.
        Member = "MEMBER",
    }
    /// Whether a user currently takes work. It affects assignment and ringing, but not eligibility.
    Availability {
        Available = "AVAILABLE",
        Away = "AWAY",
    }
    /// How the threads of a pool get an assignee.
    PoolPolicy {
        /// The first user to claim or to reply becomes the assignee.
        FirstClaim = "FIRST_CLAIM",
        /// Threads stay unclaimed and any handler replies, until a user claims the thread.
        Shared = "SHARED",
    }
    /// How the phones of a pool ring.
    RingStrategy {
        Simultaneous = "SIMULTANEOUS",
        Sequential = "SEQUENTIAL",
    }
    /// The number that the phones of a pool show while they ring for an inbound call.
    LegCallerId {
        /// The caller's number, or the pool's number if the caller ID is withheld.
        Caller = "CALLER",
        /// The pool's number.
        Number = "NUMBER",
    }
    /// The system that answers STOP, START and HELP.
    OptOutReplies {
        /// Twilio answers, and Partyline sends nothing.
        Twilio = "TWILIO",
        /// Partyline answers; Twilio's filter must be off.
        Partyline = "PARTYLINE",
    }
    ThreadStatus {
        /// The thread has no assignee.
        Unclaimed = "UNCLAIMED",
        /// The thread has an assignee.
        Claimed = "CLAIMED",
        /// The thread is done until the contact writes again or a user reopens it.
        Closed = "CLOSED",
    }
    /// The direction of a message or call.
    Direction {
        /// From the contact.
        Inbound = "INBOUND",
        /// To the contact.
        Outbound = "OUTBOUND",
    }
    /// The delivery status of a message.
    MessageStatus {
        /// The message is inbound and stored.
        Received = "RECEIVED",
        /// The message is stored and waits to be sent.
        Queued = "QUEUED",
        /// The message is being handed to the carrier.
        Sending = "SENDING",
        /// The message may or may not have reached the carrier.
        Unknown = "UNKNOWN",
        /// The carrier has accepted the message.
        Sent = "SENT",
        /// The carrier could not deliver the message.
        Undelivered = "UNDELIVERED",
        /// The message was not sent.
        Failed = "FAILED",
        /// The message has reached the phone.
        Delivered = "DELIVERED",
    }
    /// The rung of the routing ladder that named the recipients of a message.
    RoutingRung {
        /// The user of the extension that the text or its thread addresses.
        Extension = "EXTENSION",
        /// The number's eligible users.
        Pool = "POOL",
        /// The contact's provider.
        Provider = "PROVIDER",
        /// The agency's default user.
        DefaultUser = "DEFAULT_USER",
        /// Every admin; the last rung, which is never empty.
        Admins = "ADMINS",
        /// The thread's assignee.
        Assignee = "ASSIGNEE",
    }
    /// Whether an attachment or recording can be shown.
    MediaState {
        /// The file has not been fetched yet.
        Pending = "PENDING",
        /// The file is stored and can be shown.
        Ready = "READY",
        /// The file could not be fetched.
        Failed = "FAILED",
        /// The file was deleted at the end of its retention period.
        Deleted = "DELETED",
    }
    /// The cause of a notification.
    NotificationKind {
        /// A contact texted.
        InboundClientMessage = "INBOUND_CLIENT_MESSAGE",
        /// A colleague transferred a thread to the user.
        ThreadAssigned = "THREAD_ASSIGNED",
        /// A colleague took over the user's thread.
        ThreadTakenOver = "THREAD_TAKEN_OVER",
        /// A thread of the user's pool lost its assignee.
        ThreadUnclaimed = "THREAD_UNCLAIMED",
        /// The user's text did not reach the contact, or its delivery is unknown.
        DeliveryFailed = "DELIVERY_FAILED",
        /// A call was not answered.
        MissedCall = "MISSED_CALL",
        /// A caller left a voicemail.
        Voicemail = "VOICEMAIL",
        /// Twilio does not serve the agency's account, so texts, calls or recordings wait. Sent to admins.
        CarrierAccountProblem = "CARRIER_ACCOUNT_PROBLEM",
        /// A text went to quarantine. Sent to admins.
        Quarantined = "QUARANTINED",
        /// Texts or calls whose webhooks had failed were imported from the carrier. Sent to admins.
        ArrivedLate = "ARRIVED_LATE",
    }
    /// The kind of an entry in a thread's history.
    ActivityKind {
        Claimed = "CLAIMED",
        Released = "RELEASED",
        /// The thread was assigned to another user, by a transfer or a takeover.
        Transferred = "TRANSFERRED",
        Closed = "CLOSED",
        /// The thread was reopened by a user or by an inbound text.
        Reopened = "REOPENED",
        /// The assignee lost the membership in the pool.
        Unassigned = "UNASSIGNED",
        /// The contact opted out.
        OptedOut = "OPTED_OUT",
        /// The contact opted in again.
        OptedIn = "OPTED_IN",
        /// The contact sent a text that sounds like a request to stop.
        OptOutHinted = "OPT_OUT_HINTED",
    }
    /// The kind of an event in an agency's log.
    EventKind {
        /// A text was received.
        InboundMessage = "INBOUND_MESSAGE",
        /// A text was queued, by a user or automatically.
        OutboundMessage = "OUTBOUND_MESSAGE",
        /// The delivery status of a text changed, or the state of one of its attachments.
        MessageStatus = "MESSAGE_STATUS",
        /// A thread was claimed, released, transferred, closed or reopened, or got another entry in its history.
        ThreadActivity = "THREAD_ACTIVITY",
        /// The contact of a thread changed.
        ContactUpdated = "CONTACT_UPDATED",
        /// A user read a thread, or marked it as unread. Delivered only to that user.
        ThreadRead = "THREAD_READ",
        /// A user's draft in a thread was saved or deleted. Delivered only to that user.
        DraftChanged = "DRAFT_CHANGED",
        /// A user read a notification. Delivered only to that user.
        NotificationRead = "NOTIFICATION_READ",
        /// Pools, assignments, extensions, users or numbers changed.
        DirectoryUpdated = "DIRECTORY_UPDATED",
        /// A call began or changed.
        CallUpdated = "CALL_UPDATED",
    }
    /// The state of a quarantined text.
    QuarantineState {
        /// The text waits for an operator's decision.
        Held = "HELD",
        /// The text was assigned to an agency.
        Assigned = "ASSIGNED",
        /// The text was discarded by an operator.
        Discarded = "DISCARDED",
    }
    /// The source of a change of a text's delivery status.
    DeliverySource {
        /// Partyline's attempt to send it.
        Outbox = "OUTBOX",
        /// A delivery receipt.
        Receipt = "RECEIPT",
        /// A look-up at the carrier.
        Reconciled = "RECONCILED",
        /// A decision of a user.
        Person = "PERSON",
    }
    /// Why a text is in quarantine.
    QuarantineReason {
        /// The text was sent to a number that is not an active number of the account.
        UnmatchedNumber = "UNMATCHED_NUMBER",
        /// The text could not be stored as a message.
        Refused = "REFUSED",
    }
    /// The state of a text in the outbox.
    OutboxState {
        /// The text waits for an attempt to send it.
        Queued = "QUEUED",
        /// An attempt is in progress; the carrier may already have the text.
        Attempting = "ATTEMPTING",
        /// The outcome of the attempt is unknown.
        InDoubt = "IN_DOUBT",
    }
    /// The purpose of a text, which determines whether it may be sent to a contact who opted out.
    Purpose {
        /// A user's text.
        Conversation = "CONVERSATION",
        /// An automatic reply to STOP or HELP.
        OptOutReply = "OPT_OUT_REPLY",
        /// An automatic text after a missed call.
        MissedCall = "MISSED_CALL",
    }
    CallStatus {
        /// The call has not been answered yet.
        Ringing = "RINGING",
        /// The call was answered and is active.
        InProgress = "IN_PROGRESS",
        /// The call was answered and has ended.
        Completed = "COMPLETED",
        /// The call was not answered, and no voicemail was left.
        NoAnswer = "NO_ANSWER",
        /// The called party was busy.
        Busy = "BUSY",
        /// The call could not be connected.
        Failed = "FAILED",
        /// The caller hung up while the call rang.
        Canceled = "CANCELED",
        /// The call was not answered, and a voicemail was left.
        Voicemail = "VOICEMAIL",
    }
    /// The last instruction to the caller, which determines the meaning of the end of the call.
    CallStage {
        /// The caller hears the greeting and may dial an extension.
        Greeting = "GREETING",
        /// Phones ring for the caller.
        Ringing = "RINGING",
        /// The caller is asked for a voicemail.
        Recording = "RECORDING",
        /// The caller has heard the closing sentence.
        Done = "DONE",
    }
    /// The end of a call as reported by the carrier.
    CallEnd {
        /// One side hung up.
        Completed = "COMPLETED",
        /// The called party was busy.
        Busy = "BUSY",
        /// The called party did not answer.
        NoAnswer = "NO_ANSWER",
        /// The call was canceled before it was answered.
        Canceled = "CANCELED",
        /// The call could not be connected.
        Failed = "FAILED",
    }
    /// The carrier's verdict on the caller ID of an inbound call.
    CallerIdVerification {
        /// Verified; the originating carrier vouches for the caller's right to the number.
        PassedA = "PASSED_A",
        /// Verified; the originating carrier knows the caller, but not the caller's right to the number.
        PassedB = "PASSED_B",
        /// Verified; the originating carrier only knows where the call entered its network.
        PassedC = "PASSED_C",
        /// The verification failed; the number may be forged.
        Failed = "FAILED",
        /// The call carried no information that could be verified.
        NotVerified = "NOT_VERIFIED",
    }
    /// The state of a leg of a call, in ascending order of precedence: a report never replaces a later state in this
    /// list with an earlier one.
    LegState {
        Ringing = "RINGING",
        /// The phone stopped ringing before it was picked up, because the call went elsewhere.
        Canceled = "CANCELED",
        /// The phone rang for the whole time.
        NoAnswer = "NO_ANSWER",
        /// The phone was busy, or the call was refused.
        Busy = "BUSY",
        /// The phone could not be reached.
        Failed = "FAILED",
        /// A person or a mobile's own voicemail picked up.
        PickedUp = "PICKED_UP",
        /// The person who picked up did not accept the call.
        Declined = "DECLINED",
        /// The person who picked up tried to accept the call, but a colleague had already taken it.
        AlreadyTaken = "ALREADY_TAKEN",
        /// The person who picked up pressed 1.
        Accepted = "ACCEPTED",
        /// The leg was connected with the caller.
        Connected = "CONNECTED",
    }
    /// The reason why the phone of a user did not ring for an inbound call.
    NotRungReason {
        Inactive = "INACTIVE",
        /// Calls to the number are switched off for the user.
        VoiceOff = "VOICE_OFF",
        /// The user has no phone, or only one of the agency's own numbers.
        NoPhone = "NO_PHONE",
        NotVerified = "NOT_VERIFIED",
        Away = "AWAY",
    }
    /// The reason why Twilio does not serve an account, in ascending order of severity.
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
        /// Sending a text.
        Text = "TEXT",
        /// Looking up the status of texts and calls.
        Lookup = "LOOKUP",
        /// Starting a call.
        Call = "CALL",
        /// Fetching a recording.
        Recording = "RECORDING",
        /// Fetching an attachment of a text.
        Media = "MEDIA",
    }
    /// The reason why an attachment could not be fetched.
    MediaFailure {
        /// Twilio does not have the file.
        Missing = "MISSING",
        /// The content is not of the announced kind, or not of a kind that texts contain.
        WrongType = "WRONG_TYPE",
        /// The file is larger than 25 MB.
        TooLarge = "TOO_LARGE",
        /// Twilio's redirect led to an address that is not public or not encrypted.
        UnsafeAddress = "UNSAFE_ADDRESS",
        /// The file did not arrive completely in any attempt.
        Unreachable = "UNREACHABLE",
    }
    /// The reason why a recording could not be fetched.
    VoicemailFailure {
        /// Twilio does not have the recording.
        Missing = "MISSING",
        /// The file that Twilio delivered is not audio; the account may encrypt its recordings.
        NotAudio = "NOT_AUDIO",
        /// The recording is larger than 16 MiB.
        TooLarge = "TOO_LARGE",
    }
}

impl EventKind {
    /// Whether the event concerns one user's own windows only, and changes nothing that others see.
    pub fn is_personal(self) -> bool {
        matches!(self, Self::ThreadRead | Self::DraftChanged | Self::NotificationRead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_round_trip_by_their_names() {
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
