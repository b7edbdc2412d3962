//! Every argument and input field of every mutation. A mutation changes the state that the next one sees, so two
//! identical servers run in lockstep: one receives variables, the other literals.

use serde_json::{Value, json};

use super::schema::Schema;
use super::{Expected, Pair, Place, Site, difference, pairs};

/// Mutations that cannot succeed in these tests: they need a failed or a held text, a verification code, a verified
/// phone, a sign-in code, or a carrier that responds. `renewSession` has no input.
const NEVER_SUCCEED: [&str; 8] = [
    "abandonMessage",
    "cancelMessage",
    "confirmPhoneVerification",
    "exchangeSignInCode",
    "renewSession",
    "resendMessage",
    "startCall",
    "startPhoneVerification",
];

fn place<'a>(schema: &'a Schema, name: &str) -> Place<'a> {
    let field = schema.of("Mutation").fields.iter().find(|field| field.name == name).unwrap();
    let around = ("mutation{ ".to_owned(), " }".to_owned());
    Place { field, around, selection: schema.select(field.of.named(), 2) }
}

/// Mutations that bring about the state in which this one can succeed.
pub(super) fn prerequisites(name: &str) -> &'static [&'static str] {
    match name {
        "closeThread" | "releaseThread" | "sendMessage" => &["claimThread"],
        "reopenThread" => &["claimThread", "closeThread"],
        "removePoolMember" | "updatePoolMember" => &["addPoolMember"],
        _ => &[],
    }
}

/// A document with this mutation and its required inputs only.
pub(super) fn required(site: &Site, name: &str) -> String {
    let place = place(&site.schema, name);
    place.document(&site.schema, "", &site.values().with(&place.field.arguments, &[], None))
}

/// The contents of all connections of `Query`.
async fn state(site: &Site) -> Vec<Value> {
    let mut state = Vec::new();
    for field in &site.schema.of("Query").fields {
        let of = field.of.named();
        if of.ends_with("Connection") {
            let document = format!("{{ {} {{ {} }} }}", field.name, site.schema.select(of, 2));
            state.push(site.ask(&document, &json!({})).await);
        }
    }
    state
}

/// Tests one mutation. Returns the differences, the number of pairs, and whether the mutation ever succeeded.
async fn run_in_lockstep(name: &str) -> (Vec<String>, usize, bool) {
    let (one, other) = futures_util::join!(Site::start(), Site::start());
    assert_eq!(one.nodes, other.nodes, "both servers start with the same data");
    let outcome = compare(&one, &other, name).await;
    // Returns the database connections before the next pair of servers starts.
    one.app.stop().await;
    other.app.stop().await;
    outcome
}

async fn compare(one: &Site, other: &Site, name: &str) -> (Vec<String>, usize, bool) {
    let mut socket = one.app.socket(&one.ana).await;
    for first in prerequisites(name) {
        let document = required(one, first);
        assert_eq!(one.ask(&document, &json!({})).await, other.ask(&document, &json!({})).await);
    }
    let place = place(&one.schema, name);
    let mut values = one.values();
    let (mut wrong, mut tested, mut succeeded) = (Vec::new(), 0, false);
    for path in one.schema.paths(&place.field.arguments) {
        for (index, pair) in pairs(&mut values, &place, &path).into_iter().enumerate() {
            let answer = match index % 2 {
                0 => one.ask(&pair.document, &pair.variables).await,
                _ => one.ask_on(&mut socket, &pair.document, &pair.variables).await,
            };
            let literal = other.ask(&pair.literal, &json!({})).await;
            wrong.extend(difference(&pair, &answer, &literal));
            succeeded |= pair.expected == Expected::Same && literal["data"][name]["userErrors"] == json!([]);
            tested += 1;
        }
    }
    if state(one).await != state(other).await {
        wrong.push(format!("{name}: the servers have different data afterwards"));
    }
    (wrong, tested, succeeded)
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn variables_in_mutations_behave_like_literals() {
    let described = crate::support::TestApp::start().await;
    let ana = described.token("acme", "ana");
    let schema = Schema::read(&described.graphql(&ana, Schema::QUERY, json!({})).await);
    let (mut wrong, mut all, mut never) = (Vec::new(), 0, Vec::new());
    for field in &schema.of("Mutation").fields {
        let (differences, tested, succeeded) = run_in_lockstep(&field.name).await;
        wrong.extend(differences);
        all += tested;
        never.extend((!succeeded).then_some(field.name.as_str()));
    }
    assert!(wrong.is_empty(), "{} of {all} wrong:\n{}", wrong.len(), wrong.join("\n"));
    never.sort();
    assert_eq!(never, NEVER_SUCCEED, "mutations that never succeeded");
}

/// Checks the stored data, not only that variables and literals agree.
#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn an_omitted_variable_in_an_update_keeps_the_stored_value() {
    let site = Site::start().await;
    let mut updates = 0;
    for field in site.schema.of("Mutation").fields.iter().filter(|field| field.name.starts_with("update")) {
        let place = place(&site.schema, &field.name);
        let mut values = site.values();
        let paths = site.schema.paths(&field.arguments);
        let optional: Vec<_> = paths.into_iter().filter(|path| path.len() == 2 && !path[1].is_required).collect();
        for first in prerequisites(&field.name) {
            site.ask(&required(&site, first), &json!({})).await;
        }
        // Start from stored values that differ from null.
        for path in &optional {
            let given = values.with(&field.arguments, path, Some(values.value(&path[1].name, &path[1].of)));
            let answer = site.ask(&place.document(&site.schema, "", &given), &json!({})).await;
            assert_eq!(answer["data"][&field.name]["userErrors"], json!([]), "{answer}");
        }
        for path in &optional {
            let before = state(&site).await;
            let absent = pairs(&mut values, &place, path).into_iter().filter(|pair| pair.what.contains(" absent "));
            for Pair { what, document, variables, .. } in absent {
                let answer = site.ask(&document, &variables).await;
                assert_eq!(answer["data"][&field.name]["userErrors"], json!([]), "{what}: {answer}");
                assert_eq!(state(&site).await, before, "{what}");
                updates += 1;
            }
        }
    }
    assert!(updates > 20, "{updates}");
    let of = |id: &str| {
        format!(
            "mutation($n: ID) {{ updateExtension(input: {{extensionId: {id}, phoneNumberId: $n}}) {{ extension {{ phoneNumber {{ id }} }} userErrors {{ code }} }} }}"
        )
    };
    let document = of(&site.nodes["Extension"].to_string());
    let number = json!({"id": site.nodes["PhoneNumber"]});
    for (variables, expected) in [
        (json!({"n": site.nodes["PhoneNumber"]}), number.clone()),
        (json!({}), number),
        (json!({"n": null}), Value::Null),
        (json!({}), Value::Null),
    ] {
        let answer = site.ask(&document, &variables).await;
        let extension = json!({"extension": {"phoneNumber": expected}, "userErrors": []});
        assert_eq!(answer, json!({"data": {"updateExtension": extension}}), "{variables}");
    }
}
