//! Statements over many rows, in few shapes.
//!
//! Rows go in one statement as far as 64 reach, for a statement more is a round trip more; lists are
//! filled up to a power of two. So some hundred prepared statements serve every batch.

use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel, ModelTrait};

/// The most rows that one statement writes.
pub const MAX_ROWS: usize = 64;

/// Inserts rows that must not be there yet.
///
/// # Errors
/// When the database refuses one of them, and then none of its run is stored.
pub async fn insert<M, A>(conn: &impl ConnectionTrait, rows: Vec<M>) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    write(conn, rows, None).await
}

/// Inserts rows, and where one with the same primary key is there, sets these columns of it.
///
/// # Errors
/// When the database refuses one of them.
pub async fn upsert<M, A>(
    conn: &impl ConnectionTrait,
    rows: Vec<M>,
    key: &[<M::Entity as EntityTrait>::Column],
    columns: &[<M::Entity as EntityTrait>::Column],
) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    let mut on_conflict = OnConflict::columns(key.iter().copied());
    on_conflict.update_columns(columns.iter().copied());
    write(conn, rows, Some(on_conflict)).await
}

async fn write<M, A>(conn: &impl ConnectionTrait, rows: Vec<M>, on_conflict: Option<OnConflict>) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    let mut rows = rows.into_iter();
    while rows.len() > 0 {
        let length = rows.len().min(MAX_ROWS);
        let run: Vec<A> = rows.by_ref().take(length).map(IntoActiveModel::into_active_model).collect();
        let mut insert = <M::Entity as EntityTrait>::insert_many(run);
        if let Some(on_conflict) = &on_conflict {
            insert = insert.on_conflict(on_conflict.clone());
        }
        insert.exec_without_returning(conn).await?;
    }
    Ok(())
}

/// A list for `IN`, its last value repeated until its length is a power of two.
pub fn list<T: Clone>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_filled_up_with_their_last_value() {
        assert_eq!(list([1, 2, 3]), [1, 2, 3, 3]);
        assert_eq!(list([1]), [1]);
        assert!(list(Vec::<u8>::new()).is_empty());
    }
}
