//! Reads pages of many lists in one statement.
//!
//! Each page is a query with its own limit, and `UNION ALL` combines them, so that the database reads only the rows of
//! the pages regardless of the length of the lists. A window function would number every row of every list, and SQLite
//! and MariaDB have no lateral joins (ADR 14).

use sea_orm::sea_query::{Alias, Asterisk, Expr, ExprTrait as _, Query, SelectStatement, UnionType};
use sea_orm::{
    ConnectionTrait, DbErr, EntityTrait, FromQueryResult as _, IdenStatic as _, Order, QuerySelect as _,
    QueryTrait as _, Select, TryGetableMany,
};

use super::page::{Key, Page, Window};

/// Maximum number of pages per statement. SQLite allows 500 terms in a compound SELECT.
const MAX_PARTS: usize = 100;
const PART: &str = "part";

/// The query of a whole list, and the window to read from it.
pub(super) type Part<E> = (Select<E>, Window);

/// Reads one page of each list and returns them in the order of `parts`. All lists are sorted by `(at, id)` in `order`.
pub(super) async fn pages<E: EntityTrait>(
    conn: &impl ConnectionTrait,
    parts: Vec<Part<E>>,
    order: &Order,
    at: E::Column,
    id: E::Column,
) -> Result<Vec<Page<E::Model>>, DbErr> {
    let mut read = Vec::with_capacity(parts.len());
    let mut rest = parts.into_iter().peekable();
    while rest.peek().is_some() {
        let mut run: Vec<_> = rest.by_ref().take(MAX_PARTS).collect();
        match run.pop() {
            // Usually there is a single list, which needs no UNION and no part number.
            Some((query, window)) if run.is_empty() => {
                let rows = window.apply(query, order, at, id).all(conn).await?;
                read.push(window.page(rows));
            }
            Some(last) => {
                run.push(last);
                read.extend(read_union(conn, run, order, at, id).await?);
            }
            None => {}
        }
    }
    Ok(read)
}

/// Counts the rows of a query for each value of a column. Values without rows are omitted.
pub(super) async fn counts<E, K>(
    conn: &impl ConnectionTrait,
    query: Select<E>,
    by: E::Column,
) -> Result<Vec<(K, i64)>, DbErr>
where
    E: EntityTrait,
    (K, i64): TryGetableMany,
{
    query
        .select_only()
        .column(by)
        .column_as(Expr::col(Asterisk).count(), "rows")
        .group_by(by)
        .into_tuple()
        .all(conn)
        .await
}

async fn read_union<E: EntityTrait>(
    conn: &impl ConnectionTrait,
    run: Vec<Part<E>>,
    order: &Order,
    at: E::Column,
    id: E::Column,
) -> Result<Vec<Page<E::Model>>, DbErr> {
    let (mut windows, mut statement) = (Vec::with_capacity(run.len()), None::<SelectStatement>);
    for (number, (query, window)) in run.into_iter().enumerate() {
        let mut part = window.apply(query, order, at, id).into_query();
        // A literal, because PostgreSQL would infer the type text for a parameter.
        part.expr_as(Expr::cust(number.to_string()), Alias::new(PART));
        // SQLite allows ORDER BY and LIMIT in a part of a UNION only within a subquery.
        let part = Query::select().column(Asterisk).from_subquery(part, Alias::new("rows")).take();
        match &mut statement {
            Some(statement) => {
                statement.union(UnionType::All, part);
            }
            None => statement = Some(part),
        }
        windows.push(window);
    }
    let mut found: Vec<Vec<(Key, E::Model)>> = windows.iter().map(|_| Vec::new()).collect();
    if let Some(statement) = statement {
        for row in conn.query_all(&statement).await? {
            let number: i32 = row.try_get("", PART)?;
            let key = Key { at: row.try_get("", at.as_str())?, id: row.try_get("", id.as_str())? };
            let model = E::Model::from_query_result(&row, "")?;
            if let Some(rows) = usize::try_from(number).ok().and_then(|number| found.get_mut(number)) {
                rows.push((key, model));
            }
        }
    }
    let page = |(window, mut rows): (&Window, Vec<(Key, E::Model)>)| {
        // SQL does not guarantee that UNION ALL preserves the order of its parts.
        rows.sort_by_key(|(key, _)| *key);
        if window.reads_descending(order) {
            rows.reverse();
        }
        window.page(rows.into_iter().map(|(_, model)| model).collect())
    };
    Ok(windows.iter().zip(found).map(page).collect())
}
