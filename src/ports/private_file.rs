//! Files and folders that only the user of the server may access, whatever the umask is.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Read and write for the owner.
const FILE_MODE: u32 = 0o600;
/// Read, write and search for the owner.
const FOLDER_MODE: u32 = 0o700;
/// Permission bits of a mode, without the file's type.
const PERMISSION_BITS: u32 = 0o777;

/// Creates the file `path` with this content; returns false if it exists already.
///
/// The creation is atomic and durable: the file is written and synced under a temporary name in the same folder, then
/// linked to `path`, and the folder is synced. If several processes create the same file at once, one of them succeeds.
///
/// # Errors
/// Returns the error of the file system.
pub fn create(path: &Path, bytes: &[u8]) -> io::Result<bool> {
    let folder = folder_of(path);
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = folder.join(name);
    // A crashed process with the same id may have left a temporary file.
    remove_if_present(&part)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&part)?;
    let linked = file
        // The umask may have removed bits from the mode.
        .set_permissions(Permissions::from_mode(FILE_MODE))
        .and_then(|()| file.write_all(bytes))
        .and_then(|()| file.sync_all())
        .and_then(|()| match fs::hard_link(&part, path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        });
    remove_if_present(&part)?;
    sync_folder(&folder)?;
    linked
}

/// Creates the empty file `path` and opens it for writing.
///
/// # Errors
/// Returns the error of the file system; [`ErrorKind::AlreadyExists`] if the file exists.
pub fn create_empty(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path)
}

/// Syncs a folder to disk. A renamed file is durable only after its folder has been synced.
///
/// # Errors
/// Returns the error of the file system.
pub fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Replaces the content of the file `path` atomically. It is not synced, so the file may have its previous content
/// after a power failure.
///
/// # Errors
/// Returns the error of the file system.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.part", std::process::id()));
    let part = folder_of(path).join(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(FILE_MODE).open(&part)?;
    file.write_all(bytes)?;
    fs::rename(&part, path)
}

/// Removes all permissions of the group and others on a file or folder; returns true if there were any. A path that
/// does not exist is ignored.
///
/// # Errors
/// Returns the error of the file system, for example if the file belongs to another user.
pub fn restrict(path: &Path) -> io::Result<bool> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error),
    };
    let private = if metadata.is_dir() { FOLDER_MODE } else { FILE_MODE };
    let mode = metadata.permissions().mode() & PERMISSION_BITS;
    if mode & !private == 0 {
        return Ok(false);
    }
    fs::set_permissions(path, Permissions::from_mode(mode & private))?;
    Ok(true)
}

/// Creates a private folder, and its missing parents as private folders.
///
/// # Errors
/// Returns the error of the file system.
pub fn create_folder(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(path)
}

/// The folder of a file.
pub fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Removes a file that may not exist.
///
/// # Errors
/// Returns the error of the file system.
pub fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("partyline-private-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & PERMISSION_BITS
    }

    #[test]
    fn a_file_is_created_once_and_only_its_owner_has_access() {
        let folder = folder("create");
        let path = folder.join("secret");
        assert!(create(&path, b"one").unwrap());
        assert!(!create(&path, b"two").unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"one");
        assert_eq!(mode(&path), FILE_MODE);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no temporary file is left behind");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn permissions_of_others_are_removed() {
        let folder = folder("restrict");
        let path = folder.join("open");
        fs::write(&path, b"x").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o664)).unwrap();
        fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
        assert!(restrict(&path).unwrap() && restrict(&folder).unwrap());
        assert_eq!((mode(&path), mode(&folder)), (FILE_MODE, FOLDER_MODE));
        assert!(!restrict(&path).unwrap(), "the permissions are already removed");
        assert!(!restrict(&folder.join("missing")).unwrap());
        fs::remove_dir_all(folder).unwrap();
    }
}
