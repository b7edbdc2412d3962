//! Extensions: digits that reach a user.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, CREATE, EXTENSIONS, Office};
use crate::support::directory::DESK;

async fn create(office: &Office, body: &Value) -> Answer {
    office.send(Method::POST, CREATE, body).await
}

async fn update(office: &Office, id: &Value, body: &Value) -> Answer {
    office.send(Method::PATCH, &format!("{CREATE}/{}", id.as_str().unwrap()), body).await
}

async fn delete(office: &Office, id: &Value) -> Answer {
    super::send(super::request(&office.app, Method::DELETE, &format!("{CREATE}/{}", id.as_str().unwrap()), &office.ana))
        .await
}

#[tokio::test]
async fn all_extensions_are_listed_by_digits() {
    let office = Office::open().await;
    let list = office.get(EXTENSIONS).await;
    let (first, second) = (&list["extensions"][0], &list["extensions"][1]);
    let expected = json!({"extensions": [
        {"id": first["id"], "extension": "101", "userId": office.user("dev").await, "numberId": null,
         "isActive": true},
        {"id": second["id"], "extension": "102", "userId": office.user("chloe").await,
         "numberId": office.number(DESK).await, "isActive": true},
    ]});
    assert_eq!(list, expected);
    assert!(first["id"].as_str().unwrap().starts_with("ext_"));
    let id = office.app.agency("acme").await;
    assert_eq!(office.get(&format!("/api/extensions/agency/{id}")).await, expected);
}

#[tokio::test]
async fn a_created_extension_is_visible_everywhere() {
    let office = Office::open().await;
    let (ben, desk) = (office.user("ben").await, office.number(DESK).await);
    let mut socket = office.app.socket(&office.ana).await;
    let subscription = "subscription($after: EventCursor) { directoryUpdated(after: $after) { nodeId } }";
    socket.subscribe("1", subscription, json!({"after": office.cursor().await})).await;
    let body = json!({"extension": "205", "userId": ben, "numberId": desk});
    let made = create(&office, &body).await.expect(StatusCode::CREATED);
    let id = made["id"].clone();
    let whole = json!({"id": id, "extension": "205", "userId": ben, "numberId": desk, "isActive": true});
    assert_eq!(made, whole);
    assert_eq!(socket.event().await["directoryUpdated"]["nodeId"], id);
    assert!(office.get(EXTENSIONS).await["extensions"].as_array().unwrap().contains(&whole));
    let seen = office.graphql("{ extensions { nodes { id digits active user { key } phoneNumber { e164 } } } }").await;
    let theirs =
        json!({"id": id, "digits": "205", "active": true, "user": {"key": "ben"}, "phoneNumber": {"e164": DESK}});
    assert!(seen["extensions"]["nodes"].as_array().unwrap().contains(&theirs), "{seen}");
}

#[tokio::test]
async fn an_update_changes_only_the_given_members() {
    let office = Office::open().await;
    let (ben, dev, desk) = (office.user("ben").await, office.user("dev").await, office.number(DESK).await);
    let id = office.get(EXTENSIONS).await["extensions"][0]["id"].clone();
    let mut whole = json!({"id": id, "extension": "101", "userId": dev, "numberId": null, "isActive": true});
    for change in [
        json!({}),
        json!({"extension": "301"}),
        json!({"userId": ben}),
        json!({"numberId": desk}),
        json!({"isActive": true}),
        json!({"numberId": null}),
        json!({"extension": "302", "userId": dev, "numberId": desk, "isActive": true}),
        json!({"isActive": false}),
        json!({"isActive": false}),
        json!({"isActive": true, "numberId": null}),
    ] {
        whole.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(update(&office, &id, &change).await.expect(StatusCode::OK), whole, "{change}");
        assert!(office.get(EXTENSIONS).await["extensions"].as_array().unwrap().contains(&whole), "{change}");
    }
}

#[tokio::test]
async fn the_digits_of_a_deactivated_extension_can_be_reused() {
    let office = Office::open().await;
    let (ben, dev) = (office.user("ben").await, office.user("dev").await);
    let old = office.get(EXTENSIONS).await["extensions"][0]["id"].clone();
    for _ in 0..2 {
        delete(&office, &old).await.expect(StatusCode::NO_CONTENT);
    }
    let gone = json!({"id": old, "extension": "101", "userId": dev, "numberId": null, "isActive": false});
    assert!(office.get(EXTENSIONS).await["extensions"].as_array().unwrap().contains(&gone));
    // `update` does not reactivate it implicitly.
    assert_eq!(update(&office, &old, &json!({"userId": ben})).await.refusal(), (404, "NOT_FOUND"));

    let body = json!({"extension": "101", "userId": ben});
    let new = create(&office, &body).await.expect(StatusCode::CREATED)["id"].clone();
    assert_ne!(new, old);
    assert_eq!(create(&office, &body).await.refusal(), (409, "CONFLICT"));
    // A deactivated extension can be reactivated when its digits are free, or with other digits.
    assert_eq!(update(&office, &old, &json!({"isActive": true})).await.refusal(), (409, "CONFLICT"));
    delete(&office, &new).await.expect(StatusCode::NO_CONTENT);
    let back = update(&office, &old, &json!({"isActive": true})).await.expect(StatusCode::OK);
    assert_eq!((&back["id"], &back["isActive"]), (&old, &json!(true)));
    let moved = update(&office, &new, &json!({"isActive": true, "extension": "103"})).await.expect(StatusCode::OK);
    assert_eq!((&moved["extension"], &moved["isActive"]), (&json!("103"), &json!(true)));
}

/// An extension of a deactivated user cannot be changed, but it can be deactivated.
#[tokio::test]
async fn an_extension_of_a_deactivated_user_can_be_deactivated() {
    let office = Office::open().await;
    let id = office.get(EXTENSIONS).await["extensions"][0]["id"].clone();
    office.app.apply("agencies: [{key: acme, users: [{key: dev, active: false}]}]").await;
    assert_eq!(update(&office, &id, &json!({"extension": "301"})).await.refusal(), (404, "NOT_FOUND"));
    let answer = update(&office, &id, &json!({"isActive": false})).await.expect(StatusCode::OK);
    assert_eq!(answer["isActive"], false);
    assert_eq!(update(&office, &id, &json!({"isActive": true})).await.refusal(), (404, "NOT_FOUND"));
}

#[tokio::test]
async fn invalid_requests_are_refused_and_change_nothing() {
    let office = Office::open().await;
    let (ben, desk) = (office.user("ben").await, office.number(DESK).await);
    let list = office.get(EXTENSIONS).await;
    let second = list["extensions"][1]["id"].clone();
    let cursor = office.cursor().await;
    let nobody = "usr_0192f000700080008000000000000000";
    for (wrong, refusal) in [
        (json!({"extension": "101", "userId": ben}), (409, "CONFLICT")),
        (json!({"extension": "102", "userId": ben, "numberId": desk}), (409, "CONFLICT")),
        (json!({"extension": "911", "userId": ben}), (400, "INVALID")),
        (json!({"extension": "1", "userId": ben}), (400, "INVALID")),
        (json!({"extension": "1234567", "userId": ben}), (400, "INVALID")),
        (json!({"extension": "10a", "userId": ben}), (400, "INVALID")),
        (json!({"extension": "\u{0}\u{0}", "userId": ben}), (400, "INVALID")),
        (json!({"extension": 205, "userId": ben}), (400, "INVALID")),
        (json!({"extension": "205", "userId": null}), (400, "INVALID")),
        (json!({"extension": "205"}), (400, "INVALID")),
        (json!({"userId": ben}), (400, "INVALID")),
        (json!({"extension": "205", "userId": ben, "id": "ext_1"}), (400, "INVALID")),
        (json!({"extension": "205", "userId": ben, "isActive": "yes"}), (400, "INVALID")),
        (json!({"extension": "205", "userId": nobody}), (404, "NOT_FOUND")),
        (json!({"extension": "205", "userId": "ben"}), (404, "NOT_FOUND")),
        (json!({"extension": "205", "userId": ben, "numberId": nobody}), (404, "NOT_FOUND")),
        (
            json!({"extension": "205", "userId": ben, "numberId": "num_0192f000700080008000000000000000"}),
            (404, "NOT_FOUND"),
        ),
        (json!(["205", ben, null, true]), (400, "INVALID")),
        (json!("205"), (400, "INVALID")),
        (Value::Null, (400, "INVALID")),
    ] {
        let answer = create(&office, &wrong).await;
        assert_eq!(answer.refusal(), refusal, "{wrong}: {}", answer.body);
    }
    for (wrong, refusal) in [
        (json!({"extension": "101", "numberId": null}), (409, "CONFLICT")),
        (json!({"extension": "112"}), (400, "INVALID")),
        (json!({"extension": null}), (400, "INVALID")),
        (json!({"userId": null}), (400, "INVALID")),
        (json!({"isActive": null}), (400, "INVALID")),
        (json!({"digits": "205"}), (400, "INVALID")),
        (json!({"userId": nobody}), (404, "NOT_FOUND")),
        (json!({"isActive": false, "userId": nobody}), (404, "NOT_FOUND")),
        (json!({"isActive": false, "extension": "9"}), (400, "INVALID")),
        (json!({"numberId": "num_0192f000700080008000000000000000"}), (404, "NOT_FOUND")),
    ] {
        let answer = update(&office, &second, &wrong).await;
        assert_eq!(answer.refusal(), refusal, "{wrong}: {}", answer.body);
    }
    for id in ["ext_0192f000700080008000000000000000", "101", "%FF", "ext_", nobody] {
        let id = json!(id);
        assert_eq!(update(&office, &id, &json!({"extension": "205"})).await.refusal(), (404, "NOT_FOUND"), "{id}");
        assert_eq!(delete(&office, &id).await.refusal(), (404, "NOT_FOUND"), "{id}");
    }
    assert_eq!(office.get(EXTENSIONS).await, list);
    assert_eq!(office.cursor().await, cursor, "nothing was changed");
}
