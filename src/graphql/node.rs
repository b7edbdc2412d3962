//! The `Node` interface, and the lookup of objects by ID.

use std::str::FromStr;
use std::sync::Arc;

use async_graphql::{ID, Interface};
use sea_orm::{DatabaseConnection, DbErr};

use super::context::Requester;
use super::errors::Result;
use super::loaders::Loaders;
use super::types::{
    Agency, Assignment, Call, Contact, Extension, Media, Message, Notification, PhoneNumber, Pool, QuarantinedMessage,
    Thread, ThreadActivity, User, Voicemail,
};
use crate::domain::{
    ActivityId, AgencyId, AssignmentId, CallId, ContactId, ExtensionId, MediaId, MessageId, NotificationId,
    PhoneNumberId, PoolId, QuarantineId, ThreadId, UserId, VoicemailId,
};
use crate::service::Viewer;
use crate::store;

/// An object with a globally unique ID, which `Query.node` finds.
#[derive(Interface)]
#[graphql(field(
    name = "id",
    ty = "ID",
    desc = "The opaque, globally unique ID of the object, which never changes. Its prefix tells the type."
))]
pub enum Node {
    Agency(Agency),
    User(User),
    PhoneNumber(PhoneNumber),
    Pool(Pool),
    Assignment(Assignment),
    Extension(Extension),
    Contact(Contact),
    Thread(Thread),
    ThreadActivity(ThreadActivity),
    Message(Message),
    Media(Media),
    Notification(Notification),
    Call(Call),
    Voicemail(Voicemail),
    QuarantinedMessage(QuarantinedMessage),
}

/// Finds the object with this ID, if the viewer may see it. The result does not reveal whether an object is hidden from
/// the viewer, belongs to another agency or does not exist.
pub async fn find(requester: &Requester, loaders: &Loaders, viewer: &Arc<Viewer>, id: &str) -> Result<Option<Node>> {
    let prefix = id.split_once('_').map_or(id, |(prefix, _)| prefix);
    let lookup = Lookup { requester, loaders, viewer };
    Ok(match prefix {
        AgencyId::PREFIX => {
            let own = parse_id(id) == Some(viewer.agency());
            own.then(|| Node::Agency(Agency::of(Arc::clone(viewer))))
        }
        UserId::PREFIX => parse_id(id).and_then(|id| User::find(viewer, id)).map(Node::User),
        PhoneNumberId::PREFIX => parse_id(id).and_then(|id| PhoneNumber::find(viewer, id)).map(Node::PhoneNumber),
        PoolId::PREFIX => parse_id(id).and_then(|id| Pool::find(viewer, id)).map(Node::Pool),
        AssignmentId::PREFIX => parse_id(id).and_then(|id| Assignment::find(viewer, id)).map(Node::Assignment),
        ExtensionId::PREFIX => parse_id(id).and_then(|id| Extension::find(viewer, id)).map(Node::Extension),
        ContactId::PREFIX => lookup.contact(id).await?.map(Node::Contact),
        ThreadId::PREFIX => lookup.thread(parse_id(id)).await?.map(Node::Thread),
        ActivityId::PREFIX => lookup.activity(id).await?.map(Node::ThreadActivity),
        MessageId::PREFIX => lookup.message(parse_id(id)).await?.map(Node::Message),
        MediaId::PREFIX => lookup.media(id).await?.map(Node::Media),
        NotificationId::PREFIX => lookup.notification(id).await?.map(Node::Notification),
        CallId::PREFIX => lookup.call(parse_id(id)).await?.map(Node::Call),
        VoicemailId::PREFIX => lookup.voicemail(id).await?.map(Node::Voicemail),
        QuarantineId::PREFIX => lookup.quarantined(id).await?.map(Node::QuarantinedMessage),
        _ => None,
    })
}

fn parse_id<T: FromStr>(id: &str) -> Option<T> {
    id.parse().ok()
}

/// Finds objects that are not in the directory.
struct Lookup<'a> {
    requester: &'a Requester,
    loaders: &'a Loaders,
    viewer: &'a Arc<Viewer>,
}

impl Lookup<'_> {
    fn conn(&self) -> &DatabaseConnection {
        self.requester.services.request_reader()
    }

    fn checked<T>(&self, result: std::result::Result<T, DbErr>) -> Result<T> {
        result.map_err(|error| self.requester.fault(error))
    }

    async fn thread(&self, id: Option<ThreadId>) -> Result<Option<Thread>> {
        let Some(id) = id else { return Ok(None) };
        Ok(self.loaders.thread(id).await?.map(|row| Thread::new(self.viewer, row)))
    }

    async fn message(&self, id: Option<MessageId>) -> Result<Option<Message>> {
        let Some(id) = id else { return Ok(None) };
        let Some(row) = self.loaders.message(id).await? else { return Ok(None) };
        Ok(self.thread(Some(row.thread_id)).await?.map(|thread| Message::within(&thread, row)))
    }

    async fn media(&self, id: &str) -> Result<Option<Media>> {
        let Some(id) = parse_id(id) else { return Ok(None) };
        let row = store::media::by_id(self.conn(), self.viewer.agency(), id).await;
        let Some(row) = self.checked(row)? else { return Ok(None) };
        let message = self.message(Some(row.message_id)).await?;
        Ok(message.map(|_| Media::new(self.viewer, Arc::new(row))))
    }

    async fn activity(&self, id: &str) -> Result<Option<ThreadActivity>> {
        let Some(id) = parse_id(id) else { return Ok(None) };
        let row = store::threads::activity_by_id(self.conn(), self.viewer.agency(), id).await;
        let Some(row) = self.checked(row)? else { return Ok(None) };
        Ok(self.thread(Some(row.thread_id)).await?.map(|_| ThreadActivity::new(self.viewer, Arc::new(row))))
    }

    async fn contact(&self, id: &str) -> Result<Option<Contact>> {
        let Some(id) = parse_id(id) else { return Ok(None) };
        let row = store::contacts::visible(self.conn(), &self.viewer.scope(), id).await;
        Ok(self.checked(row)?.map(|row| Contact::new(self.viewer, Arc::new(row))))
    }

    async fn notification(&self, id: &str) -> Result<Option<Notification>> {
        let Some(id) = parse_id(id) else { return Ok(None) };
        let rows = store::notifications::own_among(self.conn(), self.viewer.agency(), self.viewer.id(), &[id]).await;
        Ok(self.checked(rows)?.into_iter().next().map(|row| Notification::new(self.viewer, row)))
    }

    async fn call(&self, id: Option<CallId>) -> Result<Option<Call>> {
        let Some(id) = id else { return Ok(None) };
        Ok(self.loaders.call(id).await?.map(|row| Call::new(self.viewer, row)))
    }

    async fn voicemail(&self, id: &str) -> Result<Option<Voicemail>> {
        let Some(id) = parse_id(id) else { return Ok(None) };
        let row = store::calls::voicemail(self.conn(), self.viewer.agency(), id).await;
        let Some(row) = self.checked(row)? else { return Ok(None) };
        let call = self.call(Some(row.call_id)).await?;
        Ok(call.filter(Call::is_full).map(|call| Voicemail::within(&call, Arc::new(row))))
    }

    async fn quarantined(&self, id: &str) -> Result<Option<QuarantinedMessage>> {
        let Some(id) = parse_id(id) else { return Ok(None) };
        Ok(self.loaders.quarantined(id).await?.map(QuarantinedMessage::new))
    }
}
