//! Writes the rows of a connection directly as JSON text.
//!
//! The obvious version is to return `Vec<T>` from `nodes` and `edges`. async-graphql then allocates a future for each
//! field of each row, collects the values in maps, and serializes the tree at the end: 800 futures and 200 maps for an
//! inbox of 50 threads, and 0.35 to 0.50 of the speed of one SQL statement and serde. With direct JSON and fewer
//! columns it was 0.51 to 0.66 (docs/benchmarks.md; ADR 13; `cargo bench --bench inbox`).
//!
//! The same resolvers are called here, each polled once, and their values are written as text. A selection that needs
//! anything else (a field that must load, an argument, an error) falls back to async-graphql, which resolves the whole
//! list. `tests/it/http/direct.rs` compares the two results.
//!
//! To return to the obvious version, let [`Rows::resolve`] call `resolve_list` unconditionally. Then everything else in
//! this module, the `impl DirectJson` blocks and `Document::supports_direct_json` can be deleted.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::PoisonError;

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{ExecutableDocument, Field, FragmentDefinition, Selection, SelectionSet};
use async_graphql::registry::Registry;
use async_graphql::resolver_utils::resolve_list;
use async_graphql::{ContainerType, Context, ContextSelectionSet, Name, OutputType, Positioned, ServerResult, Value};
use async_graphql_value::RAW_VALUE_TOKEN;
use futures_util::FutureExt as _;

/// An object type whose fields can be written directly as JSON.
pub trait DirectJson: ContainerType {
    /// Writes the object that a field returns. `None` if it is not available without waiting, which makes the whole
    /// list fall back to async-graphql. Fields with scalar types are not passed here; their resolvers are called.
    fn write_object_field(&self, _field: &mut ObjectField<'_>) -> Option<()> {
        None
    }
}

impl<T: DirectJson + ?Sized> DirectJson for &T {
    fn write_object_field(&self, field: &mut ObjectField<'_>) -> Option<()> {
        T::write_object_field(*self, field)
    }
}

/// Request data of an operation for which [`supports_direct_json`] is true.
pub(super) struct AllowDirectJson;

/// Whether no field with a selection set is selected twice under one response key. async-graphql merges such fields
/// after it has resolved them, which is impossible once they are text.
pub(super) fn supports_direct_json(document: &ExecutableDocument) -> bool {
    document.operations.iter().all(|(_, operation)| has_unique_objects(document, &operation.node.selection_set.node))
}

/// The recursion is bounded, because `limits::check` has limited the document with its fragments expanded.
fn has_unique_objects(document: &ExecutableDocument, set: &SelectionSet) -> bool {
    fn keys<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, seen: &mut HashSet<&'a Name>) -> bool {
        set.items.iter().all(|item| match &item.node {
            Selection::Field(field) => {
                let inner = &field.node.selection_set.node;
                inner.items.is_empty()
                    || seen.insert(&field.node.response_key().node) && has_unique_objects(document, inner)
            }
            Selection::InlineFragment(fragment) => keys(document, &fragment.node.selection_set.node, seen),
            Selection::FragmentSpread(spread) => document
                .fragments
                .get(&spread.node.fragment_name.node)
                .is_none_or(|fragment| keys(document, &fragment.node.selection_set.node, seen)),
        })
    }
    keys(document, set, &mut HashSet::new())
}

/// The rows of a list, `[T!]!` in the schema.
pub struct Rows<'a, T>(pub Vec<&'a T>);

impl<T: DirectJson> OutputType for Rows<'_, T> {
    fn type_name() -> Cow<'static, str> {
        Vec::<T>::type_name()
    }

    fn qualified_type_name() -> String {
        Vec::<T>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        Vec::<T>::create_type_info(registry)
    }

    async fn resolve(&self, ctx: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        let errors = || ctx.query_env.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let before = errors().len();
        if let Some(value) = write_rows(ctx, &self.0) {
            return Ok(value);
        }
        // `resolve_list` reports the same errors again.
        errors().truncate(before);
        resolve_list(ctx, field, &self.0, Some(self.0.len())).await
    }
}

/// The initial capacity per row: about the size of a thread in the inbox.
const ROW_BYTES: usize = 512;

fn write_rows<T: DirectJson>(ctx: &ContextSelectionSet<'_>, rows: &[&T]) -> Option<Value> {
    ctx.data_opt::<AllowDirectJson>()?;
    let mut selected = Selected::default();
    selected.add(&ctx.query_env.fragments, &ctx.item.node)?;
    let mut out = Vec::with_capacity(ROW_BYTES * rows.len());
    out.push(b'[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_object(&ctx.with_index(index), &selected, *row, &mut out)?;
    }
    out.push(b']');
    let text = Value::String(String::from_utf8(out).ok()?);
    // async-graphql writes a string under this key as raw JSON.
    Some(Value::Object(IndexMap::from([(Name::new(RAW_VALUE_TOKEN), text)])))
}

/// The selected fields of an object without duplicates, in document order.
#[derive(Default)]
struct Selected<'a> {
    /// The type condition of the fragments.
    type_condition: Option<&'a str>,
    fields: Vec<SelectedField<'a>>,
}

struct SelectedField<'a> {
    ast: &'a Positioned<Field>,
    inner: Selected<'a>,
}

impl<'a> Selected<'a> {
    fn add(
        &mut self,
        fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
        set: &'a SelectionSet,
    ) -> Option<()> {
        for item in &set.items {
            let (on, set) = match &item.node {
                Selection::Field(field) => {
                    self.add_field(fragments, field)?;
                    continue;
                }
                Selection::InlineFragment(fragment) => {
                    (fragment.node.type_condition.as_ref(), &fragment.node.selection_set)
                }
                Selection::FragmentSpread(spread) => {
                    let fragment = fragments.get(&spread.node.fragment_name.node)?;
                    (Some(&fragment.node.type_condition), &fragment.node.selection_set)
                }
            };
            if let Some(on) = on {
                let on = on.node.on.node.as_str();
                if *self.type_condition.get_or_insert(on) != on {
                    return None;
                }
            }
            self.add(fragments, &set.node)?;
        }
        Some(())
    }

    /// A duplicate has no selection set, see [`supports_direct_json`], so it can be skipped.
    fn add_field(
        &mut self,
        fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
        field: &'a Positioned<Field>,
    ) -> Option<()> {
        if !field.node.arguments.is_empty() || !field.node.directives.is_empty() {
            return None;
        }
        let key = &field.node.response_key().node;
        if self.fields.iter().any(|selected| selected.ast.node.response_key().node == *key) {
            return Some(());
        }
        let mut inner = Selected::default();
        inner.add(fragments, &field.node.selection_set.node)?;
        self.fields.push(SelectedField { ast: field, inner });
        Some(())
    }
}

fn write_object<T: DirectJson>(
    ctx: &ContextSelectionSet<'_>,
    selected: &Selected<'_>,
    object: &T,
    out: &mut Vec<u8>,
) -> Option<()> {
    if selected.type_condition.is_some_and(|on| on != T::type_name()) {
        return None;
    }
    out.push(b'{');
    for (n, field) in selected.fields.iter().enumerate() {
        out.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
        // GraphQL names need no escaping in JSON.
        out.extend_from_slice(field.ast.node.response_key().node.as_bytes());
        out.extend_from_slice(b"\":");
        let name = field.ast.node.name.node.as_str();
        if name == "__typename" {
            serde_json::to_writer(&mut *out, &T::type_name()).ok()?;
        } else if field.inner.fields.is_empty() {
            let ctx = ctx.with_field(field.ast);
            // Pinned in place, because the future is large and would otherwise be moved for each field.
            let value = pin!(object.resolve_field(&ctx)).now_or_never()?.ok()??;
            serde_json::to_writer(&mut *out, &value).ok()?;
        } else {
            object.write_object_field(&mut ObjectField { ctx, field, out })?;
        }
    }
    out.push(b'}');
    Some(())
}

/// A selected field that returns an object, and the output to write it to.
pub struct ObjectField<'a> {
    ctx: &'a ContextSelectionSet<'a>,
    field: &'a SelectedField<'a>,
    out: &'a mut Vec<u8>,
}

impl ObjectField<'_> {
    pub fn name(&self) -> &str {
        &self.field.ast.node.name.node
    }

    /// The context for calling the field's resolver.
    pub fn context(&self) -> Context<'_> {
        self.ctx.with_field(self.field.ast)
    }

    /// Writes the object, or null for `None`.
    pub fn object<T: DirectJson>(&mut self, object: Option<T>) -> Option<()> {
        let Some(object) = object else {
            self.out.extend_from_slice(b"null");
            return Some(());
        };
        let ctx = self.ctx.with_field(self.field.ast);
        let ctx = ctx.with_selection_set(&self.field.ast.node.selection_set);
        write_object(&ctx, &self.field.inner, &object, self.out)
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use async_graphql::{EmptyMutation, EmptySubscription, Object, Request, Schema};

    use super::*;

    struct Query;

    #[Object]
    impl Query {
        async fn rows(&self) -> Rows<'_, Row> {
            Rows(vec![&Row { inner: Some("é\"\n") }, &Row { inner: None }])
        }
    }

    struct Row {
        inner: Option<&'static str>,
    }

    #[Object]
    impl Row {
        async fn id(&self) -> i32 {
            7
        }

        fn inner(&self) -> Option<Leaf> {
            self.inner.map(Leaf)
        }

        async fn loaded(&self) -> bool {
            tokio::task::yield_now().await;
            true
        }

        async fn plus(&self, one: Option<i32>) -> i32 {
            one.unwrap_or_default()
        }

        async fn fails(&self) -> Option<async_graphql::Result<i32>> {
            Some(Err("no".into()))
        }

        async fn fails_all(&self) -> async_graphql::Result<i32> {
            Err("no".into())
        }
    }

    impl DirectJson for Row {
        fn write_object_field(&self, field: &mut ObjectField<'_>) -> Option<()> {
            let ctx = field.context();
            match field.name() {
                "inner" => field.object(self.inner(&ctx)),
                _ => None,
            }
        }
    }

    struct Leaf(&'static str);

    #[Object]
    impl Leaf {
        async fn text(&self) -> &str {
            self.0
        }
    }

    impl DirectJson for Leaf {}

    /// Executes a document. Returns the serialized response and whether rows were written directly.
    async fn answer(document: &str, allowed: bool) -> (String, bool) {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let request = Request::new(document);
        let supported = supports_direct_json(&parse_query(document).unwrap());
        let response = schema.execute(if allowed && supported { request.data(AllowDirectJson) } else { request }).await;
        let direct =
            matches!(&response.data, Value::Object(data) if matches!(data.get("rows"), Some(Value::Object(_))));
        (serde_json::to_string(&response).unwrap(), direct)
    }

    #[tokio::test]
    async fn rows_are_written_directly_unless_a_field_has_to_wait() {
        for (document, expected) in [
            ("{ rows { id } }", true),
            ("{ rows { id inner { text } } }", true),
            ("{ rows { b: id a: id __typename } }", true),
            ("{ rows { id id inner { text } inner { __typename text } } }", false),
            ("{ rows { ...F inner { ...G } } } fragment F on Row { id } fragment G on Leaf { text }", true),
            ("{ rows { ... on Row { id } ... { inner { text } } } }", true),
            ("{ rows { id } rows { inner { text } } }", false),
            ("{ rows { id } ...F } fragment F on Query { rows { inner { text } } }", false),
            ("{ rows { id @skip(if: false) inner @include(if: false) { text } } }", true),
            ("{ rows { id loaded } }", false),
            ("{ rows { plus } }", true),
            ("{ rows { plus(one: 1) } }", false),
            ("{ rows { id failsAll } }", false),
            ("{ rows { fails } }", true),
            ("{ rows { fails loaded } }", false),
            ("{ rows { id inner { text @skip(if: true) } } }", true),
            ("{ rows { ...F } } fragment F on Row { id ...G } fragment G on Row { id plus }", true),
        ] {
            let (direct, library) = (answer(document, true).await, answer(document, false).await);
            assert_eq!(direct.0, library.0, "{document}");
            assert_eq!((direct.1, library.1), (expected, false), "{document}");
        }
    }

    #[tokio::test]
    async fn an_error_of_a_nullable_field_has_its_path() {
        let (direct, library) = (answer("{ rows { fails } }", true).await, answer("{ rows { fails } }", false).await);
        assert_eq!(direct, (library.0, true));
        assert!(direct.0.contains(r#""path":["rows",1,"fails"]"#), "{}", direct.0);
    }
}
