//! Authorization: requests without a valid token, by members, and by users of other agencies.

use reqwest::header::WWW_AUTHENTICATE;
use reqwest::{Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::{ASSIGNMENTS, Answer, CREATE, EXTENSIONS, Office, request, send};
use crate::support::directory::{DESK, OTHER};

/// A well-formed request to each route with these ids.
fn requests(agency: &str, ids: &Ids) -> Vec<(Method, String, Option<Value>)> {
    let Ids { number, user, extension } = ids;
    let assignments = format!("/api/sms-numbers/agency/{agency}/assignments");
    vec![
        (Method::GET, assignments.clone(), None),
        (Method::PATCH, assignments, Some(json!({"numberId": number, "remove": [user]}))),
        (Method::GET, format!("/api/extensions/agency/{agency}"), None),
        (Method::POST, CREATE.to_owned(), Some(json!({"extension": "777", "userId": user}))),
        (Method::PATCH, format!("{CREATE}/{extension}"), Some(json!({"extension": "778"}))),
        (Method::DELETE, format!("{CREATE}/{extension}"), None),
    ]
}

struct Ids {
    number: String,
    user: String,
    extension: String,
}

async fn acmes(office: &Office) -> Ids {
    let extensions = office.get(EXTENSIONS).await;
    let extension = extensions["extensions"][0]["id"].as_str().unwrap().to_owned();
    Ids { number: office.number(DESK).await, user: office.user("ben").await, extension }
}

async fn ask(office: &Office, token: &SecretString, asked: &(Method, String, Option<Value>)) -> Answer {
    let (method, path, body) = asked;
    let request = request(&office.app, method.clone(), path, token);
    send(match body {
        Some(body) => request.json(body),
        None => request,
    })
    .await
}

#[tokio::test]
async fn a_request_without_a_valid_token_is_rejected() {
    let office = Office::open().await;
    let ids = acmes(&office).await;
    for asked in requests("acme", &ids) {
        let (method, path, body) = &asked;
        let bare = || {
            let bare = office.app.http.request(method.clone(), office.app.url(path));
            if let Some(body) = body { bare.json(body) } else { bare }
        };
        for request in [bare(), bare().bearer_auth("x"), bare().basic_auth("ana", Some("x"))] {
            let answer = send(request).await;
            assert_eq!(answer.refusal(), (401, "UNAUTHENTICATED"), "{method} {path}");
            assert_eq!(answer.headers[WWW_AUTHENTICATE], "Bearer");
        }
    }
    // A token is not valid after its user has been deactivated.
    let ben = office.app.token("acme", "ben");
    office.app.apply("agencies: [{key: acme, users: [{key: ben, active: false}]}]").await;
    let answer = send(request(&office.app, Method::GET, ASSIGNMENTS, &ben)).await;
    assert_eq!(answer.refusal(), (401, "UNAUTHENTICATED"));
}

#[tokio::test]
async fn members_can_read_but_not_change() {
    let office = Office::open().await;
    let ben = office.app.token("acme", "ben");
    let cursor = office.cursor().await;
    let ids = acmes(&office).await;
    for asked in requests("acme", &ids) {
        let answer = ask(&office, &ben, &asked).await;
        if asked.0 == Method::GET {
            assert_eq!(answer.expect(StatusCode::OK), office.get(&asked.1).await);
        } else {
            assert_eq!(answer.refusal(), (403, "FORBIDDEN"), "{} {}", asked.0, asked.1);
        }
    }
    assert_eq!(office.cursor().await, cursor, "nothing was changed");
}

#[tokio::test]
async fn ids_of_another_agency_are_not_found() {
    let office = Office::open().await;
    let olga = office.app.token("other", "olga");
    let ids = acmes(&office).await;
    let unknown = |id: &str| format!("{}_0192f000700080008000000000000000", id.split('_').next().unwrap());
    let unknown_ids =
        Ids { number: unknown(&ids.number), user: unknown(&ids.user), extension: unknown(&ids.extension) };
    let acme = office.app.agency("acme").await.to_string();
    let (before, cursor) = (office.get(ASSIGNMENTS).await, office.cursor().await);
    // Acme by its key, by its id, and its ids within the other agency, each compared with ids that do not exist.
    for (agency, missing) in [("acme", "nowhere"), (&acme, &unknown("agy_")), ("other", "other"), ("%FF", "%00")] {
        let foreign = requests(agency, &ids);
        let missing = requests(missing, &unknown_ids);
        for (foreign, missing) in foreign.iter().zip(&missing) {
            if agency == "other" && foreign.0 == Method::GET {
                continue;
            }
            let (foreign, missing) = (ask(&office, &olga, foreign).await, ask(&office, &olga, missing).await);
            assert_eq!(foreign.refusal(), (404, "NOT_FOUND"), "{agency}");
            assert_eq!((foreign.status, foreign.body), (missing.status, missing.body), "{agency}");
        }
    }
    // The other agency's own ids combined with acme's.
    let own_number = office.app.number_id("other", OTHER).await;
    let own_user = office.app.user_id("other", "olga").await;
    let assignments = "/api/sms-numbers/agency/other/assignments";
    for (method, path, body) in [
        (Method::PATCH, assignments, json!({"numberId": own_number, "add": [{"userId": ids.user}]})),
        (Method::PATCH, assignments, json!({"numberId": own_number, "remove": [ids.user]})),
        (Method::PATCH, assignments, json!({"numberId": ids.number, "add": [{"userId": own_user}]})),
        (Method::POST, CREATE, json!({"extension": "777", "userId": own_user, "numberId": ids.number})),
    ] {
        let answer = ask(&office, &olga, &(method, path.to_owned(), Some(body.clone()))).await;
        assert_eq!(answer.refusal(), (404, "NOT_FOUND"), "{body}");
    }
    assert_eq!((office.get(ASSIGNMENTS).await, office.cursor().await), (before, cursor));
    let members = office.app.token("sister", "sam");
    assert_eq!(send(request(&office.app, Method::GET, EXTENSIONS, &members)).await.refusal(), (404, "NOT_FOUND"));
}
