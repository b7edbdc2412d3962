//! A user's unsent text in a thread. It is private, kept for 30 days, and deleted when the user sends a text there.

use super::{Outcome, Refusal, Services, Viewer};
use crate::domain::{AgencyId, ExtensionId, MessageId, ThreadId, UserId};
use crate::entity::{draft, thread};
use crate::store::writer::{Tx, Unit, UnitError};
use crate::store::{drafts, messages, threads};

const MAX_CHARS: usize = 4_000;

/// The content of a draft.
#[derive(Debug, Clone)]
pub struct SaveDraft {
    pub thread: ThreadId,
    pub body: String,
    /// The extension as which the text is to be sent.
    pub extension: Option<ExtensionId>,
    /// The newest message that the user has seen.
    pub based_on: Option<MessageId>,
}

/// Stores the viewer's draft in a thread, in place of the earlier one.
pub async fn save_draft(services: &Services, viewer: &Viewer, draft: SaveDraft) -> Outcome<draft::Model> {
    let chars = draft.body.chars().count();
    if draft.body.trim().is_empty() || chars > MAX_CHARS || draft.body.contains('\0') {
        let message = format!("Enter 1 to {MAX_CHARS} characters. To remove the draft, discard it.");
        return Err(Refusal::invalid(message, "body").into());
    }
    let unit = Save { agency: viewer.agency(), user: viewer.id(), draft };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

/// Deletes the viewer's draft in a thread. Repeating it changes nothing.
pub async fn discard_draft(services: &Services, viewer: &Viewer, thread: ThreadId) -> Outcome<ThreadId> {
    let unit = Discard { agency: viewer.agency(), user: viewer.id(), thread };
    Ok(services.writer.run(viewer.agency(), unit).await?)
}

async fn visible_thread(
    tx: &mut Tx<'_>,
    agency: AgencyId,
    user: UserId,
    thread: ThreadId,
) -> Result<(Viewer, thread::Model), UnitError<Refusal>> {
    let not_found = || Refusal::not_found("thread", "threadId");
    let viewer = Viewer::of(tx.directory(agency).await?, user).ok_or_else(not_found)?;
    let thread = threads::visible(tx.conn, &viewer.scope(), thread).await?.ok_or_else(not_found)?;
    Ok((viewer, thread))
}

struct Save {
    agency: AgencyId,
    user: UserId,
    draft: SaveDraft,
}

impl Unit for Save {
    type Output = draft::Model;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<draft::Model, UnitError<Refusal>> {
        let (viewer, thread) = visible_thread(tx, self.agency, self.user, self.draft.thread).await?;
        if let Some(extension) = self.draft.extension
            && !viewer.directory.extensions_on(thread.phone_number_id).any(|row| row.id == extension)
        {
            return Err(Refusal::not_found("extension of this number", "asExtensionId").into());
        }
        if let Some(message) = self.draft.based_on {
            let message = messages::by_ids(tx.conn, self.agency, &[message]).await?.pop();
            if message.is_none_or(|message| message.thread_id != thread.id) {
                return Err(Refusal::not_found("message in this thread", "basedOnMessageId").into());
            }
        }
        let row = draft::Model {
            agency_id: self.agency,
            user_id: self.user,
            thread_id: thread.id,
            body: self.draft.body.clone(),
            extension_id: self.draft.extension,
            based_on_id: self.draft.based_on,
            updated_at: tx.now,
        };
        drafts::save(tx.conn, row.clone()).await?;
        tx.draft_changed(&thread, self.user)?;
        Ok(row)
    }
}

struct Discard {
    agency: AgencyId,
    user: UserId,
    thread: ThreadId,
}

impl Unit for Discard {
    type Output = ThreadId;
    type Refusal = Refusal;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<ThreadId, UnitError<Refusal>> {
        let (_, thread) = visible_thread(tx, self.agency, self.user, self.thread).await?;
        if drafts::delete(tx.conn, self.agency, self.user, thread.id).await? {
            tx.draft_changed(&thread, self.user)?;
        }
        Ok(thread.id)
    }
}
