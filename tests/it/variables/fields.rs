//! Every argument of every field of `Query` and of the object types, over HTTP and over a socket.

use serde_json::{Value, json};

use super::{Place, Site, difference, pairs};

/// All fields with arguments. Fields of node types are reached through `Query.node`.
fn all_places(site: &Site) -> Vec<Place<'_>> {
    let mut all_places = Vec::new();
    for (name, of) in site.schema.types().filter(|(_, of)| of.kind == "OBJECT") {
        if name == "Mutation" || name == "Subscription" {
            continue;
        }
        for field in of.fields.iter().filter(|field| !field.arguments.is_empty()) {
            let around = match name.as_str() {
                "Query" => ("query{ ".to_owned(), " }".to_owned()),
                _ => {
                    let node = site
                        .nodes
                        .get(name)
                        .unwrap_or_else(|| panic!("no path to {name}.{} is known: add one", field.name));
                    (format!("query{{ node(id: {node}) {{ ... on {name} {{ "), " } } }".to_owned())
                }
            };
            all_places.push(Place { field, around, selection: site.schema.select(field.of.named(), 2) });
        }
    }
    all_places
}

#[tokio::test]
#[ignore = "slow: part of `make test-full`"]
async fn variables_in_queries_behave_like_literals() {
    let site = Site::start().await;
    let mut socket = site.app.socket(&site.ana).await;
    let (mut tested, mut wrong) = (0, Vec::new());
    for place in all_places(&site) {
        let mut values = site.values();
        if place.field.of.named().ends_with("Connection") {
            let edges = Place { selection: "edges { cursor }".to_owned(), around: place.around.clone(), ..place };
            let found = site
                .ask(&edges.document(&site.schema, "", &values.with(&place.field.arguments, &[], None)), &json!({}))
                .await;
            values.cursor = first_cursor(&found["data"]);
        }
        for path in site.schema.paths(&place.field.arguments) {
            for pair in pairs(&mut values, &place, &path) {
                let literal = site.ask(&pair.literal, &json!({})).await;
                let over_http = site.ask(&pair.document, &pair.variables).await;
                let over_socket = site.ask_on(&mut socket, &pair.document, &pair.variables).await;
                wrong.extend(difference(&pair, &over_http, &literal));
                wrong.extend(difference(&pair, &over_socket, &literal).map(|wrong| format!("on a socket: {wrong}")));
                tested += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {tested} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(tested > 200, "{tested}");
}

fn first_cursor(value: &Value) -> Option<Value> {
    match value {
        Value::Array(items) => items.iter().find_map(first_cursor),
        Value::Object(object) => match object.get("cursor") {
            Some(cursor) => Some(cursor.clone()),
            None => object.values().find_map(first_cursor),
        },
        _ => None,
    }
}
