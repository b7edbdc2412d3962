//! The descriptions in the public schema. An IDE shows each of them alone, so each must be a complete statement.

use async_graphql::Positioned;
use async_graphql::parser::parse_schema;
use async_graphql::parser::types::{
    FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition,
};

const MIN_WORDS: usize = 4;

/// A description that begins like this leaves its subject to the name of the element.
const INCOMPLETE: [&str; 6] = ["Which", "Who", "Whom", "What", "Since", "Whether it"];

#[test]
fn every_description_in_the_schema_can_be_read_alone() {
    let document = parse_schema(partyline::graphql::sdl()).unwrap();
    let mut elements = Vec::new();
    for definition in &document.definitions {
        if let TypeSystemDefinition::Type(definition) = definition {
            add_type(&mut elements, &definition.node);
        }
    }
    assert!(elements.len() > 500, "only {} elements were found", elements.len());
    let offenders: Vec<String> = elements
        .iter()
        .filter_map(|(path, description)| {
            let text = description.as_deref().unwrap_or_default();
            fault(text).map(|fault| format!("{path} {fault}: {text:?}"))
        })
        .collect();
    assert!(offenders.is_empty(), "{} descriptions to rewrite:\n{}", offenders.len(), offenders.join("\n"));
}

#[test]
fn incomplete_descriptions_are_found() {
    for (description, expected) in [
        ("", Some("has no description")),
        ("  \n ", Some("has no description")),
        ("The user.", Some("has fewer than 4 words")),
        ("Which thread is to be claimed.", Some("does not name its subject")),
        ("Who, of the staff, started the call.", Some("does not name its subject")),
        ("Since when the user has been in the pool.", Some("does not name its subject")),
        ("Whether it can be shown to the viewer.", Some("does not name its subject")),
        ("Whether calls to this number ring this user's phone.", None),
        ("Whatever the carrier sent, unchanged.", None),
        ("The time at which the call began.", None),
    ] {
        assert_eq!(fault(description), expected, "{description:?}");
    }
}

/// The reason why a description is not acceptable.
fn fault(description: &str) -> Option<&'static str> {
    let words: Vec<&str> = description.split_whitespace().collect();
    if words.is_empty() {
        return Some("has no description");
    }
    if words.len() < MIN_WORDS {
        return Some("has fewer than 4 words");
    }
    let text = words.join(" ");
    let starts_with = |start: &&str| {
        text.strip_prefix(*start).is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric()))
    };
    INCOMPLETE.iter().any(starts_with).then_some("does not name its subject")
}

/// The path of a schema element, such as `Query.threads(first:)`, and its description.
type Element = (String, Option<String>);

fn add(elements: &mut Vec<Element>, path: String, description: Option<&Positioned<String>>) {
    elements.push((path, description.map(|description| description.node.clone())));
}

fn add_type(elements: &mut Vec<Element>, definition: &TypeDefinition) {
    let name = &definition.name.node;
    add(elements, name.to_string(), definition.description.as_ref());
    match &definition.kind {
        TypeKind::Object(object) => add_fields(elements, name, &object.fields),
        TypeKind::Interface(interface) => add_fields(elements, name, &interface.fields),
        TypeKind::Enum(of) => {
            for value in of.values.iter().map(|value| &value.node) {
                add(elements, format!("{name}.{}", value.value.node), value.description.as_ref());
            }
        }
        TypeKind::InputObject(input) => {
            for field in input.fields.iter().map(|field| &field.node) {
                add_input_value(elements, format!("{name}.{}", field.name.node), field);
            }
        }
        TypeKind::Scalar | TypeKind::Union(_) => {}
    }
}

fn add_fields(elements: &mut Vec<Element>, name: &str, fields: &[Positioned<FieldDefinition>]) {
    for field in fields.iter().map(|field| &field.node) {
        let path = format!("{name}.{}", field.name.node);
        add(elements, path.clone(), field.description.as_ref());
        for argument in field.arguments.iter().map(|argument| &argument.node) {
            add_input_value(elements, format!("{path}({}:)", argument.name.node), argument);
        }
    }
}

fn add_input_value(elements: &mut Vec<Element>, path: String, value: &InputValueDefinition) {
    add(elements, path, value.description.as_ref());
}
