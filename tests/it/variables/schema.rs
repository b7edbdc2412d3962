//! The schema, read by introspection, and the parts of documents that are derived from it.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Value};

pub(crate) type Object = Map<String, Value>;

/// The placeholder for a variable in arguments that are JSON; [`Schema::literal`] writes it as `$name`.
pub(crate) fn variable(name: &str) -> Value {
    Value::Object(Object::from_iter([("$".to_owned(), Value::from(name))]))
}

pub(crate) enum TypeRef {
    Named(String),
    List(Box<TypeRef>),
    NonNull(Box<TypeRef>),
}

impl TypeRef {
    fn read(of: &Value) -> Self {
        match of["kind"].as_str().unwrap() {
            "LIST" => Self::List(Box::new(Self::read(&of["ofType"]))),
            "NON_NULL" => Self::NonNull(Box::new(Self::read(&of["ofType"]))),
            _ => Self::Named(text(&of["name"])),
        }
    }

    pub(crate) fn named(&self) -> &str {
        match self {
            Self::Named(name) => name,
            Self::List(of) | Self::NonNull(of) => of.named(),
        }
    }

    /// The type of the items, if this is a list.
    pub(crate) fn items(&self) -> Option<&Self> {
        match self {
            Self::Named(_) => None,
            Self::List(of) => Some(of),
            Self::NonNull(of) => of.items(),
        }
    }
}

impl fmt::Display for TypeRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => f.write_str(name),
            Self::List(of) => write!(f, "[{of}]"),
            Self::NonNull(of) => write!(f, "{of}!"),
        }
    }
}

/// An argument or an input field.
pub(crate) struct Input {
    pub(crate) name: String,
    pub(crate) of: TypeRef,
    pub(crate) is_required: bool,
}

pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) of: TypeRef,
    pub(crate) arguments: Vec<Input>,
}

#[derive(Default)]
pub(crate) struct Type {
    pub(crate) kind: String,
    pub(crate) fields: Vec<Field>,
    pub(crate) inputs: Vec<Input>,
    pub(crate) values: Vec<String>,
    pub(crate) interfaces: Vec<String>,
    /// The object types of an interface or a union.
    pub(crate) members: Vec<String>,
}

impl Type {
    pub(crate) fn is_a(&self, interface: &str) -> bool {
        self.interfaces.iter().any(|name| name == interface)
    }

    /// Whether its values have no fields.
    pub(crate) fn is_leaf(&self) -> bool {
        matches!(self.kind.as_str(), "SCALAR" | "ENUM")
    }
}

pub(crate) struct Schema(BTreeMap<String, Type>);

impl Schema {
    /// The query whose response [`Schema::read`] takes.
    pub(crate) const QUERY: &str = include_str!("../documents/variables_schema_query.graphql");

    pub(crate) fn read(answer: &Value) -> Self {
        let types = list(&answer["data"]["__schema"]["types"]).iter();
        Self(types.filter(|of| !text(&of["name"]).starts_with("__")).map(|of| (text(&of["name"]), read(of))).collect())
    }

    pub(crate) fn of(&self, name: &str) -> &Type {
        self.0.get(name).unwrap_or_else(|| panic!("no type {name}"))
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = (&String, &Type)> {
        self.0.iter()
    }

    /// A selection of all fields of a type that have no arguments, to this depth.
    pub(crate) fn select(&self, of: &str, depth: usize) -> String {
        let mut selected = "__typename ".to_owned();
        for field in self.of(of).fields.iter().filter(|field| field.arguments.is_empty()) {
            let leads = field.of.named();
            if self.of(leads).is_leaf() {
                selected += &format!("{} ", field.name);
            } else if depth > 0 {
                selected += &format!("{} {{ {}}} ", field.name, self.select(leads, depth - 1));
            }
        }
        selected
    }

    /// Writes a value as a literal of this type. Enum values have no quotes in a document.
    pub(crate) fn literal(&self, value: &Value, of: &str) -> String {
        match value {
            Value::Object(object) if object.contains_key("$") => format!("${}", text(&object["$"])),
            Value::Object(object) => format!("{{{}}}", self.members(object, &self.of(of).inputs)),
            Value::Array(items) => {
                let items: Vec<_> = items.iter().map(|item| self.literal(item, of)).collect();
                format!("[{}]", items.join(", "))
            }
            Value::String(name) if self.of(of).kind == "ENUM" => name.clone(),
            _ => value.to_string(),
        }
    }

    pub(crate) fn members(&self, object: &Object, inputs: &[Input]) -> String {
        let member = |(name, value): (&String, &Value)| {
            let input = inputs.iter().find(|input| input.name == *name).unwrap();
            format!("{name}: {}", self.literal(value, input.of.named()))
        };
        object.iter().map(member).collect::<Vec<_>>().join(", ")
    }

    /// The paths of these arguments and of all input fields below them. No input type of the schema is recursive.
    pub(crate) fn paths<'a>(&'a self, inputs: &'a [Input]) -> Vec<Vec<&'a Input>> {
        let mut paths = Vec::new();
        for input in inputs {
            paths.push(vec![input]);
            for below in self.paths(&self.of(input.of.named()).inputs) {
                paths.push([vec![input], below].concat());
            }
        }
        paths
    }
}

fn read(of: &Value) -> Type {
    let field = |field: &Value| Field {
        name: text(&field["name"]),
        of: TypeRef::read(&field["type"]),
        arguments: list(&field["args"]).iter().map(input).collect(),
    };
    Type {
        kind: text(&of["kind"]),
        fields: list(&of["fields"]).iter().map(field).collect(),
        inputs: list(&of["inputFields"]).iter().map(input).collect(),
        values: list(&of["enumValues"]).iter().map(|value| text(&value["name"])).collect(),
        members: list(&of["possibleTypes"]).iter().map(|one| text(&one["name"])).collect(),
        interfaces: list(&of["interfaces"]).iter().map(|one| text(&one["name"])).collect(),
    }
}

fn input(input: &Value) -> Input {
    let of = TypeRef::read(&input["type"]);
    let is_required = matches!(of, TypeRef::NonNull(_)) && input["defaultValue"].is_null();
    Input { name: text(&input["name"]), of, is_required }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a text: {value}")).to_owned()
}
