//! The OpenAPI document is committed, served, and correct.

use reqwest::header::CONTENT_TYPE;
use serde_json::Value;

use crate::support::TestApp;

const COMMITTED: &str = include_str!("../../../docs/openapi.json");

#[tokio::test]
async fn the_committed_document_is_served() {
    let app = TestApp::start().await;
    let answer = app.http.get(app.url("/api/openapi.json")).send().await.unwrap();
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/json");
    assert!(answer.text().await.unwrap() == COMMITTED, "docs/openapi.json is out of date: run `make openapi`");
    assert_eq!(partyline::rest::document().unwrap(), COMMITTED);
}

/// Every operation documents its errors with the common schema, including those that depend on authentication and on a
/// request body.
#[test]
fn every_status_is_documented() {
    let document: Value = serde_json::from_str(COMMITTED).unwrap();
    let mut operations = 0;
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            let is_open = operation.get("security").is_some();
            let mut expected = vec!["500"];
            // An upload takes any media type, and every user may upload.
            let is_upload = path == "/media";
            if !is_open {
                expected.extend(["401", "429", "503"]);
            }
            if !is_open && !is_upload {
                expected.push("404");
            }
            if method != "get" && !is_upload {
                expected.push("403");
            }
            if operation.get("requestBody").is_some() {
                expected.extend(["400", "408", "413"]);
                if !is_upload {
                    expected.extend(["409", "415"]);
                }
            }
            let responses = operation["responses"].as_object().unwrap();
            let mut errors: Vec<_> = responses.keys().filter(|status| !status.starts_with('2')).collect();
            errors.sort();
            expected.sort_unstable();
            assert_eq!(errors, expected, "{method} {path}");
            for status in errors {
                let schema = &responses[status]["content"]["application/json"]["schema"]["$ref"];
                assert_eq!(schema, "#/components/schemas/Error", "{method} {path} {status}");
            }
        }
    }
    assert_eq!(operations, 8);
}
