use async_graphql::{Context, ID, InputObject, Object};

use super::act::Act;
use crate::graphql::errors::Result;
use crate::graphql::ids;
use crate::graphql::types::CallPayload;
use crate::service::mark_voicemail_listened::mark_voicemail_listened;

/// Which voicemail.
#[derive(InputObject)]
pub(super) struct MarkVoicemailListenedInput {
    /// The voicemail.
    voicemail_id: ID,
}

#[derive(Default)]
pub(super) struct MarkVoicemailListenedMutation;

#[Object]
impl MarkVoicemailListenedMutation {
    /// Records that the viewer has listened to a voicemail; the first listener is kept. Once every voicemail of the call
    /// has a listener, the VOICEMAIL notifications of the call are resolved for all users.
    async fn mark_voicemail_listened(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which.")] input: MarkVoicemailListenedInput,
    ) -> Result<CallPayload> {
        let act = Act::begin(ctx).await?;
        let outcome = match ids::named(&input.voicemail_id, "voicemail", "voicemailId") {
            Ok(id) => mark_voicemail_listened(act.services(), act.viewer(), id).await,
            Err(refusal) => Ok(Err(refusal)),
        };
        act.call(outcome).await
    }
}
