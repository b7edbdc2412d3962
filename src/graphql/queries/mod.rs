//! The queries, one per file with the name that it has in the schema.

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
mod server;
mod session;
mod starting_point;
mod thread_counts;
mod threads;
mod users;
mod viewer;
mod voicemails;

pub(super) use event_cursor::SnapshotCursor;

/// The queries. The viewer is the user of the bearer token. Everything belongs to the viewer's agency, so no argument
/// names an agency.
#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQuery,
    viewer::ViewerQuery,
    server::ServerQuery,
    session::SessionQuery,
    agency::AgencyQuery,
    phone_numbers::PhoneNumbersQuery,
    users::UsersQuery,
    extensions::ExtensionsQuery,
    threads::ThreadsQuery,
    contacts::ContactsQuery,
    starting_point::StartingPointQuery,
    calls::CallsQuery,
    voicemails::VoicemailsQuery,
    notifications::NotificationsQuery,
    quarantined_messages::QuarantinedMessagesQuery,
    thread_counts::ThreadCountsQuery,
    event_cursor::EventCursorQuery,
);
