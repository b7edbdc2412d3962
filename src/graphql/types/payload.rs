//! The payloads of mutations: the object as it is after the commit, or the reasons for the rejection.

use async_graphql::SimpleObject;

use super::user_error::UserError;
use super::{Assignment, Call, Contact, Extension, Message, Notification, Pool, Thread, User};

/// The result of a mutation that changes a thread.
#[derive(SimpleObject)]
pub struct ThreadPayload {
    /// The thread in its new state. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    pub thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    pub user_errors: Vec<UserError>,
}

/// The result of a mutation that queues a text, or decides about one.
#[derive(SimpleObject)]
pub struct MessagePayload {
    /// The message in its new state. Null if the mutation was rejected, or if the viewer may no longer see its thread.
    pub message: Option<Message>,
    /// The thread of the message. Null if the mutation was rejected, or if the viewer may no longer see the thread.
    pub thread: Option<Thread>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    pub user_errors: Vec<UserError>,
}

/// The result of a mutation that starts or changes a call.
#[derive(SimpleObject)]
pub struct CallPayload {
    /// The call in its new state. Null if the mutation was rejected.
    pub call: Option<Call>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    pub user_errors: Vec<UserError>,
}

/// The result of a mutation that changes a contact.
#[derive(SimpleObject)]
pub struct ContactPayload {
    /// The contact in its new state. Null if the mutation was rejected.
    pub contact: Option<Contact>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    pub user_errors: Vec<UserError>,
}

/// The result of a mutation that adds, changes or removes a member of a pool.
#[derive(SimpleObject)]
pub struct PoolMemberPayload {
    /// The assignment in its new state; after `removePoolMember`, the removed assignment. Null if the mutation was
    /// rejected.
    pub assignment: Option<Assignment>,
    /// The pool of the assignment. Null if the mutation was rejected.
    pub pool: Option<Pool>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    pub user_errors: Vec<UserError>,
}

/// The result of `updatePool`: the changed pool.
#[derive(SimpleObject)]
pub struct UpdatePoolPayload {
    /// The pool in its new state. Null if the mutation was rejected.
    pub pool: Option<Pool>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    pub user_errors: Vec<UserError>,
}

/// The result of a mutation that creates or changes an extension.
#[derive(SimpleObject)]
pub struct ExtensionPayload {
    /// The extension in its new state. Null if the mutation was rejected.
    pub extension: Option<Extension>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    pub user_errors: Vec<UserError>,
}

/// The result of a mutation that changes the viewer's own user.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// The user in its new state. Null if the mutation was rejected.
    pub user: Option<User>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    pub user_errors: Vec<UserError>,
}

/// The result of `markNotificationsRead`: the changed notifications.
#[derive(SimpleObject)]
pub struct NotificationsPayload {
    /// The notifications in the order of the input. Empty if the mutation was rejected.
    pub notifications: Vec<Notification>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    pub user_errors: Vec<UserError>,
}
