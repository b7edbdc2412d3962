//! Column types for the domain's ids (UUIDs) and enumerations (their names).

use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, StringLen, Value, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, QueryResult, TryFromU64, TryGetError, TryGetable};
use uuid::Uuid;

use crate::domain::*;

macro_rules! id_columns {
    ($($name:ident),* $(,)?) => {
        $(
            impl From<$name> for Value {
                fn from(id: $name) -> Self {
                    Self::Uuid(Some(id.0))
                }
            }

            impl ValueType for $name {
                fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
                    <Uuid as ValueType>::try_from(value).map(Self)
                }

                fn type_name() -> String {
                    stringify!($name).to_owned()
                }

                fn array_type() -> ArrayType {
                    ArrayType::Uuid
                }

                fn column_type() -> ColumnType {
                    ColumnType::Uuid
                }
            }

            impl Nullable for $name {
                fn null() -> Value {
                    Value::Uuid(None)
                }
            }

            impl TryGetable for $name {
                fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
                    Uuid::try_get_by(row, index).map(Self)
                }
            }

            impl TryFromU64 for $name {
                fn try_from_u64(_: u64) -> Result<Self, DbErr> {
                    Err(DbErr::ConvertFromU64(stringify!($name)))
                }
            }

            impl sea_orm::IntoActiveValue<$name> for $name {
                fn into_active_value(self) -> sea_orm::ActiveValue<$name> {
                    sea_orm::ActiveValue::Set(self)
                }
            }
        )*
    };
}

macro_rules! word_columns {
    ($($name:ident),* $(,)?) => {
        $(
            impl From<$name> for Value {
                fn from(word: $name) -> Self {
                    Self::from(word.as_str())
                }
            }

            impl ValueType for $name {
                fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
                    let name = <String as ValueType>::try_from(value)?;
                    Self::from_name(&name).ok_or(ValueTypeErr)
                }

                fn type_name() -> String {
                    stringify!($name).to_owned()
                }

                fn array_type() -> ArrayType {
                    ArrayType::String
                }

                fn column_type() -> ColumnType {
                    ColumnType::String(StringLen::N(32))
                }
            }

            impl Nullable for $name {
                fn null() -> Value {
                    Value::String(None)
                }
            }

            impl TryGetable for $name {
                fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
                    let name = String::try_get_by(row, index)?;
                    Self::from_name(&name).ok_or_else(|| {
                        TryGetError::DbErr(DbErr::Type(format!("unknown {} name", stringify!($name))))
                    })
                }
            }

            impl sea_orm::IntoActiveValue<$name> for $name {
                fn into_active_value(self) -> sea_orm::ActiveValue<$name> {
                    sea_orm::ActiveValue::Set(self)
                }
            }
        )*
    };
}

id_columns!(
    AccountId,
    AgencyId,
    UserId,
    PhoneNumberId,
    PoolId,
    AssignmentId,
    ExtensionId,
    ContactId,
    ThreadId,
    ActivityId,
    MessageId,
    MediaId,
    UploadId,
    NotificationId,
    QuarantineId,
    LateArrivalId,
    CarrierDeletionId,
    AuditId,
    CallId,
    CallLegId,
    VoicemailId,
);
vocabulary::words_list!(word_columns);
