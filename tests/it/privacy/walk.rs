//! Documents that select everything, derived from the schema: each root field of the query, a node of each type, each
//! subscription, and each mutation, with all fields to a bounded depth. A field that they do not reach fails the test.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::variables::schema::{Field, Schema, Type};

/// The page size of connections.
const PAGE: usize = 3;
/// The complexity factor of a list of objects without pagination.
const LIST: usize = 20;
/// The additional complexity of a connection, its `totalCount`, and a root field.
const STATEMENT: usize = 20;
/// The maximum complexity of a part of a document, well below the server's limit.
const COST: usize = 15_000;
/// The maximum complexity of a part of a subscription.
const SUBSCRIPTION_COST: usize = 900;

/// Values without an id that contain other objects: their fields are out of the reach of documents for nodes.
const DEEP_VALUES: [&str; 2] = ["Schedule", "RoutingStep"];

/// A part of a selection, and its contribution to the complexity of a document.
#[derive(Clone)]
struct Part {
    text: String,
    cost: usize,
}

pub(super) struct Walk<'a> {
    schema: &'a Schema,
    /// The selected fields, by type.
    reached: RefCell<BTreeSet<(String, String)>>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(schema: &'a Schema) -> Self {
        Self { schema, reached: RefCell::default() }
    }

    /// Queries that select all root fields except `node` and `nodes`.
    pub(super) fn roots(&self) -> Vec<String> {
        let mut documents = Vec::new();
        for field in &self.schema.of("Query").fields {
            self.reach("Query", &field.name);
            // The same objects as those of `nodes` below.
            if ["node", "nodes"].contains(&field.name.as_str()) {
                continue;
            }
            let of = self.schema.of(field.of.named());
            if of.is_leaf() {
                documents.push(format!("{{ {} }}", field.name));
                continue;
            }
            let parts = self.parts(field.of.named(), 2, COST / factor("Query", field, of));
            let arguments = arguments("Query", field);
            documents.extend(parts.iter().map(|part| format!("{{ {}{arguments} {{ {} }} }}", field.name, part.text)));
        }
        documents
    }

    /// Queries for a node, by type. `$id` is the node's id.
    pub(super) fn nodes(&self) -> BTreeMap<String, Vec<String>> {
        let nodes = self.schema.types().filter(|(_, of)| of.is_a("Node"));
        nodes
            .map(|(name, _)| {
                let mut parts = self.parts(name, 1, COST);
                parts.extend(self.values_of(name));
                let document = |part: &Part| {
                    format!("query($id: ID!) {{ node(id: $id) {{ __typename ... on {name} {{ {} }} }} }}", part.text)
                };
                (name.clone(), parts.iter().map(document).collect())
            })
            .collect()
    }

    /// The complete values that fields of a type lead to.
    fn values_of(&self, name: &str) -> Vec<Part> {
        let mut parts = Vec::new();
        for field in &self.schema.of(name).fields {
            let leads = self.schema.of(field.of.named());
            if DEEP_VALUES.contains(&field.of.named()) {
                let below = self.parts(field.of.named(), 2, COST / factor(name, field, leads));
                let arguments = arguments(name, field);
                parts.extend(
                    below
                        .into_iter()
                        .map(|part| Part { text: format!("{}{arguments} {{ {} }}", field.name, part.text), ..part }),
                );
            }
        }
        parts
    }

    /// The subscriptions. `$after` is the cursor from which those to the log start.
    pub(super) fn subscriptions(&self) -> Vec<String> {
        let mut documents = Vec::new();
        for field in &self.schema.of("Subscription").fields {
            self.reach("Subscription", &field.name);
            let name = &field.name;
            let is_of_log = field.arguments.iter().any(|argument| argument.name == "after");
            let parts = self.parts(field.of.named(), 2, SUBSCRIPTION_COST);
            documents.extend(parts.iter().map(|Part { text, .. }| match is_of_log {
                true => format!("subscription($after: EventCursor) {{ {name}(after: $after) {{ cursor {text} }} }}"),
                false => format!("subscription {{ {name} {{ {text} }} }}"),
            }));
        }
        documents
    }

    /// The selections of a mutation's payload.
    pub(super) fn payload(&self, mutation: &Field) -> Vec<String> {
        self.reach("Mutation", &mutation.name);
        self.parts(mutation.of.named(), 2, COST).into_iter().map(|part| part.text).collect()
    }

    /// Fails if none of the documents selects some field of an object type.
    pub(super) fn assert_complete(&self) {
        let reached = self.reached.borrow();
        let objects = self.schema.types().filter(|(_, of)| of.kind == "OBJECT");
        let all = objects.flat_map(|(name, of)| of.fields.iter().map(|field| (name.clone(), field.name.clone())));
        let missing: Vec<_> = all.filter(|field| !reached.contains(field)).collect();
        assert!(missing.is_empty(), "fields that no document selects: {missing:?}");
    }

    fn reach(&self, of: &str, field: &str) {
        self.reached.borrow_mut().insert((of.to_owned(), field.to_owned()));
    }

    /// Selections of a type within the budget. Together they select every field, including those of nested objects to
    /// this depth. Fields beyond the budget are covered by documents that start at a deeper type.
    fn parts(&self, name: &str, depth: usize, budget: usize) -> Vec<Part> {
        let of = self.schema.of(name);
        if matches!(of.kind.as_str(), "INTERFACE" | "UNION") {
            // The members of a union are objects that other documents select completely.
            let depth = if of.kind == "UNION" { 0 } else { depth };
            return of
                .members
                .iter()
                .flat_map(|member| {
                    let on = move |part: Part| Part { text: format!("... on {member} {{ {} }}", part.text), ..part };
                    self.parts(member, depth, budget).into_iter().map(on)
                })
                .collect();
        }
        let (leaves, objects): (Vec<_>, Vec<_>) =
            of.fields.iter().partition(|field| self.schema.of(field.of.named()).is_leaf());
        let is_count = |field: &&&Field| is_connection(name) && field.name == "totalCount" || name.ends_with("Counts");
        let counts = leaves.iter().filter(is_count).count();
        let cost = leaves.len() + 1 + counts * STATEMENT;
        if cost > budget {
            return Vec::new();
        }
        let mut text = "__typename".to_owned();
        for field in leaves {
            self.reach(name, &field.name);
            text += &format!(" {}{}", field.name, arguments(name, field));
        }
        let mut parts = vec![Part { text, cost }];
        for field in objects {
            let leads = self.schema.of(field.of.named());
            let Some(depth) = depth.checked_sub(usize::from(!is_transparent(name, field))) else { continue };
            // The same object is selected completely below `nodes`.
            let depth = if name.ends_with("Edge") { 0 } else { depth };
            let factor = factor(name, field, leads);
            let own = 1 + if is_connection(field.of.named()) { STATEMENT } else { 0 };
            let below = self.parts(field.of.named(), depth, budget.saturating_sub(own) / factor);
            if !below.is_empty() {
                self.reach(name, &field.name);
            }
            let arguments = arguments(name, field);
            parts.extend(below.into_iter().map(|part| Part {
                text: format!("{}{arguments} {{ {} }}", field.name, part.text),
                cost: own + factor * part.cost,
            }));
        }
        packed(parts, budget)
    }
}

/// Combines parts up to the budget.
fn packed(parts: Vec<Part>, budget: usize) -> Vec<Part> {
    let mut packed: Vec<Part> = Vec::new();
    for part in parts {
        match packed.last_mut() {
            // The length is limited, too, because the server limits the number of selections.
            Some(last) if last.cost + part.cost <= budget && last.text.len() + part.text.len() < 10_000 => {
                last.text += &format!(" {}", part.text);
                last.cost += part.cost;
            }
            _ => packed.push(part),
        }
    }
    packed
}

fn is_connection(name: &str) -> bool {
    name.ends_with("Connection")
}

/// True if the field only leads from a connection to its rows or to the connection itself.
fn is_transparent(of: &str, field: &Field) -> bool {
    is_connection(of) || of.ends_with("Edge") || is_connection(field.of.named())
}

fn factor(of: &str, field: &Field, leads: &Type) -> usize {
    match field.of.named() {
        name if is_connection(name) => PAGE,
        _ if field.of.items().is_some() && !leads.is_leaf() && !is_connection(of) => LIST,
        _ => 1,
    }
}

fn arguments(of: &str, field: &Field) -> String {
    if is_connection(field.of.named()) {
        return format!("(first: {PAGE})");
    }
    if field.name == "startingPoint" {
        return "(to: \"+13035560001\")".to_owned();
    }
    let needed = field.arguments.iter().find(|argument| argument.is_required);
    assert!(needed.is_none(), "{of}.{} needs arguments: add them", field.name);
    String::new()
}
