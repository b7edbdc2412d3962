//! Assignments of users to numbers.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{ASSIGNMENTS, Office};
use crate::support::directory::{DESK, EMPTY, NURSES};

/// A number's users in a response: name, SMS access, and whether primary.
fn users<'a>(answer: &'a Value, e164: &str) -> Vec<(&'a str, bool, bool)> {
    let numbers = answer["numbers"].as_array().unwrap();
    let number = numbers.iter().find(|number| number["phoneNumber"] == e164).unwrap();
    let flag = |user: &Value, name: &str| user[name].as_bool().unwrap();
    let of =
        |user: &'a Value| (user["name"].as_str().unwrap(), flag(user, "smsAccessEnabled"), flag(user, "isPrimary"));
    number["users"].as_array().unwrap().iter().map(of).collect()
}

async fn change(office: &Office, body: Value) -> super::Answer {
    office.send(Method::PATCH, ASSIGNMENTS, &body).await
}

#[tokio::test]
async fn each_number_has_its_users() {
    let office = Office::open().await;
    let (ben, chloe, dev) = (office.user("ben").await, office.user("chloe").await, office.user("dev").await);
    let user = |id: &str, name: &str, primary: bool| json!({"userId": id, "name": name, "smsAccessEnabled": true, "isPrimary": primary});
    let expected = json!({"numbers": [
        {"id": office.number(DESK).await, "phoneNumber": DESK, "label": "Front desk",
         "users": [user(&ben, "Ben Ode", true), user(&chloe, "Chloe Park", false)]},
        {"id": office.number(NURSES).await, "phoneNumber": NURSES, "label": "Nurse line",
         "users": [user(&chloe, "Chloe Park", false), user(&dev, "Dev Shah", false)]},
        {"id": office.number(EMPTY).await, "phoneNumber": EMPTY, "label": "Nobody's", "users": []},
    ]});
    assert_eq!(office.get(ASSIGNMENTS).await, expected);
    // The agency can also be named by its id.
    let id = office.app.agency("acme").await;
    assert_eq!(office.get(&format!("/api/sms-numbers/agency/{id}/assignments")).await, expected);
}

#[tokio::test]
async fn users_are_added_updated_and_removed_in_one_request() {
    let office = Office::open().await;
    let desk = office.number(DESK).await;
    let (ben, chloe, dev) = (office.user("ben").await, office.user("chloe").await, office.user("dev").await);
    let body = json!({
        "numberId": desk,
        "add": [{"userId": dev, "smsAccessEnabled": false}],
        "update": [{"userId": chloe, "isPrimary": true}],
        "remove": [ben],
    });
    let answer = change(&office, body).await.expect(StatusCode::OK);
    assert_eq!(users(&answer, DESK), [("Chloe Park", true, true), ("Dev Shah", false, false)]);
    assert_eq!(answer, office.get(ASSIGNMENTS).await);
    let toggle = json!({"numberId": desk, "update": [{"userId": dev, "smsAccessEnabled": true}]});
    let answer = change(&office, toggle).await.expect(StatusCode::OK);
    assert_eq!(users(&answer, DESK), [("Chloe Park", true, true), ("Dev Shah", true, false)]);
    // A re-added user is the last of the pool; omitted members have their defaults.
    let back = json!({"numberId": desk, "add": [{"userId": ben}]});
    let answer = change(&office, back).await.expect(StatusCode::OK);
    let expected = [("Chloe Park", true, true), ("Dev Shah", true, false), ("Ben Ode", true, false)];
    assert_eq!(users(&answer, DESK), expected);
}

/// The former primary user is updated in the same request, before and after the change of the primary.
#[tokio::test]
async fn one_user_is_primary_whatever_the_order_of_updates() {
    let office = Office::open().await;
    let desk = office.number(DESK).await;
    let (ben, chloe) = (office.user("ben").await, office.user("chloe").await);
    let body = json!({"numberId": desk, "update": [
        {"userId": chloe, "isPrimary": true}, {"userId": ben, "smsAccessEnabled": false},
    ]});
    let answer = change(&office, body).await.expect(StatusCode::OK);
    assert_eq!(users(&answer, DESK), [("Chloe Park", true, true), ("Ben Ode", false, false)]);
    let body = json!({"numberId": desk, "update": [
        {"userId": chloe, "smsAccessEnabled": false}, {"userId": ben, "isPrimary": true},
    ]});
    let answer = change(&office, body).await.expect(StatusCode::OK);
    assert_eq!(users(&answer, DESK), [("Ben Ode", false, true), ("Chloe Park", false, false)]);
}

#[tokio::test]
async fn one_invalid_change_refuses_the_whole_request() {
    let office = Office::open().await;
    let desk = office.number(DESK).await;
    let (ben, chloe, dev) = (office.user("ben").await, office.user("chloe").await, office.user("dev").await);
    let nobody = "usr_0192f000700080008000000000000000";
    let (before, cursor) = (office.get(ASSIGNMENTS).await, office.cursor().await);
    let too_many: Vec<String> = (0..201).map(|n| format!("usr_{n:032x}")).collect();
    for (wrong, refusal) in [
        (json!({"numberId": desk, "remove": [ben], "add": [{"userId": nobody}]}), (404, "NOT_FOUND")),
        (json!({"numberId": desk, "remove": [ben], "add": [{"userId": "ben"}]}), (404, "NOT_FOUND")),
        (json!({"numberId": desk, "remove": [ben], "add": [{"userId": chloe}]}), (409, "CONFLICT")),
        (
            json!({"numberId": desk, "remove": [ben], "update": [{"userId": dev, "isPrimary": true}]}),
            (404, "NOT_FOUND"),
        ),
        (json!({"numberId": desk, "add": [{"userId": dev}], "remove": [nobody]}), (404, "NOT_FOUND")),
        (json!({"numberId": desk, "remove": [ben], "update": [{"userId": ben}]}), (400, "INVALID")),
        (json!({"numberId": desk, "remove": too_many}), (400, "INVALID")),
        (
            json!({"numberId": desk, "add": [{"userId": dev, "isPrimary": true}],
                   "update": [{"userId": chloe, "isPrimary": true}]}),
            (400, "INVALID"),
        ),
        (json!({"numberId": "num_0192f000700080008000000000000000", "remove": [ben]}), (404, "NOT_FOUND")),
        (json!({"numberId": DESK, "remove": [ben]}), (404, "NOT_FOUND")),
        (json!({"remove": [ben]}), (400, "INVALID")),
        (json!({"numberId": desk, "remove": null}), (400, "INVALID")),
        (json!({"numberId": desk, "remove": [ben], "voice": []}), (400, "INVALID")),
        (json!({"numberId": desk, "update": [{"userId": ben, "smsAccessEnabled": null}]}), (400, "INVALID")),
        (json!({"numberId": desk, "update": [{"userId": ben, "smsEnabled": false}]}), (400, "INVALID")),
        (json!({"numberId": desk, "add": [{"smsAccessEnabled": true}]}), (400, "INVALID")),
    ] {
        let answer = change(&office, wrong.clone()).await;
        assert_eq!(answer.refusal(), refusal, "{wrong}: {}", answer.body);
        assert_eq!(office.get(ASSIGNMENTS).await, before, "{wrong}");
    }
    assert_eq!(office.cursor().await, cursor, "nothing was changed");
    let nothing = change(&office, json!({"numberId": desk})).await.expect(StatusCode::OK);
    assert_eq!((nothing, office.cursor().await), (before, cursor));
}

#[tokio::test]
async fn a_released_number_is_not_listed_and_cannot_be_changed() {
    let office = Office::open().await;
    let (desk, ben) = (office.number(DESK).await, office.user("ben").await);
    let released = format!("agencies: [{{key: acme, phoneNumbers: [{{number: \"{DESK}\", active: false}}]}}]");
    office.app.apply(&released).await;
    let answer = office.get(ASSIGNMENTS).await;
    let listed: Vec<_> = answer["numbers"].as_array().unwrap().iter().map(|number| &number["phoneNumber"]).collect();
    assert_eq!(listed, [NURSES, EMPTY]);
    assert_eq!(change(&office, json!({"numberId": desk, "remove": [ben]})).await.refusal(), (404, "NOT_FOUND"));
}

/// Subscribers receive each change, GraphQL shows it, and a user whose SMS access is disabled loses their threads.
#[tokio::test]
async fn a_change_is_visible_through_every_transport() {
    let office = Office::open().await;
    let (app, desk) = (&office.app, office.number(DESK).await);
    let (ben, dev) = (office.user("ben").await, office.user("dev").await);
    app.text("+13035560001", DESK, "hello").await;
    let bens = app.token("acme", "ben");
    let thread = app.all_threads(&bens).await.remove(0);
    let claim = "mutation($thread: ID!) { claimThread(input: {threadId: $thread}) { userErrors { code } } }";
    app.graphql(&bens, claim, json!({"thread": thread})).await;
    let mut socket = app.socket(&office.ana).await;
    let subscription = "subscription($after: EventCursor) { directoryUpdated(after: $after) { node {
        ... on Assignment { user { key accessingNumbersCount } smsEnabled } } } }";
    socket.subscribe("1", subscription, json!({"after": office.cursor().await})).await;

    let body = json!({
        "numberId": desk,
        "add": [{"userId": dev}],
        "update": [{"userId": ben, "smsAccessEnabled": false}],
    });
    change(&office, body).await.expect(StatusCode::OK);
    let bens_assignment = json!({"user": {"key": "ben", "accessingNumbersCount": 0}, "smsEnabled": false});
    assert_eq!(socket.event().await["directoryUpdated"]["node"], bens_assignment);
    let devs_assignment = json!({"user": {"key": "dev", "accessingNumbersCount": 2}, "smsEnabled": true});
    assert_eq!(socket.event().await["directoryUpdated"]["node"], devs_assignment);
    let threads = office.graphql("{ threads { nodes { status assignee { key } } } }").await;
    assert_eq!(threads["threads"]["nodes"], json!([{"status": "UNCLAIMED", "assignee": null}]));
}
