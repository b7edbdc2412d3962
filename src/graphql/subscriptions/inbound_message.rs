use std::collections::HashSet;
use std::sync::Arc;

use async_graphql::{Context, ID, Subscription};
use futures_util::stream::BoxStream;

use super::follow::{Follower, Sight};
use crate::domain::{EventKind, PhoneNumberId};
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::scalars::EventCursor;
use crate::graphql::types::{InboundMessageEvent, Message};
use crate::store::messages;

#[derive(Default)]
pub(super) struct InboundMessageSubscription;

#[Subscription]
impl InboundMessageSubscription {
    /// Texts that come in to threads that the viewer may see.
    async fn inbound_message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only to these numbers; to all of them unless given.")] phone_number_ids: Option<Vec<ID>>,
        #[graphql(desc = "Where to go on from; from now on unless given.")] after: Option<EventCursor>,
    ) -> Result<BoxStream<'static, Result<InboundMessageEvent>>> {
        let numbers = phone_number_ids.map(|given| given.iter().filter_map(ids::parse).collect::<HashSet<_>>());
        let numbers = Arc::new(numbers);
        Ok(Follower::begin(ctx, after).await?.deliver(move |sight| pick(sight, Arc::clone(&numbers))))
    }
}

async fn pick(sight: Sight, numbers: Arc<Option<HashSet<PhoneNumberId>>>) -> Result<Option<InboundMessageEvent>> {
    let event = &sight.followed.event;
    let (EventKind::InboundMessage, Some(thread), Some(message)) = (event.kind, event.thread_id, event.message_id)
    else {
        return Ok(None);
    };
    let Some(thread) = sight.thread(thread).await? else { return Ok(None) };
    if numbers.as_ref().as_ref().is_some_and(|numbers| !numbers.contains(&thread.number())) {
        return Ok(None);
    }
    let rows = messages::by_ids(sight.caller.services.reader(), event.agency_id, &[message]).await;
    let row = rows.map_err(|error| sight.caller.fault(error))?.into_iter().next();
    Ok(row.map(|row| InboundMessageEvent {
        cursor: sight.cursor(),
        replayed: sight.followed.replayed,
        message: Message::within(&thread, Arc::new(row)),
        thread,
    }))
}
