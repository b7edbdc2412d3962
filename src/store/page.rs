//! Relay pagination over rows that are sorted by a value and their ID: usually by (time, id).

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{
    ColumnTrait, Condition, DbBackend, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement, Value,
};
use uuid::Uuid;

/// The sort key of a row, which a cursor encodes: a value, and the row's ID, which orders rows with equal values.
pub trait SortKey: FromStr<Err = ParseKeyError> {
    fn value(&self) -> Value;
    fn id(&self) -> Uuid;
}

/// The sort key of a row in a list that is ordered by time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub at: DateTime<Utc>,
    pub id: Uuid,
}

/// The text is not a valid sort key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor does not belong to this list")]
pub struct ParseKeyError;

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{}", self.at.timestamp_micros(), self.id.simple())
    }
}

impl FromStr for Key {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        if text.len() != 48 || !text.is_ascii() {
            return Err(ParseKeyError);
        }
        let (micros, id) = text.split_at(16);
        let micros = i64::from_str_radix(micros, 16).map_err(|_| ParseKeyError)?;
        let at = DateTime::from_timestamp_micros(micros).ok_or(ParseKeyError)?;
        Ok(Self { at, id: Uuid::try_parse(id).map_err(|_| ParseKeyError)? })
    }
}

impl SortKey for Key {
    fn value(&self) -> Value {
        self.at.into()
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

/// The sort key of a row in a list that is ordered by ID. An ID begins with the time of its creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IdKey(pub Uuid);

impl fmt::Display for IdKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.simple().fmt(f)
    }
}

impl FromStr for IdKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        Uuid::try_parse(text).map(Self).map_err(|_| ParseKeyError)
    }
}

impl SortKey for IdKey {
    fn value(&self) -> Value {
        self.0.into()
    }

    fn id(&self) -> Uuid {
        self.0
    }
}

/// The maximum number of rows, and the end of the window from which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Take {
    First(u64),
    /// The last rows, still in the order of the list.
    Last(u64),
}

/// The part of a list to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window<K = Key> {
    /// Only rows after this key.
    pub after: Option<K>,
    /// Only rows before this key.
    pub before: Option<K>,
    pub take: Take,
}

impl Window {
    /// The first `count` rows of a list.
    pub fn first(count: u64) -> Self {
        Self { after: None, before: None, take: Take::First(count) }
    }
}

impl<K: SortKey> Window<K> {
    fn limit(&self) -> u64 {
        match self.take {
            Take::First(count) | Take::Last(count) => count,
        }
    }

    /// Restricts a query to the window of a list that is sorted by `(value, id)` in `order`. The query reads one row
    /// more than the limit, which shows whether there are more rows.
    pub fn apply<Q, C>(&self, query: Q, order: &Order, value: C, id: C) -> Q
    where
        Q: QueryFilter + QueryOrder + QuerySelect,
        C: ColumnTrait,
    {
        let column = |column: C| Expr::col(column.as_column_ref());
        self.order(query, order, &column(value), &column(id)).limit(self.limit() + 1)
    }

    /// [`Self::apply`] with the limit as a literal, for frequent queries. If the limit is a parameter, SQLite prepares
    /// the statement again for each value, because the plan depends on it.
    pub fn apply_literal_limit<Q>(
        &self,
        query: Q,
        order: &Order,
        value: Expr,
        id: Expr,
        backend: DbBackend,
    ) -> Statement
    where
        Q: QueryFilter + QueryOrder + QueryTrait,
    {
        let mut statement = self.order(query, order, &value, &id).build(backend);
        statement.sql.push_str(&format!(" LIMIT {}", self.limit() + 1));
        statement
    }

    fn order<Q>(&self, query: Q, order: &Order, value: &Expr, id: &Expr) -> Q
    where
        Q: QueryFilter + QueryOrder,
    {
        // In a list that is ordered by ID alone, a second comparison of the ID would hide the index from SQLite.
        let is_by_id = value == id;
        // The first comparison bounds the part of an index that is read.
        let later = |key: &K| {
            if is_by_id {
                return Condition::all().add(id.clone().gt(key.id()));
            }
            let is_after = Condition::any().add(value.clone().gt(key.value())).add(id.clone().gt(key.id()));
            Condition::all().add(value.clone().gte(key.value())).add(is_after)
        };
        let earlier = |key: &K| {
            if is_by_id {
                return Condition::all().add(id.clone().lt(key.id()));
            }
            let is_before = Condition::any().add(value.clone().lt(key.value())).add(id.clone().lt(key.id()));
            Condition::all().add(value.clone().lte(key.value())).add(is_before)
        };
        let ascending = *order == Order::Asc;
        let mut query = query;
        if let Some(key) = &self.after {
            query = query.filter(if ascending { later(key) } else { earlier(key) });
        }
        if let Some(key) = &self.before {
            query = query.filter(if ascending { earlier(key) } else { later(key) });
        }
        let order = if self.reads_descending(order) { Order::Desc } else { Order::Asc };
        if is_by_id {
            return query.order_by(id.clone(), order);
        }
        query.order_by(value.clone(), order.clone()).order_by(id.clone(), order)
    }

    /// Whether [`Self::apply`] reads the rows in descending order of their keys.
    pub(super) fn reads_descending(&self, order: &Order) -> bool {
        (*order == Order::Asc) != matches!(self.take, Take::First(_))
    }

    /// Builds the page from the rows that [`Self::apply`] read.
    pub fn page<T>(&self, mut rows: Vec<T>) -> Page<T> {
        let limit = usize::try_from(self.limit()).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        match self.take {
            Take::First(_) => Page { rows, has_next: more, has_previous: self.after.is_some() },
            Take::Last(_) => {
                rows.reverse();
                Page { rows, has_next: self.before.is_some(), has_previous: more }
            }
        }
    }
}

impl Window {
    /// Merges the pages of this window in several lists into the page of the merged list, oldest row first.
    pub fn merge<T, const N: usize>(&self, pages: [Page<T>; N], key: impl Fn(&T) -> Key) -> Page<T> {
        let (mut has_next, mut has_previous) = (false, false);
        let mut rows = Vec::new();
        for page in pages {
            has_next |= page.has_next;
            has_previous |= page.has_previous;
            rows.extend(page.rows);
        }
        rows.sort_by_key(key);
        let limit = usize::try_from(self.limit()).unwrap_or(usize::MAX);
        let surplus = rows.len().saturating_sub(limit);
        match self.take {
            Take::First(_) => rows.truncate(limit),
            Take::Last(_) => drop(rows.drain(..surplus)),
        }
        let is_cut = |take_first: bool| surplus > 0 && matches!(self.take, Take::First(_)) == take_first;
        Page { rows, has_next: has_next || is_cut(true), has_previous: has_previous || is_cut(false) }
    }

    /// The windows of the rows before a key, and of the row with this key and the rows after it: `count` rows in all,
    /// with the row of the key in their middle.
    pub fn around(key: Key, count: u64) -> (Self, Self) {
        let before = Self { after: None, before: Some(key), take: Take::Last(count / 2) };
        // Windows exclude their bounds, so the second one begins after the greatest smaller key.
        let previous = Key { at: key.at, id: Uuid::from_u128(key.id.as_u128().saturating_sub(1)) };
        (before, Self { after: Some(previous), before: None, take: Take::First(count - count / 2) })
    }
}

/// One page of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// In the order of the list.
    pub rows: Vec<T>,
    pub has_next: bool,
    pub has_previous: bool,
}

impl<T> Default for Page<T> {
    /// The page of an empty list.
    fn default() -> Self {
        Self { rows: Vec::new(), has_next: false, has_previous: false }
    }
}

impl<T> Page<T> {
    /// The same page with each row converted.
    pub fn map<U>(self, with: impl FnMut(T) -> U) -> Page<U> {
        Page {
            rows: self.rows.into_iter().map(with).collect(),
            has_next: self.has_next,
            has_previous: self.has_previous,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_formatting_and_parsing() {
        let at = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
        let key = Key { at, id: Uuid::from_u128(7) };
        assert_eq!(key.to_string().parse(), Ok(key));
        for text in ["", "x", &"é".repeat(24), &"z".repeat(48)] {
            assert_eq!(text.parse::<Key>(), Err(ParseKeyError), "{text}");
        }
    }

    #[test]
    fn a_page_reports_whether_rows_precede_or_follow_it() {
        let page = Window::first(2).page(vec![1, 2, 3]);
        assert_eq!((page.rows, page.has_next, page.has_previous), (vec![1, 2], true, false));
        let last = Window { take: Take::Last(2), ..Window::first(0) };
        let page = last.page(vec![9, 8, 7]);
        assert_eq!((page.rows, page.has_next, page.has_previous), (vec![8, 9], false, true));
    }

    #[test]
    fn merged_pages_are_a_page_of_the_merged_list() {
        let key = |n: u32| Key { at: DateTime::UNIX_EPOCH, id: Uuid::from_u128(n.into()) };
        let lists = [vec![1, 4, 7, 10], vec![2, 3, 11], vec![]];
        let whole: Vec<u32> = {
            let mut all = lists.concat();
            all.sort_unstable();
            all
        };
        let is_within = |window: &Window, n: u32| {
            window.after.is_none_or(|after| key(n) > after) && window.before.is_none_or(|before| key(n) < before)
        };
        // The rows that a database returns for one list: up to one more than the limit, in the window's direction.
        let read = |window: &Window, list: &Vec<u32>| {
            let mut rows: Vec<u32> = list.iter().copied().filter(|n| is_within(window, *n)).collect();
            if window.reads_descending(&Order::Asc) {
                rows.reverse();
            }
            rows.truncate(usize::try_from(window.limit()).unwrap() + 1);
            window.page(rows)
        };
        for take in [Take::First(3), Take::Last(3), Take::First(9), Take::Last(0)] {
            for (after, before) in [(None, None), (Some(3), None), (None, Some(8)), (Some(1), Some(11))] {
                let window = Window { after: after.map(key), before: before.map(key), take };
                let pages = lists.each_ref().map(|list| read(&window, list));
                let (merged, expected) = (window.merge(pages, |n| key(*n)), read(&window, &whole));
                assert_eq!(merged.rows, expected.rows, "{window:?}");
                let more = |page: &Page<u32>| (page.has_next, page.has_previous);
                assert_eq!(more(&merged), more(&expected), "{window:?}");
            }
        }
    }
}
