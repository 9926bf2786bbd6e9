use std::{io, path::PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::{fs, io::AsyncWriteExt};

use super::message::Outgoing;
use crate::{domain::LetterId, platform::config::Config};

/// A folder that letters are delivered into on one's own machine: each as `.eml`, for any mail
/// program, and beside it as `.json`, for the mailbox page, which so needs no parser of mail.
#[derive(Clone, Debug)]
pub struct LocalMailbox {
    folder: PathBuf,
}

/// A letter as the mailbox page shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LocalLetter {
    /// The letter.
    pub id: LetterId,
    /// Whom it went to.
    pub to: String,
    /// Its subject.
    pub subject: String,
    /// Its plain text.
    pub text: String,
    /// Its HTML.
    pub html: String,
    /// When it was written.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl LocalMailbox {
    /// The mailbox in the data folder, or `None` where letters go to a mail service.
    pub fn from_config(config: &Config) -> Option<Self> {
        config.has_dev_mailbox().then(|| Self { folder: config.data_dir.join("mailbox") })
    }

    /// The newest letters, at most `most`, newest first.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub async fn newest(&self, most: usize) -> io::Result<Vec<LocalLetter>> {
        let mut ids = self.ids().await?;
        // They grow with time, so their order is that of the letters.
        ids.sort_unstable_by_key(|id| std::cmp::Reverse(id.0));
        let mut letters = Vec::new();
        for id in ids.into_iter().take(most) {
            letters.extend(self.letter(id).await?);
        }
        Ok(letters)
    }

    /// One letter, or `None` where there is no such.
    ///
    /// # Errors
    /// When its file cannot be read.
    pub async fn letter(&self, id: LetterId) -> io::Result<Option<LocalLetter>> {
        match fs::read(self.folder.join(format!("{id}.json"))).await {
            Ok(json) => Ok(Some(serde_json::from_slice(&json)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn ids(&self) -> io::Result<Vec<LetterId>> {
        let mut ids = Vec::new();
        let mut files = match fs::read_dir(&self.folder).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ids),
            files => files?,
        };
        while let Some(file) = files.next_entry().await? {
            let name = file.file_name();
            ids.extend(name.to_str().and_then(|name| name.strip_suffix(".json")?.parse::<LetterId>().ok()));
        }
        Ok(ids)
    }

    /// Delivers a letter; one that is delivered again replaces itself.
    pub(super) async fn deliver(&self, letter: &Outgoing) -> io::Result<()> {
        let shown = LocalLetter {
            id: letter.id,
            to: letter.to.to_string(),
            subject: letter.words.subject.clone(),
            text: letter.words.text.clone(),
            html: letter.words.html.clone(),
            at: letter.written_at,
        };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.folder).await?;
        self.put(&format!("{}.eml", letter.id), &letter.raw).await?;
        self.put(&format!("{}.json", letter.id), &serde_json::to_vec(&shown)?).await
    }

    /// A file under its own name is always whole. Letters hold secrets: nobody else on this machine
    /// may read them, whoever made the folder.
    async fn put(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let unfinished = self.folder.join(format!("{name}.part"));
        let mut file = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)
            .await?;
        file.write_all(bytes).await?;
        file.flush().await?;
        fs::rename(&unfinished, self.folder.join(name)).await
    }
}
