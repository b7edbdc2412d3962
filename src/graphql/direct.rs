//! Rows that are at hand, written straight to JSON.
//!
//! The library makes a future on the heap of every field, puts what it gives into a map, and writes
//! the tree of maps at the end. That is most of what an inbox would cost, and of a page of rows that
//! came in one statement nothing has to be waited for. So the same resolvers are asked here, each once
//! and at its place, and what they give is written at once. What cannot be had this way (a field that
//! loads, an argument, an error) is left to the library, which then resolves the whole list as any
//! other: nobody sees the difference, `tests/it/http/direct.rs` compares the two (ADR 13).

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

/// An object that can be written where it stands.
pub trait Direct: ContainerType {
    /// Writes the object that a field leads to, if it is at hand. Fields without fields of their own
    /// need nothing: their resolvers are asked.
    fn write(&self, _field: &mut Inner<'_>) -> Option<()> {
        None
    }
}

impl<T: Direct + ?Sized> Direct for &T {
    fn write(&self, field: &mut Inner<'_>) -> Option<()> {
        T::write(*self, field)
    }
}

/// What an operation must be for its rows to be written directly: [`is_plain`].
pub(super) struct IsPlain;

/// Whether nothing that has fields is selected twice at one place. The library puts the two together
/// afterwards, which it cannot once they are text.
pub(super) fn is_plain(document: &ExecutableDocument) -> bool {
    document.operations.iter().all(|(_, operation)| set_is_plain(document, &operation.node.selection_set.node))
}

/// `limits::check` has seen to it that this ends, and soon: it bounds the document with its fragments put in.
fn set_is_plain(document: &ExecutableDocument, set: &SelectionSet) -> bool {
    fn keys<'a>(document: &'a ExecutableDocument, set: &'a SelectionSet, seen: &mut HashSet<&'a Name>) -> bool {
        set.items.iter().all(|item| match &item.node {
            Selection::Field(field) => {
                let inner = &field.node.selection_set.node;
                inner.items.is_empty() || seen.insert(&field.node.response_key().node) && set_is_plain(document, inner)
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

impl<T: Direct> OutputType for Rows<'_, T> {
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
        if let Some(value) = written(ctx, &self.0) {
            return Ok(value);
        }
        // They will be found once more.
        errors().truncate(before);
        resolve_list(ctx, field, &self.0, Some(self.0.len())).await
    }
}

/// About as long as a line of the inbox is.
const ROW_BYTES: usize = 512;

fn written<T: Direct>(ctx: &ContextSelectionSet<'_>, rows: &[&T]) -> Option<Value> {
    ctx.data_opt::<IsPlain>()?;
    let mut picked = Picked::default();
    picked.add(&ctx.query_env.fragments, &ctx.item.node)?;
    let mut out = Vec::with_capacity(ROW_BYTES * rows.len());
    out.push(b'[');
    for (index, row) in rows.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write_object(&ctx.with_index(index), &picked, *row, &mut out)?;
    }
    out.push(b']');
    let text = Value::String(String::from_utf8(out).ok()?);
    // So the library names a text that is JSON already.
    Some(Value::Object(IndexMap::from([(Name::new(RAW_VALUE_TOKEN), text)])))
}

/// The fields that are selected of an object, each once, in their order.
#[derive(Default)]
struct Picked<'a> {
    /// Of which type the object must be: fragments say so.
    on: Option<&'a str>,
    fields: Vec<Pick<'a>>,
}

struct Pick<'a> {
    field: &'a Positioned<Field>,
    inner: Picked<'a>,
}

impl<'a> Picked<'a> {
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
                if *self.on.get_or_insert(on) != on {
                    return None;
                }
            }
            self.add(fragments, &set.node)?;
        }
        Some(())
    }

    /// A field that is there already has no fields of its own: [`is_plain`].
    fn add_field(
        &mut self,
        fragments: &'a HashMap<Name, Positioned<FragmentDefinition>>,
        field: &'a Positioned<Field>,
    ) -> Option<()> {
        if !field.node.arguments.is_empty() || !field.node.directives.is_empty() {
            return None;
        }
        let key = &field.node.response_key().node;
        if self.fields.iter().any(|pick| pick.field.node.response_key().node == *key) {
            return Some(());
        }
        let mut inner = Picked::default();
        inner.add(fragments, &field.node.selection_set.node)?;
        self.fields.push(Pick { field, inner });
        Some(())
    }
}

fn write_object<T: Direct>(
    ctx: &ContextSelectionSet<'_>,
    picked: &Picked<'_>,
    object: &T,
    out: &mut Vec<u8>,
) -> Option<()> {
    if picked.on.is_some_and(|on| on != T::type_name()) {
        return None;
    }
    out.push(b'{');
    for (n, pick) in picked.fields.iter().enumerate() {
        out.extend_from_slice(if n == 0 { b"\"" } else { b",\"" });
        // A name of GraphQL's: nothing in it must be escaped.
        out.extend_from_slice(pick.field.node.response_key().node.as_bytes());
        out.extend_from_slice(b"\":");
        let name = pick.field.node.name.node.as_str();
        if name == "__typename" {
            serde_json::to_writer(&mut *out, &T::type_name()).ok()?;
        } else if pick.inner.fields.is_empty() {
            let ctx = ctx.with_field(pick.field);
            // Pinned where it is made: it is large, and would be moved for each field.
            let value = pin!(object.resolve_field(&ctx)).now_or_never()?.ok()??;
            serde_json::to_writer(&mut *out, &value).ok()?;
        } else {
            object.write(&mut Inner { ctx, pick, out })?;
        }
    }
    out.push(b'}');
    Some(())
}

/// A field that leads to an object, and the place where that is to be written.
pub struct Inner<'a> {
    ctx: &'a ContextSelectionSet<'a>,
    pick: &'a Pick<'a>,
    out: &'a mut Vec<u8>,
}

impl Inner<'_> {
    /// The field's name in the schema.
    pub fn name(&self) -> &str {
        &self.pick.field.node.name.node
    }

    /// What a resolver of this field is given.
    pub fn context(&self) -> Context<'_> {
        self.ctx.with_field(self.pick.field)
    }

    /// Writes the object; `None` as null.
    pub fn object<T: Direct>(&mut self, object: Option<T>) -> Option<()> {
        let Some(object) = object else {
            self.out.extend_from_slice(b"null");
            return Some(());
        };
        let ctx = self.ctx.with_field(self.pick.field);
        let ctx = ctx.with_selection_set(&self.pick.field.node.selection_set);
        write_object(&ctx, &self.pick.inner, &object, self.out)
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

    impl Direct for Row {
        fn write(&self, field: &mut Inner<'_>) -> Option<()> {
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

    impl Direct for Leaf {}

    /// The answer as it is sent, whether rows may be written directly or not, and whether they were.
    async fn answer(document: &str, may: bool) -> (String, bool) {
        let schema = Schema::new(Query, EmptyMutation, EmptySubscription);
        let request = Request::new(document);
        let plain = is_plain(&parse_query(document).unwrap());
        let response = schema.execute(if may && plain { request.data(IsPlain) } else { request }).await;
        let direct =
            matches!(&response.data, Value::Object(data) if matches!(data.get("rows"), Some(Value::Object(_))));
        (serde_json::to_string(&response).unwrap(), direct)
    }

    #[tokio::test]
    async fn rows_are_written_directly_where_nothing_has_to_be_waited_for() {
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
    async fn an_error_beside_null_names_its_place() {
        let (direct, library) = (answer("{ rows { fails } }", true).await, answer("{ rows { fails } }", false).await);
        assert_eq!(direct, (library.0, true));
        assert!(direct.0.contains(r#""path":["rows",1,"fails"]"#), "{}", direct.0);
    }
}
