//! What is answered to what.

use crate::intake::{Asks, Command, Letter};
use crate::media::{MAX_BYTES, Recording};
use crate::messages::{self, Told};
use crate::services::Services;
use crate::settings::Service;
use crate::shutdown::Failed;
use crate::status::Status;
use crate::telegram::{Fetched, Telegram};
use crate::transcription::Heard;

/// Makes answers.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) telegram: Telegram,
    pub(crate) services: Services,
    pub(crate) transcription: Option<Service>,
    pub(crate) insight: Option<Service>,
    pub(crate) status: Status,
}

impl Answers {
    /// Whether there is anybody to ask what is said in a recording.
    pub(crate) fn can_transcribe(&self) -> bool {
        self.transcription.is_some()
    }

    /// The answer to a message, in parts; never empty.
    ///
    /// # Errors
    /// The bot ends before it is made. Every other failure is an answer: an honest one.
    pub(crate) async fn make(&self, letter: &Letter) -> Result<Vec<String>, Failed> {
        let sentence = match &letter.asks {
            Asks::Transcript(recording) => return self.of_recording(recording).await,
            Asks::Fileless(kind) => messages::fileless(*kind),
            Asks::Command(command) => self.command(*command),
            Asks::UnknownCommand => messages::unknown_command(),
            Asks::Words => messages::words(),
            Asks::SomethingElse => messages::something_else(),
        };
        Ok(vec![sentence])
    }

    fn command(&self, command: Command) -> String {
        match command {
            Command::Start => messages::start(),
            Command::Help => messages::help(),
            Command::Status => self.status.status(),
            Command::Health => self.status.health(),
        }
    }

    async fn of_recording(&self, recording: &Recording) -> Result<Vec<String>, Failed> {
        let kind = recording.kind;
        let Some(transcription) = &self.transcription else {
            return Ok(vec![messages::no_transcription()]);
        };
        let sentence = match self.fetched(recording).await {
            Ok(Fetched::File(sound)) if sound.is_empty() => messages::nothing_in_it(kind),
            Ok(Fetched::TooLarge(size)) => messages::too_large(kind, size),
            Ok(Fetched::NotGiven) => messages::not_given(kind),
            Err(Failed::Service(_)) => messages::no_download(kind),
            Err(Failed::ShuttingDown) => return Err(Failed::ShuttingDown),
            Ok(Fetched::File(sound)) => {
                match self.services.transcript(transcription, recording, &sound).await {
                    Ok(Heard::Words(words)) => return self.with_insight(&words).await,
                    Ok(Heard::Nothing) => messages::no_words(kind),
                    Err(Failed::Service(error)) => messages::no_transcript(kind, error),
                    Err(Failed::ShuttingDown) => return Err(Failed::ShuttingDown),
                }
            }
        };
        Ok(vec![sentence])
    }

    /// What the message says of itself is believed only where it says no: the download counts what
    /// comes.
    async fn fetched(&self, recording: &Recording) -> Result<Fetched, Failed> {
        match recording.claims {
            Some(size) if size > MAX_BYTES => Ok(Fetched::TooLarge(Some(size))),
            Some(_) | None => self.telegram.fetch(recording).await,
        }
    }

    async fn with_insight(&self, words: &str) -> Result<Vec<String>, Failed> {
        let told = match &self.insight {
            None => Told::Unasked,
            Some(insight) => match self.services.insight(insight, words).await {
                Ok(insight) => Told::Insight(insight),
                Err(Failed::Service(error)) => Told::Failed(error),
                Err(Failed::ShuttingDown) => return Err(Failed::ShuttingDown),
            },
        };
        Ok(messages::answer(words, &told))
    }
}
