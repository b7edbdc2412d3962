//! The open trouble of a Twilio account, at most one at a time. Conditional statements change it, so that a trouble is
//! reported once even if several requests and instances detect it.

use chrono::{DateTime, Utc};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait as _, Condition, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _,
    QuerySelect as _,
};

use crate::domain::account_trouble::OpenTrouble;
use crate::domain::{AccountId, AccountTrouble, StoredEnum as _, TwilioRequest};
use crate::entity::account;

/// All kinds of trouble, from the least to the most severe.
pub const ALL: [AccountTrouble; 4] =
    [AccountTrouble::CallbackUrl, AccountTrouble::Forbidden, AccountTrouble::Suspended, AccountTrouble::Credentials];

/// Records a trouble unless one that is at least as severe is open. Returns whether it was recorded.
pub async fn begin(
    conn: &impl ConnectionTrait,
    account: AccountId,
    (trouble, request): OpenTrouble,
    now: DateTime<Utc>,
) -> Result<bool, DbErr> {
    let replaced = ALL.into_iter().filter(|open| trouble.replaces(Some(*open))).map(AccountTrouble::as_str);
    let none_as_severe =
        Condition::any().add(account::Column::Trouble.is_null()).add(account::Column::Trouble.is_in(replaced));
    let change = account::ActiveModel {
        trouble: Set(Some(trouble)),
        trouble_request: Set(Some(request)),
        trouble_since: Set(Some(now)),
        ..Default::default()
    };
    let done = account::Entity::update_many()
        .set(change)
        .filter(account::Column::Id.eq(account))
        .filter(none_as_severe)
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// Clears a trouble if it is still the open one. Returns whether it was.
pub async fn end(
    conn: &impl ConnectionTrait,
    account: AccountId,
    (trouble, request): OpenTrouble,
) -> Result<bool, DbErr> {
    let done = account::Entity::update_many()
        .col_expr(account::Column::Trouble, Expr::value(None::<AccountTrouble>))
        .col_expr(account::Column::TroubleRequest, Expr::value(None::<TwilioRequest>))
        .col_expr(account::Column::TroubleSince, Expr::value(None::<DateTime<Utc>>))
        .filter(account::Column::Id.eq(account))
        .filter(account::Column::Trouble.eq(trouble))
        .filter(account::Column::TroubleRequest.eq(request))
        .exec(conn)
        .await?;
    Ok(done.rows_affected == 1)
}

/// The open troubles of all accounts, for metrics.
pub async fn open(conn: &impl ConnectionTrait) -> Result<Vec<AccountTrouble>, DbErr> {
    account::Entity::find()
        .select_only()
        .column(account::Column::Trouble)
        .filter(account::Column::Trouble.is_not_null())
        .into_tuple()
        .all(conn)
        .await
}
