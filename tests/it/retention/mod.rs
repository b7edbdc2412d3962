//! Old data is deleted by the periods of its agency, completely and in small batches.

use std::convert::Infallible;
use std::path::{Path, PathBuf};

use partyline::domain::{AgencyId, MediaId, MediaState, VoicemailId};
use partyline::entity::{media, voicemail};
use partyline::service::retention::{Purged, PurgedKind, apply_retention};
use partyline::store::writer::{Tx, Unit, UnitError};
use sea_orm::{ActiveValue::Set, ColumnTrait as _, EntityTrait as _, QueryFilter as _};

use crate::support::TestApp;

mod carrier;
mod files;
mod kill;
mod log;
mod messages;
mod other_rows;
mod settings;

/// Sets the retention of acme.
async fn set(app: &TestApp, retention: &str) {
    app.apply(&format!("agencies: [{{key: acme, retention: {retention}}}]")).await;
}

/// Runs retention once.
async fn purge(app: &TestApp) -> Purged {
    let mut purged = Purged::default();
    apply_retention(app.services(), &mut purged).await.unwrap();
    purged
}

/// Asserts that a run deletes nothing.
async fn assert_nothing_left(app: &TestApp) {
    let purged: Vec<(PurgedKind, u64)> = purge(app).await.counts().collect();
    assert_eq!(purged, []);
}

/// Stores a file as the file of an attachment or as a recording, as if it had been fetched.
struct StoreFile {
    agency: AgencyId,
    row: FileRow,
    state: MediaState,
    digest: String,
}

#[derive(Clone, Copy)]
enum FileRow {
    Media(MediaId),
    Voicemail(VoicemailId),
}

impl Unit for StoreFile {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let (state, digest) = (Set(self.state), Set(Some(self.digest.clone())));
        match self.row {
            FileRow::Media(id) => {
                let row = media::ActiveModel { state, digest, due_at: Set(None), ..Default::default() };
                let update = media::Entity::update_many().set(row).filter(media::Column::AgencyId.eq(self.agency));
                update.filter(media::Column::Id.eq(id)).exec(tx.conn).await?;
            }
            FileRow::Voicemail(id) => {
                let transcript = Set(Some("call me back".to_owned()));
                let content_type = Set(Some("audio/mpeg".to_owned()));
                let row = voicemail::ActiveModel { state, digest, transcript, content_type, ..Default::default() };
                let update =
                    voicemail::Entity::update_many().set(row).filter(voicemail::Column::AgencyId.eq(self.agency));
                update.filter(voicemail::Column::Id.eq(id)).exec(tx.conn).await?;
            }
        }
        Ok(())
    }
}

/// Stores a file of a row. Returns its digest.
async fn store_file(app: &TestApp, agency: AgencyId, row: FileRow, state: MediaState, bytes: &[u8]) -> String {
    let scratch = partyline::ports::IdGen::uuid(&*app.ids, app.services().clock.now());
    let digest = app.services().media.put(agency, bytes, scratch).await.unwrap();
    let unit = StoreFile { agency, row, state, digest: digest.clone() };
    app.services().writer.run(agency, unit).await.unwrap();
    digest
}

/// The path of a file in the media folder.
fn file_path(app: &TestApp, agency: AgencyId, digest: &str) -> PathBuf {
    Path::new(&app.database.media()).join(agency.to_string()).join(digest)
}

fn file_exists(app: &TestApp, agency: AgencyId, digest: &str) -> bool {
    file_path(app, agency, digest).exists()
}
