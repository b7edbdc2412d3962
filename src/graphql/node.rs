//! Everything that has an id, and how to find it by that id alone.

use std::str::FromStr;
use std::sync::Arc;

use async_graphql::{ID, Interface};
use sea_orm::{DatabaseConnection, DbErr};

use super::context::Caller;
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
    /// One telephone call.
    Call(Call),
    /// What a caller said to nobody.
    Voicemail(Voicemail),
    /// A text that fitted no number.
    QuarantinedMessage(QuarantinedMessage),
}

/// The thing with this id, if the viewer may see it. To them, what they may not see, what is another
/// agency's and what never was are all the same.
pub async fn find(caller: &Caller, loaders: &Loaders, viewer: &Arc<Viewer>, id: &str) -> Result<Option<Node>> {
    let prefix = id.split_once('_').map_or(id, |(prefix, _)| prefix);
    let search = Search { caller, loaders, viewer };
    Ok(match prefix {
        AgencyId::PREFIX => {
            let own = id_of(id) == Some(viewer.agency());
            own.then(|| Node::Agency(Agency::of(Arc::clone(viewer))))
        }
        UserId::PREFIX => id_of(id).and_then(|id| User::find(viewer, id)).map(Node::User),
        PhoneNumberId::PREFIX => id_of(id).and_then(|id| PhoneNumber::find(viewer, id)).map(Node::PhoneNumber),
        PoolId::PREFIX => id_of(id).and_then(|id| Pool::find(viewer, id)).map(Node::Pool),
        AssignmentId::PREFIX => id_of(id).and_then(|id| Assignment::find(viewer, id)).map(Node::Assignment),
        ExtensionId::PREFIX => id_of(id).and_then(|id| Extension::find(viewer, id)).map(Node::Extension),
        ContactId::PREFIX => search.contact(id).await?.map(Node::Contact),
        ThreadId::PREFIX => search.thread(id_of(id)).await?.map(Node::Thread),
        ActivityId::PREFIX => search.activity(id).await?.map(Node::ThreadActivity),
        MessageId::PREFIX => search.message(id_of(id)).await?.map(Node::Message),
        MediaId::PREFIX => search.media(id).await?.map(Node::Media),
        NotificationId::PREFIX => search.notification(id).await?.map(Node::Notification),
        CallId::PREFIX => search.call(id_of(id)).await?.map(Node::Call),
        VoicemailId::PREFIX => search.voicemail(id).await?.map(Node::Voicemail),
        QuarantineId::PREFIX => search.quarantined(id).await?.map(Node::QuarantinedMessage),
        _ => None,
    })
}

fn id_of<T: FromStr>(id: &str) -> Option<T> {
    id.parse().ok()
}

/// The search for what is not in the directory.
struct Search<'a> {
    caller: &'a Caller,
    loaders: &'a Loaders,
    viewer: &'a Arc<Viewer>,
}

impl Search<'_> {
    fn conn(&self) -> &DatabaseConnection {
        self.caller.services.request_reader()
    }

    fn read<T>(&self, read: std::result::Result<T, DbErr>) -> Result<T> {
        read.map_err(|error| self.caller.fault(error))
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
        let Some(id) = id_of(id) else { return Ok(None) };
        let row = store::messages::media_by_id(self.conn(), self.viewer.agency(), id).await;
        let Some(row) = self.read(row)? else { return Ok(None) };
        Ok(self.message(Some(row.message_id)).await?.map(|_| Media::new(Arc::new(row))))
    }

    async fn activity(&self, id: &str) -> Result<Option<ThreadActivity>> {
        let Some(id) = id_of(id) else { return Ok(None) };
        let row = store::threads::activity_by_id(self.conn(), self.viewer.agency(), id).await;
        let Some(row) = self.read(row)? else { return Ok(None) };
        Ok(self.thread(Some(row.thread_id)).await?.map(|_| ThreadActivity::new(self.viewer, Arc::new(row))))
    }

    async fn contact(&self, id: &str) -> Result<Option<Contact>> {
        let Some(id) = id_of(id) else { return Ok(None) };
        let row = store::contacts::visible(self.conn(), &self.viewer.scope(), id).await;
        Ok(self.read(row)?.map(|row| Contact::new(self.viewer, Arc::new(row))))
    }

    async fn notification(&self, id: &str) -> Result<Option<Notification>> {
        let Some(id) = id_of(id) else { return Ok(None) };
        let rows = store::notifications::own_among(self.conn(), self.viewer.agency(), self.viewer.id(), &[id]).await;
        Ok(self.read(rows)?.into_iter().next().map(|row| Notification::new(self.viewer, row)))
    }

    async fn call(&self, id: Option<CallId>) -> Result<Option<Call>> {
        let Some(id) = id else { return Ok(None) };
        Ok(self.loaders.call(id).await?.map(|row| Call::new(self.viewer, row)))
    }

    async fn voicemail(&self, id: &str) -> Result<Option<Voicemail>> {
        let Some(id) = id_of(id) else { return Ok(None) };
        let row = store::calls::voicemail(self.conn(), self.viewer.agency(), id).await;
        let Some(row) = self.read(row)? else { return Ok(None) };
        let call = self.call(Some(row.call_id)).await?;
        Ok(call.filter(Call::is_full).map(|_| Voicemail::new(self.viewer, Arc::new(row))))
    }

    async fn quarantined(&self, id: &str) -> Result<Option<QuarantinedMessage>> {
        let Some(id) = id_of(id).filter(|_| self.viewer.is_admin()) else { return Ok(None) };
        let row = store::quarantine::by_id(self.conn(), Some(self.viewer.agency()), id).await;
        Ok(self.read(row)?.map(QuarantinedMessage::new))
    }
}
