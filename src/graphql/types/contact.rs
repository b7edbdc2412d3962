use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{Thread, User};
use crate::domain::address::is_e164;
use crate::entity::contact;
use crate::graphql::context::loaders;
use crate::graphql::direct_json::{DirectJson, ObjectField};
use crate::graphql::errors::Result;
use crate::graphql::pagination::ConnectionNode;
use crate::graphql::scalars::{ContactAddress, DateTime, PhoneE164};
use crate::service::Viewer;
use crate::store::contacts::ContactOrder;

pub struct Contact {
    viewer: Arc<Viewer>,
    model: Arc<contact::Model>,
    /// The order of the list, which determines the cursor.
    order: ContactOrder,
}

impl Contact {
    pub fn new(viewer: &Arc<Viewer>, model: Arc<contact::Model>) -> Self {
        Self::in_list(viewer, model, ContactOrder::default())
    }

    /// A contact in a list with this order.
    pub fn in_list(viewer: &Arc<Viewer>, model: Arc<contact::Model>, order: ContactOrder) -> Self {
        Self { viewer: Arc::clone(viewer), model, order }
    }

    pub(super) fn model(&self) -> &contact::Model {
        &self.model
    }
}

impl DirectJson for Contact {
    fn write_object_field(&self, field: &mut ObjectField<'_>) -> Option<()> {
        let ctx = field.context();
        match field.name() {
            "provider" => field.object(self.provider(&ctx)),
            _ => None,
        }
    }
}

impl ConnectionNode for Contact {
    fn cursor(&self) -> String {
        self.order.cursor(&self.model)
    }
}

/// A person outside the agency who texts or calls it, identified by their address within the agency.
#[Object]
impl Contact {
    /// The opaque, globally unique ID of the contact, prefixed with `con_`.
    pub async fn id(&self) -> ID {
        self.model.id.into()
    }

    /// The address of the contact as the carrier sent it: usually a phone number in E.164, otherwise a short code, an
    /// alphanumeric sender, or an address such as `whatsapp:+13035560001`.
    async fn address(&self) -> ContactAddress {
        ContactAddress(self.model.phone.clone())
    }

    /// The phone number of the contact. Null if `address` is not a phone number in E.164.
    async fn phone(&self) -> Option<PhoneE164> {
        is_e164(&self.model.phone).then(|| PhoneE164(self.model.phone.clone()))
    }

    /// The name of the contact. Null if it is not known, or if the viewer may see only the address.
    async fn name(&self) -> Option<&str> {
        self.model.name.as_deref()
    }

    /// The staff's note about the contact. Null if there is none, or if the viewer may see only the address.
    async fn note(&self) -> Option<&str> {
        self.model.note.as_deref()
    }

    /// The contact's provider: the user who cares for the contact. Null if there is none, and if the viewer may see
    /// only the address.
    fn provider(&self) -> Option<User> {
        self.model.provider_user_id.and_then(|id| User::find(&self.viewer, id))
    }

    /// True if the contact opted out of all texts from the agency, with STOP to any of its numbers or through
    /// `setOptOut`, and has not opted in since. False if the viewer may see only the address.
    async fn opted_out(&self) -> bool {
        self.model.opted_out_at.is_some()
    }

    /// The time at which the contact opted out of all texts from the agency. Null unless `optedOut` is true.
    async fn opted_out_at(&self) -> Option<DateTime> {
        self.model.opted_out_at.map(DateTime)
    }

    /// The threads of the contact that the viewer may see, latest activity first. There is at most one thread per phone
    /// number.
    async fn threads(&self, ctx: &Context<'_>) -> Result<Vec<Thread>> {
        let rows = loaders(ctx)?.threads_of(self.model.id).await?;
        Ok(rows.into_iter().map(|row| Thread::new(&self.viewer, row)).collect())
    }
}
