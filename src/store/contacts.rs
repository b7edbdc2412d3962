//! Contacts: the outside persons with whom an agency communicates.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LikeExpr};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, Select, Value,
};
use uuid::Uuid;

use super::bulk::padded_list;
use super::page::{Key, Page, ParseKeyError, SortKey, Window};
use super::statements::{Statements, find};
use super::threads::Scope;
use crate::domain::search::{MAX_SORT_KEY_CHARS, fold, phone_part};
use crate::domain::{AgencyId, ContactId};
use crate::entity::contact;

/// One page of the contacts that match the filter and that the user may see, newest first.
pub async fn page(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    filter: &ContactFilter,
    window: &Window,
) -> Result<Page<contact::Model>, DbErr> {
    let query = window.apply(filtered(scope, filter), &Order::Desc, contact::Column::CreatedAt, contact::Column::Id);
    Ok(window.page(query.all(conn).await?))
}

/// One page of the contacts that match the filter and that the user may see, in the order of their names.
pub async fn page_by_name(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    filter: &ContactFilter,
    window: &Window<NameKey>,
) -> Result<Page<contact::Model>, DbErr> {
    let query = window.apply(filtered(scope, filter), &Order::Asc, contact::Column::SortKey, contact::Column::Id);
    Ok(window.page(query.all(conn).await?))
}

/// The order of a list of contacts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ContactOrder {
    /// Newest contact first.
    #[default]
    Recent,
    /// By the code points of the name, without regard to letter case and combining accents. Contacts without a name come
    /// last.
    Name,
}

impl ContactOrder {
    /// The cursor of a contact in a list with this order.
    pub fn cursor(self, contact: &contact::Model) -> String {
        match self {
            Self::Recent => Key { at: contact.created_at, id: contact.id.0 }.to_string(),
            Self::Name => NameKey { name: contact.sort_key.clone(), id: contact.id.0 }.to_string(),
        }
    }
}

/// The sort key of a contact in a list that is ordered by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameKey {
    /// The sort key of the name, by `domain::search::sort_key`.
    name: String,
    id: Uuid,
}

impl SortKey for NameKey {
    fn value(&self) -> Value {
        self.name.as_str().into()
    }

    fn id(&self) -> Uuid {
        self.id
    }
}

/// The prefix of the text form. No [`Key`] begins with it, so neither order accepts the cursors of the other.
const NAME_KEY_PREFIX: char = 'n';
/// The number of hexadecimal digits of the ID in the text form.
const ID_DIGITS: usize = 32;

impl fmt::Display for NameKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NAME_KEY_PREFIX}{}{}", self.id.simple(), URL_SAFE_NO_PAD.encode(&self.name))
    }
}

impl FromStr for NameKey {
    type Err = ParseKeyError;

    fn from_str(text: &str) -> Result<Self, ParseKeyError> {
        let key = text.strip_prefix(NAME_KEY_PREFIX).and_then(|rest| rest.split_at_checked(ID_DIGITS));
        let (id, name) = key.ok_or(ParseKeyError)?;
        let id = Uuid::try_parse(id).map_err(|_| ParseKeyError)?;
        let name = URL_SAFE_NO_PAD.decode(name).map_err(|_| ParseKeyError)?;
        let name = String::from_utf8(name).map_err(|_| ParseKeyError)?;
        // PostgreSQL rejects a statement with a NUL character.
        if name.chars().count() > MAX_SORT_KEY_CHARS || name.contains('\0') {
            return Err(ParseKeyError);
        }
        Ok(Self { name, id })
    }
}

/// The number of contacts that match the filter and that the user may see.
pub async fn count(conn: &impl ConnectionTrait, scope: &Scope, filter: &ContactFilter) -> Result<u64, DbErr> {
    filtered(scope, filter).count(conn).await
}

/// The filter of a list of contacts. `None` in a field does not filter.
#[derive(Debug, Clone, Default)]
pub struct ContactFilter {
    /// Part of the name or phone, case-insensitive.
    pub search: Option<String>,
    pub opted_out: Option<bool>,
}

fn filtered(scope: &Scope, filter: &ContactFilter) -> Select<contact::Entity> {
    let opted_out = contact::Column::OptedOutAt;
    let condition = filter.opted_out.map(|wanted| if wanted { opted_out.is_not_null() } else { opted_out.is_null() });
    visible_contacts(scope, filter.search.as_deref()).filter(Condition::all().add_option(condition))
}

/// One contact, if the user may see it.
pub async fn visible(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    id: ContactId,
) -> Result<Option<contact::Model>, DbErr> {
    visible_contacts(scope, None).filter(contact::Column::Id.eq(id)).one(conn).await
}

/// These contacts, reduced to the phone where the user may not see the contact. Only for the contacts of threads and
/// calls that the user may see.
pub async fn redacted(
    conn: &(impl ConnectionTrait + Statements),
    scope: &Scope,
    ids: &[ContactId],
) -> Result<Vec<contact::Model>, DbErr> {
    let among = || contact::Column::Id.is_in(padded_list(ids.iter().copied()));
    let mut rows = visible_contacts(scope, None).filter(among()).all(conn).await?;
    let visible: BTreeSet<ContactId> = rows.iter().map(|row| row.id).collect();
    let hidden: Vec<ContactId> = ids.iter().copied().filter(|id| !visible.contains(id)).collect();
    if !hidden.is_empty() {
        rows.extend(by_ids(conn, scope.agency, &hidden).await?.into_iter().map(contact::Model::phone_only));
    }
    Ok(rows)
}

/// These contacts of an agency, without redaction. Does not check visibility.
pub async fn by_ids(conn: &impl Statements, agency: AgencyId, ids: &[ContactId]) -> Result<Vec<contact::Model>, DbErr> {
    let query = contact::Entity::find()
        .filter(contact::Column::AgencyId.eq(agency))
        .filter(contact::Column::Id.is_in(padded_list(ids.iter().copied())));
    find(conn, query).await
}

pub async fn by_phone(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    phone: &str,
) -> Result<Option<contact::Model>, DbErr> {
    contact::Entity::find()
        .filter(contact::Column::AgencyId.eq(agency))
        .filter(contact::Column::Phone.eq(phone))
        .one(conn)
        .await
}

/// Contacts whose phone is not in E.164 format, oldest first: short codes, alphanumeric senders, and numbers that a
/// directory file wrote in another format. Channel addresses, which contain a colon, are omitted.
pub async fn not_in_e164(conn: &impl ConnectionTrait, agency: AgencyId) -> Result<Vec<contact::Model>, DbErr> {
    use contact::Column as C;
    let grouped = [" ", "-", "(", ".", "/"].into_iter().map(|separator| C::Phone.contains(separator));
    contact::Entity::find()
        .filter(C::AgencyId.eq(agency))
        .filter(C::Phone.not_like("%:%"))
        .filter(grouped.fold(Condition::any().add(C::Phone.not_like("+%")), Condition::add))
        .order_by_asc(C::Id)
        .all(conn)
        .await
}

fn visible_contacts(scope: &Scope, search: Option<&str>) -> Select<contact::Entity> {
    let mut query = contact::Entity::find().filter(contact::Column::AgencyId.eq(scope.agency));
    // Admins also see contacts without a thread, such as those imported from a directory file.
    if !scope.is_admin {
        query = query.filter(scope.sees_contact());
    }
    if let Some(search) = search {
        query = query.filter(Condition::any().add(name_matches(search)).add(phone_matches(search)));
    }
    query
}

/// Matches contacts whose name contains the search text. Both are compared in their folded form.
pub(super) fn name_matches(search: &str) -> Expr {
    Expr::col((contact::Entity, contact::Column::NameFolded)).like(containing(&fold(search.trim())))
}

/// Matches contacts whose phone contains the search text or its digits. Senders that are not phone numbers have ASCII
/// names, for which LOWER gives the same result in every database.
pub(super) fn phone_matches(search: &str) -> Condition {
    let phone = || Expr::col((contact::Entity, contact::Column::Phone));
    Condition::any()
        .add(Expr::expr(Func::lower(phone())).like(containing(&fold(search.trim()))))
        .add_option(phone_part(search).map(|part| phone().like(containing(&part))))
}

/// A LIKE pattern for values that contain `text` literally: escapes `%`, `_` and `!`.
fn containing(text: &str) -> LikeExpr {
    let mut pattern = "%".to_owned();
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    LikeExpr::new(pattern + "%").escape('!')
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;
    use crate::domain::search::sort_key;

    #[test]
    fn a_cursor_is_valid_only_in_the_order_of_its_list() {
        let (agency, id) = (AgencyId(Uuid::from_u128(1)), ContactId(Uuid::from_u128(2)));
        let mut contact = contact::Model::begin(agency, id, "+13035560001", DateTime::UNIX_EPOCH);
        for name in [None, Some("Élodie 한글".to_owned()), Some("\u{10ffff}".repeat(200))] {
            contact.rename(name.clone());
            let cursor = ContactOrder::Name.cursor(&contact);
            assert_eq!(cursor.parse(), Ok(NameKey { name: sort_key(name.as_deref()), id: id.0 }));
            assert_eq!(cursor.parse::<Key>(), Err(ParseKeyError), "{cursor}");
        }
        let recent = ContactOrder::Recent.cursor(&contact);
        assert!(recent.parse::<Key>().is_ok());
        let id = id.0.simple();
        let encoded = |name: &str| format!("n{id}{}", URL_SAFE_NO_PAD.encode(name));
        for cursor in
            [recent, String::new(), format!("n{id}=="), format!("né{id}"), encoded("1a\0"), encoded(&"a".repeat(66))]
        {
            assert_eq!(cursor.parse::<NameKey>(), Err(ParseKeyError), "{cursor}");
        }
    }
}
