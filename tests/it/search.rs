//! Search by name and phone, with the same results on every database.

use migration::{Migrator, MigratorTrait as _};
use partyline::domain::search::{fold, sort_key};
use partyline::entity::contact;
use partyline::store::Database;
use sea_orm::{ConnectionTrait as _, EntityTrait as _, Statement};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::database::TestDatabase;
use crate::support::directory::DESK;

/// Stored names, with their phones.
const PEOPLE: [(&str, &str); 9] = [
    ("+13035561001", "Élodie Ångström"),
    ("+13035561002", "E\u{301}lodie Decomposed"),
    ("+13035561003", "Привет Медвед"),
    ("+13035561004", "Jürgen Straße"),
    ("+13035561005", "İrem Kılıç"),
    ("+13035561006", "100%_sure\\!"),
    ("+13035561007", "100 sure"),
    ("+4930123456", "山田 ｶﾅ"),
    ("ACMELABS", "Lab"),
];

/// Search texts, and the phones of the matching contacts.
const CASES: [(&str, &[&str]); 33] = [
    ("élodie", &["+13035561001", "+13035561002"]),
    ("ÉLODIE", &["+13035561001", "+13035561002"]),
    ("E\u{301}LODIE", &["+13035561001", "+13035561002"]),
    ("elodie", &[]),
    ("ångs", &["+13035561001"]),
    ("a\u{30a}NGS", &["+13035561001"]),
    ("  Ångström  ", &["+13035561001"]),
    ("привет", &["+13035561003"]),
    ("МЕДВЕД", &["+13035561003"]),
    ("strasse", &["+13035561004"]),
    ("STRAẞE", &["+13035561004"]),
    ("JÜRGEN", &["+13035561004"]),
    ("irem", &["+13035561005"]),
    ("İREM", &["+13035561005"]),
    ("KILIÇ", &["+13035561005"]),
    ("%", &["+13035561006"]),
    ("_", &["+13035561006"]),
    ("\\", &["+13035561006"]),
    ("!", &["+13035561006"]),
    ("0%_SURE\\!", &["+13035561006"]),
    ("'; --", &[]),
    ("カナ", &["+4930123456"]),
    ("山田", &["+4930123456"]),
    ("acme", &["ACMELABS"]),
    (
        "303 556",
        &[
            "+13035561001",
            "+13035561002",
            "+13035561003",
            "+13035561004",
            "+13035561005",
            "+13035561006",
            "+13035561007",
        ],
    ),
    ("(303) 556-1004", &["+13035561004"]),
    ("+1 303-556-1004", &["+13035561004"]),
    ("1 303 556.1004", &["+13035561004"]),
    ("1004", &["+13035561004"]),
    ("030 123456", &["+4930123456"]),
    ("+4930", &["+4930123456"]),
    ("100 sure", &["+13035561007"]),
    ("+49 303", &[]),
];

fn phones(rows: &Value, phone: impl Fn(&Value) -> Value) -> Vec<String> {
    let rows = rows["nodes"].as_array().unwrap_or_else(|| panic!("{rows}"));
    let mut phones: Vec<String> = rows.iter().map(|row| phone(row).as_str().unwrap().to_owned()).collect();
    phones.sort();
    phones
}

#[tokio::test]
async fn contacts_and_threads_are_found_case_insensitively_in_every_script() {
    let app = TestApp::start_with(&format!(
        "agencies: [{{key: acme, name: Acme, timeZone: America/Denver, twilio: {{accountSid: {}, authToken: {}}}, \
         users: [{{key: ana, name: Ana, role: ADMIN}}], phoneNumbers: [{{number: '{DESK}', pool: [{{user: ana}}]}}], \
         contacts: {}}}]",
        crate::support::directory::ACCOUNT,
        crate::support::directory::TOKEN,
        json!(PEOPLE.map(|(phone, name)| json!({"phone": phone, "name": name}))),
    ))
    .await;
    let ana = app.token("acme", "ana");
    for (phone, _) in PEOPLE {
        app.text(phone, DESK, "hello").await;
    }
    let query = "query($text: String!) { contacts(search: $text, first: 50) { nodes { address } totalCount }
        threads(filter: {search: $text}, first: 50) { nodes { contact { address } } totalCount } }";
    for (text, expected) in CASES {
        let answer = app.graphql(&ana, query, json!({"text": text})).await;
        assert!(answer.get("errors").is_none(), "{text}: {answer}");
        let (contacts, threads) = (&answer["data"]["contacts"], &answer["data"]["threads"]);
        assert_eq!(phones(contacts, |row| row["address"].clone()), expected, "contacts by {text:?}");
        assert_eq!(phones(threads, |row| row["contact"]["address"].clone()), expected, "threads by {text:?}");
        let count = json!(expected.len());
        assert_eq!((&contacts["totalCount"], &threads["totalCount"]), (&count, &count), "{text:?}");
    }
    for row in contact::Entity::find().all(app.db()).await.unwrap() {
        assert_eq!(row.name_folded, row.name.as_deref().map(fold), "{}", row.phone);
    }
}

#[tokio::test]
async fn a_renamed_contact_is_found_only_by_the_new_name() {
    let app = TestApp::start().await;
    let ana = app.token("acme", "ana");
    let found = async |text: &str| {
        let query = "query($text: String!) { contacts(search: $text) { nodes { address } } }";
        let answer = app.graphql(&ana, query, json!({"text": text})).await;
        phones(&answer["data"]["contacts"], |row| row["address"].clone())
    };
    app.apply("agencies: [{key: acme, contacts: [{phone: '+13035560001', name: ÖZGE}]}]").await;
    assert_eq!(found("özge").await, ["+13035560001"]);
    assert_eq!(found("carla").await, [""; 0]);
    // An entry without a name does not change the name.
    app.apply("agencies: [{key: acme, contacts: [{phone: '+13035560001', provider: ben}]}]").await;
    assert_eq!(found("özge").await, ["+13035560001"]);
}

#[tokio::test]
async fn the_migrations_fill_the_search_form_and_the_sort_key_of_existing_names() {
    const CONTACTS: u128 = 2_500;
    let database = TestDatabase::create_empty().await;
    let conn = Database::open(&database.url).await.unwrap().connect_to_migrate().await.unwrap();
    let at = Migrator::migrations().iter().position(|one| one.name().ends_with("contact_search")).unwrap();
    Migrator::up(&conn, Some(u32::try_from(at).unwrap())).await.unwrap();
    let backend = conn.get_database_backend();
    let run = async |sql: &str, values: Vec<sea_orm::Value>| {
        conn.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.unwrap()
    };
    let place = |n: usize| if backend == sea_orm::DbBackend::Postgres { format!("${n}") } else { "?".to_owned() };
    let list = |count: usize| (1..=count).map(place).collect::<Vec<_>>().join(", ");
    let now: sea_orm::Value = chrono::DateTime::<chrono::Utc>::UNIX_EPOCH.into();
    let agencies = [Uuid::from_u128(1), Uuid::from_u128(2)];
    for (agency, key) in agencies.iter().zip(["one", "two"]) {
        let columns = if backend == sea_orm::DbBackend::MySql { "id, `key`, name" } else { "id, \"key\", name" };
        let sql = format!(
            "INSERT INTO agency ({columns}, time_zone, opt_out_replies, created_at, updated_at) VALUES ({})",
            list(7)
        );
        let values =
            vec![(*agency).into(), key.into(), key.into(), "UTC".into(), "TWILIO".into(), now.clone(), now.clone()];
        run(&sql, values).await;
    }
    let insert =
        format!("INSERT INTO contact (agency_id, id, phone, name, created_at, updated_at) VALUES ({})", list(6));
    let tx = sea_orm::TransactionTrait::begin(&conn).await.unwrap();
    for n in 0..CONTACTS {
        let name = match n % 3 {
            0 => None,
            1 => Some(format!("Élodie {n}")),
            _ => Some(PEOPLE[usize::try_from(n).unwrap() % PEOPLE.len()].1.to_owned()),
        };
        let agency = agencies[usize::try_from(n).unwrap() % 2];
        let values: Vec<sea_orm::Value> = vec![
            agency.into(),
            Uuid::from_u128(n).into(),
            format!("+1303{n:07}").into(),
            name.into(),
            now.clone(),
            now.clone(),
        ];
        tx.execute_raw(Statement::from_sql_and_values(backend, &insert, values)).await.unwrap();
    }
    tx.commit().await.unwrap();
    for _ in 0..2 {
        Migrator::up(&conn, Some(1)).await.unwrap();
        let rows =
            conn.query_all_raw(Statement::from_string(backend, "SELECT name, name_folded FROM contact")).await.unwrap();
        assert_eq!(rows.len() as u128, CONTACTS);
        let mut named = 0;
        for row in rows {
            let (name, folded): (Option<String>, Option<String>) =
                (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
            assert_eq!(folded, name.as_deref().map(fold));
            named += usize::from(name.is_some());
        }
        assert!(named > 1_500, "{named}");
        Migrator::down(&conn, Some(1)).await.unwrap();
    }
    Migrator::up(&conn, None).await.unwrap();
    let rows = conn.query_all_raw(Statement::from_string(backend, "SELECT name, sort_key FROM contact")).await.unwrap();
    assert_eq!(rows.len() as u128, CONTACTS);
    for row in rows {
        let (name, key): (Option<String>, String) =
            (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap());
        assert_eq!(key, sort_key(name.as_deref()));
    }
    conn.close().await.unwrap();
}
