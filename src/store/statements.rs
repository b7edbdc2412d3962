//! Statements whose cells are plain values. They run on SeaORM's connections, and on the writer's own connection to
//! SQLite, for which SeaORM has no row type.

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use sea_orm::entity::prelude::async_trait;
use sea_orm::sea_query::{ColumnType, ValueType};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    EntityTrait, Iterable as _, QueryResult, QueryTrait, Select, Statement, TryGetError, TryGetable, TryIntoModel,
    Value,
};
use uuid::Uuid;

/// Runs statements.
#[async_trait::async_trait]
pub trait Statements: Sync {
    fn backend(&self) -> DbBackend;

    /// Runs a statement that returns no rows. Returns how many rows it changed.
    async fn run(&self, statement: Statement) -> Result<u64, DbErr>;

    /// The rows of a query whose cells have these kinds.
    async fn rows(&self, statement: Statement, kinds: &[Kind]) -> Result<Vec<Row>, DbErr>;
}

/// The type of a cell, as a column's field in Rust requires it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Bool,
    Int,
    BigInt,
    Text,
    Time,
    Uuid,
}

impl Kind {
    /// The kind of a column. A column of a type that no entity has is taken for text.
    pub fn of<C: ColumnTrait>(column: C) -> Self {
        match column.def().get_column_type() {
            ColumnType::Boolean => Self::Bool,
            ColumnType::Integer => Self::Int,
            ColumnType::BigInteger => Self::BigInt,
            ColumnType::TimestampWithTimeZone => Self::Time,
            ColumnType::Uuid => Self::Uuid,
            _ => Self::Text,
        }
    }

    /// The kinds of all columns of an entity, in the order of its fields.
    pub fn of_entity<E: EntityTrait>() -> impl Iterator<Item = Self> {
        E::Column::iter().map(Self::of)
    }
}

/// The cells of a row, read from first to last.
pub struct Row(std::vec::IntoIter<Value>);

impl Row {
    pub fn new(cells: Vec<Value>) -> Self {
        Self(cells.into_iter())
    }

    pub fn take<T: ValueType>(&mut self) -> Result<T, DbErr> {
        T::try_from(self.cell()?).map_err(|_| wrong_type())
    }

    /// The next cells as the columns of an entity.
    pub fn model<E>(&mut self) -> Result<E::Model, DbErr>
    where
        E: EntityTrait,
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        let mut model = <E::ActiveModel as ActiveModelTrait>::default();
        for column in E::Column::iter() {
            model.try_set(column, self.cell()?)?;
        }
        model.try_into_model()
    }

    /// The same for an entity of a left join whose first column is an ID; `None` if there is no row of it. It must be the
    /// last one of the row.
    pub fn joined_model<E>(&mut self) -> Result<Option<E::Model>, DbErr>
    where
        E: EntityTrait,
        E::ActiveModel: TryIntoModel<E::Model>,
    {
        match self.0.as_slice().first() {
            Some(Value::Uuid(None)) => Ok(None),
            _ => self.model::<E>().map(Some),
        }
    }

    pub(super) fn cell(&mut self) -> Result<Value, DbErr> {
        self.0.next().ok_or_else(wrong_type)
    }
}

fn wrong_type() -> DbErr {
    DbErr::Type("a cell of a row".to_owned())
}

/// Runs an update or a delete. Returns how many rows it changed.
pub fn change<'a>(conn: &'a impl Statements, query: &impl QueryTrait) -> BoxFuture<'a, Result<u64, DbErr>> {
    conn.run(query.build(conn.backend()))
}

/// The rows of an entity that a query selects.
pub async fn find<E>(conn: &impl Statements, query: Select<E>) -> Result<Vec<E::Model>, DbErr>
where
    E: EntityTrait,
    E::ActiveModel: TryIntoModel<E::Model>,
{
    let kinds: Vec<Kind> = Kind::of_entity::<E>().collect();
    let rows = conn.rows(query.build(conn.backend()), &kinds).await?;
    rows.into_iter().map(|mut row| row.model::<E>()).collect()
}

macro_rules! impl_statements {
    ($($connection:ty),*) => { $(
        #[async_trait::async_trait]
        impl Statements for $connection {
            fn backend(&self) -> DbBackend {
                self.get_database_backend()
            }

            async fn run(&self, statement: Statement) -> Result<u64, DbErr> {
                self.execute_raw(statement).await.map(|done| done.rows_affected())
            }

            async fn rows(&self, statement: Statement, kinds: &[Kind]) -> Result<Vec<Row>, DbErr> {
                let rows = self.query_all_raw(statement).await?;
                rows.iter().map(|row| read(row, kinds)).collect()
            }
        }
    )* };
}

impl_statements!(DatabaseConnection, DatabaseTransaction);

fn read(row: &QueryResult, kinds: &[Kind]) -> Result<Row, DbErr> {
    fn cell<T: TryGetable>(row: &QueryResult, index: usize) -> Result<Option<T>, TryGetError> {
        Option::<T>::try_get_by(row, index)
    }
    let cells = kinds.iter().enumerate().map(|(index, kind)| {
        Ok(match kind {
            Kind::Bool => Value::Bool(cell(row, index)?),
            Kind::Int => Value::Int(cell(row, index)?),
            Kind::BigInt => Value::BigInt(cell(row, index)?),
            Kind::Text => Value::String(cell(row, index)?),
            Kind::Time => Value::ChronoDateTimeUtc(cell::<DateTime<Utc>>(row, index)?),
            Kind::Uuid => Value::Uuid(cell::<Uuid>(row, index)?),
        })
    });
    let cells: Result<Vec<Value>, TryGetError> = cells.collect();
    Ok(Row::new(cells?))
}
