//! Contacts: the people outside.

use std::collections::BTreeSet;

use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LikeExpr};
use sea_orm::{
    ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, Order, PaginatorTrait as _,
    QueryFilter as _, QueryOrder as _, Select,
};

use super::bulk::list;
use super::page::{Page, Window};
use super::threads::Scope;
use crate::domain::search::{fold, phone_part};
use crate::domain::{AgencyId, ContactId};
use crate::entity::contact;

/// A part of the contacts whom the user may see, newest first.
///
/// # Errors
/// When the database fails.
pub async fn page(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    search: Option<&str>,
    window: &Window,
) -> Result<Page<contact::Model>, DbErr> {
    let query = window.apply(narrowed(scope, search), &Order::Desc, contact::Column::CreatedAt, contact::Column::Id);
    Ok(window.cut(query.all(conn).await?))
}

/// How many there are.
///
/// # Errors
/// When the database fails.
pub async fn count(conn: &impl ConnectionTrait, scope: &Scope, search: Option<&str>) -> Result<u64, DbErr> {
    narrowed(scope, search).count(conn).await
}

/// One contact, if the user may see it.
///
/// # Errors
/// When the database fails.
pub async fn visible(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    id: ContactId,
) -> Result<Option<contact::Model>, DbErr> {
    narrowed(scope, None).filter(contact::Column::Id.eq(id)).one(conn).await
}

/// These contacts, each as the user may see it: in full, or only the phone. For threads and calls that are visible
/// themselves.
///
/// # Errors
/// When the database fails.
pub async fn as_seen(
    conn: &impl ConnectionTrait,
    scope: &Scope,
    ids: &[ContactId],
) -> Result<Vec<contact::Model>, DbErr> {
    let among = || contact::Column::Id.is_in(list(ids.iter().copied()));
    let mut rows = narrowed(scope, None).filter(among()).all(conn).await?;
    let seen: BTreeSet<ContactId> = rows.iter().map(|row| row.id).collect();
    let others: Vec<ContactId> = ids.iter().copied().filter(|id| !seen.contains(id)).collect();
    if !others.is_empty() {
        rows.extend(by_ids(conn, scope.agency, &others).await?.into_iter().map(contact::Model::phone_only));
    }
    Ok(rows)
}

/// These contacts of an agency, for rows that show their contact to everybody who may see them.
///
/// # Errors
/// When the database fails.
pub async fn by_ids(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    ids: &[ContactId],
) -> Result<Vec<contact::Model>, DbErr> {
    contact::Entity::find()
        .filter(contact::Column::AgencyId.eq(agency))
        .filter(contact::Column::Id.is_in(list(ids.iter().copied())))
        .all(conn)
        .await
}

/// A contact by their address.
///
/// # Errors
/// When the database fails.
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

/// Contacts by their addresses.
///
/// # Errors
/// When the database fails.
pub async fn by_phones(
    conn: &impl ConnectionTrait,
    agency: AgencyId,
    phones: &BTreeSet<&str>,
) -> Result<Vec<contact::Model>, DbErr> {
    contact::Entity::find()
        .filter(contact::Column::AgencyId.eq(agency))
        .filter(contact::Column::Phone.is_in(list(phones.iter().copied())))
        .all(conn)
        .await
}

/// Contacts whose phone is not in E.164, oldest first: short codes, alphanumeric senders, and what a directory file
/// wrote in another way. Addresses of channels are left out.
///
/// # Errors
/// When the database fails.
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

fn narrowed(scope: &Scope, search: Option<&str>) -> Select<contact::Entity> {
    let mut query = contact::Entity::find().filter(contact::Column::AgencyId.eq(scope.agency));
    // An admin sees contacts without a thread too, such as those a directory file brought.
    if !scope.is_admin {
        query = query.filter(scope.sees_contact());
    }
    if let Some(search) = search {
        query = query.filter(Condition::any().add(name_matches(search)).add(phone_matches(search)));
    }
    query
}

/// Whether a contact's name contains a search text. Names are compared in their search form.
pub(super) fn name_matches(search: &str) -> Expr {
    Expr::col((contact::Entity, contact::Column::NameFolded)).like(containing(&fold(search.trim())))
}

/// Whether a contact's phone contains a search text: by its digits as typed. Senders that are not phone numbers have
/// ASCII names, which every database lowers alike.
pub(super) fn phone_matches(search: &str) -> Condition {
    let phone = || Expr::col((contact::Entity, contact::Column::Phone));
    Condition::any()
        .add(Expr::expr(Func::lower(phone())).like(containing(&fold(search.trim()))))
        .add_option(phone_part(search).map(|part| phone().like(containing(&part))))
}

/// A pattern for texts that contain this one as it is: `%`, `_` and `!` stand for themselves.
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
