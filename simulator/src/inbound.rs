//! Texts from phones: their webhooks, and texts that only exist at the carrier.
//! Source: Twilio, "Twilio's request to your incoming message webhook URL".

use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::carrier::{Carrier, MessageRequest, UnknownNumber, message_sid};
use super::ledger::{Direction, Message, MessageStatus};
use super::media::{MAX_FILES, Media, MediaFile};
use super::opt_out::Keyword;
use super::settings::Account;
use super::webhook::{Form, WebhookError, fallback_fields};

const MEDIA_URLS: [&str; MAX_FILES] = [
    "MediaUrl0",
    "MediaUrl1",
    "MediaUrl2",
    "MediaUrl3",
    "MediaUrl4",
    "MediaUrl5",
    "MediaUrl6",
    "MediaUrl7",
    "MediaUrl8",
    "MediaUrl9",
];
const MEDIA_TYPES: [&str; MAX_FILES] = [
    "MediaContentType0",
    "MediaContentType1",
    "MediaContentType2",
    "MediaContentType3",
    "MediaContentType4",
    "MediaContentType5",
    "MediaContentType6",
    "MediaContentType7",
    "MediaContentType8",
    "MediaContentType9",
];

/// A text from a phone to a number, with up to ten media files. In JSON: `{"from": "+13035560001", "to":
/// "+13035550100", "body": "Hello", "media": [{"contentType": "image/png", "bytes": "iVBORw0KGgo="}]}`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct InboundText {
    pub from: String,
    pub to: String,
    #[serde(default)]
    pub body: String,
    #[serde(default)]
    pub media: Vec<MediaFile>,
    /// The time at which the carrier received the text; now if missing.
    #[serde(default)]
    pub at: Option<DateTime<Utc>>,
}

impl InboundText {
    /// A text without media that the carrier receives now.
    pub fn new(from: impl Into<String>, to: impl Into<String>, body: impl Into<String>) -> Self {
        Self { from: from.into(), to: to.into(), body: body.into(), media: Vec::new(), at: None }
    }

    /// Adds a media file.
    #[must_use]
    pub fn with_media(mut self, file: MediaFile) -> Self {
        self.media.push(file);
        self
    }

    /// Sets the time at which the carrier received the text.
    #[must_use]
    pub fn received_at(self, at: DateTime<Utc>) -> Self {
        Self { at: Some(at), ..self }
    }
}

/// The SIDs of a text from a phone, and the response to its webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedText {
    /// `SM`, or `MM` for a text with media, and 32 hexadecimal digits.
    pub sid: String,
    /// The SIDs of its media, in the order of the files.
    pub media: Vec<String>,
    /// The status of the last response of the webhook or its fallback; `None` without a response or a webhook.
    pub status: Option<StatusCode>,
}

/// The reason why a text was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InboundError {
    #[error(transparent)]
    UnknownNumber(#[from] UnknownNumber),
    #[error("a message has at most {MAX_FILES} media files")]
    TooManyFiles,
}

/// A text that the carrier has stored.
struct StoredText {
    message: Message,
    media: Vec<Media>,
    keyword: Option<Keyword>,
    /// False if a Messaging Service discards the text. It is not stored then.
    is_kept: bool,
}

impl StoredText {
    fn received(self, status: Option<StatusCode>) -> ReceivedText {
        let media = self.media.into_iter().map(|media| media.sid).collect();
        ReceivedText { sid: self.message.sid, media, status }
    }
}

impl Carrier {
    /// Receives a text from a phone and sends its webhook, then its fallback if the webhook fails. If both fail, the
    /// text only exists at the carrier.
    pub(super) async fn text(&self, text: InboundText) -> Result<ReceivedText, InboundError> {
        let account = self.settings.account_of(&text.to).ok_or(UnknownNumber)?;
        let stored = self.store_text(account, text)?;
        let status = self.send_text_webhook(account, &stored).await;
        Ok(stored.received(status))
    }

    /// Receives a text from a phone without any webhook.
    pub(super) fn carry_text(&self, text: InboundText) -> Result<ReceivedText, InboundError> {
        let account = self.settings.account_of(&text.to).ok_or(UnknownNumber)?;
        Ok(self.store_text(account, text)?.received(None))
    }

    /// Sends the webhook of a stored text, which may have been sent before. `None` if the text is not stored or there
    /// was no response.
    pub(super) async fn send_webhook_of(&self, sid: &str) -> Option<StatusCode> {
        let stored = {
            let state = self.state();
            let message = state.ledger.get(sid).filter(|message| message.direction == Direction::Inbound)?.clone();
            let media = state.media.of_message(sid).cloned().collect();
            let keyword = self.keyword(&message.to, &message.body);
            StoredText { message, media, keyword, is_kept: true }
        };
        let account = self.settings.account_of(&stored.message.to)?;
        self.send_text_webhook(account, &stored).await
    }

    fn keyword(&self, to: &str, body: &str) -> Option<Keyword> {
        Keyword::parse(to, body).filter(|_| self.settings.opt_out_filter)
    }

    fn store_text(&self, account: &Account, text: InboundText) -> Result<StoredText, InboundError> {
        if text.media.len() > MAX_FILES {
            return Err(InboundError::TooManyFiles);
        }
        let InboundText { from, to, body, media: files, at } = text;
        let at = at.unwrap_or_else(|| self.clock.now());
        let is_kept = self.settings.inbound_url_of(&to).is_some();
        let keyword = self.keyword(&to, &body);
        let request = MessageRequest::new(&from, &to, &body);
        let message = Message {
            sid: message_sid(files.len()),
            num_media: files.len(),
            created: at,
            updated: at,
            sent: Some(at),
            ..self.new_message(&account.sid, request, Direction::Inbound, MessageStatus::Received)
        };
        let media = files.into_iter().map(|file| Media::new(&account.sid, &message.sid, at, file)).collect();
        let stored = StoredText { message, media, keyword, is_kept };
        if !is_kept {
            return Ok(stored);
        }
        let mut state = self.state();
        state.ledger.add(stored.message.clone());
        stored.media.iter().cloned().for_each(|media| state.media.add(media));
        if let Some(keyword) = keyword {
            state.opt_outs.apply(keyword, &to, &from);
            let reply = MessageRequest::new(&to, &from, keyword.reply());
            let reply = self.new_message(&account.sid, reply, Direction::OutboundReply, MessageStatus::Delivered);
            state.ledger.add(Message { created: at, updated: at, sent: Some(at), ..reply });
        }
        Ok(stored)
    }

    async fn send_text_webhook(&self, account: &Account, stored: &StoredText) -> Option<StatusCode> {
        let address = self.settings.inbound_url_of(&stored.message.to).filter(|_| stored.is_kept)?;
        let mut form = self.webhook_form(account, stored);
        let mut result = self.webhooks.post(account, address, &form).await;
        let error_code = match &result {
            Ok(response) if response.status.is_success() => None,
            Ok(_) | Err(WebhookError::Timeout) => Some("11200"),
            Err(WebhookError::Connection) => Some("11205"),
        };
        if let Some(error_code) = error_code {
            // Every number is configured with the same URL as webhook and as fallback.
            form.extend(fallback_fields(error_code, address));
            result = self.webhooks.post(account, address, &form).await;
        }
        result.ok().map(|response| response.status)
    }

    fn webhook_form(&self, account: &Account, stored: &StoredText) -> Form {
        let StoredText { message, media, keyword, .. } = stored;
        let mut form = vec![
            ("MessageSid", message.sid.clone()),
            ("SmsSid", message.sid.clone()),
            ("SmsMessageSid", message.sid.clone()),
            ("SmsStatus", "received".to_owned()),
            ("AccountSid", account.sid.clone()),
            ("From", message.from.clone()),
            ("To", message.to.clone()),
            ("Body", message.body.clone()),
            ("NumMedia", message.num_media.to_string()),
            ("NumSegments", "1".to_owned()),
            ("ApiVersion", "2010-04-01".to_owned()),
        ];
        for ((url, content_type), media) in MEDIA_URLS.into_iter().zip(MEDIA_TYPES).zip(media) {
            form.extend([(url, self.media_url(media)), (content_type, media.file.content_type.clone())]);
        }
        form.extend(keyword.map(|keyword| ("OptOutType", keyword.as_str().to_owned())));
        form
    }
}
