//! The number of texts that users and agencies have sent in their current quota period.

use sea_orm::{ColumnTrait as _, ConnectionTrait, DbErr, EntityTrait as _, QueryFilter as _};
use uuid::Uuid;

use super::bulk::{padded_list, upsert};
use super::statements::Statements;
use crate::domain::{AgencyId, UserId};
use crate::entity::text_quota::{Column, Entity, Model};

/// The `user_id` of the row that counts the texts of all users of an agency.
pub const WHOLE_AGENCY: UserId = UserId(Uuid::nil());

/// The rows of a user and of the whole agency; a row is absent if no text was counted.
pub async fn of_user(conn: &impl ConnectionTrait, agency: AgencyId, user: UserId) -> Result<Vec<Model>, DbErr> {
    Entity::find()
        .filter(Column::AgencyId.eq(agency))
        .filter(Column::UserId.is_in(padded_list([user, WHOLE_AGENCY])))
        .all(conn)
        .await
}

pub async fn save(conn: &impl Statements, rows: Vec<Model>) -> Result<(), DbErr> {
    upsert(conn, rows, &[Column::AgencyId, Column::UserId], &[Column::BeganAt, Column::Texts]).await
}
