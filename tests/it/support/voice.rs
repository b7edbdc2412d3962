//! Helpers for calls: verified phones, Twilio's signed requests, TwiML, and rows of calls.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use partyline::domain::AgencyId;
use partyline::entity::{call, call_leg, notification, voicemail};
use partyline::store::calls;
use reqwest::{Client, Response, StatusCode};
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _, QueryOrder as _};
use serde_json::Value;
use sha1::Sha1;

use super::TestApp;
use super::directory::{ACCOUNT, DESK, TOKEN};
use super::text::PUBLIC_URL;

pub(crate) const INBOUND: &str = "/api/twilio/voice/inbound";
pub(crate) const STATUS: &str = "/api/twilio/voice/status";
/// Carla, the caller.
pub(crate) const CARLA: &str = "+13035560001";
pub(crate) const BEN: &str = "+13035550112";
pub(crate) const CHLOE: &str = "+13035550113";
pub(crate) const DEV: &str = "+13035550114";

/// Applied on top of the agencies of every test: verified phones for all of acme's staff.
pub(crate) const PHONES: &str = r#"
agencies:
  - key: acme
    users:
      - {key: ana, phone: "+13035550111", phoneVerified: true}
      - {key: ben, phone: "+13035550112", phoneVerified: true}
      - {key: chloe, phone: "+13035550113", phoneVerified: true}
      - {key: dev, phone: "+13035550114", phoneVerified: true}
"#;

/// A request about Carla's call to acme's front desk; `more` replaces or adds fields.
pub(crate) fn form<'a>(sid: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut fields = vec![
        ("CallSid", sid),
        ("AccountSid", ACCOUNT),
        ("From", CARLA),
        ("To", DESK),
        ("CallStatus", "in-progress"),
        ("Direction", "inbound"),
    ];
    for (name, value) in more {
        fields.retain(|(key, _)| key != name);
        fields.push((name, value));
    }
    fields
}

/// The value of the first attribute with this name, unescaped.
pub(crate) fn attribute(document: &str, name: &str) -> String {
    let (_, rest) = document.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("no {name} in {document}"));
    rest.split('"').next().unwrap().replace("&amp;", "&")
}

/// Each phone that a document rings, with the URL of its screening.
pub(crate) fn phones(document: &str) -> Vec<(String, String)> {
    let numbers = document.split("<Number ").skip(1);
    numbers
        .map(|number| {
            let (_, rest) = number.split_once('>').unwrap();
            (rest.split('<').next().unwrap().to_owned(), attribute(number, "url"))
        })
        .collect()
}

/// Sends a request as Twilio does, signed over its URL. `address` is a URL from a document, or a path.
pub(crate) async fn post(
    http: &Client,
    base: &str,
    token: &str,
    address: &str,
    fields: &[(&str, &str)],
) -> reqwest::Result<Response> {
    let path = address.strip_prefix(PUBLIC_URL).unwrap_or(address).split('#').next().unwrap();
    let mut sorted = fields.to_vec();
    sorted.sort_unstable();
    let mut mac = Hmac::<Sha1>::new_from_slice(token.as_bytes()).expect("a key of any length");
    mac.update(format!("{PUBLIC_URL}{path}").as_bytes());
    for (name, value) in sorted {
        mac.update(name.as_bytes());
        mac.update(value.as_bytes());
    }
    let signature = STANDARD.encode(mac.finalize().into_bytes());
    http.post(format!("{base}{path}")).header("x-twilio-signature", signature).form(fields).send().await
}

impl TestApp {
    /// Starts a server with verified phones.
    pub(crate) async fn start_with_phones() -> Self {
        let app = Self::start().await;
        app.apply(PHONES).await;
        app
    }

    /// Sends a signed request as Twilio does. `address` is a URL from a document, or a path.
    pub(crate) async fn voice(&self, address: &str, fields: &[(&str, &str)]) -> (StatusCode, String) {
        self.voice_signed(TOKEN, address, fields).await
    }

    pub(crate) async fn voice_signed(
        &self,
        token: &str,
        address: &str,
        fields: &[(&str, &str)],
    ) -> (StatusCode, String) {
        let asked = post(&self.http, &self.url(""), token, address, fields).await;
        let answer = asked.expect("the server answers");
        (answer.status(), answer.text().await.expect("a text body"))
    }

    /// Sends a signed request and asserts that it succeeds; returns the TwiML document.
    pub(crate) async fn document(&self, address: &str, fields: &[(&str, &str)]) -> String {
        let (status, document) = self.voice(address, fields).await;
        assert_eq!(status, StatusCode::OK, "{address}: {document}");
        document
    }

    /// Carla calls the front desk and nobody answers. Returns the document that asks her for a voicemail.
    pub(crate) async fn reach_voicemail_prompt(&self, sid: &str) -> String {
        self.reach_prompt_after_dialing(sid, &[], "").await
    }

    /// The same with other fields (such as caller and number) and with dialed digits.
    async fn reach_prompt_after_dialing(&self, sid: &str, fields: &[(&str, &str)], digits: &str) -> String {
        let greeting = self.document(INBOUND, &form(sid, fields)).await;
        let dialed = [fields, &[("Digits", digits)]].concat();
        let next = self.document(&attribute(&greeting, "action"), &form(sid, &dialed)).await;
        let unanswered = [fields, &[("DialCallStatus", "no-answer"), ("DialBridged", "false")]].concat();
        match next.contains("<Record ") {
            true => next,
            false => self.document(&attribute(&next, "action"), &form(sid, &unanswered)).await,
        }
    }

    /// Carla calls the front desk, nobody answers, and she leaves a voicemail.
    pub(crate) async fn leave_voicemail(&self, sid: &str) {
        self.leave_voicemail_after_dialing(sid, &[], "", "RE1").await;
    }

    /// The same with other fields (such as caller and number), with dialed digits and this recording SID.
    pub(crate) async fn leave_voicemail_after_dialing(
        &self,
        sid: &str,
        fields: &[(&str, &str)],
        digits: &str,
        recording: &str,
    ) {
        let asked = self.reach_prompt_after_dialing(sid, fields, digits).await;
        let left = [fields, &[("RecordingSid", recording), ("RecordingDuration", "5")]].concat();
        self.document(&attribute(&asked, "action"), &form(sid, &left)).await;
    }

    /// Waits until all recorded steps of calls are in the database.
    pub(crate) async fn wait_for_call_log(&self) {
        self.services().calls.log.flush().await;
    }

    /// The only call with this SID, after all recorded steps are written.
    pub(crate) async fn call(&self, sid: &str) -> call::Model {
        self.wait_for_call_log().await;
        let mut found = self.calls_with(sid).await;
        assert_eq!(found.len(), 1, "calls with the SID {sid}");
        found.remove(0)
    }

    pub(crate) async fn calls_with(&self, sid: &str) -> Vec<call::Model> {
        call::Entity::find().filter(call::Column::ProviderSid.eq(sid)).all(self.db()).await.unwrap()
    }

    pub(crate) async fn legs(&self, call: &call::Model) -> Vec<call_leg::Model> {
        let query = call_leg::Entity::find().filter(call_leg::Column::CallId.eq(call.id));
        query.order_by_asc(call_leg::Column::Step).order_by_asc(call_leg::Column::Id).all(self.db()).await.unwrap()
    }

    pub(crate) async fn voicemail_of(&self, call: &call::Model) -> Option<voicemail::Model> {
        self.voicemails_of(call).await.into_iter().next()
    }

    /// The voicemails of a call, oldest first.
    pub(crate) async fn voicemails_of(&self, call: &call::Model) -> Vec<voicemail::Model> {
        calls::voicemails_of(self.db(), call.agency_id, &[call.id]).await.unwrap()
    }

    /// The notifications of a call as "kind user-key", sorted; resolved ones end in " (resolved)".
    pub(crate) async fn call_notifications(&self, call: &call::Model) -> Vec<String> {
        let query = notification::Entity::find().filter(notification::Column::CallId.eq(call.id));
        let directory = self.services().directories.get(call.agency_id).await.unwrap().unwrap();
        let mut notifications: Vec<String> = query
            .all(self.db())
            .await
            .unwrap()
            .into_iter()
            .map(|row| {
                let resolved = if row.resolved_at.is_some() { " (resolved)" } else { "" };
                format!("{:?} {}{resolved}", row.kind, directory.user(row.user_id).unwrap().key)
            })
            .collect();
        notifications.sort();
        notifications
    }

    /// The newest call of an agency, as this user sees it.
    pub(crate) async fn newest_call(&self, agency: &str, user: &str) -> Value {
        const QUERY: &str = include_str!("../documents/support_voice_query.graphql");
        let mut answer = self.graphql(&self.token(agency, user), QUERY, Value::Null).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"]["calls"]["nodes"][0].take()
    }

    pub(crate) async fn calls_of(&self, agency: AgencyId) -> Vec<call::Model> {
        let query = call::Entity::find().filter(call::Column::AgencyId.eq(agency));
        query.order_by_asc(call::Column::StartedAt).all(self.db()).await.unwrap()
    }
}
