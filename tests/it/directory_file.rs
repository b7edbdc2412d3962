//! The content of directory files, and the locations of their errors.

use partyline::entity::contact;
use partyline::ports::Clock as _;
use partyline::store::Database;
use sea_orm::EntityTrait as _;
use serde_json::{Value, json};

use crate::support::directory::{ACCOUNT, DESK, OTHER, SISTER, TOKEN};
use crate::support::{TestApp, Text};

/// A directory file with this content for acme.
fn acme(content: &str) -> String {
    format!("agencies: [{{key: acme, {content}}}]")
}

async fn contacts(app: &TestApp) -> Vec<(String, Option<String>)> {
    let agency = app.agency("acme").await;
    let rows = contact::Entity::find().all(app.db()).await.unwrap();
    let mut rows: Vec<_> =
        rows.into_iter().filter(|row| row.agency_id == agency).map(|row| (row.phone, row.name)).collect();
    rows.sort();
    rows
}

fn named(phone: &str, name: &str) -> (String, Option<String>) {
    (phone.to_owned(), Some(name.to_owned()))
}

#[tokio::test]
async fn a_contact_in_national_notation_matches_the_sender_of_a_text() {
    let app = TestApp::start().await;
    let before = contacts(&app).await;
    let file = acme("contacts: [{phone: '(303) 555-0177', name: Maria Silva, provider: dev}]");
    assert_eq!(app.apply(&file).await.created, 1);
    app.receive(Text::new("SM1").from("+13035550177")).await;
    let mut after = before.clone();
    after.push(named("+13035550177", "Maria Silva"));
    after.sort();
    assert_eq!(contacts(&app).await, after);
    for same in ["(303) 555-0177", "303.555.0177", "+1 303 555 0177", "1 (303) 555-0177", "+13035550177"] {
        let file = acme(&format!("contacts: [{{phone: '{same}', name: Maria Silva}}]"));
        let summary = app.apply(&file).await;
        assert_eq!((summary.created, summary.updated), (0, 0), "{same}");
    }
    assert_eq!(contacts(&app).await, after);
}

#[tokio::test]
async fn a_contact_stored_as_typed_is_converted() {
    let app = TestApp::start().await;
    let agency = app.agency("acme").await;
    let before = contacts(&app).await;
    // Rows as an earlier release stored them.
    let conn = Database::open(&app.database.url).await.unwrap().connect_to_migrate().await.unwrap();
    let mut ids = Vec::new();
    for (n, phone) in ["(303) 555-0177", "303 555 0178", "88222", "+1 (303) 555-0001", "Clinic A-1"].iter().enumerate()
    {
        let id = partyline::domain::ContactId(uuid::Uuid::from_u128(n as u128 + 1));
        let mut row = contact::Model::begin(agency, id, *phone, app.clock.now());
        row.rename(Some(format!("Typed {n}")));
        ids.push(row.id);
        contact::Entity::insert(contact::ActiveModel::from(row)).exec_without_returning(&conn).await.unwrap();
    }
    conn.close().await.unwrap();
    app.receive(Text::new("SM1").from("+13035550178")).await;
    let file = acme(
        "contacts: [{phone: '(303) 555-0177', name: Typed 0}, {phone: '303 555 0178', name: Typed 1}, \
         {phone: '88222', name: Typed 2}, {phone: '+13035550001', name: Typed 3}, {phone: Clinic A-1, name: Typed 4}]",
    );
    let summary = app.apply(&file).await;
    // Two of them are now stored in E.164, and the contact created by the earlier text gets the name of its entry.
    assert_eq!((summary.created, summary.updated), (0, 3));
    let mut after = before;
    after.extend([
        named("+13035550177", "Typed 0"),
        named("+13035550178", "Typed 1"),
        named("303 555 0178", "Typed 1"),
        named("88222", "Typed 2"),
        named("+13035550001", "Typed 3"),
        named("Clinic A-1", "Typed 4"),
    ]);
    after.sort();
    assert_eq!(contacts(&app).await, after);
    assert_eq!(app.contacts_at(agency, "+13035550177").await[0].id, ids[0]);
    let again = app.apply(&file).await;
    assert_eq!((again.created, again.updated), (0, 0));
}

#[tokio::test]
async fn short_codes_sender_names_and_channel_addresses_are_kept_as_they_are() {
    let app = TestApp::start().await;
    let before = contacts(&app).await;
    let kept = ["88222", "TWILIO", "Acme Health", "whatsapp:+13035560001", "messenger:1234567890"];
    let rows = json!(kept.map(|phone| json!({"phone": phone, "name": phone})));
    assert_eq!(app.apply(&acme(&format!("contacts: {rows}"))).await.created, kept.len());
    let mut after = before;
    after.extend(kept.map(|phone| named(phone, phone)));
    after.sort();
    assert_eq!(contacts(&app).await, after);
}

#[tokio::test]
async fn numbers_of_ranges_missing_from_the_metadata_are_accepted() {
    let app = TestApp::start().await;
    let numbers = ["+61483913619", "+17375550123", "+19485550123", "+13705550123"];
    for (n, number) in numbers.iter().enumerate() {
        // A user's own phone must not be a number of the agency.
        let phone = format!("{}4", &number[..number.len() - 1]);
        let content = format!(
            "users: [{{key: user{n}, name: User, phone: '{phone}'}}], contacts: [{{phone: '{number}'}}], \
             twilio: {{accountSid: {ACCOUNT}, authToken: {TOKEN}}}, phoneNumbers: [{{number: '{number}'}}]"
        );
        app.apply(&acme(&content)).await;
        assert_eq!(app.contacts_at(app.agency("acme").await, number).await.len(), 1);
    }
    app.apply(&acme("callingCountries: [US, AU]")).await;
    let ben = app.token("acme", "ben");
    let sent = app.start_thread(&ben, "+61483913620", json!({})).await;
    assert_eq!(sent["userErrors"], json!([]), "{sent}");
}

#[tokio::test]
async fn a_phone_that_cannot_be_parsed_is_refused_with_its_location() {
    let app = TestApp::start().await;
    for (content, path) in [
        ("contacts: [{phone: '555-0177'}]", "agencies[0].contacts[0].phone"),
        ("contacts: [{phone: '88222'}, {phone: 'Maria, 303 555 0177'}]", "agencies[0].contacts[1].phone"),
        ("contacts: [{phone: ''}]", "agencies[0].contacts[0].phone"),
        ("contacts: [{phone: 'whatsapp:303 555 0177'}]", "agencies[0].contacts[0].phone"),
        ("users: [{key: ben, phone: '555-0112'}]", "agencies[0].users[0].phone"),
        ("phoneNumbers: [{number: '(303) 555-0100'}]", "agencies[0].phoneNumbers[0].number"),
        ("extensions: [{digits: '201', user: ben, number: 'desk'}]", "agencies[0].extensions[0].number"),
        // The same number twice, in two notations.
        ("contacts: [{phone: '(303) 555-0177'}, {phone: '+13035550177'}]", "agencies[0].contacts[1]"),
    ] {
        let problems = app.try_apply(&acme(content)).await.unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, [path], "{content}");
    }
    // An agency without phone numbers has no default country.
    let file = "agencies: [{key: fresh, name: Fresh, timeZone: America/Denver, \
                users: [{key: eva, name: Eva, role: ADMIN}], contacts: [{phone: '(303) 555-0177'}]}]";
    let problems = app.try_apply(file).await.unwrap_err();
    let shown: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(shown.len(), 1, "{shown:?}");
    assert!(shown[0].starts_with("agencies[0].contacts[0].phone: the country of this number is unknown"), "{shown:?}");
    assert!(shown[0].contains("+13035550100"), "{shown:?}");
    // A number in the same file determines the country.
    let number = format!(
        "twilio: {{accountSid: {ACCOUNT}, authToken: {TOKEN}}}, phoneNumbers: [{{number: '+49 30 901820'}}], users:"
    );
    app.apply(&file.replace("users:", &number).replace("(303) 555-0177", "030 123456")).await;
    assert_eq!(app.contacts_at(app.agency("fresh").await, "+4930123456").await.len(), 1);
}

#[tokio::test]
async fn a_users_phone_in_another_notation_stays_verified() {
    let app = TestApp::start().await;
    app.apply(&acme("users: [{key: ben, phone: '(303) 555-0112', phoneVerified: true}]")).await;
    let summary = app.apply(&acme("users: [{key: ben, phone: '303-555-0112'}]")).await;
    assert_eq!((summary.created, summary.updated), (0, 0));
    app.clock.advance(std::time::Duration::from_secs(2));
    let directory = app.directory("acme").await;
    let ben = directory.user_by_key("ben").unwrap();
    assert_eq!((ben.phone.as_deref(), ben.phone_verified), (Some("+13035550112"), true));
}

#[tokio::test]
async fn errors_contain_the_full_path() {
    let app = TestApp::start().await;
    let number = |content: &str| format!("phoneNumbers: [{{number: '{DESK}', {content}}}]");
    for (content, path) in [
        (number("hours: {mon: ['09:00-17:00', '9-17']}"), "agencies[0].phoneNumbers[0].hours.mon[1]"),
        (number("hours: {sun: ['09:00-09:00']}"), "agencies[0].phoneNumbers[0].hours.sun[0]"),
        (number("hours: {tue: '09:00-17:00'}"), "agencies[0].phoneNumbers[0].hours.tue"),
        (number("hours: {monday: ['09:00-17:00']}"), "agencies[0].phoneNumbers[0].hours.monday"),
        (number("hours: [mon]"), "agencies[0].phoneNumbers[0].hours"),
        (number("holidays: ['25.12.2026']"), "agencies[0].phoneNumbers[0].holidays[0]"),
        (number("policy: ROUND_ROBIN"), "agencies[0].phoneNumbers[0].policy"),
        (number("policy: {FIRST_CLAIM: 1}"), "agencies[0].phoneNumbers[0].policy.FIRST_CLAIM"),
        (number("ringStrategy: 1"), "agencies[0].phoneNumbers[0].ringStrategy"),
        (number("pace: {perSecond: fast}"), "agencies[0].phoneNumbers[0].pace.perSecond"),
        (number("pool: [{user: ben, primary: maybe}]"), "agencies[0].phoneNumbers[0].pool[0].primary"),
        ("users: [{key: ben, role: BOSS}]".to_owned(), "agencies[0].users[0].role"),
        ("users: [{name: Ben}]".to_owned(), "agencies[0].users[0]"),
        ("optOutReplies: NOBODY".to_owned(), "agencies[0].optOutReplies"),
        ("optOutTexts: {stop: [x]}".to_owned(), "agencies[0].optOutTexts.stop"),
        ("callingCountries: [1]".to_owned(), "agencies[0].callingCountries[0]"),
    ] {
        let problems = app.try_apply(&acme(&content)).await.unwrap_err();
        let paths: Vec<_> = problems.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, [path], "{content}");
    }
}

#[tokio::test]
async fn hours_across_midnight_are_shown_as_they_were_written() {
    let app = TestApp::start().await;
    let hours = json!({"fri": ["22:00-06:00"], "mon": ["00:00-06:00", "22:00-00:00"]});
    let content = format!("phoneNumbers: [{{number: '{DESK}', hours: {hours}}}]");
    assert_eq!(app.apply(&acme(&content)).await.updated, 1);
    let again = app.apply(&acme(&content)).await;
    assert_eq!((again.created, again.updated), (0, 0));
    let ana = app.token("acme", "ana");
    app.clock.advance(std::time::Duration::from_secs(2));
    let query = "{ phoneNumbers { nodes { e164 pool { schedule { kind days { day spans { opens closes } } } } } } }";
    let answer = app.graphql(&ana, query, json!({})).await;
    let rows = answer["data"]["phoneNumbers"]["nodes"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let desk: &Value = rows.iter().find(|row| row["e164"] == DESK).unwrap();
    let span = |opens: &str, closes: &str| json!({"opens": opens, "closes": closes});
    let days = json!([
        {"day": "MONDAY", "spans": [span("00:00", "06:00"), span("22:00", "00:00")]},
        {"day": "FRIDAY", "spans": [span("22:00", "06:00")]},
    ]);
    assert_eq!(desk["pool"]["schedule"], json!({"kind": "WEEKLY", "days": days}));
}

#[tokio::test]
async fn errors_do_not_contain_secrets() {
    let app = TestApp::start().await;
    let secret = "0123456789";
    for (content, path) in [
        (format!("twilio: {{accountSid: {ACCOUNT}, authToken: {secret}9}}"), "agencies[0].twilio.authToken"),
        (
            format!("twilio: {{accountSid: {ACCOUNT}, authToken: x, apiKeySid: SK1, apiKeySecret: [{secret}]}}"),
            "agencies[0].twilio.apiKeySecret",
        ),
        (
            format!("twilio: {{accountSid: {ACCOUNT}, authToken: x, secondaryAuthToken: {{{secret}: 1}}}}"),
            "agencies[0].twilio.secondaryAuthToken",
        ),
        (format!("twilio: {{accountSid: {ACCOUNT}, authToken: '{secret}', ]"), ""),
        (format!("twilio: {{accountSid: {ACCOUNT}, authToken: '{secret}}}"), ""),
        (format!("twilio: {{accountSid: {ACCOUNT}, authToken: '{secret}', authToken: '{secret}'}}"), ""),
    ] {
        // YAML reads a text of digits with a leading zero as a text, so the first one gets another first digit.
        let content = content.replace("authToken: 0123456789", "authToken: 7123456789");
        let problems = app.try_apply(&acme(&content)).await.unwrap_err();
        let shown = problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert_eq!(problems[0].path, path, "{content}: {shown}");
        assert!(!shown.contains("123456789"), "{shown}");
    }
}

#[tokio::test]
async fn a_users_phone_is_never_a_number_of_an_agency_on_this_server() {
    let app = TestApp::start().await;
    for number in [DESK, SISTER, OTHER] {
        let problems =
            app.try_apply(&format!("agencies: [{{key: acme, users: [{{key: ben, phone: '{number}'}}]}}]")).await;
        let problems: Vec<String> = problems.unwrap_err().iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].starts_with("agencies[0].users[0].phone"), "{problems:?}");
    }
}
