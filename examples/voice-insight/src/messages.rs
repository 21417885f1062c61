//! Every sentence that the bot says in a chat.

use crate::error::ServiceError;
use crate::insight::{self, Insight};
use crate::intake::Command;
use crate::media::{Kind, MAX_BYTES};
use crate::split::{MAX_UNITS, split};
use std::fmt::Write;

/// More parts than this are no answer but a flood; they hold about three hours of speech.
const MAX_PARTS: usize = 40;

/// What is said of a transcript.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// Nobody was asked.
    Unasked,
    /// This.
    Insight(Insight),
    /// Whoever was asked failed.
    Failed(ServiceError),
}

/// `/start`
pub(crate) fn start() -> String {
    format!(
        "Hello. Send or forward me a voice message, a video note or an audio file, and I answer \
            with what is said in it.\n\n{}",
        commands()
    )
}

/// `/help`
pub(crate) fn help() -> String {
    format!(
        "Send or forward me a voice message, a video note or an audio file of up to {}. I answer \
            with a summary, what there is to do, the topics \
         and the whole transcript – as far as my services are set up. Recordings of one chat are \
         answered in their order.\n\n{}",
        megabytes(MAX_BYTES),
        commands()
    )
}

fn commands() -> String {
    let about = |command: Command| match command {
        Command::Start => "what I do",
        Command::Help => "how to use me",
        Command::Status => "which of me is running, since when, and what it is doing",
        Command::Health => "whether I am well",
    };
    let lines: Vec<String> = Command::ALL
        .into_iter()
        .map(|command| format!("/{} – {}", command.name(), about(command)))
        .collect();
    lines.join("\n")
}

/// A command that nobody knows.
pub(crate) fn unknown_command() -> String {
    format!("I do not know this command.\n\n{}", commands())
}

/// Words instead of a recording.
pub(crate) fn words() -> String {
    "I listen, I do not chat: send me a voice message, a video note or an audio file. /help says \
        more."
        .to_owned()
}

/// A picture, a document, a place.
pub(crate) fn something_else() -> String {
    "I can only listen to voice messages, video notes and audio files. If this is a recording, \
        send it as audio."
        .to_owned()
}

/// A recording without a file.
pub(crate) fn fileless(kind: Kind) -> String {
    format!("Telegram told me of a {kind}, but not where its file is. Please send it again.")
}

/// No transcription is configured.
pub(crate) fn no_transcription() -> String {
    "I cannot transcribe recordings: no transcription endpoint is configured (`app.transcription` \
        in my config.toml)."
        .to_owned()
}

/// More than Telegram gives to bots.
pub(crate) fn too_large(kind: Kind, bytes: Option<u64>) -> String {
    let size = bytes.map_or_else(String::new, |bytes| format!(" ({})", megabytes(bytes)));
    format!(
        "This {kind} is too large{size}: Telegram lets bots download at most {}. Please send it \
            in shorter pieces.",
        megabytes(MAX_BYTES)
    )
}

/// A file of no bytes.
pub(crate) fn nothing_in_it(kind: Kind) -> String {
    format!("This {kind} is empty: there is nothing to listen to.")
}

/// No words were heard.
pub(crate) fn no_words(kind: Kind) -> String {
    format!("I heard no words in this {kind}.")
}

/// Telegram has no such file any more, or does not give it.
pub(crate) fn not_given(kind: Kind) -> String {
    format!("Telegram does not give me the file of this {kind}. Please send it again.")
}

/// The download failed, however often it was tried.
pub(crate) fn no_download(kind: Kind) -> String {
    format!("I could not download this {kind} from Telegram. Please send it again later.")
}

/// The transcription failed, however often it was tried.
pub(crate) fn no_transcript(kind: Kind, error: ServiceError) -> String {
    format!(
        "I could not transcribe this {kind}: the transcription service failed; {error}. Please \
            send it again later."
    )
}

/// Too many wait already.
pub(crate) fn full(waiting: usize) -> String {
    format!(
        "I have too much to do: {waiting} messages are waiting already, so I have to leave this \
            one. Please send it again later."
    )
}

/// A recording that waits for long.
pub(crate) fn patience(kind: Kind) -> String {
    format!("I have a lot to do. Your {kind} is in the queue, and I answer as soon as I get to it.")
}

/// What is said and what is in it, as messages; what does not fit into the most of them is left
/// out, and the last one says so.
pub(crate) fn answer(transcript: &str, told: &Told) -> Vec<String> {
    let mut text = String::new();
    match told {
        Told::Unasked => {}
        Told::Insight(insight) => {
            text.push_str(&sections(insight));
            if insight::read(transcript).len() < transcript.len() {
                text.push_str(
                    "This is about the beginning alone: the recording is too long to be \
                    summed up whole.\n\n",
                );
            }
        }
        Told::Failed(error) => {
            // Writing into a string cannot fail.
            let _ =
                write!(text, "I could not sum this up: the insight service failed; {error}.\n\n");
        }
    }
    match told {
        Told::Unasked => text.push_str(transcript),
        Told::Insight(_) | Told::Failed(_) => {
            text.push_str("Transcript\n");
            text.push_str(transcript);
        }
    }
    cut(split(&text, MAX_UNITS))
}

fn sections(insight: &Insight) -> String {
    let mut text = format!("Summary\n{}\n\n", insight.summary);
    if !insight.action_items.is_empty() {
        let items: Vec<String> =
            insight.action_items.iter().map(|item| format!("• {item}")).collect();
        text.extend(["To do\n", &items.join("\n"), "\n\n"]);
    }
    if !insight.topics.is_empty() {
        text.extend(["Topics\n", &insight.topics.join(", "), "\n\n"]);
    }
    text
}

fn cut(mut parts: Vec<String>) -> Vec<String> {
    if parts.len() > MAX_PARTS {
        parts.truncate(MAX_PARTS);
        parts.push(format!(
            "The rest is left out: {MAX_PARTS} messages are the most that I answer with."
        ));
    }
    parts
}

/// A size as people say it, never rounded to a limit that it exceeds.
fn megabytes(bytes: u64) -> String {
    let tenths = bytes.saturating_mul(10).div_ceil(1 << 20);
    match (tenths / 10, tenths % 10) {
        (whole, 0) => format!("{whole} MB"),
        (whole, tenth) => format!("{whole}.{tenth} MB"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insight() -> Insight {
        Insight {
            summary: "A walk.".to_owned(),
            action_items: vec!["Buy bread".to_owned()],
            topics: vec!["walking".to_owned(), "bread".to_owned()],
        }
    }

    #[test]
    fn an_answer_has_its_sections() {
        insta::assert_snapshot!(answer("We walked.", &Told::Insight(insight())).join("\n=====\n"));
    }

    #[test]
    fn a_transcript_alone_has_no_heading_and_a_failure_is_said() {
        assert_eq!(answer("We walked.", &Told::Unasked), ["We walked."]);
        let bare = Insight { action_items: Vec::new(), topics: Vec::new(), ..insight() };
        assert_eq!(
            answer("We walked.", &Told::Insight(bare)),
            ["Summary\nA walk.\n\nTranscript\nWe walked."]
        );
        let failed = answer("We walked.", &Told::Failed(ServiceError::Broken(500)));
        assert_eq!(
            failed,
            ["I could not sum this up: the insight service failed; it has a fault of its own \
                    (status 500).\n\nTranscript\nWe walked."]
        );
    }

    #[test]
    fn an_answer_that_would_flood_the_chat_is_cut_and_says_so() {
        let parts = answer(&"word ".repeat(100_000), &Told::Unasked);
        assert_eq!(parts.len(), MAX_PARTS + 1);
        assert!(parts.iter().all(|part| part.encode_utf16().count() <= MAX_UNITS));
        assert!(parts.last().unwrap().starts_with("The rest is left out"));
    }

    #[test]
    fn a_summary_of_less_than_everything_says_so() {
        let about = |words: usize| {
            answer(&"word ".repeat(words), &Told::Insight(insight()))
                .concat()
                .contains("about the beginning alone")
        };
        assert!(about(20_001) && !about(20_000));
    }

    #[test]
    fn a_size_is_never_said_to_be_within_the_limit_that_it_exceeds() {
        for (bytes, said) in [
            (0, "0 MB"),
            (1, "0.1 MB"),
            (MAX_BYTES, "20 MB"),
            (MAX_BYTES + 1, "20.1 MB"),
            (u64::MAX, "1759218604441.6 MB"),
        ] {
            assert_eq!(megabytes(bytes), said);
        }
    }

    #[test]
    fn every_sentence_fits_into_one_message_and_has_an_end() {
        let sentences = [
            start(),
            help(),
            unknown_command(),
            words(),
            something_else(),
            fileless(Kind::Voice),
            no_transcription(),
            too_large(Kind::Audio, None),
            too_large(Kind::VideoNote, Some(MAX_BYTES + 1)),
            nothing_in_it(Kind::Voice),
            no_words(Kind::Voice),
            not_given(Kind::Voice),
            no_download(Kind::Voice),
            no_transcript(Kind::Voice, ServiceError::Unreachable),
            full(100),
            patience(Kind::Voice),
        ];
        assert!(sentences.iter().all(|sentence| sentence.encode_utf16().count() < MAX_UNITS));
        insta::assert_snapshot!(sentences.join("\n---\n"));
    }
}
