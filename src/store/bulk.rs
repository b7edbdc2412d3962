//! Multi-row statements with a bounded number of distinct SQL texts.
//!
//! One statement inserts up to 64 rows, because every statement costs a round trip. Lists for `IN` are padded to a
//! power of two. About a hundred prepared statements therefore serve every batch. Their SQL text is cached: a batch
//! writes well over a thousand values, and rebuilding its statements each time is measurable.

use std::collections::HashMap;
use std::mem::{Discriminant, discriminant};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ActiveModelTrait, DbBackend, DbErr, EntityName as _, EntityTrait, IdenStatic as _, IntoActiveModel, Iterable as _,
    ModelTrait, QueryTrait as _, Statement, Value,
};

use super::statements::Statements;

/// Maximum number of rows that one statement writes.
pub const MAX_ROWS: usize = 64;

/// Inserts rows whose keys must not exist yet. If the database rejects a row, no row of the same statement (a chunk of
/// up to [`MAX_ROWS`]) is stored.
pub async fn insert<M, A>(conn: &impl Statements, rows: Vec<M>) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    upsert(conn, rows, &[], &[]).await
}

/// Inserts rows. If a row with the same `key` exists, updates `columns` of it instead. If `key` is empty, this is a
/// plain insert.
pub async fn upsert<M, A>(
    conn: &impl Statements,
    rows: Vec<M>,
    key: &[Column<M>],
    columns: &[Column<M>],
) -> Result<(), DbErr>
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    for run in rows.chunks(MAX_ROWS) {
        conn.run(statement(conn.backend(), run, key, columns)).await?;
    }
    Ok(())
}

type Column<M> = <<M as ModelTrait>::Entity as EntityTrait>::Column;

/// Everything that determines the SQL text of a statement. At most 64 shapes exist per call site and database backend,
/// which bounds the cache.
#[derive(PartialEq, Eq, Hash)]
struct Shape {
    backend: Discriminant<DbBackend>,
    table: &'static str,
    key: Vec<&'static str>,
    columns: Vec<&'static str>,
    rows: usize,
}

static SQL_CACHE: LazyLock<RwLock<HashMap<Shape, Arc<str>>>> = LazyLock::new(RwLock::default);

/// The statement that SeaORM builds for these rows, with its SQL text from the cache if possible.
fn statement<M, A>(backend: DbBackend, rows: &[M], key: &[Column<M>], columns: &[Column<M>]) -> Statement
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    let shape = Shape {
        backend: discriminant(&backend),
        table: M::Entity::default().table_name(),
        key: key.iter().map(|column| column.as_str()).collect(),
        columns: columns.iter().map(|column| column.as_str()).collect(),
        rows: rows.len(),
    };
    let sql = SQL_CACHE.read().unwrap_or_else(PoisonError::into_inner).get(&shape).cloned();
    let Some(sql) = sql else {
        let built = build(backend, rows, key, columns);
        let sql = Arc::from(built.sql.as_str());
        SQL_CACHE.write().unwrap_or_else(PoisonError::into_inner).insert(shape, sql);
        return built;
    };
    let values = rows.iter().flat_map(|row| Column::<M>::iter().map(|column| row.get(column)));
    Statement::from_sql_and_values(backend, &*sql, values)
}

fn build<M, A>(backend: DbBackend, rows: &[M], key: &[Column<M>], columns: &[Column<M>]) -> Statement
where
    M: ModelTrait + IntoActiveModel<A>,
    A: ActiveModelTrait<Entity = M::Entity> + Send,
{
    let rows = rows.iter().cloned().map(IntoActiveModel::into_active_model);
    let mut insert = M::Entity::insert_many(rows);
    if !key.is_empty() {
        let mut on_conflict = OnConflict::columns(key.iter().copied());
        on_conflict.update_columns(columns.iter().copied());
        insert = insert.on_conflict(on_conflict);
    }
    insert.build(backend)
}

/// Everything that determines the SQL text of a query: its name, and the lengths of its padded lists.
type QueryShape = (Discriminant<DbBackend>, &'static str, [usize; 3]);

static QUERY_CACHE: LazyLock<RwLock<HashMap<QueryShape, Arc<str>>>> = LazyLock::new(RwLock::default);

/// The query that `build` builds, with its SQL text from the cache if possible. `values` are its values in their order,
/// and `lengths` the lengths of the lists among them.
pub fn cached_query(
    backend: DbBackend,
    name: &'static str,
    lengths: [usize; 3],
    values: Vec<Value>,
    build: impl FnOnce() -> Statement,
) -> Statement {
    let shape = (discriminant(&backend), name, lengths);
    let sql = QUERY_CACHE.read().unwrap_or_else(PoisonError::into_inner).get(&shape).cloned();
    if let Some(sql) = sql {
        let statement = Statement::from_sql_and_values(backend, &*sql, values);
        debug_assert_eq!(statement, build(), "the query {name} of another shape");
        return statement;
    }
    let built = build();
    QUERY_CACHE.write().unwrap_or_else(PoisonError::into_inner).insert(shape, Arc::from(built.sql.as_str()));
    built
}

/// A list for `IN`, padded to a power of two by repeating its last value.
pub fn padded_list<T: Clone>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut values: Vec<T> = values.into_iter().collect();
    if let Some(last) = values.last().cloned() {
        values.resize(values.len().next_power_of_two(), last);
    }
    values
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use uuid::Uuid;

    use super::*;
    use crate::domain::{AgencyId, ContactId, PhoneNumberId, ThreadId, UserId};
    use crate::entity::{agency_position, contact, thread};

    #[test]
    fn lists_are_padded_with_their_last_value() {
        assert_eq!(padded_list([1, 2, 3]), [1, 2, 3, 3]);
        assert_eq!(padded_list([1]), [1]);
        assert!(padded_list(Vec::<u8>::new()).is_empty());
    }

    /// Compares a freshly built and a cached statement with the one that SeaORM builds.
    #[track_caller]
    fn assert_same_as_sea_orm<M, A>(rows: &[M], key: &[Column<M>], columns: &[Column<M>])
    where
        M: ModelTrait + IntoActiveModel<A>,
        A: ActiveModelTrait<Entity = M::Entity> + Send,
    {
        for backend in [DbBackend::Sqlite, DbBackend::Postgres, DbBackend::MySql] {
            for length in [1, rows.len()] {
                let (first, second) = (&rows[..length], &rows[rows.len() - length..]);
                assert_eq!(statement(backend, first, key, columns), build(backend, first, key, columns));
                assert_eq!(statement(backend, second, key, columns), build(backend, second, key, columns));
            }
        }
    }

    #[test]
    fn cached_sql_is_reused_with_the_values_of_other_rows() {
        let (agency, now) = (AgencyId(Uuid::from_u128(1)), DateTime::UNIX_EPOCH);
        let contact = |n: u128, name: Option<&str>| contact::Model {
            name: name.map(str::to_owned),
            provider_user_id: Some(UserId(Uuid::from_u128(n + 1))).filter(|_| name.is_some()),
            updated_at: now + TimeDelta::seconds(1),
            ..contact::Model::begin(agency, ContactId(Uuid::from_u128(n)), format!("+1303555{n:04}"), now)
        };
        let rows = [contact(1, None), contact(2, Some("Ann")), contact(3, None)];
        assert_same_as_sea_orm(&rows, &[], &[]);
        assert_same_as_sea_orm(&rows, &[contact::Column::Id], &[contact::Column::Name]);
        assert_same_as_sea_orm(&rows, &[contact::Column::Id], &[contact::Column::Phone]);
        let thread = |n: u128| {
            let (number, contact) = (PhoneNumberId(Uuid::from_u128(n)), ContactId(Uuid::from_u128(n)));
            thread::Model::begin(agency, ThreadId(Uuid::from_u128(n)), number, contact, now)
        };
        assert_same_as_sea_orm(&[thread(1), thread(2)], &[], &[]);
        let position = |position| agency_position::Model {
            agency_id: agency,
            epoch: Uuid::from_u128(7),
            position,
            directory_version: 2,
            first_kept: 1,
        };
        assert_same_as_sea_orm(&[position(1), position(2)], &[], &[]);
    }
}
