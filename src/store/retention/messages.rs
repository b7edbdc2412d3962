//! Deletes messages, and corrects what is derived from them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{CaseStatement, Expr, ExprTrait as _};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, DbErr, EntityTrait as _, QueryFilter as _, QueryOrder as _, QuerySelect as _,
    QueryTrait as _,
};

use super::has_file;
use crate::domain::{AgencyId, Direction, MessageId, ThreadId};
use crate::entity::{delivery_step, media, message, outbox, read_mark, thread};
use crate::store::bulk::padded_list;
use crate::store::statements::{Kind, Statements, change, find};

/// Those of these messages that can be deleted: they were created before the time if there is one, are not on their way
/// to the carrier, and have no files.
pub async fn deletable_messages(
    conn: &impl Statements,
    agency: AgencyId,
    ids: &[MessageId],
    before: Option<DateTime<Utc>>,
) -> Result<Vec<message::Model>, DbErr> {
    let list = || padded_list(ids.iter().copied());
    let query = message::Entity::find().filter(message::Column::AgencyId.eq(agency));
    let mut rows = find(conn, query.filter(message::Column::Id.is_in(list()))).await?;
    let sending = outbox::Entity::find()
        .filter(outbox::Column::AgencyId.eq(agency))
        .filter(outbox::Column::MessageId.is_in(list()));
    let sending = find(conn, sending).await?.into_iter().map(|row| row.message_id);
    let with_files = media::Entity::find()
        .filter(media::Column::AgencyId.eq(agency))
        .filter(media::Column::MessageId.is_in(list()))
        .filter(has_file(media::Column::State, media::Column::Digest));
    let with_files = find(conn, with_files).await?.into_iter().map(|row| row.message_id);
    let kept: BTreeSet<MessageId> = sending.chain(with_files).collect();
    rows.sort_unstable_by_key(|row| row.id);
    rows.retain(|row| before.is_none_or(|before| row.created_at < before) && !kept.contains(&row.id));
    Ok(rows)
}

/// Deletes messages with their attachments and delivery steps, and corrects their threads and read marks.
pub async fn delete_messages(
    conn: &impl Statements,
    agency: AgencyId,
    messages: &[message::Model],
) -> Result<u64, DbErr> {
    if messages.is_empty() {
        return Ok(0);
    }
    let ids = || padded_list(messages.iter().map(|row| row.id));
    let of_messages = media::Entity::delete_many().filter(media::Column::AgencyId.eq(agency));
    change(conn, &of_messages.filter(media::Column::MessageId.is_in(ids()))).await?;
    let of_messages = delivery_step::Entity::delete_many().filter(delivery_step::Column::AgencyId.eq(agency));
    change(conn, &of_messages.filter(delivery_step::Column::MessageId.is_in(ids()))).await?;
    forget_resends(conn, agency, messages).await?;
    let rows = message::Entity::delete_many().filter(message::Column::AgencyId.eq(agency));
    let deleted = change(conn, &rows.filter(message::Column::Id.is_in(ids()))).await?;
    subtract_inbound(conn, agency, messages).await?;
    correct_last_messages(conn, agency, messages).await?;
    Ok(deleted)
}

/// Clears the references of messages that stay to messages that are deleted.
async fn forget_resends(conn: &impl Statements, agency: AgencyId, messages: &[message::Model]) -> Result<(), DbErr> {
    use message::Column as M;
    let resent: Vec<MessageId> = messages.iter().filter_map(|row| row.resent_as_id).collect();
    let originals: Vec<MessageId> = messages.iter().filter_map(|row| row.resends_id).collect();
    for (ids, cleared) in [
        (resent, message::ActiveModel { resends_id: Set(None), ..Default::default() }),
        (originals, message::ActiveModel { resent_as_id: Set(None), ..Default::default() }),
    ] {
        if !ids.is_empty() {
            let rows = message::Entity::update_many().set(cleared).filter(M::AgencyId.eq(agency));
            change(conn, &rows.filter(M::Id.is_in(padded_list(ids)))).await?;
        }
    }
    Ok(())
}

/// Subtracts deleted inbound messages from the counts of their threads and from the read marks. The oldest messages are
/// deleted, so what was read of them is subtracted first, and unread counts stay as they are.
async fn subtract_inbound(conn: &impl Statements, agency: AgencyId, messages: &[message::Model]) -> Result<(), DbErr> {
    use read_mark::Column as R;
    use thread::Column as T;
    let mut counts: BTreeMap<ThreadId, i32> = BTreeMap::new();
    for row in messages.iter().filter(|row| row.direction == Direction::Inbound) {
        *counts.entry(row.thread_id).or_default() += 1;
    }
    let mut by_count: BTreeMap<i32, Vec<ThreadId>> = BTreeMap::new();
    for (thread, count) in counts {
        by_count.entry(count).or_default().push(thread);
    }
    for (count, threads) in by_count {
        let threads = padded_list(threads);
        let rows = thread::Entity::update_many()
            .col_expr(T::InboundCount, less(T::InboundCount, count))
            .col_expr(T::AnsweredCount, less(T::AnsweredCount, count))
            // The contact has texted the number, which must be known without the messages as well.
            .col_expr(T::StartedBlind, Expr::value(false))
            .filter(T::AgencyId.eq(agency))
            .filter(T::Id.is_in(threads.clone()));
        change(conn, &rows).await?;
        let marks = read_mark::Entity::update_many()
            .col_expr(R::SeenCount, less(R::SeenCount, count))
            .filter(R::AgencyId.eq(agency))
            .filter(R::ThreadId.is_in(threads.clone()));
        change(conn, &marks).await?;
        let answered = thread::Entity::update_many()
            .set(thread::ActiveModel { waiting_since: Set(None), ..Default::default() })
            .filter(T::AgencyId.eq(agency))
            .filter(T::Id.is_in(threads))
            .filter(T::WaitingSince.is_not_null())
            .filter(Expr::col(T::InboundCount).lte(Expr::col(T::AnsweredCount)));
        change(conn, &answered).await?;
    }
    Ok(())
}

/// The column minus a count, but not below zero.
fn less<C: ColumnTrait>(column: C, count: i32) -> Expr {
    CaseStatement::new().case(Expr::col(column).gt(count), Expr::col(column).sub(count)).finally(0).into()
}

/// Corrects the last message and the opt-out hint of threads that lost them. The time of the last activity stays, so
/// that no thread moves in the inbox.
async fn correct_last_messages(
    conn: &impl Statements,
    agency: AgencyId,
    messages: &[message::Model],
) -> Result<(), DbErr> {
    use message::Column as M;
    use thread::Column as T;
    let ids = || padded_list(messages.iter().map(|row| row.id));
    let threads: BTreeSet<ThreadId> = messages.iter().map(|row| row.thread_id).collect();
    let affected = || padded_list(threads.iter().copied());
    let hints = thread::Entity::update_many()
        .set(thread::ActiveModel { opt_out_hint_id: Set(None), ..Default::default() })
        .filter(T::AgencyId.eq(agency))
        .filter(T::Id.is_in(affected()))
        .filter(T::OptOutHintId.is_in(ids()));
    change(conn, &hints).await?;
    let without_last = thread::Entity::find()
        .filter(T::AgencyId.eq(agency))
        .filter(T::Id.is_in(affected()))
        .filter(T::LastMessageId.is_in(ids()));
    let without_last: Vec<ThreadId> = find(conn, without_last).await?.into_iter().map(|row| row.id).collect();
    if without_last.is_empty() {
        return Ok(());
    }
    let clear = thread::Entity::update_many()
        .set(thread::ActiveModel { last_message_id: Set(None), last_message_at: Set(None), ..Default::default() })
        .filter(T::AgencyId.eq(agency))
        .filter(T::Id.is_in(padded_list(without_last.iter().copied())));
    change(conn, &clear).await?;
    // Usually none: the last message is deleted last. Imported messages may be in another order.
    let remaining = message::Entity::find()
        .select_only()
        .column(M::ThreadId)
        .distinct()
        .filter(M::AgencyId.eq(agency))
        .filter(M::ThreadId.is_in(padded_list(without_last)));
    for mut row in conn.rows(remaining.build(conn.backend()), &[Kind::Uuid]).await? {
        let thread: ThreadId = row.take()?;
        let newest = message::Entity::find().filter(M::AgencyId.eq(agency)).filter(M::ThreadId.eq(thread));
        let newest = newest.order_by_desc(M::CreatedAt).order_by_desc(M::Id).limit(1);
        for last in find(conn, newest).await? {
            let set = thread::ActiveModel {
                last_message_id: Set(Some(last.id)),
                last_message_at: Set(Some(last.created_at)),
                ..Default::default()
            };
            let row = thread::Entity::update_many().set(set).filter(T::AgencyId.eq(agency)).filter(T::Id.eq(thread));
            change(conn, &row).await?;
        }
    }
    Ok(())
}
