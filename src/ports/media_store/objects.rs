//! Files in object storage: Amazon S3 and compatible services, Google Cloud Storage, Azure Blob Storage.

use std::error::Error as StdError;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::StreamExt as _;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use object_store::path::Path;
use object_store::{
    ClientConfigKey, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt as _, PutPayload, RetryConfig,
};

use super::{Content, MediaStoreError};
use crate::domain::AgencyId;
use crate::ports::Clock;

/// The timeout of storing a file, and of opening one, with all retries.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The timeout of a deletion, which runs under the lock of an agency.
const DELETE_TIMEOUT: Duration = Duration::from_secs(2);
/// The timeouts of one request, which also bound the reading of an opened file: without progress, and in total.
const CLIENT_TIMEOUTS: [(ClientConfigKey, &str); 3] = [
    (ClientConfigKey::ConnectTimeout, "5 seconds"),
    (ClientConfigKey::ReadTimeout, "30 seconds"),
    (ClientConfigKey::Timeout, "10 minutes"),
];
const MAX_RETRIES: usize = 3;
/// The time after which a request is not retried.
const RETRY_TIMEOUT: Duration = Duration::from_secs(30);
/// The maximum length of a provider's description of an error.
const MAX_DETAIL_CHARS: usize = 200;

/// The place of the files: `s3://bucket/prefix`, `gs://bucket/prefix` or `az://container/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectLocation {
    provider: Provider,
    bucket: String,
    prefix: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Provider {
    Amazon,
    Google,
    Azure,
}

/// The text is not the location of an object storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be s3://bucket/prefix, gs://bucket/prefix or az://container/prefix")]
pub struct ObjectLocationError;

impl ObjectLocation {
    /// # Errors
    /// If the text is not such a location.
    pub fn parse(text: &str) -> Result<Self, ObjectLocationError> {
        let (scheme, rest) = text.split_once("://").ok_or(ObjectLocationError)?;
        let provider = match scheme {
            "s3" => Provider::Amazon,
            "gs" => Provider::Google,
            "az" => Provider::Azure,
            _ => return Err(ObjectLocationError),
        };
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.trim_end_matches('/');
        if bucket.is_empty() || bucket.contains(['?', '#', '@']) || Path::parse(prefix).is_err() {
            return Err(ObjectLocationError);
        }
        Ok(Self { provider, bucket: bucket.to_owned(), prefix: prefix.to_owned() })
    }

    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// A client of the provider. The credentials and the endpoint come from the provider's usual environment variables
    /// (`AWS_…`, `GOOGLE_…`, `AZURE_…`) or from the machine's role.
    ///
    /// # Errors
    /// If the environment variables are incomplete.
    pub fn connect(&self) -> Result<Arc<dyn ObjectStore>, MediaStoreError> {
        // Fails if a provider is installed already. That is the same one, because only one is compiled in.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let retry = RetryConfig { max_retries: MAX_RETRIES, retry_timeout: RETRY_TIMEOUT, ..RetryConfig::default() };
        let bucket = &self.bucket;
        let store: Arc<dyn ObjectStore> = match self.provider {
            Provider::Amazon => {
                let builder = AmazonS3Builder::from_env().with_bucket_name(bucket).with_retry(retry);
                let set =
                    |builder: AmazonS3Builder, (key, value)| builder.with_config(AmazonS3ConfigKey::Client(key), value);
                Arc::new(CLIENT_TIMEOUTS.into_iter().fold(builder, set).build().map_err(failure)?)
            }
            Provider::Google => {
                let builder = GoogleCloudStorageBuilder::from_env().with_bucket_name(bucket).with_retry(retry);
                let set = |builder: GoogleCloudStorageBuilder, (key, value)| {
                    builder.with_config(GoogleConfigKey::Client(key), value)
                };
                Arc::new(CLIENT_TIMEOUTS.into_iter().fold(builder, set).build().map_err(failure)?)
            }
            Provider::Azure => {
                let builder = MicrosoftAzureBuilder::from_env().with_container_name(bucket).with_retry(retry);
                let set = |builder: MicrosoftAzureBuilder, (key, value)| {
                    builder.with_config(AzureConfigKey::Client(key), value)
                };
                Arc::new(CLIENT_TIMEOUTS.into_iter().fold(builder, set).build().map_err(failure)?)
            }
        };
        Ok(store)
    }
}

#[derive(Debug, Clone)]
pub(super) struct Objects {
    store: Arc<dyn ObjectStore>,
    prefix: String,
    clock: Arc<dyn Clock>,
}

impl Objects {
    pub(super) fn new(store: Arc<dyn ObjectStore>, prefix: &str, clock: Arc<dyn Clock>) -> Self {
        Self { store, prefix: prefix.to_owned(), clock }
    }

    fn path(&self, agency: AgencyId, digest: &str) -> Path {
        Path::from(format!("{}/{agency}/{digest}", self.prefix))
    }

    /// The object is always written, although it may exist: a request that asks for it costs as much.
    pub(super) async fn put(&self, agency: AgencyId, digest: &str, bytes: &[u8]) -> Result<(), MediaStoreError> {
        let payload = PutPayload::from_bytes(Bytes::copy_from_slice(bytes));
        let path = self.path(agency, digest);
        self.within(TIMEOUT, self.store.put(&path, payload)).await?.map_err(failure).map(drop)
    }

    pub(super) async fn open(
        &self,
        agency: AgencyId,
        digest: &str,
        range: Option<Range<u64>>,
    ) -> Result<Option<Content>, MediaStoreError> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        let path = self.path(agency, digest);
        let opened = if_present(self.within(TIMEOUT, self.store.get_opts(&path, options)).await?)?;
        Ok(opened.map(|opened| opened.into_stream().map(|piece| piece.map_err(failure)).boxed()))
    }

    pub(super) async fn size(&self, agency: AgencyId, digest: &str) -> Result<Option<u64>, MediaStoreError> {
        let path = self.path(agency, digest);
        Ok(if_present(self.within(TIMEOUT, self.store.head(&path)).await?)?.map(|meta| meta.size))
    }

    pub(super) async fn delete(&self, agency: AgencyId, digest: &str) -> Result<(), MediaStoreError> {
        let path = self.path(agency, digest);
        if_present(self.within(DELETE_TIMEOUT, self.store.delete(&path)).await?).map(drop)
    }

    async fn within<T>(&self, timeout: Duration, work: impl Future<Output = T>) -> Result<T, MediaStoreError> {
        tokio::select! {
            done = work => Ok(done),
            () = self.clock.sleep(timeout) => Err(MediaStoreError::TimedOut),
        }
    }
}

fn if_present<T>(result: object_store::Result<T>) -> Result<Option<T>, MediaStoreError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

/// The error without the URL of the request, which may contain a signature: the innermost cause has none.
fn failure(error: Error) -> MediaStoreError {
    let mut cause: &dyn StdError = &error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    let detail = cause.to_string().chars().take(MAX_DETAIL_CHARS).collect();
    match error {
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => MediaStoreError::Denied(detail),
        _ => MediaStoreError::Objects(detail),
    }
}
