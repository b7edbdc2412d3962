//! Imports inbound calls whose webhooks did not arrive from the carrier's list.

use std::convert::Infallible;

use chrono::{DateTime, Utc};

use super::record::{RecordedCall, write};
use super::recordings::{RecordingChange, RecordingReport};
use super::rows::find_or_begin;
use super::{CallKey, Recording};
use crate::domain::CallEnd;
use crate::domain::call::CallEvent;
use crate::service::{Fault, Services};
use crate::store::calls;
use crate::store::writer::{Tx, Unit, UnitError};

/// A call that has ended, as the carrier lists it.
#[derive(Debug, Clone)]
pub struct EndedCall {
    pub key: CallKey,
    pub started_at: DateTime<Utc>,
    pub ended_at: DateTime<Utc>,
    pub end: CallEnd,
    pub seconds: Option<i32>,
    /// The voicemails that the caller left.
    pub recordings: Vec<Recording>,
}

/// Stores a call that has ended, with its voicemails, unless it is stored. Returns whether it was stored now.
///
/// # Errors
/// If the call is not stored.
pub async fn import_call(services: &Services, call: EndedCall) -> Result<bool, Fault> {
    let agency = call.key.agency;
    Ok(services.writer.run(agency, ImportCall(call)).await?)
}

struct ImportCall(EndedCall);

impl Unit for ImportCall {
    type Output = bool;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, UnitError> {
        let EndedCall { key, started_at, ended_at, end, seconds, recordings } = &self.0;
        if !calls::by_sids(tx.conn, key.agency, key.account, &[&key.sid]).await?.is_empty() {
            return Ok(false);
        }
        let Some(row) = find_or_begin(tx, key.agency, &[key], *started_at).await?.pop() else { return Ok(false) };
        let mut call = RecordedCall::import(row);
        let mut changes = Vec::new();
        for report in recordings.iter().cloned().filter_map(Recording::into_report) {
            let report = RecordingReport { made_at: Some(*ended_at), ..report };
            changes.push(RecordingChange::of(tx, &call, &report).await?);
        }
        let has_voicemail = changes.iter().any(|change| change.has_voicemail);
        call.apply_at(&CallEvent::Recorded { has_voicemail }, *ended_at);
        call.apply_at(&CallEvent::Ended { end: *end, seconds: *seconds }, *ended_at);
        let call = write(tx, call).await?;
        for change in changes {
            change.write(tx, &call).await?;
        }
        Ok(true)
    }
}
