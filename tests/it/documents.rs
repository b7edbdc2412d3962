//! Every GraphQL document of the tests is valid: the files in `documents/`, and those written in the sources. Documents
//! that are invalid on purpose are in the lists of `protocol` and `http`.

use std::path::Path;

use async_graphql::Request;
use async_graphql::parser::parse_query;
use futures_util::StreamExt as _;
use partyline::graphql::ServerFacts;

/// The messages with which the schema rejects a document. Without a requester nothing is executed: each field fails
/// with an error that has a path.
async fn rejections(document: &str) -> Vec<String> {
    let schema = partyline::graphql::schema(ServerFacts::default());
    let mut responses = schema.execute_stream(Request::new(document));
    let response = responses.next().await.expect("a response");
    let errors = response.errors.into_iter().filter(|error| error.path.is_empty());
    // Neither the values of variables nor the name of the operation are given here.
    let given_later = ["is not defined but required", "Operation name required"];
    errors.map(|error| error.message).filter(|message| !given_later.iter().any(|part| message.contains(part))).collect()
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs" || extension == "graphql") {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

/// The string literals of a source that are whole GraphQL operations.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    for start in ["\"query", "\"mutation", "\"subscription"] {
        for (at, _) in source.match_indices(start) {
            let text = &source[at + 1..];
            let mut end = 0;
            let bytes = text.as_bytes();
            while bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            let text = text[..end].replace("\\\"", "\"").replace("\\\n", "\n");
            // Text with placeholders of `format!` is a template.
            if parse_query(&text).is_ok() {
                found.push(text);
            }
        }
    }
    found
}

#[tokio::test]
async fn every_document_is_valid() {
    let mut files = Vec::new();
    sources(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it")), &mut files);
    let (mut invalid, mut count) = (Vec::new(), 0);
    for (path, text) in files {
        let is_document = path.ends_with(".graphql");
        // These send invalid documents on purpose.
        if !is_document && ["/protocol/", "/http/", "/variables/"].iter().any(|part| path.contains(part)) {
            continue;
        }
        let documents = if is_document { vec![text] } else { literals(&text) };
        for document in documents {
            count += 1;
            for message in rejections(&document).await {
                invalid.push(format!("{path}: {message}\n{document:.200}"));
            }
        }
    }
    assert!(invalid.is_empty(), "{} of {count} are invalid:\n{}", invalid.len(), invalid.join("\n"));
    assert!(count > 80, "{count} documents were found");
}
