//! The domain's enums as GraphQL enums. The domain does not depend on async-graphql, so each enum is declared again
//! here. `remote` generates exhaustive conversions: a variant that is missing here does not compile.

use async_graphql::Enum;

use crate::domain;

mod calls;

pub use calls::{CallLegState, CallStatus, LegCallerId, NotRungReason, RingStrategy, VoicemailFailure};

/// The role of a user, which decides what the user may see and change in the agency.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::Role")]
pub enum Role {
    /// Manages pools, extensions, users, numbers and opt-outs, and sees every thread and call of the agency.
    Admin,
    /// Sees and handles the threads and calls of the pools that the user belongs to, and threads that were assigned or
    /// routed to the user.
    Member,
}

/// A user's availability for new work. It affects assignment and ringing; an AWAY user who is eligible is still
/// notified of new texts.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::Availability")]
pub enum Availability {
    /// The user takes new work: calls ring their phone, and reopened threads can return to them.
    Available,
    /// The user takes no new work: calls do not ring their phone, and texts in their threads also alert the pool.
    Away,
}

/// The rule by which the threads of a pool get an assignee.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::PoolPolicy")]
pub enum PoolPolicy {
    /// The first user who claims an unclaimed thread, or replies in it, becomes its assignee.
    FirstClaim,
    /// Threads stay unclaimed and every handler may reply. Once a user claims a thread, it follows FIRST_CLAIM until it
    /// is released or closed.
    Shared,
}

/// The state of a thread: open without an assignee, open with an assignee, or closed.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::ThreadStatus")]
pub enum ThreadStatus {
    /// The thread is open and has no assignee.
    Unclaimed,
    /// The thread is open and has an assignee.
    Claimed,
    /// The thread is closed and has no assignee. The next inbound text reopens it.
    Closed,
}

/// The direction of a message or call, seen from the agency.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::Direction")]
pub enum Direction {
    /// From the contact to the agency's phone number.
    Inbound,
    /// From the agency's phone number to the contact.
    Outbound,
}

/// The delivery status of a message. Inbound messages are always RECEIVED.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::MessageStatus")]
pub enum MessageStatus {
    /// An inbound message that has been stored.
    Received,
    /// The text is stored and waits to be sent.
    Queued,
    /// The text is being handed to the carrier.
    Sending,
    /// The carrier has accepted the text and has not reported its delivery.
    Sent,
    /// The carrier reports that the text reached the contact's phone.
    Delivered,
    /// The carrier accepted the text but could not deliver it. `Message.failure` gives the reason.
    Undelivered,
    /// The text was not sent. `Message.failure` gives the reason.
    Failed,
    /// The attempt to send had no clear result, so the carrier may or may not have the text. If this cannot be resolved
    /// automatically, `Message.needsDecision` becomes true.
    Unknown,
}

/// The step of the routing (rung) that selected the recipients of an inbound message. The rungs are tried in a fixed
/// order until one of them has a recipient.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::RoutingRung")]
pub enum RoutingRung {
    /// The text named an extension, or the thread has one; the message went to the extension's user.
    Extension,
    /// The message went to the eligible users of the number's pool.
    Pool,
    /// The message went to the contact's provider, because the pool has no eligible user.
    Provider,
    /// The message went to the agency's default user, because there is neither an eligible user nor a provider.
    DefaultUser,
    /// The message went to every ADMIN of the agency. This is the last rung, and it always has a recipient.
    Admins,
    /// The thread was claimed, so the message went to its assignee.
    Assignee,
}

/// The state of an attachment or of a voicemail's recording.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::MediaState")]
pub enum MediaState {
    /// The file has not been fetched from the carrier yet.
    Pending,
    /// The file is stored on this server and can be downloaded.
    Ready,
    /// The file could not be fetched from the carrier.
    Failed,
    /// The file was deleted, because the retention period of the agency has ended.
    Deleted,
}

/// The reason why an attachment could not be fetched.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::MediaFailure")]
pub enum MediaFailure {
    /// The carrier does not have the file.
    Missing,
    /// The content of the file is not of the announced type, or is not of a type that texts can contain.
    WrongType,
    /// The file is larger than 25 MB.
    TooLarge,
    /// The carrier referred to an address from which files are not fetched.
    UnsafeAddress,
    /// The file did not arrive completely in any attempt to fetch it.
    Unreachable,
}

/// The kind of event that a notification is about.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::NotificationKind")]
pub enum NotificationKind {
    /// A contact sent a text that was routed to the user.
    InboundClientMessage,
    /// A thread was assigned to the user: another user transferred or reopened it.
    ThreadAssigned,
    /// Another user transferred a thread away from the user who held it, for example by taking it over.
    ThreadTakenOver,
    /// A thread no longer has an assignee and needs one. Sent to the users who would receive a text in it.
    ThreadUnclaimed,
    /// A text was not delivered, or it is not known whether it was sent (`Message.needsDecision`). Sent to the user who
    /// wrote the text; also to ADMINs if a decision is needed, or if that user is no longer active.
    DeliveryFailed,
    /// A contact called, nobody answered, and no voicemail was left.
    MissedCall,
    /// A contact called, nobody answered, and a voicemail was left.
    Voicemail,
    /// Twilio rejects requests for the agency's account, so texts, calls or recordings are delayed. Sent to ADMINs;
    /// resolved when Twilio accepts requests again. `Agency.carrierProblem` gives the reason.
    CarrierAccountProblem,
    /// A text went to quarantine, because it was sent to a number that is not active in the agency or could not be
    /// stored. Sent to ADMINs. For one hour, an open notification also stands for the texts that follow, without a
    /// notification for each. It is resolved when all texts that it stands for are assigned or discarded.
    Quarantined,
    /// Texts or calls were imported from the carrier, because their webhooks did not reach this server. Sent to ADMINs.
    ArrivedLate,
}

/// A day of the week.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::hours::Weekday")]
pub enum Weekday {
    /// The weekday Monday, in the agency's time zone.
    #[graphql(name = "MONDAY")]
    Mon,
    /// The weekday Tuesday, in the agency's time zone.
    #[graphql(name = "TUESDAY")]
    Tue,
    /// The weekday Wednesday, in the agency's time zone.
    #[graphql(name = "WEDNESDAY")]
    Wed,
    /// The weekday Thursday, in the agency's time zone.
    #[graphql(name = "THURSDAY")]
    Thu,
    /// The weekday Friday, in the agency's time zone.
    #[graphql(name = "FRIDAY")]
    Fri,
    /// The weekday Saturday, in the agency's time zone.
    #[graphql(name = "SATURDAY")]
    Sat,
    /// The weekday Sunday, in the agency's time zone.
    #[graphql(name = "SUNDAY")]
    Sun,
}

/// The kind of an entry in a thread's activity.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::ActivityKind")]
pub enum ThreadActivityKind {
    /// A user became the assignee of the thread, by a claim or by a reply.
    Claimed,
    /// The assignee or an ADMIN released the thread; it has no assignee.
    Released,
    /// The thread was transferred to the user in `ThreadActivity.toUser`, who may have taken it over.
    Transferred,
    /// The assignee or an ADMIN closed the thread.
    Closed,
    /// The closed thread was reopened, by a user or by an inbound text.
    Reopened,
    /// The thread lost its assignee because that user is no longer eligible in the pool.
    Unassigned,
    /// The contact opted out of texts from the agency.
    OptedOut,
    /// The contact opted in again to texts from the agency.
    OptedIn,
    /// The contact sent a text that sounds like a request to stop. `Thread.optOutHint` is the last such text.
    OptOutHinted,
}

/// The person who has to act on an error reported by the carrier.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::error_actor::ErrorActor")]
pub enum ErrorActor {
    /// The user who sent the text or started the call: correct the number, try again later, or reach the contact
    /// another way.
    Staff,
    /// An ADMIN of the agency: check the registration of the agency's numbers, or the content of its texts.
    Admin,
    /// The operator of the server or of the Twilio account: check credentials, payment, permissions and settings.
    Operator,
}

/// The reason why Twilio rejects requests for the agency's account.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::AccountTrouble")]
pub enum CarrierProblemKind {
    /// Twilio cannot use the server's public URL for callbacks.
    CallbackUrl,
    /// The credentials of the account lack a permission at Twilio.
    Forbidden,
    /// The Twilio account is suspended, unpaid or closed.
    Suspended,
    /// Twilio does not accept the credentials of the account.
    Credentials,
}

/// The system that answers the opt-out keywords STOP, START and HELP.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::OptOutReplies")]
pub enum OptOutReplies {
    /// Twilio answers the keywords, and Partyline sends nothing.
    Twilio,
    /// Partyline answers the keywords. The opt-out filter of the number at Twilio must be off.
    Partyline,
}

/// The reason why a text is in quarantine.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::QuarantineReason")]
pub enum QuarantineReason {
    /// The text was sent to a number that is not an active number of the account.
    UnmatchedNumber,
    /// The text could not be stored as a message, or it is a delivery receipt that arrived at the webhook for inbound
    /// texts and matches no text.
    Refused,
}

/// The reason why a text was not delivered.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::delivery_error::FailureReason")]
pub enum MessageFailureReason {
    /// The carrier reported an error, which `MessageFailure.carrierCode` identifies.
    Carrier,
    /// The carrier refused the text without a reason.
    Rejected,
    /// The contact opted out before the text was sent.
    OptedOut,
    /// The carrier blocks texts from this number to the contact, because the contact texted STOP to it.
    CarrierBlocked,
    /// The text could not be handed to the carrier within four hours.
    Expired,
    /// A user decided with `abandonMessage` that the text counts as not sent.
    Abandoned,
    /// A user sent the text again with `resendMessage`.
    Resent,
    /// The agency's number was released before the text was sent.
    Released,
    /// The recipient became one of the agency's own phone numbers before the text was sent.
    OwnNumber,
    /// A user canceled the text with `cancelMessage` before it was sent.
    Canceled,
    /// The contact or another user sent a text while this text was held, so this text was not sent.
    StaleView,
}

/// The reason why nobody can send a text in a thread.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::reply::ReplyBlock")]
pub enum ReplyBlock {
    /// The contact opted out of texts from the agency.
    OptedOut,
    /// The carrier blocks texts from this number to the contact, because the contact texted STOP to it.
    CarrierBlocked,
    /// The contact's address is not a phone number that can be texted, such as a short code.
    SenderCannotReceive,
    /// The agency has released the phone number of the thread.
    NumberReleased,
}

/// The order of a list of threads.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "crate::store::threads::ThreadOrder")]
pub enum ThreadOrder {
    /// The thread with the latest message or call comes first.
    LatestActivity,
    /// Threads that need a reply come first, in the order of `Thread.waitingSince`. The other threads follow in the
    /// order of their creation.
    LongestWaiting,
}

/// The order of a list of contacts.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "crate::store::contacts::ContactOrder")]
pub enum ContactOrder {
    /// The contact that was added last comes first.
    Recent,
    /// The contacts are sorted by the Unicode code points of their names, without regard to letter case and combining
    /// accents. Contacts without a name come last.
    Name,
}

/// The reason for which a user is a handler of a thread.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::access::HandlerReason")]
pub enum HandlerReason {
    /// The user is an ADMIN, who sees every thread.
    Admin,
    /// The user is in the pool of the thread's number, with SMS on.
    Pool,
    /// The user holds the thread.
    Assignee,
    /// A text of the thread was routed to the user by their extension, which they still have.
    Extension,
    /// A text of the thread was routed to the user as the contact's provider, which they still are.
    Provider,
    /// A text of the thread was routed to the user as the agency's default user, which they still are.
    DefaultUser,
}

/// An action that the viewer can take on a thread.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::thread_actions::ThreadAction")]
pub enum ThreadAction {
    /// The viewer can claim the thread with `claimThread`.
    Claim,
    /// The viewer can send a text in the thread with `sendMessage`.
    Reply,
    /// The viewer can take the thread over from another user with `transferThread` to themselves.
    TakeOver,
    /// The viewer can release the thread with `releaseThread`.
    Release,
    /// The thread is unclaimed, and the viewer can assign it to another user with `transferThread`.
    Assign,
    /// The viewer can transfer the thread to another user with `transferThread`.
    Transfer,
    /// The viewer can close the thread with `closeThread`.
    Close,
    /// The viewer can reopen the thread with `reopenThread`.
    Reopen,
    /// The viewer can call the contact with `startCall`.
    Call,
    /// The viewer can record that the contact opted out or in with `setOptOut`.
    SetOptOut,
}

/// The outcome of one rung of the routing of an inbound text.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::routing::RungOutcome")]
pub enum RoutingOutcome {
    /// The rung named users, who were alerted.
    Reached,
    /// The rung named no users.
    Empty,
    /// The pool has active members, but SMS is off for all of them.
    Muted,
    /// The rung was not needed, because an earlier one had named users.
    NotTried,
}

/// The source of a change of a message's delivery status.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::DeliverySource")]
pub enum DeliverySource {
    /// Partyline queued the message, or tried to hand it to the carrier.
    Outbox,
    /// The carrier reported the status in a delivery receipt.
    Receipt,
    /// Partyline asked the carrier for the status.
    Reconciled,
    /// A user decided with `resendMessage` or `abandonMessage`.
    Person,
}

/// The current activity of a user in a thread.
#[derive(Debug, Enum, Copy, Clone, PartialEq, Eq)]
#[graphql(remote = "domain::presence::PresenceState")]
pub enum PresenceState {
    /// The user looks at the thread.
    Viewing,
    /// The user writes a text in the thread.
    Composing,
    /// The user has left the thread, or their client no longer reports.
    Gone,
}
