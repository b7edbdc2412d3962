//! One transaction: lock the agencies, write the texts set-based, run the units, write the log.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError};

use sea_orm::{
    ColumnTrait as _, DatabaseConnection, DatabaseTransaction, DbErr, EntityTrait as _, QueryFilter as _,
    QuerySelect as _, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};

use super::inbound_plan::InboundOutcome;
use super::lane::Batch;
use super::ledger::Ledger;
use super::{Committed, InboundJob, Shared, Tx, inbound};
use crate::domain::{AccountId, AgencyId};
use crate::entity::phone_number;
use crate::store::bulk::list;
use crate::store::failure::{Reach, describe, reach};

/// What became of each inbound text, in the order of the batch.
pub(super) type Outcomes = Vec<InboundOutcome>;

/// Why a batch was not committed.
#[derive(Debug)]
pub(super) enum Failure {
    /// It lost a race; the same batch may be run again.
    Race(DbErr),
    /// A text of it was refused; nobody knows which.
    Inbound(DbErr),
    /// The database failed.
    Batch(DbErr),
}

impl Failure {
    /// Outside the texts nothing can be refused, only fail.
    fn of(error: DbErr) -> Self {
        match reach(&error) {
            Reach::Retry => Self::Race(error),
            Reach::Item | Reach::Batch => Self::Batch(error),
        }
    }

    fn of_inbound(error: DbErr) -> Self {
        match reach(&error) {
            Reach::Item => Self::Inbound(error),
            Reach::Retry | Reach::Batch => Self::of(error),
        }
    }
}

pub(super) async fn write(
    shared: &Shared,
    conn: &DatabaseConnection,
    batch: &mut Batch,
) -> Result<(Outcomes, Vec<Committed>), Failure> {
    let options = TransactionOptions {
        sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
        ..TransactionOptions::default()
    };
    let tx = conn.begin_with_options(options).await.map_err(Failure::of)?;
    let result = write_in(shared, &tx, batch).await;
    match result {
        Ok((outcomes, ledger)) => {
            tx.commit().await.map_err(Failure::of)?;
            Ok((outcomes, ledger.committed(&shared.directories)))
        }
        Err(failure @ Failure::Batch(_)) => Err(failure), // no further statement; the connection goes
        Err(failure) => {
            tx.rollback().await.map_err(Failure::Batch)?;
            Err(failure)
        }
    }
}

async fn write_in(shared: &Shared, tx: &DatabaseTransaction, batch: &mut Batch) -> Result<(Outcomes, Ledger), Failure> {
    let mut agencies: BTreeSet<AgencyId> = batch.units.iter().flat_map(|job| job.agencies.iter().copied()).collect();
    let numbers = numbers_of(tx, &batch.inbound).await.map_err(Failure::of_inbound)?;
    agencies.extend(numbers.live.values().copied());
    let mut ledger = Ledger::lock(tx, &agencies).await.map_err(Failure::of)?;
    // Dated after the lock, so that an agency's rows are dated in the order of its log.
    let now = shared.clock.now();

    let mut outcomes = Outcomes::new();
    if !batch.inbound.is_empty() {
        let writing = inbound::Inbound { shared, conn: tx, now, ledger: &mut ledger };
        outcomes = writing.write(&batch.inbound, &numbers).await.map_err(Failure::of_inbound)?;
        let mut hints = shared.agency_hints.write().unwrap_or_else(PoisonError::into_inner);
        hints.extend(numbers.live);
    }

    for job in &mut batch.units {
        let mark = ledger.mark();
        let savepoint = tx.begin().await.map_err(Failure::of)?;
        let mut unit_tx = Tx::new(shared, &savepoint, now, &mut ledger);
        let done = async {
            job.work.run(&mut unit_tx).await?;
            unit_tx.flush().await?;
            Ok(unit_tx.is_given_up())
        }
        .await;
        match done {
            Ok(true) => {
                savepoint.rollback().await.map_err(Failure::Batch)?;
                ledger.return_to(mark);
            }
            Ok(false) => savepoint.commit().await.map_err(Failure::of)?,
            Err(error) if reach(&error) == Reach::Item => {
                tracing::error!(error = describe(&error), "the database refused a unit of work");
                savepoint.rollback().await.map_err(Failure::Batch)?;
                ledger.return_to(mark);
                shared.figures.refused();
                job.work.refuse();
            }
            Err(error) => return Err(Failure::of(error)),
        }
    }
    ledger.write(tx).await.map_err(Failure::of)?;
    Ok((outcomes, ledger))
}

/// The numbers that were texted, as they were before the lock.
#[derive(Default)]
pub(super) struct Numbers {
    /// The agencies in which they are live.
    pub(super) live: HashMap<(AccountId, String), AgencyId>,
    /// Every agency that holds or held one of them.
    pub(super) holders: BTreeSet<AgencyId>,
}

/// Whose the numbers that were texted are. They are looked up before the lock, for the lock needs
/// them; the directory that is read under it has the last word.
async fn numbers_of(tx: &DatabaseTransaction, jobs: &[InboundJob]) -> Result<Numbers, DbErr> {
    let named = || jobs.iter().filter(|job| job.names_number());
    let to: BTreeSet<&str> = named().map(|job| job.text.number()).collect();
    let accounts: BTreeSet<AccountId> = named().map(|job| job.text.account).collect();
    if to.is_empty() {
        return Ok(Numbers::default());
    }
    let rows: Vec<(AccountId, String, AgencyId, Option<bool>)> = phone_number::Entity::find()
        .select_only()
        .column(phone_number::Column::TwilioAccountId)
        .column(phone_number::Column::E164)
        .column(phone_number::Column::AgencyId)
        .column(phone_number::Column::Live)
        .filter(phone_number::Column::TwilioAccountId.is_in(list(accounts)))
        .filter(phone_number::Column::E164.is_in(list(to)))
        .into_tuple()
        .all(tx)
        .await?;
    let mut numbers = Numbers::default();
    for (account, e164, agency, live) in rows {
        numbers.holders.insert(agency);
        if live == Some(true) {
            numbers.live.insert((account, e164), agency);
        }
    }
    Ok(numbers)
}

/// The directory of a locked agency, as it is within the transaction.
pub(super) async fn directory_under_lock(
    shared: &Shared,
    conn: &DatabaseTransaction,
    ledger: &mut Ledger,
    agency: AgencyId,
) -> Result<Arc<crate::store::Directory>, DbErr> {
    let unknown = || DbErr::RecordNotFound("the agency of this work".to_owned());
    let version = ledger.directory_version(agency).ok_or_else(unknown)?;
    if let Some(own) = ledger.own_directory(agency) {
        return Ok(own);
    }
    if !ledger.changes_directory(agency)
        && let Some(cached) = shared.directories.at_version(agency, version)
    {
        return Ok(cached);
    }
    let directory = crate::store::Directory::load(conn, agency).await?.ok_or_else(unknown)?;
    let directory = Arc::new(directory);
    if ledger.changes_directory(agency) {
        // Uncommitted: for this batch alone, and until the next change.
        ledger.keep_own_directory(agency, directory.clone());
    } else {
        shared.directories.keep(directory.clone(), None);
    }
    Ok(directory)
}
