//! The transactions of a lane.

use sea_orm::entity::prelude::async_trait;
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait as _,
};

use crate::store::direct_sqlite::{DirectSqlite, beyond};
use crate::store::statements::{Kind, Row, Statements};

/// A transaction, or a savepoint within one. A connection on which one was dropped before its end must be closed.
///
/// A transaction on the lane's own connection to SQLite can do what [`Statements`] can. SeaORM's queries fail in it, and
/// the batch is then run on one of SeaORM's connections (`direct_sqlite::is_beyond`).
pub struct Transaction<'a>(Inner<'a>);

enum Inner<'a> {
    Direct { conn: &'a DirectSqlite, is_savepoint: bool },
    SeaOrm(DatabaseTransaction),
}

impl<'a> Transaction<'a> {
    pub(super) async fn begin(conn: &DatabaseConnection) -> Result<Transaction<'static>, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        conn.begin_with_options(options).await.map(|tx| Transaction(Inner::SeaOrm(tx)))
    }

    pub(super) fn begin_direct(conn: &'a DirectSqlite) -> Result<Self, DbErr> {
        conn.command("BEGIN IMMEDIATE")?;
        Ok(Self(Inner::Direct { conn, is_savepoint: false }))
    }

    pub(super) async fn savepoint(&self) -> Result<Self, DbErr> {
        match &self.0 {
            Inner::Direct { conn, .. } => {
                conn.command("SAVEPOINT unit")?;
                Ok(Self(Inner::Direct { conn, is_savepoint: true }))
            }
            Inner::SeaOrm(tx) => tx.begin().await.map(|tx| Transaction(Inner::SeaOrm(tx))),
        }
    }

    pub(super) async fn commit(self) -> Result<(), DbErr> {
        match self.0 {
            Inner::Direct { conn, is_savepoint: true } => conn.command("RELEASE unit"),
            Inner::Direct { conn, is_savepoint: false } => conn.command("COMMIT"),
            Inner::SeaOrm(tx) => tx.commit().await,
        }
    }

    pub(super) async fn rollback(self) -> Result<(), DbErr> {
        match self.0 {
            Inner::Direct { conn, is_savepoint: true } => {
                conn.command("ROLLBACK TO unit")?;
                conn.command("RELEASE unit")
            }
            Inner::Direct { conn, is_savepoint: false } => conn.command("ROLLBACK"),
            Inner::SeaOrm(tx) => tx.rollback().await,
        }
    }

    fn sea_orm(&self) -> Result<&DatabaseTransaction, DbErr> {
        match &self.0 {
            Inner::Direct { .. } => Err(beyond()),
            Inner::SeaOrm(tx) => Ok(tx),
        }
    }
}

#[async_trait::async_trait]
impl Statements for Transaction<'_> {
    fn backend(&self) -> DbBackend {
        match &self.0 {
            Inner::Direct { .. } => DbBackend::Sqlite,
            Inner::SeaOrm(tx) => tx.backend(),
        }
    }

    async fn run(&self, statement: Statement) -> Result<u64, DbErr> {
        match &self.0 {
            Inner::Direct { conn, .. } => conn.run(&statement),
            Inner::SeaOrm(tx) => tx.run(statement).await,
        }
    }

    async fn rows(&self, statement: Statement, kinds: &[Kind]) -> Result<Vec<Row>, DbErr> {
        match &self.0 {
            Inner::Direct { conn, .. } => conn.rows(&statement, kinds),
            Inner::SeaOrm(tx) => tx.rows(statement, kinds).await,
        }
    }
}

#[async_trait::async_trait]
impl ConnectionTrait for Transaction<'_> {
    fn get_database_backend(&self) -> DbBackend {
        self.backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.sea_orm()?.execute_raw(statement).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.sea_orm()?.execute_unprepared(sql).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.sea_orm()?.query_one_raw(statement).await
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.sea_orm()?.query_all_raw(statement).await
    }
}
