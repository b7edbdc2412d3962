//! A value for every argument and input field. A type or an id without a known value fails the test.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::schema::{Input, Object, Schema, TypeRef};

pub(crate) struct Values<'a> {
    pub(crate) schema: &'a Schema,
    /// A node of each type.
    pub(crate) nodes: &'a BTreeMap<String, Value>,
    pub(crate) event_cursor: &'a Value,
    /// A cursor of the connection under test, if it has a row.
    pub(crate) cursor: Option<Value>,
    /// Makes idempotency keys unique.
    pub(crate) serial: u32,
}

impl Values<'_> {
    pub(crate) fn value(&self, name: &str, of: &TypeRef) -> Value {
        match of {
            TypeRef::NonNull(of) => self.value(name, of),
            TypeRef::List(of) => json!([self.value(name, of)]),
            TypeRef::Named(of) => match self.schema.of(of).kind.as_str() {
                "ENUM" => json!(self.schema.of(of).values[0]),
                "INPUT_OBJECT" => Value::Object(self.required(&self.schema.of(of).inputs)),
                _ => self.scalar(name, of),
            },
        }
    }

    fn scalar(&self, name: &str, of: &str) -> Value {
        match (of, name) {
            ("Boolean", _) => json!(true),
            ("Int", _) => json!(20),
            ("PhoneE164", _) => json!("+13035560001"),
            ("EventCursor", _) => self.event_cursor.clone(),
            ("ID", _) => self.node(name).clone(),
            ("String", "after" | "before") => self.cursor.clone().unwrap_or_else(|| json!("of no list")),
            ("String", "digits") => json!("205"),
            ("DateTime", _) => json!("2026-11-23T15:00:00Z"),
            ("LocalDate", _) => json!("2026-12-25"),
            ("LocalTime", "opens") => json!("09:00"),
            ("LocalTime", _) => json!("12:00"),
            ("String", "mediaUrls") => json!("https://media.example/1.png"),
            ("String", "idempotencyKey") => json!(format!("key-{}", self.serial)),
            ("String", _) => json!("hello"),
            _ => panic!("no value is known for `{name}` of the type {of}: add one"),
        }
    }

    /// The node for an id argument, derived from its name: `toUserId` is the id of a user.
    fn node(&self, name: &str) -> &Value {
        let name = match name {
            "id" => "thread",
            "ids" => "notification",
            "assigneeId" | "answeredById" | "providerId" => "user",
            "around" => "message",
            _ => name.trim_end_matches('s').trim_end_matches("Id"),
        };
        let name = name.to_ascii_lowercase();
        let of = self.nodes.iter().filter(|(of, _)| name.ends_with(&of.to_ascii_lowercase()));
        let longest = of.max_by_key(|(of, _)| of.len());
        longest.unwrap_or_else(|| panic!("no node is known for the id `{name}`: add one")).1
    }

    /// Values for the required inputs only.
    fn required(&self, inputs: &[Input]) -> Object {
        let required = inputs.iter().filter(|input| input.is_required);
        required.map(|input| (input.name.clone(), self.value(&input.name, &input.of))).collect()
    }

    /// Values for the required inputs, and `leaf` at this path; without `leaf` the path is absent.
    pub(crate) fn with(&self, inputs: &[Input], path: &[&Input], leaf: Option<Value>) -> Object {
        let mut all = self.required(inputs);
        let Some((input, below)) = path.split_first() else { return all };
        let value = match below {
            [] => leaf,
            _ => {
                let inner = Value::Object(self.with(&self.schema.of(input.of.named()).inputs, below, leaf));
                Some(if input.of.items().is_some() { json!([inner]) } else { inner })
            }
        };
        match value {
            Some(value) => all.insert(input.name.clone(), value),
            None => all.remove(&input.name),
        };
        all
    }
}
