//! Everything that has an id, and how to find it by that id alone.

use std::str::FromStr;
use std::sync::Arc;

use async_graphql::{Context, ID, Interface};

use super::context::{caller, loaders};
use super::errors::Result;
use super::types::{
    Agency, Assignment, Contact, Extension, Media, Message, Notification, PhoneNumber, Pool, QuarantinedMessage,
    Thread, ThreadActivity, User,
};
use crate::domain::{
    ActivityId, AgencyId, AssignmentId, ContactId, ExtensionId, MediaId, MessageId, NotificationId, PhoneNumberId,
    PoolId, QuarantineId, ThreadId, UserId,
};
use crate::service::Viewer;
use crate::store;

/// Something with an id of its own.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Opaque, prefixed by the type; the same for ever."))]
pub enum Node {
    /// The tenant.
    Agency(Agency),
    /// A member of the staff.
    User(User),
    /// A number that a team shares.
    PhoneNumber(PhoneNumber),
    /// The users on one number.
    Pool(Pool),
    /// One user in one pool.
    Assignment(Assignment),
    /// Digits that reach a user.
    Extension(Extension),
    /// A person outside.
    Contact(Contact),
    /// All messages between a number and a contact.
    Thread(Thread),
    /// One line of a thread's history.
    ThreadActivity(ThreadActivity),
    /// One text.
    Message(Message),
    /// One attachment.
    Media(Media),
    /// One thing that one user should know.
    Notification(Notification),
    /// A text that fitted no number.
    QuarantinedMessage(QuarantinedMessage),
}

/// The thing with this id, if the viewer may see it. To them, what they may not see, what is another
/// agency's and what never was are all the same.
pub async fn find(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: &str) -> Result<Option<Node>> {
    let prefix = id.split_once('_').map_or(id, |(prefix, _)| prefix);
    Ok(match prefix {
        AgencyId::PREFIX => {
            id_of::<AgencyId>(id).filter(|id| *id == viewer.agency()).map(|_| Node::Agency(Agency::of(Arc::clone(viewer))))
        }
        UserId::PREFIX => id_of(id).and_then(|id| User::find(viewer, id)).map(Node::User),
        PhoneNumberId::PREFIX => id_of(id).and_then(|id| PhoneNumber::find(viewer, id)).map(Node::PhoneNumber),
        PoolId::PREFIX => id_of(id).and_then(|id| Pool::find(viewer, id)).map(Node::Pool),
        AssignmentId::PREFIX => id_of(id).and_then(|id| Assignment::find(viewer, id)).map(Node::Assignment),
        ExtensionId::PREFIX => id_of(id).and_then(|id| Extension::find(viewer, id)).map(Node::Extension),
        ContactId::PREFIX => contact(ctx, viewer, id).await?.map(Node::Contact),
        ThreadId::PREFIX => thread(ctx, viewer, id_of(id)).await?.map(Node::Thread),
        ActivityId::PREFIX => activity(ctx, viewer, id).await?.map(Node::ThreadActivity),
        MessageId::PREFIX => message(ctx, viewer, id_of(id)).await?.map(Node::Message),
        MediaId::PREFIX => media(ctx, viewer, id).await?.map(Node::Media),
        NotificationId::PREFIX => notification(ctx, viewer, id).await?.map(Node::Notification),
        QuarantineId::PREFIX => quarantined(ctx, viewer, id).await?.map(Node::QuarantinedMessage),
        _ => None,
    })
}

fn id_of<T: FromStr>(id: &str) -> Option<T> {
    id.parse().ok()
}

/// A thread that the viewer may see.
pub(super) async fn thread(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: Option<ThreadId>) -> Result<Option<Thread>> {
    let Some(id) = id else { return Ok(None) };
    Ok(loaders(ctx)?.thread(id).await?.map(|row| Thread::new(viewer, row)))
}

async fn message(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: Option<MessageId>) -> Result<Option<Message>> {
    let Some(id) = id else { return Ok(None) };
    let Some(row) = loaders(ctx)?.message(id).await? else { return Ok(None) };
    Ok(thread(ctx, viewer, Some(row.thread_id)).await?.map(|thread| Message::within(&thread, row)))
}

async fn media(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: &str) -> Result<Option<Media>> {
    let (caller, Some(id)) = (caller(ctx)?, id_of(id)) else { return Ok(None) };
    let row = store::messages::media_by_id(caller.services.reader(), viewer.agency(), id).await;
    let Some(row) = row.map_err(|error| caller.fault(error))? else { return Ok(None) };
    Ok(message(ctx, viewer, Some(row.message_id)).await?.map(|_| Media::new(Arc::new(row))))
}

async fn activity(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: &str) -> Result<Option<ThreadActivity>> {
    let (caller, Some(id)) = (caller(ctx)?, id_of(id)) else { return Ok(None) };
    let row = store::threads::activity_by_id(caller.services.reader(), viewer.agency(), id).await;
    let Some(row) = row.map_err(|error| caller.fault(error))? else { return Ok(None) };
    Ok(thread(ctx, viewer, Some(row.thread_id)).await?.map(|_| ThreadActivity::new(viewer, row)))
}

async fn contact(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: &str) -> Result<Option<Contact>> {
    let (caller, Some(id)) = (caller(ctx)?, id_of(id)) else { return Ok(None) };
    let row = store::contacts::visible(caller.services.reader(), &viewer.scope(), id).await;
    let row = row.map_err(|error| caller.fault(error))?;
    Ok(row.map(|row| Contact::new(viewer, Arc::new(row))))
}

async fn notification(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: &str) -> Result<Option<Notification>> {
    let (caller, Some(id)) = (caller(ctx)?, id_of(id)) else { return Ok(None) };
    let rows = store::notifications::own_among(caller.services.reader(), viewer.agency(), viewer.id(), &[id]).await;
    let rows = rows.map_err(|error| caller.fault(error))?;
    Ok(rows.into_iter().next().map(|row| Notification::new(viewer, row)))
}

async fn quarantined(ctx: &Context<'_>, viewer: &Arc<Viewer>, id: &str) -> Result<Option<QuarantinedMessage>> {
    let (caller, Some(id)) = (caller(ctx)?, id_of(id).filter(|_| viewer.is_admin())) else { return Ok(None) };
    let row = store::quarantine::by_id(caller.services.reader(), Some(viewer.agency()), id).await;
    Ok(row.map_err(|error| caller.fault(error))?.map(QuarantinedMessage::new))
}
