//! What the bot asks of Telegram: a file, a message, a sign that it works. Polling is the
//! library's.

use std::time::Duration;

use crate::error::ServiceError;
use crate::intake::Address;
use crate::media::{MAX_BYTES, Recording};
use crate::retry::Retry;
use crate::shutdown::{Failed, Shutdown};
use futures_util::StreamExt;
use teloxide::net::Download;
use teloxide::payloads::{SendChatActionSetters, SendMessageSetters};
use teloxide::requests::Requester;
use teloxide::types::{
    ChatAction, ChatId, FileId, LinkPreviewOptions, MessageId, ReplyParameters, ThreadId,
};
use teloxide::{ApiError, Bot, RequestError};

/// How long a download may take in all: 20 MB at 70 kB a second.
pub(crate) const DOWNLOAD: Duration = Duration::from_mins(5);

/// What `getFile` says of a size that it does not know (teloxide's stand-in for a field that is
/// missing).
const UNKNOWN_SIZE: u32 = u32::MAX;

/// What became of a download.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// The file.
    File(Vec<u8>),
    /// It is larger than a bot may download; as large as this, where somebody says so.
    TooLarge(Option<u64>),
    /// Telegram does not give it: the id is too old, or none.
    NotGiven,
}

/// Telegram, as the bot speaks to it.
#[derive(Debug, Clone)]
pub(crate) struct Telegram {
    bot: Bot,
    /// The same with more time, for files.
    files: Bot,
    retry: Retry,
    shutdown: Shutdown,
}

impl Telegram {
    /// Speaks through `bot`; `files` has the patience for downloads.
    pub(crate) fn new(bot: Bot, files: Bot, retry: Retry, shutdown: Shutdown) -> Telegram {
        Telegram { bot, files, retry, shutdown }
    }

    /// The recording itself, never more of it than a bot may download.
    ///
    /// # Errors
    /// Telegram cannot be reached, or the bot ends.
    pub(crate) async fn fetch(&self, recording: &Recording) -> Result<Fetched, Failed> {
        self.shutdown
            .persist(self.retry, "downloading from Telegram", || self.fetch_once(recording))
            .await
    }

    async fn fetch_once(&self, recording: &Recording) -> Result<Fetched, ServiceError> {
        let file = match self.bot.get_file(FileId(recording.file.clone())).await {
            Ok(file) => file,
            Err(RequestError::Api(error)) if Refusal::of(&error) == Refusal::Final => {
                return Ok(refused(&error));
            }
            Err(error) => return Err(service_error(&error)),
        };
        let size = Some(file.size).filter(|size| *size != UNKNOWN_SIZE).map(u64::from);
        if size.is_some_and(|size| size > MAX_BYTES) {
            return Ok(Fetched::TooLarge(size));
        }
        let mut chunks = self.files.download_file_stream(&file.path);
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| broken_off(&error))?;
            // Whatever sizes were said before: this is the one that counts.
            if (bytes.len() + chunk.len()) as u64 > MAX_BYTES {
                return Ok(Fetched::TooLarge(None));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok(Fetched::File(bytes))
    }

    /// Says that an answer is being made; that this fails is nobody's concern.
    pub(crate) async fn typing(&self, address: Address) {
        let request = self.bot.send_chat_action(ChatId(address.chat), ChatAction::Typing);
        let _ = match topic(address) {
            Some(topic) => request.message_thread_id(topic).await,
            None => request.await,
        };
    }

    /// Sends one part of an answer, and goes on trying for as long as there is hope and the bot
    /// works: an answer that is made is not thrown away because Telegram cannot be reached, has a
    /// fault or does not know the bot's token for a while. `Ok` also where Telegram will never take
    /// it.
    ///
    /// # Errors
    /// The bot ends.
    pub(crate) async fn send(
        &self,
        address: Address,
        reply: Reply,
        part: &str,
    ) -> Result<(), Failed> {
        let mut failed = 0;
        let mut address = address;
        loop {
            let error = match self.send_once(address, reply, part).await {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            failed += 1;
            let pause = match &error {
                RequestError::MigrateToChatId(moved) if moved.0 != address.chat => {
                    // Numbers of messages are others in the new group.
                    address = Address { chat: moved.0, message: None, topic: None };
                    continue;
                }
                RequestError::RetryAfter(seconds) => seconds.duration(),
                RequestError::Network(_)
                | RequestError::InvalidJson { .. }
                | RequestError::Io(_) => self.retry.pause(failed),
                RequestError::Api(error) => match Refusal::of(error) {
                    Refusal::Passing => self.retry.pause(failed),
                    Refusal::Unknown if failed < self.retry.tries => self.retry.pause(failed),
                    Refusal::Unknown | Refusal::Final => {
                        tracing::warn!(
                            chat = address.chat,
                            "an answer is not delivered: Telegram refuses it ({})",
                            told(error)
                        );
                        return Ok(());
                    }
                },
                RequestError::MigrateToChatId(_) => {
                    tracing::warn!(
                        chat = address.chat,
                        "an answer is not delivered: Telegram says that the group is now itself"
                    );
                    return Ok(());
                }
            };
            tracing::info!(
                chat = address.chat,
                failed,
                "an answer is not delivered yet: {}; once more in {pause:?}",
                service_error(&error)
            );
            self.shutdown.pause(pause).await?;
        }
    }

    async fn send_once(
        &self,
        address: Address,
        reply: Reply,
        part: &str,
    ) -> Result<(), RequestError> {
        let no_preview = LinkPreviewOptions {
            is_disabled: true,
            url: None,
            prefer_small_media: false,
            prefer_large_media: false,
            show_above_text: false,
        };
        let mut request =
            self.bot.send_message(ChatId(address.chat), part).link_preview_options(no_preview);
        if let (Reply::ToTheMessage, Some(message)) = (reply, address.message) {
            request = request.reply_parameters(
                ReplyParameters::new(MessageId(message)).allow_sending_without_reply(),
            );
        }
        if let Some(topic) = topic(address) {
            request = request.message_thread_id(topic);
        }
        match request.await {
            Ok(_) => Ok(()),
            // Delivered; only what Telegram says of the message is of a kind that is not known
            // here.
            Err(RequestError::InvalidJson { raw, .. }) if raw.starts_with("{\"ok\":true") => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether a part quotes the message that it answers: the first one does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    /// It does.
    ToTheMessage,
    /// It just follows.
    Following,
}

fn topic(address: Address) -> Option<ThreadId> {
    address.topic.map(|topic| ThreadId(MessageId(topic)))
}

/// Telegram's own words for an error, which name nobody and quote nothing.
fn told(error: &ApiError) -> String {
    monopoll::internals::text::quote(&error.to_string())
}

/// What another try of a call may come to that Telegram said no to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    /// The same: the chat is gone, the bot is blocked, the text is none.
    Final,
    /// Sooner or later it is taken: a fault of Telegram's own, or a token that is not known at the
    /// moment, and the message is not to blame.
    Passing,
    /// Nobody knows.
    Unknown,
}

impl Refusal {
    /// Told by the text, as no status comes with it: faults of Telegram's own are errors without a
    /// name, too.
    fn of(error: &ApiError) -> Refusal {
        let begins = |text: &str, with: &[&str]| with.iter().any(|kind| text.starts_with(kind));
        match error {
            ApiError::InvalidToken => Refusal::Passing,
            ApiError::Unknown(text)
                if begins(
                    text,
                    &[
                        "Internal Server Error",
                        "Bad Gateway",
                        "Service Unavailable",
                        "Gateway Timeout",
                    ],
                ) =>
            {
                Refusal::Passing
            }
            ApiError::Unknown(text)
                if !begins(text, &["Bad Request", "Forbidden", "Request Entity Too Large"]) =>
            {
                Refusal::Unknown
            }
            _ => Refusal::Final,
        }
    }
}

fn refused(error: &ApiError) -> Fetched {
    if error.to_string().contains("file is too big") {
        return Fetched::TooLarge(None);
    }
    tracing::info!("Telegram does not give a file ({})", told(error));
    Fetched::NotGiven
}

/// What is said of an error: its own text may have the token in it, or somebody's message.
fn service_error(error: &RequestError) -> ServiceError {
    match error {
        RequestError::RetryAfter(seconds) => ServiceError::Busy(Some(seconds.duration())),
        RequestError::Network(error) => ServiceError::of_connection(error),
        RequestError::InvalidJson { .. } => ServiceError::Unreadable,
        RequestError::Io(_) => ServiceError::CutOff,
        RequestError::Api(_) => ServiceError::Broken(500),
        RequestError::MigrateToChatId(_) => ServiceError::Refused(400),
    }
}

fn broken_off(error: &reqwest::Error) -> ServiceError {
    match error.status() {
        Some(status) => ServiceError::of_status(status.as_u16(), None),
        None => ServiceError::of_connection(error),
    }
}
