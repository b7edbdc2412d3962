//! The file of a backup: writes and reads the tar archive, and computes the checksum of each member.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek as _, Write as _};

use sha2::{Digest as _, Sha256};
use tar::{Archive, Builder, EntryType, Header};

use crate::domain::backup::{Checksums, InvalidBackup, Member};
use crate::domain::hexadecimal::hexadecimal;

const BUFFER_BYTES: usize = 1 << 20;
const MEMBER_MODE: u32 = 0o600;

/// Writes the members of a backup.
pub struct BackupWriter {
    archive: Builder<BufWriter<File>>,
    checksums: Checksums,
    /// The time of the backup, in seconds since 1970.
    time: u64,
}

impl BackupWriter {
    /// Writes to an empty file.
    pub fn new(file: File, time: u64) -> Self {
        let archive = Builder::new(BufWriter::with_capacity(BUFFER_BYTES, file));
        Self { archive, checksums: Checksums::default(), time }
    }

    /// Adds a member of exactly `size` bytes. Returns its SHA-256 in hexadecimal.
    ///
    /// # Errors
    /// Returns an error if the content has another size, or if it cannot be read or written.
    pub fn add(&mut self, member: &Member, size: u64, content: impl Read) -> io::Result<String> {
        let mut content = Hashed::new(content);
        let mut header = Header::new_ustar();
        header.set_path(member.to_string())?;
        header.set_entry_type(EntryType::Regular);
        header.set_size(size);
        header.set_mode(MEMBER_MODE);
        header.set_mtime(self.time);
        header.set_cksum();
        self.archive.append(&header, &mut content)?;
        if content.bytes != size {
            return Err(io::Error::other("the file changed while it was read"));
        }
        let digest = content.digest();
        self.checksums.add(member, &digest);
        Ok(digest)
    }

    /// Adds the checksums, and syncs the file to disk.
    ///
    /// # Errors
    /// Returns an error if the file cannot be written.
    pub fn finish(mut self) -> io::Result<File> {
        let checksums = std::mem::take(&mut self.checksums);
        let text = checksums.as_text().as_bytes();
        self.add(&Member::Checksums, text.len() as u64, text)?;
        let mut writer = self.archive.into_inner()?;
        writer.flush()?;
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        Ok(file)
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error(transparent)]
    Invalid(#[from] InvalidBackup),
    #[error(transparent)]
    File(#[from] io::Error),
}

/// Calls `visit` for each member of an archive, with its size and content. Members with unknown names, links, and
/// members that exceed the file are errors.
///
/// # Errors
/// Returns the errors of `visit`, and those of the file.
pub fn read_members(
    file: &mut File,
    mut visit: impl FnMut(&Member, u64, &mut dyn Read) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    file.rewind()?;
    let length = file.metadata()?.len();
    let mut archive = Archive::new(BufReader::with_capacity(BUFFER_BYTES, file));
    // Raw, because extensions could replace the name and the size of a member, and are read into memory.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let member: Member = name.parse()?;
        if entry.header().entry_type() != EntryType::Regular {
            return Err(InvalidBackup::Unexpected(name).into());
        }
        let size = entry.size();
        if size > length.saturating_sub(entry.raw_file_position()) {
            return Err(InvalidBackup::Incomplete.into());
        }
        visit(&member, size, &mut entry)?;
    }
    Ok(())
}

/// An error of the operating system, or an archive that cannot be parsed.
fn unreadable(error: io::Error) -> ReadError {
    if error.raw_os_error().is_some() { error.into() } else { InvalidBackup::Unreadable.into() }
}

/// Computes the SHA-256 of everything that is read through it.
pub struct Hashed<R> {
    content: R,
    hash: Sha256,
    bytes: u64,
}

impl<R: Read> Hashed<R> {
    pub fn new(content: R) -> Self {
        Self { content, hash: Sha256::new(), bytes: 0 }
    }

    /// Reads the rest. Returns the SHA-256 of the whole content in hexadecimal.
    ///
    /// # Errors
    /// Returns the errors of the content.
    pub fn read_to_digest(mut self) -> io::Result<String> {
        io::copy(&mut self, &mut io::sink())?;
        Ok(self.digest())
    }

    /// The SHA-256 of what has been read, in hexadecimal.
    pub fn digest(self) -> String {
        hexadecimal(&self.hash.finalize())
    }
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.hash.update(&buffer[..count]);
        self.bytes += count as u64;
        Ok(count)
    }
}
