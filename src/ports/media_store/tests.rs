use std::path::Path;
use std::process::Command;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use object_store::memory::InMemory;
use object_store::throttle::{ThrottleConfig, ThrottledStore};

use super::*;
use crate::ports::SystemClock;

const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

fn agency(number: u128) -> AgencyId {
    AgencyId(Uuid::from_u128(number))
}

async fn read(store: &MediaStore, agency: AgencyId, digest: &str, range: Option<Range<u64>>) -> Option<Vec<u8>> {
    let content = store.open(agency, digest, range).await.unwrap()?;
    let pieces: Vec<Bytes> = content.try_collect().await.unwrap();
    Some(pieces.concat())
}

/// The same behavior in a folder and in object storage.
async fn assert_stores(store: &MediaStore) {
    let (one, other) = (agency(1), agency(2));
    for scratch in [7, 8] {
        assert_eq!(store.put(one, b"hello", Uuid::from_u128(scratch)).await.unwrap(), HELLO);
    }
    assert_eq!(read(store, one, HELLO, None).await.unwrap(), b"hello");
    assert_eq!(read(store, one, HELLO, Some(1..4)).await.unwrap(), b"ell");
    assert_eq!(store.size(one, HELLO).await.unwrap(), Some(5));
    let large: Vec<u8> = (0..200_000_u32).map(|at| at.to_le_bytes()[0]).collect();
    let digest = store.put(one, &large, Uuid::from_u128(9)).await.unwrap();
    assert_eq!(read(store, one, &digest, None).await.unwrap(), large);
    assert_eq!(read(store, one, &digest, Some(65_000..199_999)).await.unwrap(), large[65_000..199_999]);

    assert_eq!((store.size(other, HELLO).await.unwrap(), read(store, other, HELLO, None).await), (None, None));
    for _ in 0..2 {
        store.delete(other, HELLO).await.unwrap();
        assert_eq!(store.size(one, HELLO).await.unwrap(), Some(5), "files of another agency are not affected");
    }
    for _ in 0..2 {
        store.delete(one, HELLO).await.unwrap();
        assert_eq!((store.size(one, HELLO).await.unwrap(), read(store, one, HELLO, None).await), (None, None));
    }
}

#[tokio::test]
async fn files_are_stored_in_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    assert_stores(&MediaStore::in_folder(folder.path().join("media"))).await;
}

#[tokio::test]
async fn files_are_stored_in_object_storage() {
    let objects = Arc::new(InMemory::new());
    for prefix in ["", "partyline/media"] {
        assert_stores(&MediaStore::in_object_storage(objects.clone(), prefix, Arc::new(SystemClock::new()))).await;
    }
    let names: Vec<_> = objects.list(None).map_ok(|object| object.location.to_string()).try_collect().await.unwrap();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(names.iter().any(|name| name.starts_with("partyline/media/agy_")), "{names:?}");
}

#[tokio::test]
async fn equal_contents_are_one_private_file() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("media");
    let store = MediaStore::in_folder(root.clone());
    for scratch in [7, 8] {
        store.put(agency(1), b"hello", Uuid::from_u128(scratch)).await.unwrap();
    }
    let own = root.join(agency(1).to_string());
    assert_eq!(std::fs::read_dir(&own).unwrap().count(), 1);
    let mode = |path: &Path| std::os::unix::fs::MetadataExt::mode(&path.metadata().unwrap()) & 0o777;
    assert_eq!((mode(&root), mode(&own), mode(&own.join(HELLO))), (0o700, 0o700, 0o600));
}

#[tokio::test]
async fn only_temporary_files_of_stopped_writers_are_removed() {
    let folder = tempfile::tempdir().unwrap();
    let store = MediaStore::in_folder(folder.path().to_owned());
    store.remove_abandoned(SystemClock::new().now()).await.unwrap();
    store.put(agency(1), b"hello", Uuid::from_u128(7)).await.unwrap();
    let incoming = folder.path().join("incoming");
    for (name, seconds) in [("old.part", 1_000), ("new.part", 9_000)] {
        let file = std::fs::File::create(incoming.join(name)).unwrap();
        file.set_modified(std::time::UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
    }
    store.remove_abandoned(DateTime::from_timestamp(5_000, 0).unwrap()).await.unwrap();
    let left: Vec<_> = std::fs::read_dir(incoming).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["new.part"]);
    assert_eq!(store.size(agency(1), HELLO).await.unwrap(), Some(5));
}

/// The environment variable with which [`a_killed_writer_leaves_no_incomplete_file`] runs its own binary as a writer.
const WRITER_FOLDER: &str = "PARTYLINE_TEST_MEDIA_WRITER";

fn content(number: usize) -> Vec<u8> {
    vec![u8::try_from(number % 251).unwrap(); 300_000 + number]
}

/// Not a test of its own: the process that [`a_killed_writer_leaves_no_incomplete_file`] kills.
#[tokio::test]
async fn write_until_killed() {
    let Some(folder) = std::env::var_os(WRITER_FOLDER) else { return };
    let store = MediaStore::in_folder(folder.into());
    for number in 0.. {
        store.put(agency(1), &content(number), Uuid::new_v4()).await.unwrap();
    }
}

#[tokio::test]
async fn a_killed_writer_leaves_no_incomplete_file() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join(agency(1).to_string());
    let count = || std::fs::read_dir(&own).map_or(0, Iterator::count);
    for round in 1..=20 {
        let mut writer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ports::media_store::tests::write_until_killed"])
            .env(WRITER_FOLDER, folder.path())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        while count() < round {
            assert!(writer.try_wait().unwrap().is_none(), "the writer runs until it is killed");
            tokio::task::yield_now().await;
        }
        writer.kill().unwrap();
        writer.wait().unwrap();
    }
    for entry in std::fs::read_dir(&own).unwrap() {
        let path = entry.unwrap().path();
        let digest = hexadecimal(&Sha256::digest(std::fs::read(&path).unwrap()));
        assert_eq!(path.file_name().unwrap().to_str(), Some(digest.as_str()));
    }
}

/// A clock on which every timeout has passed.
#[derive(Debug)]
struct LateClock;

impl Clock for LateClock {
    fn now(&self) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::ZERO
    }

    fn sleep(&self, _: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(std::future::ready(()))
    }

    fn pause(&self, duration: Duration) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        self.sleep(duration)
    }
}

#[tokio::test]
async fn object_storage_that_does_not_respond_is_an_error() {
    let hour = Duration::from_secs(3600);
    let slow = ThrottleConfig {
        wait_put_per_call: hour,
        wait_get_per_call: hour,
        wait_delete_per_call: hour,
        ..ThrottleConfig::default()
    };
    let objects = Arc::new(ThrottledStore::new(InMemory::new(), slow));
    let store = MediaStore::in_object_storage(objects, "", Arc::new(LateClock));
    let errors = [
        store.put(agency(1), b"hello", Uuid::nil()).await.map(drop),
        store.open(agency(1), HELLO, None).await.map(drop),
        store.size(agency(1), HELLO).await.map(drop),
        store.delete(agency(1), HELLO).await,
    ];
    assert!(errors.iter().all(|result| matches!(result, Err(MediaStoreError::TimedOut))), "{errors:?}");
}

#[test]
fn locations_name_a_provider_a_bucket_and_a_prefix() {
    for (text, prefix) in [
        ("s3://files", ""),
        ("s3://files/", ""),
        ("gs://files/partyline", "partyline"),
        ("az://files/partyline/media/", "partyline/media"),
    ] {
        assert_eq!(ObjectLocation::parse(text).map(|location| location.prefix().to_owned()), Ok(prefix.to_owned()));
    }
    for text in ["", "files", "/var/files", "s3://", "s3:///x", "https://files", "s3://key@files", "s3://files/a//b"] {
        assert_eq!(ObjectLocation::parse(text), Err(ObjectLocationError), "{text}");
    }
}
