//! Relay's windows over rows that are ordered by (time, id).

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, Condition, DbBackend, Order, QueryFilter, QueryOrder, QuerySelect, QueryTrait, Statement};
use uuid::Uuid;

/// A row's place in its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its time.
    pub at: DateTime<Utc>,
    /// Its id.
    pub id: Uuid,
}

/// The text is no place in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a cursor of this list")]
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

/// From which end of the window rows are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Take {
    /// The first so many.
    First(u64),
    /// The last so many, still in the list's order.
    Last(u64),
}

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Window {
    /// Only what comes after it.
    pub after: Option<Key>,
    /// Only what comes before it.
    pub before: Option<Key>,
    /// How many, from which end.
    pub take: Take,
}

impl Window {
    /// The first rows of a list.
    pub fn first(count: u64) -> Self {
        Self { after: None, before: None, take: Take::First(count) }
    }

    fn limit(&self) -> u64 {
        match self.take {
            Take::First(count) | Take::Last(count) => count,
        }
    }

    /// Narrows a query to the window, in the list's `order` by `(at, id)`. One row more than wanted
    /// is read: it tells whether there are more.
    pub fn apply<Q, C>(&self, query: Q, order: &Order, at: C, id: C) -> Q
    where
        Q: QueryFilter + QueryOrder + QuerySelect,
        C: ColumnTrait,
    {
        self.order(query, order, at, id).limit(self.limit() + 1)
    }

    /// [`Self::apply`] to a query that is asked often: the limit is written into the statement.
    /// Where it is a parameter, SQLite prepares the statement anew each time, to plan by its value.
    pub fn apply_often<Q, C>(&self, query: Q, order: &Order, at: C, id: C, backend: DbBackend) -> Statement
    where
        Q: QueryFilter + QueryOrder + QueryTrait,
        C: ColumnTrait,
    {
        let mut statement = self.order(query, order, at, id).build(backend);
        statement.sql.push_str(&format!(" LIMIT {}", self.limit() + 1));
        statement
    }

    fn order<Q, C>(&self, query: Q, order: &Order, at: C, id: C) -> Q
    where
        Q: QueryFilter + QueryOrder,
        C: ColumnTrait,
    {
        let column = |column: C| Expr::col(column.as_column_ref());
        let later = |key: Key| {
            Condition::any()
                .add(column(at).gt(key.at))
                .add(Condition::all().add(column(at).eq(key.at)).add(column(id).gt(key.id)))
        };
        let earlier = |key: Key| {
            Condition::any()
                .add(column(at).lt(key.at))
                .add(Condition::all().add(column(at).eq(key.at)).add(column(id).lt(key.id)))
        };
        let ascending = *order == Order::Asc;
        let mut query = query;
        if let Some(key) = self.after {
            query = query.filter(if ascending { later(key) } else { earlier(key) });
        }
        if let Some(key) = self.before {
            query = query.filter(if ascending { earlier(key) } else { later(key) });
        }
        let order = if self.reads_backwards(order) { Order::Desc } else { Order::Asc };
        query.order_by(at, order.clone()).order_by(id, order)
    }

    /// Whether [`Self::apply`] reads the rows of a list in this order from the latest key to the earliest.
    pub(super) fn reads_backwards(&self, order: &Order) -> bool {
        (*order == Order::Asc) != matches!(self.take, Take::First(_))
    }

    /// Cuts what [`Self::apply`] read down to the window.
    pub fn cut<T>(&self, mut rows: Vec<T>) -> Page<T> {
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

/// A part of a list.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// In the list's order.
    pub rows: Vec<T>,
    /// Whether something follows.
    pub has_next: bool,
    /// Whether something comes before.
    pub has_previous: bool,
}

impl<T> Default for Page<T> {
    /// The whole of an empty list.
    fn default() -> Self {
        Self { rows: Vec::new(), has_next: false, has_previous: false }
    }
}

impl<T> Page<T> {
    /// The same part of a list of other things.
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
    fn a_key_reads_back_as_itself() {
        let at = DateTime::from_timestamp_micros(1_800_000_000_123_456).unwrap();
        let key = Key { at, id: Uuid::from_u128(7) };
        assert_eq!(key.to_string().parse(), Ok(key));
        for text in ["", "x", &"é".repeat(24), &"z".repeat(48)] {
            assert_eq!(text.parse::<Key>(), Err(ParseKeyError), "{text}");
        }
    }

    #[test]
    fn a_window_says_what_lies_beyond_it() {
        let page = Window::first(2).cut(vec![1, 2, 3]);
        assert_eq!((page.rows, page.has_next, page.has_previous), (vec![1, 2], true, false));
        let last = Window { take: Take::Last(2), ..Window::first(0) };
        let page = last.cut(vec![9, 8, 7]);
        assert_eq!((page.rows, page.has_next, page.has_previous), (vec![8, 9], false, true));
    }
}
