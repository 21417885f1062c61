//! What it says of itself.

use crate::scene::Scene;
use serde_json::json;

#[test]
fn start_help_status_and_health_are_answered_in_private_and_in_groups() {
    let scene = Scene::bare();
    for text in ["/start", "/help", "/status", "/health"] {
        scene.message(5, "text", &json!(text));
    }
    scene.telegram.inject_json(|id| {
        let chat = json!({ "id": -7, "type": "group", "title": "A group" });
        json!({
            "update_id": id,
            "message": { "message_id": id, "date": 1, "chat": chat, "text": "/health@test_bot" },
        })
    });
    let _bot = scene.bot().start();
    scene.sent(5);
    let said = scene.sent_to(5);
    let has = |part: &str| {
        assert!(said.iter().any(|text| text.contains(part)), "`{part}` is not in {said:#?}");
    };
    for part in [
        "Hello.",
        "/health – whether I am well",
        "up to 20 MB",
        "Instance bot",
        "running since 20",
        "Takeovers: none",
        "s ago.",
    ] {
        has(part);
    }
    has("Messages: ");
    has("Transcription: not set up.");
    assert!(scene.sent_to(-7)[0].starts_with("Healthy.\nInstance bot"), "{:?}", scene.sent_to(-7));
}

#[test]
fn a_takeover_is_counted() {
    let scene = Scene::bare();
    let first = scene.bot().start();
    scene.message(5, "text", &json!("/status"));
    scene.sent(1);
    let _second = scene.bot().start();
    first.end().exits(0);
    scene.message(5, "text", &json!("/status"));
    let sent = scene.sent(2);
    assert!(sent[1].text.contains("Takeovers: 1, the last one at 20"), "{}", sent[1].text);
}
