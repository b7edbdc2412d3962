//! The messages of all accounts, up to a fixed number of the newest ones.

use std::collections::{HashMap, HashSet, VecDeque};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Bounds the memory of a long-running simulator. When the ledger is full, the oldest message is removed.
pub(super) const CAPACITY: usize = 100_000;

/// The status of a message. Source: Twilio, "Messages resource: message status values".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MessageStatus {
    /// The API accepted the message.
    Queued,
    /// The message was sent to the phone.
    Sent,
    /// The phone received the message.
    Delivered,
    /// The message was sent, and the phone did not receive it.
    Undelivered,
    /// The message could not be sent.
    Failed,
    /// The message is inbound: a phone sent it.
    Received,
}

impl MessageStatus {
    /// Twilio's name of the status, such as `delivered`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Undelivered => "undelivered",
            Self::Failed => "failed",
            Self::Received => "received",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    Inbound,
    OutboundApi,
    /// The confirmation of STOP, START or HELP.
    OutboundReply,
}

impl Direction {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundReply => "outbound-reply",
        }
    }
}

#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) sid: String,
    pub(super) account: String,
    pub(super) from: String,
    pub(super) to: String,
    pub(super) body: String,
    pub(super) num_media: usize,
    /// The `MediaUrl` parameters of the request.
    pub(super) media_urls: Vec<String>,
    pub(super) direction: Direction,
    pub(super) status: MessageStatus,
    pub(super) status_callback: Option<String>,
    pub(super) validity_seconds: Option<u32>,
    pub(super) error_code: Option<u32>,
    pub(super) created: DateTime<Utc>,
    pub(super) updated: DateTime<Utc>,
    pub(super) sent: Option<DateTime<Utc>>,
}

/// A message that the API accepted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SentText {
    /// `SM` and 32 hexadecimal digits.
    pub sid: String,
    /// The SID of the account.
    pub account: String,
    pub from: String,
    pub to: String,
    pub body: String,
    pub status: MessageStatus,
    /// Twilio's error code if the message was not delivered.
    pub error_code: Option<u32>,
    pub status_callback: Option<String>,
    /// The `ValidityPeriod` of the request, in seconds.
    pub validity_seconds: Option<u32>,
    /// The `MediaUrl` parameters of the request.
    #[serde(default)]
    pub media_urls: Vec<String>,
    /// The time of acceptance.
    pub at: DateTime<Utc>,
}

/// The direction of a text from the phone's point of view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum PhoneDirection {
    /// The phone received it.
    In,
    /// The phone sent it.
    Out,
}

/// A text as a phone shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhoneText {
    pub direction: PhoneDirection,
    /// The other party.
    pub number: String,
    pub body: String,
    /// The number of media files.
    #[serde(default)]
    pub num_media: usize,
    /// The time of sending.
    pub at: DateTime<Utc>,
    /// `delivered` for a text to the phone, `received` for a text from it.
    pub status: MessageStatus,
}

#[derive(Debug)]
pub(super) struct Ledger {
    messages: VecDeque<Message>,
    /// The number of messages that were removed from the front.
    evicted: usize,
    /// The position of each message by its SID, counted from the first message ever added.
    positions: HashMap<String, usize>,
    /// The SIDs of messages that the API has deleted. Their phones and the ledger still show them.
    deleted: HashSet<String>,
    capacity: usize,
}

impl Ledger {
    pub(super) fn new(capacity: usize) -> Self {
        Self { messages: VecDeque::new(), evicted: 0, positions: HashMap::new(), deleted: HashSet::new(), capacity }
    }

    pub(super) fn add(&mut self, message: Message) {
        if self.messages.len() == self.capacity
            && let Some(oldest) = self.messages.pop_front()
        {
            self.positions.remove(&oldest.sid);
            self.deleted.remove(&oldest.sid);
            self.evicted += 1;
        }
        self.positions.insert(message.sid.clone(), self.evicted + self.messages.len());
        self.messages.push_back(message);
    }

    /// A message that has not been deleted.
    pub(super) fn get(&self, sid: &str) -> Option<&Message> {
        if self.deleted.contains(sid) {
            return None;
        }
        self.messages.get(self.positions.get(sid)?.checked_sub(self.evicted)?)
    }

    /// Updates a message and returns a copy of it; `None` if it was removed.
    pub(super) fn update(&mut self, sid: &str, change: StatusChange, now: DateTime<Utc>) -> Option<Message> {
        let position = self.positions.get(sid)?.checked_sub(self.evicted)?;
        let message = self.messages.get_mut(position)?;
        message.status = change.status;
        message.error_code = change.error_code;
        message.updated = now;
        if change.status == MessageStatus::Sent {
            message.sent = Some(now);
        }
        Some(message.clone())
    }

    pub(super) fn delete(&mut self, sid: &str) {
        if self.positions.contains_key(sid) {
            self.deleted.insert(sid.to_owned());
        }
    }

    /// The messages that have not been deleted, in the order in which they were added.
    pub(super) fn listed(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.all().filter(|message| !self.deleted.contains(&message.sid))
    }

    /// All messages, in the order in which they were added.
    fn all(&self) -> impl DoubleEndedIterator<Item = &Message> {
        self.messages.iter()
    }

    pub(super) fn accepted(&self) -> Vec<SentText> {
        let from_api = self.all().filter(|message| message.direction == Direction::OutboundApi);
        from_api.map(SentText::from).collect()
    }

    pub(super) fn phone(&self, phone: &str) -> Vec<PhoneText> {
        self.all().filter_map(|message| PhoneText::of(phone, message)).collect()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct StatusChange {
    pub(super) status: MessageStatus,
    pub(super) error_code: Option<u32>,
}

impl From<&Message> for SentText {
    fn from(message: &Message) -> Self {
        Self {
            sid: message.sid.clone(),
            account: message.account.clone(),
            from: message.from.clone(),
            to: message.to.clone(),
            body: message.body.clone(),
            status: message.status,
            error_code: message.error_code,
            status_callback: message.status_callback.clone(),
            validity_seconds: message.validity_seconds,
            media_urls: message.media_urls.clone(),
            at: message.created,
        }
    }
}

impl PhoneText {
    /// The message as this phone shows it; `None` if it is not a message of the phone or has not reached it.
    fn of(phone: &str, message: &Message) -> Option<Self> {
        let (direction, number) = match message.direction {
            Direction::Inbound if message.from == phone => (PhoneDirection::Out, &message.to),
            Direction::Inbound => return None,
            _ if message.to == phone && message.status == MessageStatus::Delivered => {
                (PhoneDirection::In, &message.from)
            }
            _ => return None,
        };
        let (body, at) = (message.body.clone(), message.sent.unwrap_or(message.created));
        let (number, num_media) = (number.clone(), message.num_media);
        Some(Self { direction, number, body, num_media, at, status: message.status })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(sid: &str) -> Message {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        Message {
            sid: sid.to_owned(),
            account: "AC1".to_owned(),
            from: "+13035550100".to_owned(),
            to: "+13035560001".to_owned(),
            body: "hello".to_owned(),
            num_media: 0,
            media_urls: Vec::new(),
            direction: Direction::OutboundApi,
            status: MessageStatus::Queued,
            status_callback: None,
            validity_seconds: None,
            error_code: None,
            created: now,
            updated: now,
            sent: None,
        }
    }

    #[test]
    fn the_oldest_messages_are_removed_and_the_others_are_found() {
        let mut ledger = Ledger::new(2);
        for sid in ["a", "b", "c"] {
            ledger.add(message(sid));
        }
        assert!(ledger.get("a").is_none());
        let change = StatusChange { status: MessageStatus::Delivered, error_code: None };
        let now = DateTime::from_timestamp(1_800_000_001, 0).unwrap();
        assert!(ledger.update("a", change, now).is_none());
        assert_eq!(ledger.update("c", change, now).unwrap().status, MessageStatus::Delivered);
        assert_eq!(ledger.get("b").unwrap().status, MessageStatus::Queued);
        assert_eq!(ledger.accepted().len(), 2);
    }

    #[test]
    fn a_deleted_message_is_not_listed_and_still_shown_by_the_phone() {
        let mut ledger = Ledger::new(2);
        ledger.add(Message { status: MessageStatus::Delivered, ..message("a") });
        ledger.add(message("b"));
        ledger.delete("a");
        ledger.delete("unknown");
        assert!(ledger.get("a").is_none() && ledger.get("b").is_some());
        assert_eq!((ledger.listed().count(), ledger.accepted().len(), ledger.phone("+13035560001").len()), (1, 2, 1));
    }

    #[test]
    fn a_phone_shows_only_delivered_texts() {
        let mut ledger = Ledger::new(2);
        ledger.add(message("a"));
        assert!(ledger.phone("+13035560001").is_empty());
        let now = DateTime::from_timestamp(1_800_000_001, 0).unwrap();
        ledger.update("a", StatusChange { status: MessageStatus::Delivered, error_code: None }, now);
        assert_eq!(ledger.phone("+13035560001").len(), 1);
        assert!(ledger.phone("+13035550100").is_empty());
    }
}
