//! Relay connections over tables and over lists in memory. Source: GraphQL Cursor Connections Specification
//! (relay.dev/graphql/connections.htm).

use std::borrow::Cow;
use std::future::Future;

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Object, ObjectType, TypeName};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::context::{Requester, loaders, requester};
use super::direct_json::{DirectJson, ObjectField, Rows};
use super::errors::{Failure, Result};
use super::limits::{DEFAULT_PAGE, MAX_PAGE};
use super::loaders::ThreadList;
use crate::domain::ThreadId;
use crate::service::Fault;
use crate::store::page::{Page, SortKey, Take, Window};

/// The pagination arguments of a connection, unvalidated.
#[derive(Debug, Clone, Default)]
pub struct PageArgs {
    pub first: Option<i32>,
    pub after: Option<String>,
    pub last: Option<i32>,
    pub before: Option<String>,
}

impl PageArgs {
    fn take(&self) -> Result<Take> {
        let count = |name: &str, count: i32| match u64::try_from(count) {
            Ok(count) if count <= MAX_PAGE.unsigned_abs().into() => Ok(count),
            _ => Err(Failure::bad_input(format!("`{name}` must be from 0 to {MAX_PAGE}."))),
        };
        match (self.first, self.last) {
            (Some(_), Some(_)) => Err(Failure::bad_input("`first` and `last` cannot be combined. Give one of them.")),
            (None, Some(last)) => count("last", last).map(Take::Last),
            (first, None) => count("first", first.unwrap_or(DEFAULT_PAGE)).map(Take::First),
        }
    }

    /// Validates the arguments for a query of a table that is sorted by time.
    ///
    /// # Errors
    /// BAD_USER_INPUT if a size is out of range, `first` and `last` are combined, or a cursor is malformed.
    pub fn window(&self) -> Result<Window> {
        self.window_by()
    }

    /// Validates the arguments for a query of a table that is not sorted by time.
    ///
    /// # Errors
    /// As [`window`](Self::window).
    pub fn window_by<K: SortKey>(&self) -> Result<Window<K>> {
        let key = |name: &str, cursor: &Option<String>| {
            let parse = |text: &String| text.parse::<K>().map_err(|_| invalid_cursor(name));
            cursor.as_ref().map(parse).transpose()
        };
        let (after, before) = (key("after", &self.after)?, key("before", &self.before)?);
        Ok(Window { after, before, take: self.take()? })
    }

    /// The size of a page around an item.
    ///
    /// # Errors
    /// BAD_USER_INPUT if the size is out of range, or if the arguments also contain a cursor or a second size.
    pub fn size_around(&self) -> Result<u64> {
        if self.after.is_some() || self.before.is_some() {
            return Err(Failure::bad_input("`around` cannot be combined with `after` and `before`."));
        }
        let (Take::First(count) | Take::Last(count)) = self.take()?;
        Ok(count)
    }

    /// Cuts the page out of a list in memory. Items that `keep` rejects are skipped, but their cursors remain valid.
    ///
    /// # Errors
    /// As [`window`](Self::window); a cursor is also rejected if it belongs to no item of the list.
    pub fn paginate<T: Clone>(
        &self,
        list: &[T],
        id: impl Fn(&T) -> String,
        keep: impl Fn(&T) -> bool,
    ) -> Result<Page<T>> {
        let index_of = |name: &str, cursor: &Option<String>| match cursor {
            Some(cursor) => {
                let found = list.iter().position(|item| id(item) == *cursor);
                found.map(Some).ok_or_else(|| invalid_cursor(name))
            }
            None => Ok(None),
        };
        let from = index_of("after", &self.after)?.map_or(0, |at| at + 1);
        let to = index_of("before", &self.before)?.unwrap_or(list.len());
        let is_kept = |item: &&T| keep(item);
        let part: Vec<&T> = list.get(from..to).unwrap_or_default().iter().filter(is_kept).collect();
        let take = self.take()?;
        let (Take::First(count) | Take::Last(count)) = take;
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(part.len());
        let (skipped, rows) = match take {
            Take::First(_) => (0, part.get(..count)),
            Take::Last(_) => (part.len() - count, part.get(part.len() - count..)),
        };
        Ok(Page {
            rows: rows.unwrap_or_default().iter().map(|item| (*item).clone()).collect(),
            has_next: skipped + count < part.len() || list.get(to..).is_some_and(|rest| rest.iter().any(&keep)),
            has_previous: skipped > 0 || list.get(..from).is_some_and(|rest| rest.iter().any(&keep)),
        })
    }
}

fn invalid_cursor(name: &str) -> Failure {
    Failure::bad_input(format!("Invalid value for `{name}`: the cursor does not belong to this list."))
}

/// A type that can be the node of a connection.
pub trait ConnectionNode: DirectJson + ObjectType {
    /// The cursor of this item in its list.
    fn cursor(&self) -> String;
}

type CountLater = Box<dyn Fn(Requester) -> BoxFuture<'static, std::result::Result<u64, Fault>> + Send + Sync>;

/// The total number of rows of a connection.
pub enum Total {
    Known(usize),
    /// Counted only if `totalCount` is selected.
    Later(CountLater),
    /// Counted only if `totalCount` is selected, together with the same list of other threads.
    OfThread(ThreadList, ThreadId),
}

impl Total {
    /// Defers the count until `totalCount` is selected.
    pub fn later<F, Fut>(count: F) -> Self
    where
        F: Fn(Requester) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<u64, Fault>> + Send + 'static,
    {
        Self::Later(Box::new(move |requester| count(requester).boxed()))
    }
}

pub struct Connection<N> {
    edges: Vec<Edge<N>>,
    has_next: bool,
    has_previous: bool,
    total: Total,
}

pub struct Edge<N> {
    node: N,
}

impl<N: ConnectionNode> Connection<N> {
    pub fn new(page: Page<N>, total: Total) -> Self {
        let Page { rows, has_next, has_previous } = page;
        Self { edges: rows.into_iter().map(|node| Edge { node }).collect(), has_next, has_previous, total }
    }
}

impl<N: ConnectionNode> TypeName for Connection<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", N::type_name()).into()
    }
}

impl<N: ConnectionNode> TypeName for Edge<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", N::type_name()).into()
    }
}

/// One page of a list, as defined by the Relay connection specification. Invalid pagination arguments give an error
/// with the code BAD_USER_INPUT.
#[Object(name_type)]
impl<N: ConnectionNode> Connection<N> {
    /// The items of this page, each with its cursor.
    async fn edges(&self) -> Rows<'_, Edge<N>> {
        Rows(self.edges.iter().collect())
    }

    /// The items of this page without their cursors.
    async fn nodes(&self) -> Rows<'_, N> {
        Rows(self.edges.iter().map(|edge| &edge.node).collect())
    }

    /// The cursors of this page's first and last item, and whether there are items before and after the page.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.has_previous,
            has_next_page: self.has_next,
            start_cursor: self.edges.first().map(|edge| edge.node.cursor()),
            end_cursor: self.edges.last().map(|edge| edge.node.cursor()),
        }
    }

    /// The total number of items in the list, on all pages. It is counted only if this field is selected.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = match &self.total {
            Total::Known(count) => i32::try_from(*count),
            Total::Later(count) => {
                let requester = requester(ctx)?;
                let counted = count(requester.clone()).await;
                i32::try_from(counted.map_err(|fault| requester.fault(fault))?)
            }
            Total::OfThread(list, thread) => i32::try_from(loaders(ctx)?.count(*list, *thread).await?),
        };
        Ok(count.unwrap_or(i32::MAX))
    }
}

impl<N: ConnectionNode> DirectJson for Edge<N> {
    fn write_object_field(&self, field: &mut ObjectField<'_>) -> Option<()> {
        match field.name() {
            "node" => field.object(Some(&self.node)),
            _ => None,
        }
    }
}

/// One item of a list, with its cursor.
#[Object(name_type)]
impl<N: ConnectionNode> Edge<N> {
    /// The cursor of the item, for the arguments `after` and `before` of the same list.
    async fn cursor(&self) -> String {
        self.node.cursor()
    }

    /// The item at this position of the list.
    async fn node(&self) -> &N {
        &self.node
    }
}

#[cfg(test)]
mod tests {
    use super::super::errors::Code;
    use super::*;

    fn args(first: Option<i32>, after: Option<&str>, last: Option<i32>, before: Option<&str>) -> PageArgs {
        PageArgs { first, after: after.map(str::to_owned), last, before: before.map(str::to_owned) }
    }

    #[test]
    fn sizes_out_of_range_are_rejected() {
        for (first, last) in
            [(Some(-1), None), (Some(101), None), (None, Some(-1)), (None, Some(101)), (Some(1), Some(1))]
        {
            let error = args(first, None, last, None).window().map_err(|failure| failure.code());
            assert_eq!(error, Err(Code::BadUserInput), "{first:?} {last:?}");
        }
        let default = args(None, None, None, None).window().map(|window| window.take).ok();
        assert_eq!(default, Some(Take::First(25)));
        assert_eq!(args(Some(0), None, None, None).window().map(|window| window.take).ok(), Some(Take::First(0)));
    }

    #[test]
    fn cursors_of_other_lists_are_rejected() {
        for (after, before) in [(Some("x"), None), (None, Some("x")), (Some(""), None)] {
            let args = args(None, after, None, before);
            assert_eq!(args.window().map_err(|failure| failure.code()), Err(Code::BadUserInput));
            assert!(args.paginate(&[1, 2], i32::to_string, |_| true).is_err());
        }
    }

    #[test]
    fn lists_in_memory_are_paginated_like_tables() {
        let list = [1, 2, 3, 4, 5, 6];
        let cut = |args: PageArgs| {
            let page = args.paginate(&list, i32::to_string, |n| *n != 4).ok().unwrap();
            (page.rows, page.has_previous, page.has_next)
        };
        assert_eq!(cut(args(None, None, None, None)), (vec![1, 2, 3, 5, 6], false, false));
        assert_eq!(cut(args(Some(2), None, None, None)), (vec![1, 2], false, true));
        assert_eq!(cut(args(Some(2), Some("2"), None, None)), (vec![3, 5], true, true));
        assert_eq!(cut(args(Some(2), Some("4"), None, None)), (vec![5, 6], true, false));
        assert_eq!(cut(args(None, None, Some(2), None)), (vec![5, 6], true, false));
        assert_eq!(cut(args(None, None, Some(2), Some("5"))), (vec![2, 3], true, true));
        assert_eq!(cut(args(None, Some("5"), None, Some("2"))), (vec![], true, true));
        assert_eq!(cut(args(Some(0), None, None, None)), (vec![], false, true));
    }
}
