//! Operations that take an id, derived from the schema: one for each id among the arguments and input fields of each
//! query, mutation and subscription.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::schema::{Input, Schema};
use super::values::Values;
use super::{Place, Site};

/// An operation with a placeholder for one id.
pub(crate) struct IdOperation {
    pub(crate) field: String,
    /// `Query`, `Mutation` or `Subscription`.
    pub(crate) root: &'static str,
    /// The path of the id within the arguments, such as `input.threadId`.
    pub(crate) path: String,
    /// An id of the kind that the operation expects.
    pub(crate) id: String,
    document: String,
}

const PLACEHOLDER: &str = "an id";

impl IdOperation {
    pub(crate) fn document(&self, id: &str) -> String {
        self.document.replace(PLACEHOLDER, id)
    }
}

/// The operations of a site. Other required ids are those of `own`; ids of a kind that `own` lacks are the site's.
pub(crate) fn id_operations(site: &Site, own: &BTreeMap<String, Value>) -> Vec<IdOperation> {
    let mut nodes = site.nodes.clone();
    nodes.extend(own.clone());
    let mut operations = Vec::new();
    let roots = ["Query", "Mutation", "Subscription"];
    for root in roots {
        let around = (format!("{} {{ ", root.to_lowercase()), " }".to_owned());
        operations_of(site, &nodes, root, root, &around, &mut operations);
    }
    // Fields of other objects are reached through `node`.
    for (name, of) in site.schema.types().filter(|(_, of)| of.kind == "OBJECT") {
        let takes_id = of.fields.iter().any(|field| !id_paths(&site.schema, &field.arguments).is_empty());
        if takes_id && !roots.contains(&name.as_str()) {
            let around = (format!("query {{ node(id: {}) {{ ... on {name} {{ ", nodes[name]), " } } }".to_owned());
            operations_of(site, &nodes, "Query", name, &around, &mut operations);
        }
    }
    operations
}

/// The operations that pass an id to a field of this type.
fn operations_of(
    site: &Site,
    nodes: &BTreeMap<String, Value>,
    root: &'static str,
    of: &str,
    around: &(String, String),
    operations: &mut Vec<IdOperation>,
) {
    for field in &site.schema.of(of).fields {
        for path in id_paths(&site.schema, &field.arguments) {
            let serial = u32::try_from(operations.len()).unwrap();
            let values = Values { nodes, serial, ..site.values() };
            let named = field.of.named();
            let selection = if site.schema.of(named).is_leaf() { String::new() } else { site.schema.select(named, 2) };
            let place = Place { field, around: around.clone(), selection };
            let leaf = path.last().unwrap();
            let id = site.values().value(&leaf.name, &leaf.of);
            let placeholder = if id.is_array() { json!([PLACEHOLDER]) } else { json!(PLACEHOLDER) };
            let arguments = values.with(&field.arguments, &path, Some(placeholder));
            operations.push(IdOperation {
                field: field.name.clone(),
                root,
                path: path.iter().map(|input| input.name.as_str()).collect::<Vec<_>>().join("."),
                id: id.as_str().or_else(|| id[0].as_str()).unwrap().to_owned(),
                document: place.document(&site.schema, "", &arguments),
            });
        }
    }
}

fn id_paths<'a>(schema: &'a Schema, arguments: &'a [Input]) -> Vec<Vec<&'a Input>> {
    let mut paths = schema.paths(arguments);
    paths.retain(|path| path.last().is_some_and(|input| input.of.named() == "ID"));
    paths
}
