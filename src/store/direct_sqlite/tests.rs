use chrono::DateTime;
use migration::{Migrator, MigratorTrait as _};
use sea_orm::sea_query::{Expr, Query};
use sea_orm::{
    ColumnTrait, ConnectionTrait as _, DatabaseConnection, DbBackend, EntityTrait, IdenStatic as _, Iterable as _,
    Value,
};
use uuid::Uuid;

use super::*;
use crate::entity;
use crate::store::Database;
use crate::store::error_class::{ErrorClass, classify, describe};
use crate::store::statements::Statements as _;

struct Both {
    direct: DirectSqlite,
    sqlx: DatabaseConnection,
    _folder: tempfile::TempDir,
}

impl Both {
    /// Opens a migrated file twice. References are not enforced, so that a row can be alone.
    async fn open() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("p.db");
        let database = Database::open(&format!("sqlite://{}?mode=rwc", file.display())).await.unwrap();
        let sqlx = database.connect_to_migrate().await.unwrap();
        Migrator::up(&sqlx, None).await.unwrap();
        sqlx.execute_unprepared("PRAGMA foreign_keys = OFF").await.unwrap();
        let pragmas = [("foreign_keys", "OFF".to_owned())];
        let direct = DirectSqlite::open(&file, Duration::from_secs(5), &pragmas).unwrap();
        Self { direct, sqlx, _folder: folder }
    }

    /// Writes a row of this entity with each connection, and reads it with both.
    async fn check<E: EntityTrait>(&self, is_full: bool) {
        let table = E::default().table_name();
        let kinds: Vec<Kind> = Kind::of_entity::<E>().collect();
        let row: Vec<Value> = E::Column::iter().map(|column| sample(column, is_full)).collect();
        let columns = E::Column::iter;
        let values = row.iter().cloned().map(Expr::from);
        let insert = Query::insert().into_table(E::default()).columns(columns()).values_panic(values).take();
        let insert = DbBackend::Sqlite.build(&insert);
        let select = Query::select().columns(columns()).from(E::default()).take();
        let select = DbBackend::Sqlite.build(&select);

        self.direct.run(&insert).unwrap();
        let written = self.literals::<E>().await;
        let by_both = [self.direct.rows(&select, &kinds).unwrap(), self.sqlx.rows(select, &kinds).await.unwrap()];
        for mut rows in by_both {
            let mut read = rows.remove(0);
            for (column, value) in columns().zip(&row) {
                assert_eq!(&read.cell().unwrap(), value, "{table}.{}", column.as_str());
            }
        }
        self.sqlx.execute_unprepared(&format!("DELETE FROM \"{table}\"")).await.unwrap();
        self.sqlx.run(insert).await.unwrap();
        assert_eq!(written, self.literals::<E>().await, "{table}");
        self.sqlx.execute_unprepared(&format!("DELETE FROM \"{table}\"")).await.unwrap();
    }

    /// The cells of the only row, as literals of SQL.
    async fn literals<E: EntityTrait>(&self) -> Vec<String> {
        let quoted = |column: E::Column| Expr::cust(format!("quote(\"{}\")", column.as_str()));
        let select = Query::select().exprs(E::Column::iter().map(quoted)).from(E::default()).take();
        let row = self.sqlx.query_one(&select).await.unwrap().unwrap();
        (0..E::Column::iter().count()).map(|index| row.try_get_by_index(index).unwrap()).collect()
    }
}

/// A value of the column's kind, or NULL where a row that is not full may have none.
fn sample<C: ColumnTrait>(column: C, is_full: bool) -> Value {
    let has_value = is_full || !column.def().is_null();
    match Kind::of(column) {
        Kind::Bool => Value::Bool(has_value.then_some(true)),
        Kind::Int => Value::Int(has_value.then_some(-7)),
        Kind::BigInt => Value::BigInt(has_value.then_some(1 << 40)),
        Kind::Time => {
            let at = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
            Value::ChronoDateTimeUtc(has_value.then_some(at))
        }
        Kind::Uuid => Value::Uuid(has_value.then(|| Uuid::from_u128(7))),
        Kind::Text => Value::String(has_value.then(|| "é'".to_owned())),
    }
}

#[tokio::test]
async fn each_column_is_written_and_read_as_by_the_other_driver() {
    let both = Both::open().await;
    for is_full in [true, false] {
        both.check::<entity::activity::Entity>(is_full).await;
        both.check::<entity::agency_position::Entity>(is_full).await;
        both.check::<entity::audit::Entity>(is_full).await;
        both.check::<entity::call::Entity>(is_full).await;
        both.check::<entity::call_leg::Entity>(is_full).await;
        both.check::<entity::contact::Entity>(is_full).await;
        both.check::<entity::event::Entity>(is_full).await;
        both.check::<entity::media::Entity>(is_full).await;
        both.check::<entity::message::Entity>(is_full).await;
        both.check::<entity::notification::Entity>(is_full).await;
        both.check::<entity::outbox::Entity>(is_full).await;
        both.check::<entity::phone_number::Entity>(is_full).await;
        both.check::<entity::quarantine::Entity>(is_full).await;
        both.check::<entity::thread::Entity>(is_full).await;
    }
}

#[tokio::test]
async fn a_cell_of_another_type_is_left_to_the_other_driver() {
    let both = Both::open().await;
    let rows = |sql: &str, kind| both.direct.rows(&Statement::from_string(DbBackend::Sqlite, sql), &[kind]);
    assert_eq!(rows("SELECT 7", Kind::BigInt).unwrap().remove(0).take::<i64>().unwrap(), 7);
    // The other driver reads some of them.
    for (sql, kind) in [
        ("SELECT 'text'", Kind::Int),
        ("SELECT 7", Kind::Text),
        ("SELECT x'07'", Kind::Uuid),
        ("SELECT 'now'", Kind::Time),
    ] {
        assert!(rows(sql, kind).is_err_and(|error| is_beyond(&error)), "{sql}");
    }
}

#[tokio::test]
async fn errors_have_the_class_of_the_other_driver_and_quote_no_value() {
    let both = Both::open().await;
    let insert = "INSERT INTO agency_position (agency_id, epoch, position, directory_version, first_kept)
        VALUES (x'01', x'01', NULL, 0, 0)";
    let direct = both.direct.command(insert).unwrap_err();
    let sqlx = both.sqlx.execute_unprepared(insert).await.unwrap_err();
    assert_eq!(classify(&direct), ErrorClass::Rejected);
    assert_eq!(describe(&direct), describe(&sqlx));
    assert!(!direct.to_string().contains("agency_position"), "{direct}");

    let unknown = "SELECT nothing FROM contact";
    let direct = both.direct.command(unknown).unwrap_err();
    let sqlx = both.sqlx.execute_unprepared(unknown).await.unwrap_err();
    assert_eq!((classify(&direct), describe(&direct)), (classify(&sqlx), describe(&sqlx)));
    assert_eq!(classify(&direct), ErrorClass::Fatal);
}
