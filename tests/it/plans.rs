//! SQLite reads lists and timers through an index that holds just their rows. Without statistics, a small difference in
//! a query decides whether it does.

use std::sync::{Arc, Mutex};

use partyline::domain::NotificationKind;
use partyline::store::page::{IdKey, Take, Window};
use partyline::store::retention::{self, OldRows};
use partyline::store::{calls, media, notifications, quarantine, thread_writes, threads};
use sea_orm::{ConnectionTrait as _, DatabaseConnection, DbBackend, Statement};
use uuid::Uuid;

use crate::support::TestApp;
use crate::support::database::is_sqlite;

/// Runs a query and returns how SQLite reads its tables.
async fn plan_of<T>(app: &TestApp, query: impl AsyncFnOnce(&DatabaseConnection) -> T) -> String {
    let mut conn = app.services().database.connect_to_migrate().await.unwrap();
    let asked: Arc<Mutex<Option<Statement>>> = Arc::default();
    conn.set_metric_callback({
        let asked = asked.clone();
        move |info| *asked.lock().unwrap() = Some(info.statement.clone())
    });
    query(&conn).await;
    let statement = asked.lock().unwrap().take().expect("a statement");
    let values = statement.values.map(|values| values.0).unwrap_or_default();
    let explain = format!("EXPLAIN QUERY PLAN {}", statement.sql);
    let explained = Statement::from_sql_and_values(DbBackend::Sqlite, explain, values);
    let rows = conn.query_all_raw(explained).await.unwrap();
    let details = rows.iter().map(|row| row.try_get::<String>("", "detail").unwrap());
    details.collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn lists_and_timers_are_read_through_their_indexes() {
    let app = TestApp::start().await;
    if !is_sqlite() {
        return;
    }
    let (acme, ben) = (app.agency("acme").await, app.user("acme", "ben").await);
    let now = app.services().clock.now();
    let after = Some(IdKey(Uuid::from_u128(7)));
    for window in [
        Window { after: None, before: None, take: Take::First(25) },
        Window { after, before: None, take: Take::First(25) },
        Window { after: None, before: after, take: Take::Last(25) },
    ] {
        for unread in [false, true] {
            let plan = plan_of(&app, async |conn| notifications::page(conn, acme, ben, unread, &window).await).await;
            let index = if unread { "ix_notification_unread" } else { "ix_notification_read" };
            assert!(plan.contains(&format!("{index} (agency_id=? AND user_id=?")), "{plan}");
            assert!(!plan.contains("TEMP B-TREE"), "{plan}");
        }
    }
    let plan = plan_of(&app, async |conn| notifications::count(conn, acme, ben, true).await).await;
    assert!(plan.contains("ix_notification_unread"), "{plan}");
    let quarantined = NotificationKind::Quarantined;
    let plan =
        plan_of(&app, async |conn| notifications::agencies_with_open(conn, [acme], quarantined, now).await).await;
    assert!(plan.contains("ix_notification_thread (agency_id=? AND thread_id=?)"), "{plan}");
    let plan = plan_of(&app, async |conn| notifications::open_around(conn, acme, quarantined, now).await).await;
    assert!(plan.contains("ix_notification_thread (agency_id=? AND thread_id=?)"), "{plan}");
    let plan = plan_of(&app, async |conn| quarantine::is_any_held(conn, acme, now, Some(now)).await).await;
    assert!(plan.contains("ix_quarantine_agency (agency_id=? AND state=? AND created_at>"), "{plan}");
    let old = OldRows { agency: acme, after: Uuid::nil(), before: now, limit: 100 };
    let plan = plan_of(&app, async |conn| retention::messages(conn, &old).await).await;
    assert!(plan.contains("sqlite_autoindex_message_1 (agency_id=? AND id>? AND id<?)"), "{plan}");
    let plan = plan_of(&app, async |conn| retention::media(conn, &old).await).await;
    assert!(plan.contains("sqlite_autoindex_media_1 (agency_id=? AND id>? AND id<?)"), "{plan}");
    let plan = plan_of(&app, async |conn| retention::read_notifications(conn, &old, ben).await).await;
    assert!(plan.contains("ix_notification_read (agency_id=? AND user_id=? AND id>? AND id<?)"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
    let plan = plan_of(&app, async |conn| thread_writes::due_escalations(conn, now, 10).await).await;
    assert!(plan.contains("ix_thread_escalating"), "{plan}");
    let plan = plan_of(&app, async |conn| threads::held_by(conn, acme, ben, None).await).await;
    assert!(plan.contains("ix_thread_of_assignee"), "{plan}");
    let plan = plan_of(&app, async |conn| calls::due(conn, now, 10).await).await;
    assert!(plan.contains("ix_call_to_look_at"), "{plan}");
    let plan = plan_of(&app, async |conn| media::due(conn, now, 10).await).await;
    assert!(plan.contains("ix_media_due (due_at<?)"), "{plan}");
    assert!(!plan.contains("TEMP B-TREE"), "{plan}");
}
