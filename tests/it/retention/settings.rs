//! The periods in the directory file and in the API.

use serde_json::{Value, json};

use super::set;
use crate::support::TestApp;

const QUERY: &str = "{ agency { retention { messagesDays mediaDays recordingsDays eventsDays deleteAtCarrier } } }";

async fn shown(app: &TestApp, user: &str) -> Value {
    app.graphql(&app.token("acme", user), QUERY, json!({})).await["data"]["agency"]["retention"].take()
}

#[tokio::test]
async fn periods_are_read_from_the_directory_file_and_shown() {
    let app = TestApp::start().await;
    let kept = json!({"messagesDays": null, "mediaDays": null, "recordingsDays": null, "eventsDays": 30,
        "deleteAtCarrier": false});
    assert_eq!(shown(&app, "ana").await, kept, "by default");
    set(&app, "{messages: 2555d, media: 365d, recordings: 90d, events: 7d, deleteAtCarrier: true}").await;
    let expected = json!({"messagesDays": 2555, "mediaDays": 365, "recordingsDays": 90, "eventsDays": 7,
        "deleteAtCarrier": true});
    assert_eq!(shown(&app, "ben").await, expected);
    // What the file omits is left as it is; `null` and `forever` both end a period.
    set(&app, "{media: null, recordings: forever}").await;
    let expected = json!({"messagesDays": 2555, "mediaDays": null, "recordingsDays": null, "eventsDays": 7,
        "deleteAtCarrier": true});
    assert_eq!(shown(&app, "ana").await, expected);
}

#[tokio::test]
async fn an_invalid_period_is_reported_at_its_path() {
    let app = TestApp::start().await;
    for (retention, field, message) in [
        ("{messages: 6d}", ".messages", "must be from 7d to 36500d"),
        ("{media: 0d}", ".media", "must be from 1d to 36500d"),
        ("{recordings: 36501d}", ".recordings", "must be from 1d to 36500d"),
        ("{events: 3651d}", ".events", "must be from 1d to 3650d"),
        ("{events: forever}", ".events", "events cannot be kept forever; give a number of days"),
        ("{events: null}", ".events", "events cannot be kept forever; give a number of days"),
        ("{messages: 30}", ".messages", "this is not a period; write a whole number of days such as 365d, or forever"),
        ("{messages: 12h}", ".messages", "this is not a period; write a whole number of days such as 365d, or forever"),
    ] {
        let yaml = format!("agencies: [{{key: acme, retention: {retention}}}]");
        let problems = app.try_apply(&yaml).await.unwrap_err();
        let found: Vec<(&str, &str)> = problems.iter().map(|one| (one.path.as_str(), one.message.as_str())).collect();
        assert_eq!(found, [(format!("agencies[0].retention{field}").as_str(), message)], "{retention}");
    }
    let problems = app.try_apply("agencies: [{key: acme, retention: {texts: 30d}}]").await.unwrap_err();
    assert!(problems[0].path.starts_with("agencies[0].retention"), "{problems:?}");
}
