use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::enums::PresenceState;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Presence;
use crate::graphql::types::user_error::UserError;
use crate::service::set_presence::set_presence;

/// The input of `setPresence`.
#[derive(InputObject)]
pub(super) struct SetPresenceInput {
    /// The ID of the thread in which the viewer is present.
    thread_id: ID,
    /// The current activity of the viewer in the thread.
    state: PresenceState,
}

/// The result of `setPresence`.
#[derive(SimpleObject)]
pub(super) struct SetPresencePayload {
    /// The viewer's presence in the thread. Null if the mutation was rejected.
    presence: Option<Presence>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct SetPresenceMutation;

#[Object]
impl SetPresenceMutation {
    /// Reports whether the viewer views the thread, composes a text in it, or has left it. The latest report of any of
    /// the viewer's windows counts. Repeat it every 5 to 10 seconds: presence ends 15 seconds after the latest report.
    /// Other users receive the viewer's changes in a thread at most once per second. Errors: NOT_FOUND.
    async fn set_presence(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `setPresence`.")] input: SetPresenceInput,
    ) -> Result<SetPresencePayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.thread_id, "thread", "threadId") {
            Ok(thread) => set_presence(mutation.services(), mutation.viewer(), thread, input.state.into()).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (viewer, resolved) = mutation.resolve(outcome).await?;
        Ok(match resolved {
            Ok(presence) => SetPresencePayload { presence: Presence::new(&viewer, &presence), user_errors: Vec::new() },
            Err(user_errors) => SetPresencePayload { presence: None, user_errors },
        })
    }
}
