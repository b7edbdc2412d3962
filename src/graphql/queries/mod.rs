//! One query per file, named as the schema names it.

use async_graphql::MergedObject;

mod agency;
mod calls;
mod contacts;
mod event_cursor;
mod extensions;
mod node;
mod notifications;
mod phone_numbers;
mod quarantined_messages;
mod thread_counts;
mod threads;
mod users;
mod viewer;

pub(super) use event_cursor::SnapshotCursor;

/// What can be asked. Everything is of the token's agency: no argument ever names one.
#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQuery,
    viewer::ViewerQuery,
    agency::AgencyQuery,
    phone_numbers::PhoneNumbersQuery,
    users::UsersQuery,
    extensions::ExtensionsQuery,
    threads::ThreadsQuery,
    contacts::ContactsQuery,
    calls::CallsQuery,
    notifications::NotificationsQuery,
    quarantined_messages::QuarantinedMessagesQuery,
    thread_counts::ThreadCountsQuery,
    event_cursor::EventCursorQuery,
);
