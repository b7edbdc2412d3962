//! What mutations answer: the thing as it stands after the commit, or why not.

use async_graphql::SimpleObject;

use super::user_error::UserError;
use super::{Assignment, Call, Contact, Extension, Message, Notification, Pool, Thread, User};

/// A thread after an act on it.
#[derive(SimpleObject)]
pub struct ThreadPayload {
    /// The thread; null if the act was refused, or took it out of the viewer's sight.
    pub thread: Option<Thread>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

/// A text that was queued, or settled, and its thread.
#[derive(SimpleObject)]
pub struct MessagePayload {
    /// The text; null if it was refused.
    pub message: Option<Message>,
    /// Its thread; null if the text was refused.
    pub thread: Option<Thread>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

/// A call after a change.
#[derive(SimpleObject)]
pub struct CallPayload {
    /// The call; null if the change was refused.
    pub call: Option<Call>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

/// A contact after a change.
#[derive(SimpleObject)]
pub struct ContactPayload {
    /// The contact; null if the change was refused.
    pub contact: Option<Contact>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

/// A member of a pool after a change.
#[derive(SimpleObject)]
pub struct PoolMemberPayload {
    /// The assignment, of a removal the former one; null if the change was refused.
    pub assignment: Option<Assignment>,
    /// Its pool; null if the change was refused.
    pub pool: Option<Pool>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

/// A pool after a change.
#[derive(SimpleObject)]
pub struct UpdatePoolPayload {
    /// The pool; null if the change was refused.
    pub pool: Option<Pool>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

/// An extension after a change.
#[derive(SimpleObject)]
pub struct ExtensionPayload {
    /// The extension; null if the change was refused.
    pub extension: Option<Extension>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

/// A user after a change.
#[derive(SimpleObject)]
pub struct UserPayload {
    /// The user; null if the change was refused.
    pub user: Option<User>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}

/// Notifications after a change.
#[derive(SimpleObject)]
pub struct NotificationsPayload {
    /// The notifications; empty if the change was refused.
    pub notifications: Vec<Notification>,
    /// Why it was refused; empty if it was not.
    pub user_errors: Vec<UserError>,
}
