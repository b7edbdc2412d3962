//! The domain's words as GraphQL enums. The domain knows no framework, so each is named again here;
//! the conversions are exhaustive and do not compile if one is forgotten.

use async_graphql::Enum;

use crate::domain;

/// What a user may do in the agency.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::Role")]
pub enum Role {
    /// Runs the agency: pools, extensions, users; sees every thread.
    Admin,
    /// Sees and handles what their pools and threads bring.
    Member,
}

/// Whether a user takes work now. It matters for assignment and ringing, not for eligibility.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::Availability")]
pub enum Availability {
    /// Takes work.
    Available,
    /// Does not.
    Away,
}

/// How the threads of a pool find an assignee.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::PoolPolicy")]
pub enum PoolPolicy {
    /// The first to claim or to reply is the assignee.
    FirstClaim,
    /// Threads stay unclaimed and any handler replies, until someone claims one.
    Shared,
}

/// Where a thread stands.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::ThreadStatus")]
pub enum ThreadStatus {
    /// Nobody holds it.
    Unclaimed,
    /// Its assignee holds it.
    Claimed,
    /// Done, until the contact writes again.
    Closed,
}

/// Which way a message went.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::Direction")]
pub enum Direction {
    /// From the contact.
    Inbound,
    /// To the contact.
    Outbound,
}

/// How far a message got.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::MessageStatus")]
pub enum MessageStatus {
    /// An inbound one, stored.
    Received,
    /// Stored, not yet sent.
    Queued,
    /// On its way to the carrier.
    Sending,
    /// The carrier has it.
    Sent,
    /// The phone has it.
    Delivered,
    /// The carrier could not deliver it.
    Undelivered,
    /// It was not sent.
    Failed,
    /// It may or may not have reached the carrier.
    Unknown,
}

/// Why a user was told of a message: the step of the routing that named them.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::RoutingRung")]
pub enum RoutingRung {
    /// The text named an extension.
    Extension,
    /// The number's eligible users.
    Pool,
    /// The contact's provider.
    Provider,
    /// The agency's default user.
    DefaultUser,
    /// Every admin: the last rung, which is never empty.
    Admins,
    /// The thread's assignee.
    Assignee,
}

/// Whether an attachment can be shown.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::MediaState")]
pub enum MediaState {
    /// Not fetched yet.
    Pending,
    /// Kept here.
    Ready,
    /// It could not be fetched.
    Failed,
}

/// What a notification tells.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::NotificationKind")]
pub enum NotificationKind {
    /// A client wrote.
    InboundClientMessage,
    /// A colleague gave the user a thread.
    ThreadAssigned,
    /// A colleague took the user's thread over.
    ThreadTakenOver,
    /// A thread lost its assignee and waits for someone of the pool.
    ThreadUnclaimed,
    /// A text of the user's did not reach its contact, or nobody knows whether it did.
    DeliveryFailed,
    /// Somebody called, and nobody answered.
    MissedCall,
    /// Somebody called and left a voicemail.
    Voicemail,
    /// Twilio does not serve the agency's account, so texts, calls or recordings wait. Sent to admins; resolved when
    /// Twilio serves the account again. `Agency.carrierProblem` says why.
    CarrierAccountProblem,
}

/// How far a call got.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::CallStatus")]
pub enum CallStatus {
    /// Nobody has answered yet.
    Ringing,
    /// Two people are talking.
    InProgress,
    /// They were.
    Completed,
    /// Nobody answered, and no voicemail was left.
    NoAnswer,
    /// The other side was busy.
    Busy,
    /// It could not be put through.
    Failed,
    /// The caller left while it rang.
    Canceled,
    /// Nobody answered, and a voicemail was left.
    Voicemail,
}

/// How far one phone's part in a call got.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::LegState")]
pub enum CallLegState {
    /// It rings.
    Ringing,
    /// It stopped ringing before anybody picked it up.
    Canceled,
    /// It rang to the end.
    NoAnswer,
    /// It was busy, or the call was refused.
    Busy,
    /// It could not be reached.
    Failed,
    /// Somebody, or a mobile's own voicemail, picked it up.
    PickedUp,
    /// Whoever picked it up did not want the call.
    Declined,
    /// Whoever picked it up wanted the call, and a colleague had it already.
    AlreadyTaken,
    /// 1 was pressed.
    Accepted,
    /// It was connected with the caller.
    Connected,
}

/// A day of the week.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::hours::Weekday")]
pub enum Weekday {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
}

/// How the phones of a pool ring.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::RingStrategy")]
pub enum RingStrategy {
    /// All at once.
    Simultaneous,
    /// One after the other.
    Sequential,
}

/// Which number a pool's phones show while they ring for an inbound call.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::LegCallerId")]
pub enum LegCallerId {
    /// The caller's number. If the caller withholds it, or it is not a valid number, the phones show the pool's number.
    Caller,
    /// The pool's number.
    Number,
}

/// What happened to a thread.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::ActivityKind")]
pub enum ThreadActivityKind {
    /// Someone claimed it.
    Claimed,
    /// Its assignee let it go.
    Released,
    /// It went to another user, perhaps to the one who took it over.
    Transferred,
    /// It was closed.
    Closed,
    /// It was reopened, by hand or by an inbound text.
    Reopened,
    /// Its assignee lost their place in the pool.
    Unassigned,
    /// Its contact does not want texts any more.
    OptedOut,
    /// Its contact wants texts again.
    OptedIn,
    /// The contact sent a text that sounds like a request to stop. `Thread.optOutHint` is the last such text.
    OptOutHinted,
}

/// Who has to act on an error of the carrier.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::error_actor::ErrorActor")]
pub enum ErrorActor {
    /// The user who wrote or called: correct the number, try again later, or reach the contact another way.
    Staff,
    /// An admin of the agency: the registration of its numbers, or what its texts say.
    Admin,
    /// The operator of the server or of the Twilio account: credentials, payment, permissions, settings.
    Operator,
}

/// Why the recording of a voicemail could not be fetched.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::VoicemailFailure")]
pub enum VoicemailFailure {
    /// The carrier does not have the recording.
    Missing,
    /// What the carrier delivers is not audio. The Twilio account may encrypt its recordings.
    NotAudio,
    /// The recording is larger than 16 MiB.
    TooLarge,
}

/// Why Twilio does not serve the agency's account.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::AccountTrouble")]
pub enum CarrierProblemKind {
    /// Twilio cannot use the server's public URL.
    CallbackUrl,
    /// The credentials lack a permission at Twilio.
    Forbidden,
    /// The Twilio account is suspended, unpaid or closed.
    Suspended,
    /// Twilio does not accept the credentials of the account.
    Credentials,
}
