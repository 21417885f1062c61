//! What `[app]` says: every key, its default and its bounds; all that is wrong with it is told at
//! once.

mod table;

use std::ffi::OsString;
use std::time::Duration;

use crate::retry::Retry;
use crate::secret::Secret;
use reqwest::Url;
use table::{Reader, Table};

use monopoll::internals::config::{Config, Problems};
use monopoll::internals::text::{quote, sanitize};

/// What `[app]` comes to.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How many recordings are downloaded and transcribed at the same time.
    pub(crate) at_once: usize,
    /// How many messages may wait; the next one is told to come again.
    pub(crate) most_waiting: usize,
    /// Who waits longer than this is told once that it takes a while.
    pub(crate) busy_after: Duration,
    /// Where recordings are written down; `None`: nowhere.
    pub(crate) transcription: Option<Service>,
    /// Who tells what is in a transcript; `None`: nobody.
    pub(crate) insight: Option<Service>,
    /// How often a failing service is asked again.
    pub(crate) retry: Retry,
}

/// A service that is spoken to as `OpenAI`'s is.
#[derive(Debug, Clone)]
pub(crate) struct Service {
    /// The whole address of the endpoint.
    pub(crate) url: Url,
    /// The model that is asked for.
    pub(crate) model: String,
    /// The key, where one is needed.
    pub(crate) key: Option<Secret>,
    /// How long one try may take, from the connection to the last byte of the answer.
    pub(crate) timeout: Duration,
    /// The language that is spoken, where it is always the same one (ISO 639-1).
    pub(crate) language: Option<String>,
}

/// What nobody wrote.
impl Default for Settings {
    fn default() -> Self {
        Settings {
            at_once: 2,
            most_waiting: 100,
            busy_after: Duration::from_secs(30),
            transcription: None,
            insight: None,
            retry: Retry {
                tries: 4,
                first: Duration::from_secs(1),
                longest: Duration::from_secs(30),
            },
        }
    }
}

/// The time that a recording may take to be written down, and a transcript to be summed up.
const TRANSCRIPTION: Duration = Duration::from_mins(2);
const INSIGHT: Duration = Duration::from_mins(1);

impl Settings {
    /// What the `[app]` of this configuration says; keys of services are looked up in `env`, and in
    /// `env_file`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub(crate) fn read(
        config: &Config,
        env: &[(OsString, OsString)],
    ) -> Result<Settings, Problems> {
        let mut reader = Reader::new(config, env);
        let default = Settings::default();
        let app = Table::root(config);
        reader.only(
            &app,
            &["at_once", "most_waiting", "busy_after", "transcription", "insight", "retry"],
        );
        let settings = Settings {
            at_once: reader.count(&app, "at_once", 1..=16).unwrap_or(default.at_once),
            most_waiting: reader
                .count(&app, "most_waiting", 1..=1000)
                .unwrap_or(default.most_waiting),
            busy_after: reader.span(&app, "busy_after").unwrap_or(default.busy_after),
            transcription: reader
                .table(&app, "transcription")
                .and_then(|table| service(&mut reader, &table, TRANSCRIPTION, &["language"])),
            insight: reader
                .table(&app, "insight")
                .and_then(|table| service(&mut reader, &table, INSIGHT, &[])),
            retry: reader
                .table(&app, "retry")
                .map_or(default.retry, |table| retry(&mut reader, &table, default.retry)),
        };
        if app.has("insight") && !app.has("transcription") {
            reader.wrong::<()>(
                &app,
                "insight",
                "there is nothing to sum up without a transcription",
                "add [app.transcription], or leave this out",
            );
        }
        reader.finish().map(|()| settings)
    }
}

fn service(reader: &mut Reader, table: &Table, usual: Duration, more: &[&str]) -> Option<Service> {
    let known: Vec<&str> = ["url", "model", "api_key_env", "timeout"]
        .into_iter()
        .chain(more.iter().copied())
        .collect();
    reader.only(table, &known);
    let address = reader
        .needed(table, "url", "the whole address of the endpoint")
        .and_then(|text| url(reader, table, &text));
    let model = reader.needed(table, "model", "the name of a model that the endpoint knows");
    let key = reader.text(table, "api_key_env").map(|name| key(reader, table, &name));
    let timeout = reader.span(table, "timeout").unwrap_or(usual);
    let language = if more.contains(&"language") {
        reader.text(table, "language").map(|text| language(reader, table, text))
    } else {
        None
    };
    Some(Service {
        url: address?,
        model: model?,
        key: key.unwrap_or_default(),
        timeout,
        language: language.unwrap_or_default(),
    })
}

fn url(reader: &mut Reader, table: &Table, text: &str) -> Option<Url> {
    let example = "write it whole, such as \"https://api.openai.com/v1/…\"";
    let url = match Url::parse(text) {
        Ok(url) => url,
        // Said back without the address here and below: it may have a secret in it, or be one.
        Err(error) => {
            return reader.wrong(table, "url", format!("is no address: {error}"), example);
        }
    };
    if !url.username().is_empty() || url.password().is_some() {
        return reader.wrong(
            table,
            "url",
            "has a secret in it",
            "put the key into a variable and name that in `api_key_env`",
        );
    }
    if !matches!(url.scheme(), "http" | "https") {
        return reader.wrong(
            table,
            "url",
            format!("{} is neither http nor https", quote(url.scheme())),
            example,
        );
    }
    Some(url)
}

fn key(reader: &mut Reader, table: &Table, name: &str) -> Option<Secret> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(plain) || name.starts_with(|c: char| c.is_ascii_digit()) {
        // It may be the key itself.
        return reader.wrong(
            table,
            "api_key_env",
            "is no name of a variable",
            "name the variable that has the key; the key itself does not belong here",
        );
    }
    match reader.variable(name) {
        None => reader.wrong(
            table,
            "api_key_env",
            format!("${} is not set", sanitize(name)),
            "set it where the bot is started, or in `env_file`",
        ),
        Some(value) => match Secret::parse(&value) {
            Some(secret) => Some(secret),
            None => reader.wrong(
                table,
                "api_key_env",
                format!("${} holds no key", sanitize(name)),
                "a key has letters, digits and signs, and no blanks",
            ),
        },
    }
}

fn language(reader: &mut Reader, table: &Table, text: String) -> Option<String> {
    if (2..=3).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_lowercase()) {
        return Some(text);
    }
    reader.wrong(
        table,
        "language",
        format!("{} is no language", quote(&text)),
        "write its ISO code, such as \"en\", or leave it out",
    )
}

fn retry(reader: &mut Reader, table: &Table, default: Retry) -> Retry {
    reader.only(table, &["tries", "first", "longest"]);
    let tries = reader.count(table, "tries", 1..=20).and_then(|tries| u32::try_from(tries).ok());
    let retry = Retry {
        tries: tries.unwrap_or(default.tries),
        first: reader.span(table, "first").unwrap_or(default.first),
        longest: reader.span(table, "longest").unwrap_or(default.longest),
    };
    if retry.first > retry.longest {
        let key = if table.has("first") { "first" } else { "longest" };
        let found = format!(
            "the first pause ({}) is longer than the longest ({})",
            shown(retry.first),
            shown(retry.longest)
        );
        reader.wrong(table, key, found, "lower `first` or raise `longest`").unwrap_or(default)
    } else {
        retry
    }
}

fn shown(duration: Duration) -> String {
    humantime::format_duration(duration).to_string()
}

#[cfg(test)]
mod tests;
