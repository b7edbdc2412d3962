//! Fetches files from the carrier: what recordings and attachments have in common.

use std::convert::Infallible;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use sea_orm::DbErr;

use super::accounts::Account;
use super::unused_files::delete_if_unused;
use super::{Fault, Services};
use crate::domain::fetching::FetchOutcome;
use crate::domain::{AccountId, AgencyId};
use crate::ports::media_store::MediaStore;
use crate::ports::twilio_rest::Credentials;
use crate::store::writer::{Tx, Unit, UnitError};

/// The number of files that are fetched at the same time. It bounds the memory that they take.
const MAX_CONCURRENT: usize = 4;
/// The pause between two searches for files that are due.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The time for which a file belongs to the instance that fetches it. No attempt takes longer. If the instance ends
/// before it has recorded the outcome, the file is due again after this time.
const LEASE: TimeDelta = TimeDelta::minutes(2);

/// A row that refers to a file of the carrier.
pub trait CarrierFile: Clone + Send + Sync + 'static {
    /// The reason why a file cannot be fetched.
    type Failure: Copy + Send + Sync;

    fn agency(&self) -> AgencyId;

    /// The files of all agencies that are due, the longest overdue first.
    fn due(services: &Services, limit: u64) -> impl Future<Output = Result<Vec<Self>, DbErr>> + Send;

    /// Postpones the file if it is still due. Returns whether it was.
    fn lease(&self, tx: &Tx<'_>, until: DateTime<Utc>) -> impl Future<Output = Result<bool, DbErr>> + Send;

    /// Makes one attempt to fetch the file and to store it in the media store.
    fn fetch(&self, services: &Services) -> impl Future<Output = FetchOutcome<Self::Failure>> + Send;

    /// Records the outcome of an attempt. Returns false, and records nothing, if the file is no longer
    /// pending.
    fn record(
        &self,
        tx: &mut Tx<'_>,
        outcome: &FetchOutcome<Self::Failure>,
    ) -> impl Future<Output = Result<bool, UnitError>> + Send;
}

/// Fetches the files of one kind. A file that takes long, or whose outcome cannot be recorded, does not delay others.
pub struct Fetcher<F: CarrierFile> {
    services: Arc<Services>,
    fetching: FuturesUnordered<BoxFuture<'static, Fetched<F>>>,
}

struct Fetched<F: CarrierFile> {
    file: F,
    outcome: FetchOutcome<F::Failure>,
}

impl<F: CarrierFile> Fetcher<F> {
    pub fn new(services: Arc<Services>) -> Self {
        Self { services, fetching: FuturesUnordered::new() }
    }

    /// Begins to fetch files that are due, and records the next outcome. Returns after a second at the latest.
    pub async fn run_next(&mut self) -> Result<(), Fault> {
        let begun = self.begin_due().await;
        let clock = Arc::clone(&self.services.clock);
        tokio::select! {
            Some(fetched) = self.fetching.next() => self.record(fetched).await?,
            () = clock.sleep(POLL_INTERVAL) => {}
        }
        begun
    }

    /// Fetches files until no file is due.
    pub(super) async fn run_until_idle(mut self) -> Result<(), Fault> {
        loop {
            self.begin_due().await?;
            let Some(fetched) = self.fetching.next().await else { return Ok(()) };
            self.record(fetched).await?;
        }
    }

    async fn begin_due(&mut self) -> Result<(), Fault> {
        let free = MAX_CONCURRENT.saturating_sub(self.fetching.len());
        if free == 0 {
            return Ok(());
        }
        for file in F::due(&self.services, u64::try_from(free).unwrap_or(1)).await? {
            // Otherwise another instance fetches it.
            if self.services.writer.run(file.agency(), Lease(file.clone())).await? {
                let services = Arc::clone(&self.services);
                self.fetching.push(Box::pin(async move {
                    let outcome = file.fetch(&services).await;
                    Fetched { file, outcome }
                }));
            }
        }
        Ok(())
    }

    async fn record(&mut self, fetched: Fetched<F>) -> Result<(), Fault> {
        let media = self.services.media.clone();
        Ok(self.services.writer.run(fetched.file.agency(), Record { fetched, media }).await?)
    }
}

struct Lease<F>(F);

impl<F: CarrierFile> Unit for Lease<F> {
    type Output = bool;
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<bool, UnitError> {
        Ok(self.0.lease(tx, tx.now + LEASE).await?)
    }
}

struct Record<F: CarrierFile> {
    fetched: Fetched<F>,
    media: MediaStore,
}

impl<F: CarrierFile> Unit for Record<F> {
    type Output = ();
    type Refusal = Infallible;

    /// Holds the agency's lock, under which files are deleted.
    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let Fetched { file, outcome } = &self.fetched;
        let agency = file.agency();
        let FetchOutcome::Stored(stored) = outcome else { return file.record(tx, outcome).await.map(drop) };
        if !matches!(self.media.size(agency, &stored.digest).await, Ok(Some(_))) {
            // Another row had the file, and it was deleted since. Or the media store does not answer.
            return file.record(tx, &FetchOutcome::RetryLater).await.map(drop);
        }
        if file.record(tx, outcome).await? {
            return Ok(());
        }
        if let Err(error) = delete_if_unused(tx, &self.media, agency, &stored.digest).await? {
            tracing::error!(%agency, %error, "failed to remove a file that is no longer needed");
        }
        Ok(())
    }
}

/// The account that a file is fetched with, and its credentials. `None` if they cannot be read.
pub(super) async fn account_of(
    services: &Services,
    account: AccountId,
    file: impl Display,
) -> Option<(Arc<Account>, Credentials)> {
    match services.accounts.by_id(account).await {
        Ok(account) => account.and_then(|account| Some((account.clone(), account.credentials()?))),
        Err(error) => {
            tracing::error!(%error, %file, "failed to read the Twilio account of a file");
            None
        }
    }
}

/// Stores a fetched file and returns its key in the media store. `None` if it cannot be stored.
pub(super) async fn store_file(
    services: &Services,
    agency: AgencyId,
    file: impl Display,
    bytes: &[u8],
) -> Option<String> {
    let scratch = services.ids.uuid(services.clock.now());
    match services.media.put(agency, bytes, scratch).await {
        Ok(digest) => Some(digest),
        Err(error) => {
            tracing::error!(%error, %file, "failed to store a file of the carrier");
            None
        }
    }
}
