//! Lists of the API: filters by date, and pages.
//! Source: Twilio, "REST API: requests, responses and paging".

use std::collections::BTreeMap;

use axum::http::StatusCode;
use axum::response::Response;
use chrono::{DateTime, NaiveDate, Utc};
use serde_json::{Value, json};
use url::form_urlencoded;

use super::api::error;

const PAGE_SIZE: usize = 50;
const MAX_PAGE_SIZE: usize = 1_000;
/// The prefix of page tokens. The rest is the SID of the last row of the previous page.
const TOKEN_PREFIX: &str = "PA";

pub(super) type QueryFields = Vec<(String, String)>;

/// The first value of a parameter, unless it is empty.
pub(super) fn field<'a>(fields: &'a QueryFields, name: &str) -> Option<&'a str> {
    fields.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, value)| value.as_str())
}

/// The meaning of an upper limit that is a date without a time. Twilio documents both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LastDay {
    /// Rows of that day match.
    Included,
    /// Only rows before that day match.
    Excluded,
}

/// A filter by date: `DateSent`, `DateSent>` and `DateSent<`.
#[derive(Debug, Default)]
pub(super) struct DateFilter {
    on: Option<NaiveDate>,
    from: Option<i64>,
    until: Option<i64>,
}

impl DateFilter {
    /// Reads the parameters of a date, in each of the forms that Twilio's documentation and libraries use, before URL
    /// encoding: `DateSent>=2026-11-30`, `DateSent>` with the value `2026-11-30`, `DateSent` with `>=2026-11-30`.
    pub(super) fn read(query: &QueryFields, name: &str, last_day: LastDay) -> Result<Self, Box<Response>> {
        let mut filter = Self::default();
        for (key, value) in query {
            let Some(operator) = key.strip_prefix(name).filter(|rest| rest.is_empty() || rest.starts_with(['<', '>']))
            else {
                continue;
            };
            let written = format!("{operator}{value}");
            let text = written.trim_start_matches(['<', '>', '=']);
            if text.is_empty() {
                continue;
            }
            let date = Date::parse(text).ok_or_else(invalid_date)?;
            match written.chars().next() {
                Some('>') => filter.from = Some(date.start()),
                Some('<') => filter.until = Some(date.end(last_day)),
                _ => filter.on = Some(date.day()),
            }
        }
        Ok(filter)
    }

    /// Compares whole seconds, because the API shows whole seconds. A row without a date matches only without a filter.
    pub(super) fn matches(&self, at: Option<DateTime<Utc>>) -> bool {
        let Some(at) = at else { return self.on.is_none() && self.from.is_none() && self.until.is_none() };
        self.on.is_none_or(|day| at.date_naive() == day)
            && self.from.is_none_or(|from| at.timestamp() >= from)
            && self.until.is_none_or(|until| at.timestamp() <= until)
    }
}

/// A date of a filter, with or without a time.
enum Date {
    Day(NaiveDate),
    Moment(DateTime<Utc>),
}

impl Date {
    fn parse(text: &str) -> Option<Self> {
        let moment = DateTime::parse_from_rfc3339(text).map(|at| Self::Moment(at.to_utc()));
        moment.or_else(|_| NaiveDate::parse_from_str(text, "%Y-%m-%d").map(Self::Day)).ok()
    }

    fn day(&self) -> NaiveDate {
        match self {
            Self::Day(day) => *day,
            Self::Moment(at) => at.date_naive(),
        }
    }

    /// The first second.
    fn start(&self) -> i64 {
        match self {
            Self::Day(day) => day.and_time(chrono::NaiveTime::MIN).and_utc().timestamp(),
            Self::Moment(at) => at.timestamp(),
        }
    }

    /// The last second of a range that ends with this date.
    fn end(&self, last_day: LastDay) -> i64 {
        match (self, last_day) {
            (Self::Moment(at), _) => at.timestamp(),
            (Self::Day(day), LastDay::Excluded) => Self::Day(*day).start() - 1,
            (Self::Day(day), LastDay::Included) => {
                day.succ_opt().map_or(i64::MAX, |next| Self::Day(next).start().saturating_sub(1))
            }
        }
    }
}

fn invalid_date() -> Box<Response> {
    Box::new(error(StatusCode::BAD_REQUEST, 20001, "Invalid date: use YYYY-MM-DD or RFC 3339"))
}

/// The page of `rows` that the query requests. `path` is the path of the list, `key` the name of the rows in the JSON.
/// A page token continues after a row, so new rows at the front of the list do not shift the following pages.
pub(super) fn page_json<T>(
    path: &str,
    key: &str,
    query: &QueryFields,
    rows: &[T],
    sid: impl Fn(&T) -> &str,
    row_json: impl Fn(&T) -> Value,
) -> Value {
    let number = |name: &str| field(query, name).and_then(|value| value.parse::<usize>().ok());
    let (size, page) = (number("PageSize").unwrap_or(PAGE_SIZE).clamp(1, MAX_PAGE_SIZE), number("Page").unwrap_or(0));
    let last = field(query, "PageToken").and_then(|token| token.strip_prefix(TOKEN_PREFIX));
    let after_last = last.and_then(|last| rows.iter().position(|row| sid(row) == last)).map(|position| position + 1);
    let start = after_last.unwrap_or_else(|| page.saturating_mul(size)).min(rows.len());
    let end = start.saturating_add(size).min(rows.len());
    let uri = |page: usize, token: Option<String>| {
        let mut to = form_urlencoded::Serializer::new(String::new());
        to.extend_pairs(query.iter().filter(|(name, _)| !["Page", "PageSize", "PageToken"].contains(&name.as_str())));
        to.append_pair("PageSize", &size.to_string()).append_pair("Page", &page.to_string());
        if let Some(token) = token {
            to.append_pair("PageToken", &token);
        }
        format!("{path}?{}", to.finish())
    };
    let shown = rows.get(start..end).unwrap_or_default();
    let next = shown.last().filter(|_| end < rows.len());
    let fields = BTreeMap::from([
        (key, json!(shown.iter().map(row_json).collect::<Vec<_>>())),
        ("first_page_uri", json!(uri(0, None))),
        ("next_page_uri", json!(next.map(|last| uri(page + 1, Some(format!("{TOKEN_PREFIX}{}", sid(last))))))),
        ("previous_page_uri", json!(page.checked_sub(1).map(|page| uri(page, None)))),
        ("page", json!(page)),
        ("page_size", json!(size)),
        ("start", json!(start)),
        ("end", json!(end.saturating_sub(1))),
        ("uri", json!(uri(page, None))),
    ]);
    json!(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(pairs: &[(&str, &str)]) -> QueryFields {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn each_documented_form_of_a_date_filter_is_read() {
        let at = |text: &str| Some(DateTime::parse_from_rfc3339(text).unwrap().to_utc());
        let (before, day, late) = (at("2026-11-29T23:59:59Z"), at("2026-11-30T00:00:00Z"), at("2026-11-30T23:59:59Z"));
        let after = at("2026-12-01T00:00:00Z");
        for (pairs, last_day, expected) in [
            (vec![], LastDay::Included, [true, true, true, true]),
            (vec![("D", "2026-11-30")], LastDay::Included, [false, true, true, false]),
            (vec![("D>", "2026-11-30")], LastDay::Included, [false, true, true, true]),
            (vec![("D>=2026-11-30", "")], LastDay::Included, [false, true, true, true]),
            (vec![("D", ">=2026-11-30")], LastDay::Included, [false, true, true, true]),
            (vec![("D<", "2026-11-30")], LastDay::Included, [true, true, true, false]),
            (vec![("D<", "2026-11-30")], LastDay::Excluded, [true, false, false, false]),
            (vec![("D>", "2026-11-30T23:59:59Z")], LastDay::Included, [false, false, true, true]),
            (
                vec![("D>", "2026-11-30"), ("D<", "2026-11-30T00:00:00Z")],
                LastDay::Included,
                [false, true, false, false],
            ),
            (vec![("Different", "x"), ("D", "")], LastDay::Included, [true, true, true, true]),
        ] {
            let filter = DateFilter::read(&query(&pairs), "D", last_day).unwrap();
            assert_eq!([before, day, late, after].map(|at| filter.matches(at)), expected, "{pairs:?}");
        }
        assert!(DateFilter::read(&query(&[("D>", "yesterday")]), "D", LastDay::Included).is_err());
        let filter = DateFilter::read(&query(&[("D", "2026-11-30")]), "D", LastDay::Included).unwrap();
        assert!(!filter.matches(None) && DateFilter::default().matches(None));
    }

    #[test]
    fn a_token_continues_after_its_row_although_new_rows_have_arrived() {
        let page =
            |query: &QueryFields, rows: &[&str]| page_json("/list", "rows", query, rows, |row| row, |row| json!(row));
        let first = page(&query(&[("To", "+1"), ("PageSize", "2")]), &["c", "b", "a"]);
        assert_eq!(first["rows"], json!(["c", "b"]));
        assert_eq!(first["next_page_uri"], "/list?To=%2B1&PageSize=2&Page=1&PageToken=PAb");
        let next = query(&[("PageSize", "2"), ("Page", "1"), ("PageToken", "PAb")]);
        let second = page(&next, &["e", "d", "c", "b", "a"]);
        assert_eq!((&second["rows"], &second["next_page_uri"]), (&json!(["a"]), &Value::Null));
        assert_eq!(page(&query(&[("Page", "9")]), &["a"])["rows"], json!([]));
    }
}
