//! One bot, its Telegram and its two endpoints.

use std::fmt::Write;

use monopoll_test_bots::botapi::{Sent, Server};
use monopoll_test_bots::endpoint::{Answer, Endpoint};
use monopoll_test_bots::stage::{SECRET, Stage, Start, token};
use serde_json::{Value, json};

/// What somebody said; no log may have it.
pub(crate) const WORDS: &str = "the quokka ate my homework";

/// What an insight endpoint says of it.
pub(crate) fn insight() -> Answer {
    Answer::chat(&json!({ "summary": "A marsupial is to blame.", "action_items": ["Write it \
            again"], "topics": ["homework"] }))
}

pub(crate) struct Scene {
    pub(crate) stage: Stage,
    pub(crate) telegram: Server,
    token: String,
    config: String,
}

impl Scene {
    /// Without any endpoint.
    pub(crate) fn bare() -> Scene {
        let (stage, token) = (Stage::new(), token());
        let config = format!(
            "on_conflict = \"graceful\"\ntoken_env = [\"BOT_TOKEN\"]\nlock.paths = \
                [\"{}\"]\n[log]\nlevel = \"trace\"\n",
            stage.lock().display()
        );
        Scene { telegram: Server::start(&token), stage, token, config }
    }

    /// With one that transcribes, and quick pauses.
    pub(crate) fn with_transcription(transcription: &Endpoint) -> Scene {
        let mut scene = Scene::bare();
        scene.endpoint("transcription", &transcription.url("/v1/audio/transcriptions"));
        scene.configure("[app.retry]\nfirst = \"1ms\"\nlongest = \"100ms\"");
        scene
    }

    /// With both.
    pub(crate) fn with_insight(transcription: &Endpoint, insight: &Endpoint) -> Scene {
        let mut scene = Scene::with_transcription(transcription);
        scene.endpoint("insight", &insight.url("/v1/chat/completions"));
        scene
    }

    fn endpoint(&mut self, name: &str, url: &str) {
        self.configure(&format!(
            "[app.{name}]\nurl = \"{url}\"\nmodel = \"m\"\napi_key_env \
            = \"SERVICE_KEY\"\ntimeout = \"60s\""
        ));
    }

    /// Further lines of the configuration.
    pub(crate) fn configure(&mut self, lines: &str) {
        writeln!(self.config, "{lines}").unwrap();
    }

    /// The bot, to be started. Its keys have the secret in them that no output and no file may
    /// have.
    pub(crate) fn bot(&self) -> Start<'_> {
        self.stage
            .program(env!("CARGO_BIN_EXE_voice-insight"), &[])
            .config(&self.config)
            .env("BOT_TOKEN", &self.token)
            .env("SERVICE_KEY", format!("sk-{SECRET}"))
            .env("MONOPOLL_TELEGRAM__API_URL", self.telegram.url())
    }

    /// A message arrives in this private chat; its update's number.
    pub(crate) fn message(&self, chat: i64, field: &str, value: &Value) -> i64 {
        self.telegram.inject_json(|id| {
            let chat = json!({ "id": chat, "type": "private", "first_name": "Someone" });
            json!({ "update_id": id, "message": {
                "message_id": id,
                "date": 1,
                "chat": chat,
                "from": user(),
                field: value,
            } })
        })
    }

    /// A voice message arrives, and its file.
    pub(crate) fn voice(&self, chat: i64) -> i64 {
        self.telegram.file(
            "a-voice",
            monopoll_test_bots::botapi::File::new("voice/a-voice.oga", b"OggS".to_vec()),
        );
        self.message(
            chat,
            "voice",
            &json!({
                "file_id": "a-voice",
                "file_unique_id": "u",
                "duration": 3,
                "mime_type": "audio/ogg",
                "file_size": 4,
            }),
        )
    }

    /// Waits until the bot has sent so many messages.
    #[track_caller]
    pub(crate) fn sent(&self, n: usize) -> Vec<Sent> {
        self.stage.wait_until(&format!("{n} answers"), || {
            Some(self.telegram.sent()).filter(|sent| sent.len() >= n)
        })
    }

    /// What was sent to this chat.
    pub(crate) fn sent_to(&self, chat: i64) -> Vec<String> {
        self.telegram
            .sent()
            .into_iter()
            .filter(|sent| sent.chat == chat)
            .map(|sent| sent.text)
            .collect()
    }

    /// What lies in the journal beside the lock.
    pub(crate) fn journal(&self) -> String {
        std::fs::read_to_string(self.stage.state_file("journal")).unwrap_or_default()
    }
}

fn user() -> Value {
    json!({ "id": 5, "is_bot": false, "first_name": "Someone" })
}
