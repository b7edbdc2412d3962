//! Relay's connections (relay.dev/graphql/connections.htm), over rows of a table and over lists in
//! memory alike.

use std::borrow::Cow;
use std::future::Future;

use async_graphql::connection::PageInfo;
use async_graphql::{Context, Object, ObjectType, TypeName};
use futures_util::future::{BoxFuture, FutureExt as _};

use super::context::{Caller, caller, loaders};
use super::direct::{Direct, Inner, Rows};
use super::errors::{Failure, Result};
use super::limits::{DEFAULT_PAGE, MAX_PAGE};
use super::loaders::ThreadList;
use crate::domain::ThreadId;
use crate::service::Fault;
use crate::store::page::{Key, Page, Take, Window};

/// The four arguments of a connection, as they came.
#[derive(Debug, Clone, Default)]
pub struct PageArgs {
    /// How many from the start.
    pub first: Option<i32>,
    /// After which cursor.
    pub after: Option<String>,
    /// How many from the end.
    pub last: Option<i32>,
    /// Before which cursor.
    pub before: Option<String>,
}

impl PageArgs {
    fn take(&self) -> Result<Take> {
        let count = |name: &str, count: i32| match u64::try_from(count) {
            Ok(count) if count <= MAX_PAGE.unsigned_abs().into() => Ok(count),
            _ => Err(Failure::bad_input(format!("`{name}` must be from 0 to {MAX_PAGE}."))),
        };
        match (self.first, self.last) {
            (Some(_), Some(_)) => Err(Failure::bad_input("Give `first` or `last`, not both.")),
            (None, Some(last)) => count("last", last).map(Take::Last),
            (first, None) => count("first", first.unwrap_or(DEFAULT_PAGE)).map(Take::First),
        }
    }

    /// The window of a table.
    ///
    /// # Errors
    /// When the arguments are wrong.
    pub fn window(&self) -> Result<Window> {
        let key = |name: &str, cursor: &Option<String>| {
            let parse = |text: &String| text.parse::<Key>().map_err(|_| foreign_cursor(name));
            cursor.as_ref().map(parse).transpose()
        };
        let (after, before) = (key("after", &self.after)?, key("before", &self.before)?);
        Ok(Window { after, before, take: self.take()? })
    }

    /// The part of a list in memory. Of the list, only what `keep` lets through is there; a cursor
    /// is found also when its item no longer is.
    ///
    /// # Errors
    /// When the arguments are wrong.
    pub fn cut<T: Clone>(&self, list: &[T], id: impl Fn(&T) -> String, keep: impl Fn(&T) -> bool) -> Result<Page<T>> {
        let place = |name: &str, cursor: &Option<String>| match cursor {
            Some(cursor) => {
                let found = list.iter().position(|item| id(item) == *cursor);
                found.map(Some).ok_or_else(|| foreign_cursor(name))
            }
            None => Ok(None),
        };
        let from = place("after", &self.after)?.map_or(0, |at| at + 1);
        let to = place("before", &self.before)?.unwrap_or(list.len());
        let kept = |item: &&T| keep(item);
        let part: Vec<&T> = list.get(from..to).unwrap_or_default().iter().filter(kept).collect();
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

fn foreign_cursor(name: &str) -> Failure {
    Failure::bad_input(format!("`{name}` is no cursor of this list."))
}

/// Something that stands in connections.
pub trait Listed: Direct + ObjectType {
    /// Its place in its list.
    fn cursor(&self) -> String;
}

type CountLater = Box<dyn Fn(Caller) -> BoxFuture<'static, std::result::Result<u64, Fault>> + Send + Sync>;

/// How many rows a connection has in all.
pub enum Total {
    /// So many.
    Known(usize),
    /// To be counted, when somebody asks.
    Later(CountLater),
    /// To be counted together with the same list of other threads, when somebody asks.
    OfThread(ThreadList, ThreadId),
}

impl Total {
    /// Counts only when the count is selected.
    pub fn later<F, Fut>(count: F) -> Self
    where
        F: Fn(Caller) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = std::result::Result<u64, Fault>> + Send + 'static,
    {
        Self::Later(Box::new(move |caller| count(caller).boxed()))
    }
}

/// A part of a list.
pub struct Connection<N> {
    edges: Vec<Edge<N>>,
    has_next: bool,
    has_previous: bool,
    total: Total,
}

/// An item and its place in the list.
pub struct Edge<N> {
    node: N,
}

impl<N: Listed> Connection<N> {
    /// A page, and how many there are in all.
    pub fn new(page: Page<N>, total: Total) -> Self {
        let Page { rows, has_next, has_previous } = page;
        Self { edges: rows.into_iter().map(|node| Edge { node }).collect(), has_next, has_previous, total }
    }
}

impl<N: Listed> TypeName for Connection<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", N::type_name()).into()
    }
}

impl<N: Listed> TypeName for Edge<N> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Edge", N::type_name()).into()
    }
}

/// A part of a list, as in Relay's specification.
#[Object(name_type)]
impl<N: Listed> Connection<N> {
    /// The items, each with its cursor.
    async fn edges(&self) -> Rows<'_, Edge<N>> {
        Rows(self.edges.iter().collect())
    }

    /// The items alone.
    async fn nodes(&self) -> Rows<'_, N> {
        Rows(self.edges.iter().map(|edge| &edge.node).collect())
    }

    /// What lies before and behind this part.
    async fn page_info(&self) -> PageInfo {
        PageInfo {
            has_previous_page: self.has_previous,
            has_next_page: self.has_next,
            start_cursor: self.edges.first().map(|edge| edge.node.cursor()),
            end_cursor: self.edges.last().map(|edge| edge.node.cursor()),
        }
    }

    /// How many there are in all. It is counted only when it is asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<i32> {
        let count = match &self.total {
            Total::Known(count) => i32::try_from(*count),
            Total::Later(count) => {
                let caller = caller(ctx)?;
                let counted = count(caller.clone()).await;
                i32::try_from(counted.map_err(|fault| caller.fault(fault))?)
            }
            Total::OfThread(list, thread) => i32::try_from(loaders(ctx)?.count(*list, *thread).await?),
        };
        Ok(count.unwrap_or(i32::MAX))
    }
}

impl<N: Listed> Direct for Edge<N> {
    fn write(&self, field: &mut Inner<'_>) -> Option<()> {
        match field.name() {
            "node" => field.object(Some(&self.node)),
            _ => None,
        }
    }
}

/// An item of a list and its place there.
#[Object(name_type)]
impl<N: Listed> Edge<N> {
    /// The item's place, for `after` and `before`.
    async fn cursor(&self) -> String {
        self.node.cursor()
    }

    /// The item.
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
    fn sizes_out_of_range_are_refused() {
        for (first, last) in
            [(Some(-1), None), (Some(101), None), (None, Some(-1)), (None, Some(101)), (Some(1), Some(1))]
        {
            let refused = args(first, None, last, None).window().map_err(|failure| failure.code());
            assert_eq!(refused, Err(Code::BadUserInput), "{first:?} {last:?}");
        }
        let default = args(None, None, None, None).window().map(|window| window.take).ok();
        assert_eq!(default, Some(Take::First(25)));
        assert_eq!(args(Some(0), None, None, None).window().map(|window| window.take).ok(), Some(Take::First(0)));
    }

    #[test]
    fn cursors_of_other_lists_are_refused() {
        for (after, before) in [(Some("x"), None), (None, Some("x")), (Some(""), None)] {
            let args = args(None, after, None, before);
            assert_eq!(args.window().map_err(|failure| failure.code()), Err(Code::BadUserInput));
            assert!(args.cut(&[1, 2], i32::to_string, |_| true).is_err());
        }
    }

    #[test]
    fn a_list_in_memory_is_cut_as_a_table_is() {
        let list = [1, 2, 3, 4, 5, 6];
        let cut = |args: PageArgs| {
            let page = args.cut(&list, i32::to_string, |n| *n != 4).ok().unwrap();
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
