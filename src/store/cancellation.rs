//! Stops SQL statements whose results nobody waits for any longer.
//!
//! A request that has passed its deadline, or whose client has gone, is dropped. On PostgreSQL and MariaDB its last
//! statement then ends by the statement timeout of the connection. SQLite has no such timeout and would finish the
//! statement, so its connections check a flag of the request as they execute.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sea_orm::sqlx::sqlite::SqliteConnection;

tokio::task_local! {
    static DROPPED: Arc<AtomicBool>;
}

/// SQLite checks the flag after this many instructions of its virtual machine: about every 100 µs.
const INSTRUCTIONS: i32 = 10_000;

struct DropFlag(Arc<AtomicBool>);

impl Drop for DropFlag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs `work`. If the returned future is dropped before it is ready, the statement that it executes at that moment is
/// interrupted.
pub async fn cancel_on_drop<T>(work: impl Future<Output = T>) -> T {
    let flag = DropFlag(Arc::default());
    DROPPED.scope(flag.0.clone(), work).await
}

/// Ties a connection to the request that has just taken it from the pool.
pub(super) async fn watch(connection: &mut SqliteConnection) -> Result<(), sea_orm::sqlx::Error> {
    let mut handle = connection.lock_handle().await?;
    match DROPPED.try_with(Arc::clone) {
        Ok(dropped) => handle.set_progress_handler(INSTRUCTIONS, move || !dropped.load(Ordering::Relaxed)),
        Err(_) => handle.remove_progress_handler(),
    }
    Ok(())
}
