//! Helpers for outbound texts: the mutations that write them and the carrier's status callbacks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use partyline::entity::{message, outbox};
use reqwest::StatusCode;
use sea_orm::{EntityTrait as _, QueryOrder as _};
use secrecy::SecretString;
use serde_json::{Value, json};
use sha1::Sha1;

use super::TestApp;
use super::directory::{ACCOUNT, TOKEN};
use super::text::PUBLIC_URL;

const SEND: &str = include_str!("../documents/support_outbound_send.graphql");
const START: &str = include_str!("../documents/support_outbound_start.graphql");

impl TestApp {
    /// Replies to a thread, with additional input fields; returns the payload.
    pub(crate) async fn reply(&self, token: &SecretString, thread: &Value, body: &str, more: Value) -> Value {
        let mut input = json!({"threadId": thread, "body": body, "idempotencyKey": format!("key of {body}")});
        merge(&mut input, more);
        let mut answer = self.graphql(token, SEND, json!({"input": input})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"]["sendMessage"].take()
    }

    /// Starts a thread; returns the payload.
    pub(crate) async fn start_thread(&self, token: &SecretString, to: &str, more: Value) -> Value {
        let mut input = json!({"to": to, "body": "good morning", "idempotencyKey": format!("first to {to}")});
        merge(&mut input, more);
        let mut answer = self.graphql(token, START, json!({"input": input})).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"]["startThread"].take()
    }

    /// All outbound messages of all agencies, in the order of creation.
    pub(crate) async fn outbound(&self) -> Vec<message::Model> {
        let all = message::Entity::find().order_by_asc(message::Column::Id).all(self.db()).await.unwrap();
        all.into_iter().filter(|message| message.routed_by.is_none()).collect()
    }

    pub(crate) async fn outbox(&self) -> Vec<outbox::Model> {
        outbox::Entity::find().order_by_asc(outbox::Column::MessageId).all(self.db()).await.unwrap()
    }

    /// Sends a signed status callback as the carrier does.
    pub(crate) async fn receipt(&self, query: &str, fields: &[(&str, &str)]) -> StatusCode {
        self.receipt_signed_with(TOKEN, query, fields).await
    }

    pub(crate) async fn receipt_signed_with(&self, token: &str, query: &str, fields: &[(&str, &str)]) -> StatusCode {
        let mut fields: Vec<(&str, &str)> = fields.to_vec();
        if !fields.iter().any(|(name, _)| *name == "AccountSid") {
            fields.push(("AccountSid", ACCOUNT));
        }
        fields.sort_unstable();
        let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).unwrap();
        let path = format!("/api/twilio/message-status{query}");
        mac.update(format!("{PUBLIC_URL}{path}").as_bytes());
        for (name, value) in &fields {
            mac.update(name.as_bytes());
            mac.update(value.as_bytes());
        }
        let signature = STANDARD.encode(mac.finalize().into_bytes());
        let request = self.http.post(self.url(&path)).header("x-twilio-signature", signature).form(&fields);
        request.send().await.expect("the server answers").status()
    }
}

/// The query string by which Partyline's status callback URLs identify a text.
pub(crate) fn receipt_query(message: &message::Model) -> String {
    format!("?agency={}&message={}", message.agency_id, message.id)
}

fn merge(input: &mut Value, more: Value) {
    if let (Value::Object(input), Value::Object(more)) = (input, more) {
        input.extend(more);
    }
}
