//! The files of a backup and of a restore: names, permissions, secrets, and what is replaced.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use partyline::domain::{AgencyId, UploadId};
use partyline::entity::{upload, user};
use partyline::ports::media_store::MediaStore;
use partyline::ports::{Clock as _, SystemClock};
use sea_orm::{ActiveValue::Set, EntityTrait as _};
use tempfile::TempDir;
use uuid::Uuid;

use super::{Settings, command, contents, media_file, media_folder, named, open, site};
use crate::support::directory::AGENCIES;
use crate::support::process::Server;

const ONE_AGENCY: &str =
    "agencies: [{key: solo, name: Solo, timeZone: UTC, users: [{key: a, name: Ana, role: ADMIN}]}]";

fn none() -> Settings {
    Vec::new()
}

/// The names of the members of a backup.
fn members(backup: &Path) -> Vec<String> {
    let mut archive = tar::Archive::new(std::fs::File::open(backup).unwrap());
    let names = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string());
    names.collect()
}

/// The number of agencies in a database at any path.
async fn agencies(file: &Path) -> usize {
    let db = sea_orm::Database::connect(format!("sqlite://{}?mode=rw", file.display())).await.unwrap();
    let count = partyline::entity::agency::Entity::find().all(&db).await.unwrap().len();
    db.close().await.unwrap();
    count
}

#[tokio::test]
#[ignore = "SQLite only: backs up a file"]
async fn a_backup_is_private_has_no_secrets_unless_asked_for_and_is_never_overwritten_on_sqlite() {
    let folder = site(AGENCIES);
    // Unfinished files of earlier backups to other names.
    for name in ["yesterday.tar.backup.part", "yesterday.tar.backup.part-db"] {
        std::fs::write(folder.path().join(name), "unfinished").unwrap();
    }
    let written = command(folder.path(), &none(), &["backup", "b.tar"]).await.unwrap();
    assert!(written.contains("Secrets: not included") && written.contains("p.db.secret-key"), "{written}");
    let backup = folder.path().join("b.tar");
    assert_eq!(backup.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(members(&backup), ["partyline.db", "manifest.json", "SHA256SUMS"]);
    assert!(named(folder.path(), ".part").is_empty());

    let first = std::fs::read(&backup).unwrap();
    let refused = command(folder.path(), &none(), &["backup", "--with-secrets", "b.tar"]).await.unwrap_err();
    assert!(refused.contains("b.tar exists"), "{refused}");
    assert_eq!(std::fs::read(&backup).unwrap(), first);
    let written = command(folder.path(), &none(), &["backup", "--with-secrets", "--force", "b.tar"]).await.unwrap();
    assert!(written.contains("can decrypt its Twilio tokens"), "{written}");
    assert_eq!(members(&backup), ["partyline.db", "secret-key", "jwt-secret", "manifest.json", "SHA256SUMS"]);

    let own_key = vec![("PARTYLINE_SECRET_KEY", "k".repeat(32)), ("PARTYLINE_JWT_SECRET", "j".repeat(32))];
    let other = TempDir::new().unwrap();
    command(other.path(), &own_key, &["migrate", "up"]).await.unwrap();
    let written = command(other.path(), &own_key, &["backup", "b.tar"]).await.unwrap();
    assert!(written.contains("Keep PARTYLINE_SECRET_KEY"), "{written}");
}

#[tokio::test]
#[ignore = "SQLite only: backs up a file"]
async fn sha256sum_verifies_an_unpacked_backup_on_sqlite() {
    let folder = site(AGENCIES);
    command(folder.path(), &none(), &["backup", "b.tar"]).await.unwrap();
    let unpacked = TempDir::new().unwrap();
    let run = |program: &str, arguments: &[&str]| {
        let mut command = std::process::Command::new(program);
        command.args(arguments).current_dir(unpacked.path()).output().unwrap().status.success()
    };
    let backup = folder.path().join("b.tar");
    assert!(run("tar", &["--extract", "--file", backup.to_str().unwrap()]));
    assert!(run("sha256sum", &["--check", "--strict", "SHA256SUMS"]));
}

/// Adds uploads without writing their files; returns the agency.
async fn add_uploads(folder: &Path, digests: &[String]) -> AgencyId {
    let db = open(folder).await;
    let user = user::Entity::find().one(&db).await.unwrap().unwrap();
    let rows = digests.iter().enumerate().map(|(n, digest)| upload::ActiveModel {
        agency_id: Set(user.agency_id),
        id: Set(UploadId(Uuid::from_u128(n as u128))),
        user_id: Set(user.id),
        digest: Set(digest.clone()),
        content_type: Set("text/plain".to_owned()),
        byte_size: Set(1),
        file_name: Set(None),
        created_at: Set(SystemClock::new().now()),
    });
    upload::Entity::insert_many(rows).exec_without_returning(&db).await.unwrap();
    db.close().await.unwrap();
    user.agency_id
}

#[tokio::test]
#[ignore = "SQLite only: backs up a file"]
async fn media_files_that_are_missing_or_damaged_are_counted_and_left_out_on_sqlite() {
    let folder = site(AGENCIES);
    let digests = ["a", "b", "c"].map(|digit| digit.repeat(64));
    let agency = add_uploads(folder.path(), &digests).await;
    let store = MediaStore::in_folder(media_folder(folder.path()));
    // One file is intact, one is damaged, and two do not exist.
    let intact = store.put(agency, b"intact", Uuid::nil()).await.unwrap();
    std::fs::write(media_file(folder.path(), agency, &digests[0]), "damaged").unwrap();
    let db = open(folder.path()).await;
    let row = upload::Entity::find().one(&db).await.unwrap().unwrap();
    let more = upload::ActiveModel { id: Set(UploadId(Uuid::from_u128(9))), digest: Set(intact.clone()), ..row.into() };
    upload::Entity::insert(more).exec_without_returning(&db).await.unwrap();
    db.close().await.unwrap();

    let written = command(folder.path(), &none(), &["backup", "b.tar"]).await.unwrap();
    assert!(written.contains("Files: 1\n") && written.contains("no longer contains: 2\n"), "{written}");
    assert!(written.contains("therefore not in the backup: 1\n"), "{written}");
    let media = format!("media/{agency}/{intact}");
    assert_eq!(members(&folder.path().join("b.tar")), ["partyline.db", &media, "manifest.json", "SHA256SUMS"]);

    // A damaged file at the place of a file of the backup is replaced.
    let path = media_file(folder.path(), agency, &intact);
    std::fs::write(&path, "changed").unwrap();
    command(folder.path(), &none(), &["restore", "--force", "b.tar"]).await.unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"intact");
}

#[tokio::test]
#[ignore = "SQLite only: restores a file"]
async fn a_restore_replaces_data_only_with_force_and_keeps_it_on_sqlite() {
    let (old, new) = (site(AGENCIES), site(ONE_AGENCY));
    let backup = old.path().join("b.tar");
    let backup = backup.to_str().unwrap();
    command(old.path(), &none(), &["backup", "--with-secrets", backup]).await.unwrap();
    // The last connection that closes leaves no write-ahead log behind.
    open(new.path()).await.close().await.unwrap();
    let before = contents(new.path());
    let refused = command(new.path(), &none(), &["restore", backup]).await.unwrap_err();
    assert!(refused.contains("is not empty") && refused.contains("--force"), "{refused}");
    assert_eq!(contents(new.path()), before);

    let restored = command(new.path(), &none(), &["restore", "--force", backup]).await.unwrap();
    assert_eq!(agencies(&new.path().join("p.db")).await, 3);
    let kept = named(new.path(), "p.db.replaced-");
    let [kept] = kept.as_slice() else { panic!("one database is kept: {kept:?}") };
    assert!(restored.contains(kept.to_str().unwrap()), "{restored}");
    assert_eq!(agencies(kept).await, 1);
    for name in ["p.db.secret-key", "p.db.jwt-secret"] {
        let secret = |folder: &Path, name: &str| std::fs::read(folder.join(name)).unwrap();
        assert_eq!(secret(new.path(), name), secret(old.path(), name));
        let kept = named(new.path(), &format!("{name}.replaced-"));
        assert_eq!(kept.len(), 1, "{kept:?}");
        assert_eq!(std::fs::read(&kept[0]).unwrap(), before[&new.path().join(name)]);
    }
    assert_eq!(new.path().join("p.db").metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "SQLite only: locks the file"]
async fn a_restore_refuses_a_database_that_is_being_served_on_sqlite() {
    let folder = site(AGENCIES);
    command(folder.path(), &none(), &["backup", "b.tar"]).await.unwrap();
    let server = Server::start(folder.path()).await;
    let refused = command(folder.path(), &none(), &["restore", "--force", "b.tar"]).await.unwrap_err();
    assert!(refused.contains("another partyline is serving this database"), "{refused}");
    server.terminate();
    assert_eq!(server.wait_for_exit().await.0, Some(0));
    assert!(named(folder.path(), "replaced").is_empty());
}

#[tokio::test]
#[ignore = "SQLite only: restores a file"]
async fn a_restore_without_the_secret_key_says_what_to_do_on_sqlite() {
    let (old, new) = (site(AGENCIES), TempDir::new().unwrap());
    let backup = old.path().join("b.tar");
    command(old.path(), &none(), &["backup", backup.to_str().unwrap()]).await.unwrap();
    let error = command(new.path(), &none(), &["restore", backup.to_str().unwrap()]).await.unwrap_err();
    assert!(error.contains("the backup is in place") && error.contains("partyline restored"), "{error}");
    assert!(error.contains("the secret key is missing"), "{error}");
    std::fs::copy(old.path().join("p.db.secret-key"), new.path().join("p.db.secret-key")).unwrap();
    // No --force: the restore of the same backup is continued.
    command(new.path(), &none(), &["restore", backup.to_str().unwrap()]).await.unwrap();
    assert_eq!(agencies(&new.path().join("p.db")).await, 3);
    assert!(named(new.path(), "replaced").is_empty());
}

#[tokio::test]
#[ignore = "SQLite only: backs up a file"]
async fn with_object_storage_a_backup_contains_the_database_and_says_that_the_files_are_elsewhere_on_sqlite() {
    let folder = site(AGENCIES);
    add_uploads(folder.path(), &["a".repeat(64)]).await;
    let settings = vec![("PARTYLINE_MEDIA_STORE", "s3://bucket".to_owned())];
    let written = command(folder.path(), &settings, &["backup", "b.tar"]).await.unwrap();
    assert!(written.contains("Files: none. They are in object storage"), "{written}");
    assert_eq!(members(&folder.path().join("b.tar")), ["partyline.db", "manifest.json", "SHA256SUMS"]);
}

#[tokio::test]
async fn on_a_database_server_the_commands_name_its_own_programs() {
    let folder = TempDir::new().unwrap();
    for (url, program) in [("postgres://127.0.0.1:9/p", "pg_dump"), ("mysql://127.0.0.1:9/p", "mariadb-dump")] {
        let settings = vec![("DATABASE_URL", url.to_owned())];
        for arguments in [["backup", "b.tar"], ["restore", "b.tar"]] {
            let error = command(folder.path(), &settings, &arguments).await.unwrap_err();
            assert!(error.contains(program) && error.contains("docs/operations.md"), "{error}");
        }
    }
    let error = command(folder.path(), &none(), &["backup", "b.tar"]).await.unwrap_err();
    assert!(error.contains("is not a database of Partyline's"), "{error}");
    assert!(contents(folder.path()).is_empty());
}
