//! Cancels the running SQL statement of a dropped request.
//!
//! A request is dropped when its deadline passes or its client disconnects. On PostgreSQL and MariaDB the statement
//! timeout of the connection then ends its last statement. SQLite has no such timeout and would finish the statement,
//! so its connections check a flag of the request while they execute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::sqlx::sqlite::SqliteConnection;

tokio::task_local! {
    static DROPPED: Arc<AtomicBool>;
}

/// How often SQLite checks the flag, in instructions of its virtual machine: about every 100 µs.
const CHECK_INTERVAL: i32 = 10_000;

struct DropFlag(Arc<AtomicBool>);

impl Drop for DropFlag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work`. If the returned future is dropped before it completes, the SQL statement running at that moment is
/// interrupted (SQLite only).
pub async fn cancel_on_drop<T>(work: impl Future<Output = T>) -> T {
    let flag = DropFlag(Arc::default());
    DROPPED.scope(flag.0.clone(), work).await
}

/// Ties a connection to the request that has just acquired it from the pool.
pub(super) async fn cancel_with_request(connection: &mut SqliteConnection) -> Result<(), sea_orm::sqlx::Error> {
    let mut handle = connection.lock_handle().await?;
    match DROPPED.try_with(Arc::clone) {
        Ok(dropped) => handle.set_progress_handler(CHECK_INTERVAL, move || !dropped.load(Ordering::Relaxed)),
        Err(_) => handle.remove_progress_handler(),
    }
    Ok(())
}
