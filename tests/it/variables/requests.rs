//! Variables in directives, defaults, required variables, and the cost of an operation with its variables.

use serde_json::{Value, json};

use crate::support::TestApp;

async fn both(app: &TestApp, document: &str, variables: &Value) -> Value {
    let ana = app.token("acme", "ana");
    let over_http = app.graphql(&ana, document, variables.clone()).await;
    let mut socket = app.socket(&ana).await;
    socket.subscribe("1", document, variables.clone()).await;
    let mut message = socket.next().await.unwrap();
    let over_socket = match message["type"].as_str() {
        Some("error") => json!({"errors": message["payload"]}),
        _ => message["payload"].take(),
    };
    assert_eq!(over_http, over_socket, "{document} {variables}");
    over_http
}

#[tokio::test]
async fn directives_use_variables_and_their_defaults() {
    let app = TestApp::start().await;
    for (definition, directive, variables, shown) in [
        ("$x: Boolean!", "@include(if: $x)", json!({"x": true}), true),
        ("$x: Boolean!", "@include(if: $x)", json!({"x": false}), false),
        ("$x: Boolean! = true", "@include(if: $x)", json!({}), true),
        ("$x: Boolean! = true", "@include(if: $x)", json!({"x": false}), false),
        ("$x: Boolean = true", "@include(if: $x)", json!({}), true),
        ("$x: Boolean = false", "@include(if: $x)", json!({}), false),
        ("$x: Boolean = true", "@skip(if: $x)", json!({}), false),
        ("$x: Boolean = false", "@skip(if: $x)", json!({}), true),
    ] {
        for document in [
            format!("query({definition}) {{ viewer {{ key name {directive} }} }}"),
            format!("query({definition}) {{ viewer {{ key ... {directive} {{ name }} }} }}"),
            format!("query({definition}) {{ viewer {{ key ...F {directive} }} }} fragment F on User {{ name }}"),
            format!("query({definition}) {{ viewer {{ ...F }} }} fragment F on User {{ key name {directive} }}"),
        ] {
            let expected = if shown { json!({"key": "ana", "name": "Ana Lopez"}) } else { json!({"key": "ana"}) };
            assert_eq!(both(&app, &document, &variables).await, json!({"data": {"viewer": expected}}), "{document}");
        }
    }
    for (definition, variables) in
        [("$x: Boolean!", json!({})), ("$x: Boolean!", json!({"x": null})), ("$x: Boolean", json!({}))]
    {
        let document = format!("query({definition}) {{ viewer {{ key @include(if: $x) }} }}");
        let answer = both(&app, &document, &variables).await;
        assert_eq!(answer.get("data"), None, "{document} {variables}: {answer}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "GRAPHQL_VALIDATION_FAILED", "{document} {variables}");
    }
}

#[tokio::test]
async fn a_missing_required_variable_is_named_and_nothing_is_executed() {
    let app = TestApp::start().await;
    let away = "a: setAvailability(input: {availability: AWAY}) { userErrors { code } }";
    let document = format!(
        "mutation($thread: ID!) {{ {away} claimThread(input: {{threadId: $thread}}) {{ userErrors {{ code }} }} }}"
    );
    for variables in [json!({}), json!({"thread": null}), json!({"Thread": "x"})] {
        let answer = both(&app, &document, &variables).await;
        assert_eq!(answer.get("data"), None, "{answer}");
        let message = answer["errors"][0]["message"].as_str().unwrap();
        assert_eq!(message, "A value is required for the variable `$thread` of type `ID!`.");
    }
    let ana = both(&app, "{ viewer { availability } }", &json!({})).await;
    assert_eq!(ana, json!({"data": {"viewer": {"availability": "AVAILABLE"}}}));
}

#[tokio::test]
async fn the_cost_of_an_operation_depends_on_its_variables() {
    let app = TestApp::start().await;
    let document = "query($n: Int, $m: Int = 100) { threads(first: $n) { nodes { messages(first: $m) { nodes { id status body } } } } }";
    for (variables, refused) in [
        (json!({}), false),
        (json!({"n": null}), false),
        (json!({"n": 100}), true),
        (json!({"n": 100, "m": 1}), false),
        (json!({"n": 100, "m": null}), false),
    ] {
        let answer = both(&app, document, &variables).await;
        let code = &answer["errors"][0]["extensions"]["code"];
        assert_eq!(
            (code == "QUERY_TOO_COMPLEX", answer.get("data").is_none()),
            (refused, refused),
            "{variables}: {answer}"
        );
    }
    // Only the selected operation counts.
    let two = format!("{} query Small {{ viewer {{ key }} }}", document.replace("query(", "query Large("));
    let asked = json!({"query": two, "operationName": "Small", "variables": {"n": 100}});
    let answer = app.graphql_text(&app.token("acme", "ana"), &asked).await;
    assert_eq!(answer, r#"{"data":{"viewer":{"key":"ana"}}}"#);
}
