//! An agency in which each user has access to a contact in a different way. Everything said by or about a contact
//! contains a mark by which it is recognized.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;

use partyline::domain::{AccountTrouble, AgencyId, LateArrivalId, MediaState, NotificationKind, TwilioRequest};
use partyline::entity::{call, late_arrival, voicemail};
use partyline::ports::Clock as _;
use partyline::store::writer::{Notice, Tx, Unit, UnitError};
use partyline::store::{account_trouble, bulk};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait as _, EntityTrait as _, QueryFilter as _};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::support::voice::{INBOUND, form};
use crate::support::{TestApp, Text};

pub(super) const DESK: &str = "+13035550100";
pub(super) const NURSES: &str = "+13035550101";
pub(super) const EMPTY: &str = "+13035550102";
/// A number with all users in its pool. Its events show that all earlier events have been delivered.
pub(super) const SENTINEL: &str = "+13035550103";
/// A part of every recording's URL.
pub(super) const RECORDING_PATH: &str = "/media/";
/// The body of a quarantined text.
pub(super) const QUARANTINED_BODY: &str = "zqquarantine";

pub(super) const AGENCY: &str = r#"
agencies:
  - key: acme
    name: Acme Health
    timeZone: America/Denver
    twilio: {accountSid: AC00000000000000000000000000000001, authToken: 0123456789abcdef0123456789abcdef}
    defaultUser: ulf
    users:
      - {key: ana, name: Ana Lopez, role: ADMIN}
      - {key: abe, name: Abe Stein, role: ADMIN}
      - {key: ben, name: Ben Ode, role: MEMBER}
      - {key: chloe, name: Chloe Park, role: MEMBER, phone: "+13035550113", phoneVerified: true}
      - {key: dev, name: Dev Shah, role: MEMBER}
      - {key: eve, name: Eve Moss, role: MEMBER}
      - {key: fay, name: Fay Wong, role: MEMBER}
      - {key: gus, name: Gus Hall, role: MEMBER}
      - {key: pia, name: Pia Lund, role: MEMBER}
      - {key: ulf, name: Ulf Berg, role: MEMBER}
    phoneNumbers:
      - {number: "+13035550100", label: Front desk, pool: [{user: ben, primary: true}, {user: chloe}, {user: eve}]}
      - {number: "+13035550101", label: Nurse line, pool: [{user: chloe}]}
      - {number: "+13035550102", label: Nobody's}
      - number: "+13035550103"
        label: Sentinel
        hours: {mon: ["09:00-12:00"]}
        holidays: ["2026-12-25"]
        pool: [{user: ana}, {user: abe}, {user: ben}, {user: dev}, {user: eve}, {user: fay}, {user: gus}, {user: pia}, {user: ulf}]
    extensions:
      - {digits: "101", user: dev}
      - {digits: "103", user: gus}
    contacts:
      - {phone: "+13035560101", name: zqdesk Ruiz}
      - {phone: "+13035560102", name: zqdev Ruiz}
      - {phone: "+13035560103", name: zqgus Ruiz}
      - {phone: "+13035560104", name: zqnurses Ruiz}
      - {phone: "+13035560105", name: zqprovider Ruiz, provider: pia}
      - {phone: "+13035560106", name: zqdefault Ruiz}
"#;

/// A contact, with the number that they text and call.
#[derive(Debug)]
pub(super) struct Case {
    /// A part of everything said by or about the contact.
    pub(super) mark: &'static str,
    pub(super) phone: &'static str,
    number: &'static str,
    /// The extension that they text and dial.
    digits: &'static str,
    /// The user who answered the call.
    answered_by: &'static str,
}

const fn case(
    mark: &'static str,
    phone: &'static str,
    number: &'static str,
    digits: &'static str,
    answered_by: &'static str,
) -> Case {
    Case { mark, phone, number, digits, answered_by }
}

pub(super) const CASES: [Case; 6] = [
    case("zqdesk", "+13035560101", DESK, "", "ben"),
    case("zqdev", "+13035560102", EMPTY, "101", "dev"),
    case("zqgus", "+13035560103", EMPTY, "103", "gus"),
    case("zqnurses", "+13035560104", NURSES, "", "fay"),
    case("zqprovider", "+13035560105", EMPTY, "", "pia"),
    case("zqdefault", "+13035560106", EMPTY, "", "ulf"),
];

impl Case {
    pub(super) fn of(mark: &str) -> &'static Self {
        CASES.iter().find(|case| case.mark == mark).unwrap()
    }

    /// Strings that the responses to a user with full access to the contact must contain.
    pub(super) fn canaries(&self) -> Vec<String> {
        let kinds = ["name", "body", "note", "transcript"];
        let mut all: Vec<_> = kinds.iter().map(|kind| format!("{} {kind}", self.mark)).collect();
        all[0] = format!("{} Ruiz", self.mark);
        all.push(self.phone.to_owned());
        all
    }

    /// The contact texts, calls, and leaves a voicemail; a colleague writes a note.
    pub(super) async fn create_events(&self, app: &TestApp, serial: u32) {
        let Self { mark, phone, number, digits, .. } = *self;
        let named = if digits.is_empty() { String::new() } else { format!("#{digits} ") };
        let text = Text::new(format!("SM{mark}{serial}")).from(phone).to(number).body(&format!("{named}{mark} body"));
        let photo = text.field("NumMedia", "1").field("MediaUrl0", "https://media.example/1");
        app.receive(photo.field("MediaContentType0", "image/png")).await;
        let (call, recording) = (format!("CA{mark}{serial}"), format!("RE{mark}{serial}"));
        app.leave_voicemail_after_dialing(&call, &[("From", phone), ("To", number)], digits, &recording).await;
        let row = app.call(&call).await;
        let answered_by = Some(app.user("acme", self.answered_by).await);
        let scratch = app.services().ids.uuid(app.services().clock.now());
        let digest = app.services().media.put(row.agency_id, b"sound", scratch).await.unwrap();
        let conn = sea_orm::Database::connect(&app.database.url).await.unwrap();
        call::Entity::update_many()
            .col_expr(call::Column::AnsweredById, Expr::value(answered_by))
            .filter(call::Column::Id.eq(row.id))
            .exec(&conn)
            .await
            .unwrap();
        voicemail::Entity::update_many()
            .col_expr(voicemail::Column::State, Expr::value(MediaState::Ready))
            .col_expr(voicemail::Column::Digest, Expr::value(digest))
            .col_expr(voicemail::Column::ContentType, Expr::value("audio/mpeg"))
            .col_expr(voicemail::Column::Transcript, Expr::value(format!("{mark} transcript")))
            .filter(voicemail::Column::CallId.eq(row.id))
            .exec(&conn)
            .await
            .unwrap();
        let ana = app.token("acme", "ana");
        let thread = app.thread_of(&format!("SM{mark}{serial}")).await.id.to_string();
        let to = app.user_id("acme", "ana").await;
        let transfer = "mutation($thread: ID!, $to: ID!, $note: String) {
            transferThread(input: {threadId: $thread, toUserId: $to, note: $note}) { userErrors { message } } }";
        let note = json!({"thread": thread, "to": to, "note": format!("{mark} note")});
        assert_accepted(&app.graphql(&ana, transfer, note).await);
        let release = "mutation($thread: ID!) { releaseThread(input: {threadId: $thread}) { userErrors { message } } }";
        assert_accepted(&app.graphql(&ana, release, json!({"thread": thread})).await);
    }
}

/// Fails if a mutation was refused.
pub(super) fn assert_accepted(answer: &Value) {
    let payloads = answer["data"].as_object().unwrap_or_else(|| panic!("{answer}"));
    assert!(payloads.values().all(|payload| payload["userErrors"] == json!([])), "{answer}");
}

/// Collects the ids in a response, by type.
pub(super) fn collect(value: &Value, ids: &mut BTreeMap<String, BTreeSet<String>>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect(item, ids)),
        Value::Object(object) => {
            if let (Some(Value::String(of)), id) = (object.get("__typename"), object.get("id")) {
                let of_type = ids.entry(of.clone()).or_default();
                of_type.extend(id.and_then(Value::as_str).map(str::to_owned));
            }
            object.values().for_each(|member| collect(member, ids));
        }
        _ => {}
    }
}

/// Starts a server with the agency and one round of events for each case.
pub(super) async fn start() -> TestApp {
    // Former users send many requests without a valid token.
    let app = TestApp::start_with_settings_and(vec![("PARTYLINE_ADDRESS_RATE", "1000000".to_owned())], AGENCY).await;
    for case in &CASES {
        case.create_events(&app, 0).await;
    }
    app.receive(Text::new("SMq").from("+13035560107").to("+13035559999").body(QUARANTINED_BODY)).await;
    let account = app.directory("acme").await.agency.twilio_account_id.unwrap();
    let conn = sea_orm::Database::connect(&app.database.url).await.unwrap();
    let trouble = (AccountTrouble::Suspended, TwilioRequest::Call);
    assert!(account_trouble::begin(&conn, account, trouble, app.clock.now()).await.unwrap());
    let report = ReportLateArrival(app.agency("acme").await);
    app.services().writer.run(report.0, report).await.unwrap();
    let (ana, fay) = (app.token("acme", "ana"), app.user_id("acme", "fay").await);
    transfer(&app, &ana, "zqnurses", &fay).await;
    app
}

/// Notifies the admins of texts that arrived late.
struct ReportLateArrival(AgencyId);

impl Unit for ReportLateArrival {
    type Output = ();
    type Refusal = Infallible;

    async fn run(&mut self, tx: &mut Tx<'_>) -> Result<(), UnitError> {
        let (agency, id, now) = (self.0, LateArrivalId(tx.new_id()), tx.now);
        let row = late_arrival::Model {
            agency_id: agency,
            id,
            texts: 12,
            calls: 0,
            voicemails: 1,
            first_at: now,
            last_at: now,
            created_at: now,
        };
        bulk::insert(tx.conn, vec![row]).await?;
        let notice = Notice {
            kind: NotificationKind::ArrivedLate,
            users: tx.directory(agency).await?.admins().map(|user| user.id).collect(),
            thread: None,
            message: None,
            call: None,
            node: Some(id.to_string()),
            rung: None,
        };
        Ok(tx.agency_updated(agency, vec![notice])?)
    }
}

/// Creates a canceled text, a draft and a failed call in a thread that is visible to all users.
pub(super) async fn create_failures(app: &TestApp) {
    let conn = sea_orm::Database::connect(&app.database.url).await.unwrap();
    let ana = app.token("acme", "ana");
    app.receive(Text::new("SMfailed").from("+13035560198").to(SENTINEL)).await;
    let thread = json!(app.thread_of("SMfailed").await.id.to_string());
    let held = app.reply(&ana, &thread, "never mind", json!({"holdSeconds": 10})).await["message"]["id"].clone();
    let cancel = "mutation($id: ID!) { cancelMessage(input: {messageId: $id}) { userErrors { message } } }";
    assert_accepted(&app.graphql(&ana, cancel, json!({"id": held})).await);
    let save =
        "mutation($thread: ID!) { saveDraft(input: {threadId: $thread, body: \"later\"}) { userErrors { message } } }";
    assert_accepted(&app.graphql(&ana, save, json!({"thread": thread})).await);
    app.document(INBOUND, &form("CAfailed", &[("From", "+13035560198"), ("To", SENTINEL)])).await;
    app.wait_for_call_log().await;
    let view = "mutation($thread: ID!) {
        setPresence(input: {threadId: $thread, state: VIEWING}) { userErrors { message } } }";
    assert_accepted(&app.graphql(&ana, view, json!({"thread": thread})).await);
    call::Entity::update_many()
        .col_expr(call::Column::ErrorCode, Expr::value("10001"))
        .filter(call::Column::ProviderSid.eq("CAfailed"))
        .exec(&conn)
        .await
        .unwrap();
}

/// Transfers the thread of a case to a user.
pub(super) async fn transfer(app: &TestApp, by: &SecretString, mark: &str, to: &str) {
    let thread = app.thread_of(&format!("SM{mark}0")).await.id.to_string();
    let document = "mutation($thread: ID!, $to: ID!) {
        transferThread(input: {threadId: $thread, toUserId: $to}) { userErrors { message } } }";
    assert_accepted(&app.graphql(by, document, json!({"thread": thread, "to": to})).await);
}
