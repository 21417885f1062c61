//! What is answered to what.

use crate::{
    about::About,
    ending::Failed,
    intake::{Asks, Command, Letter},
    media::{MOST_BYTES, Recording},
    services::Services,
    settings::Service,
    telegram::{Fetched, Telegram},
    transcription::Heard,
    wording::{self, Told},
};

/// Makes answers.
#[derive(Debug)]
pub(crate) struct Answers {
    pub(crate) telegram: Telegram,
    pub(crate) services: Services,
    pub(crate) transcription: Option<Service>,
    pub(crate) insight: Option<Service>,
    pub(crate) about: About,
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
            Asks::Fileless(kind) => wording::fileless(*kind),
            Asks::Command(command) => self.command(*command),
            Asks::UnknownCommand => wording::unknown_command(),
            Asks::Words => wording::words(),
            Asks::SomethingElse => wording::something_else(),
        };
        Ok(vec![sentence])
    }

    fn command(&self, command: Command) -> String {
        match command {
            Command::Start => wording::start(),
            Command::Help => wording::help(),
            Command::Status => self.about.status(),
            Command::Health => self.about.health(),
        }
    }

    async fn of_recording(&self, recording: &Recording) -> Result<Vec<String>, Failed> {
        let kind = recording.kind;
        let Some(transcription) = &self.transcription else {
            return Ok(vec![wording::no_transcription()]);
        };
        let sentence = match self.fetched(recording).await {
            Ok(Fetched::File(sound)) if sound.is_empty() => wording::nothing_in_it(kind),
            Ok(Fetched::TooLarge(size)) => wording::too_large(kind, size),
            Ok(Fetched::NotGiven) => wording::not_given(kind),
            Err(Failed::Fault(_)) => wording::no_download(kind),
            Err(Failed::Ending) => return Err(Failed::Ending),
            Ok(Fetched::File(sound)) => {
                match self.services.transcript(transcription, recording, &sound).await {
                    Ok(Heard::Words(words)) => return self.with_insight(&words).await,
                    Ok(Heard::Nothing) => wording::no_words(kind),
                    Err(Failed::Fault(fault)) => wording::no_transcript(kind, fault),
                    Err(Failed::Ending) => return Err(Failed::Ending),
                }
            }
        };
        Ok(vec![sentence])
    }

    /// What the message says of itself is believed only where it says no: the download counts what
    /// comes.
    async fn fetched(&self, recording: &Recording) -> Result<Fetched, Failed> {
        match recording.claims {
            Some(size) if size > MOST_BYTES => Ok(Fetched::TooLarge(Some(size))),
            Some(_) | None => self.telegram.fetch(recording).await,
        }
    }

    async fn with_insight(&self, words: &str) -> Result<Vec<String>, Failed> {
        let told = match &self.insight {
            None => Told::Unasked,
            Some(insight) => match self.services.insight(insight, words).await {
                Ok(insight) => Told::Insight(insight),
                Err(Failed::Fault(fault)) => Told::Failed(fault),
                Err(Failed::Ending) => return Err(Failed::Ending),
            },
        };
        Ok(wording::answer(words, &told))
    }
}
