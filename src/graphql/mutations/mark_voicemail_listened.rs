use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::mutation_context::MutationContext;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::Voicemail;
use crate::graphql::types::user_error::UserError;
use crate::service::mark_voicemail::mark_voicemail_listened;

/// The input of `markVoicemailListened`.
#[derive(InputObject)]
pub(super) struct MarkVoicemailListenedInput {
    /// The ID of the voicemail that the viewer has listened to.
    voicemail_id: ID,
}

/// The result of `markVoicemailListened`.
#[derive(SimpleObject)]
pub(super) struct MarkVoicemailListenedPayload {
    /// The voicemail in its new state. Null if the mutation was rejected.
    voicemail: Option<Voicemail>,
    /// The reasons why the mutation was rejected. Empty if it succeeded.
    user_errors: Vec<UserError>,
}

#[derive(Default)]
pub(super) struct MarkVoicemailListenedMutation;

#[Object]
impl MarkVoicemailListenedMutation {
    /// Records that the viewer has listened to a voicemail; only the first listener is recorded. Once every voicemail
    /// of the call has a listener or is handled, the VOICEMAIL notifications of the call are resolved for all users.
    /// Errors: NOT_FOUND.
    async fn mark_voicemail_listened(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The input of `markVoicemailListened`.")] input: MarkVoicemailListenedInput,
    ) -> Result<MarkVoicemailListenedPayload> {
        let mutation = MutationContext::new(ctx).await?;
        let outcome = match ids::parse_input(&input.voicemail_id, "voicemail", "voicemailId") {
            Ok(id) => mark_voicemail_listened(mutation.services(), mutation.viewer(), id).await,
            Err(refusal) => Err(refusal.into()),
        };
        let (voicemail, user_errors) = mutation.voicemail(outcome).await?;
        Ok(MarkVoicemailListenedPayload { voicemail, user_errors })
    }
}
