//! Deletes calls.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sea_orm::{ColumnTrait as _, DbErr, EntityTrait as _, QueryFilter as _};

use crate::domain::{AgencyId, CallId, MediaState};
use crate::entity::{call, call_leg, notification, voicemail};
use crate::store::bulk::padded_list;
use crate::store::statements::{Statements, change, find};

/// A call that can be deleted, with its legs and voicemails.
#[derive(Debug, Clone)]
pub struct DeletableCall {
    pub call: call::Model,
    pub legs: Vec<call_leg::Model>,
    pub voicemails: Vec<voicemail::Model>,
}

/// Those of these calls that can be deleted: they started before the time if there is one, have ended, and have no
/// recordings.
pub async fn deletable_calls(
    conn: &impl Statements,
    agency: AgencyId,
    ids: &[CallId],
    before: Option<DateTime<Utc>>,
) -> Result<Vec<DeletableCall>, DbErr> {
    let list = || padded_list(ids.iter().copied());
    let query = call::Entity::find().filter(call::Column::AgencyId.eq(agency)).filter(call::Column::Id.is_in(list()));
    let rows = find(conn, query.filter(call::Column::EndedAt.is_not_null())).await?;
    let legs = call_leg::Entity::find().filter(call_leg::Column::AgencyId.eq(agency));
    let mut legs = group(find(conn, legs.filter(call_leg::Column::CallId.is_in(list()))).await?, |row| row.call_id);
    let voicemails = voicemail::Entity::find().filter(voicemail::Column::AgencyId.eq(agency));
    let voicemails = find(conn, voicemails.filter(voicemail::Column::CallId.is_in(list()))).await?;
    let mut voicemails = group(voicemails, |row| row.call_id);
    let mut of_call = |call: call::Model| {
        let legs = legs.remove(&call.id).unwrap_or_default();
        let voicemails = voicemails.remove(&call.id).unwrap_or_default();
        DeletableCall { call, legs, voicemails }
    };
    let is_deletable = |row: &DeletableCall| {
        let keeps_file = |row: &voicemail::Model| {
            row.digest.is_some()
                || row.absent_at.is_none() && matches!(row.state, MediaState::Pending | MediaState::Ready)
        };
        before.is_none_or(|before| row.call.started_at < before) && !row.voicemails.iter().any(keeps_file)
    };
    Ok(rows.into_iter().map(&mut of_call).filter(is_deletable).collect())
}

fn group<T, K: Ord>(rows: Vec<T>, key: impl Fn(&T) -> K) -> BTreeMap<K, Vec<T>> {
    let mut groups: BTreeMap<K, Vec<T>> = BTreeMap::new();
    for row in rows {
        groups.entry(key(&row)).or_default().push(row);
    }
    groups
}

/// Deletes calls with their legs, voicemails and notifications.
pub async fn delete_calls(conn: &impl Statements, agency: AgencyId, ids: &[CallId]) -> Result<u64, DbErr> {
    if ids.is_empty() {
        return Ok(0);
    }
    let list = || padded_list(ids.iter().copied());
    let legs = call_leg::Entity::delete_many().filter(call_leg::Column::AgencyId.eq(agency));
    change(conn, &legs.filter(call_leg::Column::CallId.is_in(list()))).await?;
    let voicemails = voicemail::Entity::delete_many().filter(voicemail::Column::AgencyId.eq(agency));
    change(conn, &voicemails.filter(voicemail::Column::CallId.is_in(list()))).await?;
    let notifications = notification::Entity::delete_many().filter(notification::Column::AgencyId.eq(agency));
    change(conn, &notifications.filter(notification::Column::CallId.is_in(list()))).await?;
    let calls = call::Entity::delete_many().filter(call::Column::AgencyId.eq(agency));
    change(conn, &calls.filter(call::Column::Id.is_in(list()))).await
}
