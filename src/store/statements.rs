//! Statements whose cells are plain values. They run on SeaORM's connections, and on the writer's own connection to
//! SQLite, for which SeaORM has no row type.

use chrono::{DateTime, Utc};
use sea_orm::entity::prelude::async_trait;
use sea_orm::sea_query::{ColumnType, ValueType};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, EntityTrait,
    Iterable as _, ModelTrait, QueryResult, Statement, TryGetError, TryGetable, Value,
};
use uuid::Uuid;

/// Runs statements.
#[async_trait::async_trait]
pub trait Statements: Sync {
    fn backend(&self) -> DbBackend;

    /// Runs a statement that returns no rows.
    async fn run(&self, statement: Statement) -> Result<(), DbErr>;

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
    /// # Panics
    /// If no entity has a column of this type.
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

    /// The next cells as the columns of a model, written over `blank`.
    pub fn model<M: ModelTrait>(&mut self, mut blank: M) -> Result<M, DbErr> {
        for column in <M::Entity as EntityTrait>::Column::iter() {
            blank.try_set(column, self.cell()?)?;
        }
        Ok(blank)
    }

    /// The same for a model of a left join, which begins with the agency; `None` if there is none.
    pub fn joined_model<M: ModelTrait>(&mut self, blank: M) -> Result<Option<M>, DbErr> {
        match self.0.as_slice().first() {
            Some(Value::Uuid(None)) => Ok(None),
            _ => self.model(blank).map(Some),
        }
    }

    pub(super) fn cell(&mut self) -> Result<Value, DbErr> {
        self.0.next().ok_or_else(wrong_type)
    }
}

fn wrong_type() -> DbErr {
    DbErr::Type("a cell of a row".to_owned())
}

macro_rules! impl_statements {
    ($($connection:ty),*) => { $(
        #[async_trait::async_trait]
        impl Statements for $connection {
            fn backend(&self) -> DbBackend {
                self.get_database_backend()
            }

            async fn run(&self, statement: Statement) -> Result<(), DbErr> {
                self.execute_raw(statement).await.map(drop)
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
