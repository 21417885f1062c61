//! Logs to standard error, each line in a single write. Standard output belongs to COMMAND.
//!
//! A record's message has everything for people; its fields repeat that for machines. There are no
//! spans: a process is a single start of one instance, which every line names.

use std::fmt;
use std::sync::OnceLock;

use serde_json::Value;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Metadata, Subscriber, span};
use tracing_subscriber::filter::Targets;

use crate::cli::{Common, print_to_stderr};
use crate::config::settings::{LogFormat, LogTable};
use crate::guard::check_command::PASSED_ON;
use crate::sys::clock;
use crate::text::{mask_secrets, printable};

const OURS: &str = "monopoll";

static INSTANCE: OnceLock<String> = OnceLock::new();

/// Starts logging as configured, unless `-q` or `-v` override the level.
pub(super) fn begin(common: &Common, log: &LogTable) {
    let filter = match (common.quiet, common.verbose) {
        (true, _) => Targets::new().with_default(LevelFilter::ERROR),
        (false, 0) => Targets::clone(&log.level),
        (false, 1) => Targets::new().with_default(LevelFilter::DEBUG),
        (false, _) => Targets::new().with_default(LevelFilter::TRACE),
    };
    write(OURS, filter, log.format);
}

/// Starts logging as configured, under the name of a program that uses the library.
pub fn log_as(program: &'static str, log: &LogTable) {
    write(program, Targets::clone(&log.level), log.format);
}

fn write(program: &'static str, filter: Targets, format: LogFormat) {
    // Fails only if a subscriber is already set, which is then kept.
    let _ = tracing::subscriber::set_global_default(LogSubscriber { program, filter, format });
}

pub(super) fn name_instance(instance: &str) {
    // The first name is kept: a process is a single start.
    let _ = INSTANCE.set(instance.to_owned());
}

struct LogSubscriber {
    program: &'static str,
    filter: Targets,
    format: LogFormat,
}

impl Subscriber for LogSubscriber {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter.would_enable(metadata.target(), metadata.level())
    }

    /// Lets tracing skip records that no filter enables.
    fn max_level_hint(&self) -> Option<LevelFilter> {
        self.filter.iter().map(|(_, level)| level).chain(self.filter.default_level()).max()
    }

    fn event(&self, event: &Event<'_>) {
        let mut record = LogRecord::default();
        event.record(&mut record);
        match self.format {
            LogFormat::Text => print_to_stderr(record.text(self.program, event.metadata())),
            LogFormat::Json => print_to_stderr(record.json(event.metadata())),
        }
    }

    fn new_span(&self, _: &span::Attributes<'_>) -> span::Id {
        span::Id::from_u64(1)
    }

    fn record(&self, _: &span::Id, _: &span::Record<'_>) {}

    fn record_follows_from(&self, _: &span::Id, _: &span::Id) {}

    fn enter(&self, _: &span::Id) {}

    fn exit(&self, _: &span::Id) {}
}

/// The content of an event, with secrets masked.
#[derive(Default)]
struct LogRecord {
    message: String,
    fields: Vec<(&'static str, Value)>,
}

impl LogRecord {
    fn text(&self, program: &str, metadata: &Metadata<'_>) -> String {
        let message = printable(&self.message);
        if metadata.target() == PASSED_ON {
            return message.into_owned();
        }
        let instance = INSTANCE.get().map_or_else(String::new, |instance| format!("{instance}: "));
        let warning = if *metadata.level() == Level::WARN { "warning: " } else { "" };
        format!("{program}: {instance}{warning}{message}")
    }

    #[expect(clippy::disallowed_types, reason = "the timestamp of a printed record")]
    fn json(self, metadata: &Metadata<'_>) -> String {
        let known: [(&str, Value); 4] = [
            (
                "timestamp",
                humantime::format_rfc3339_millis(clock::WallClock::now()).to_string().into(),
            ),
            ("level", metadata.level().as_str().into()),
            ("target", metadata.target().into()),
            ("message", self.message.into()),
        ];
        let instance = INSTANCE.get().map(|instance| ("instance", instance.as_str().into()));
        known
            .into_iter()
            .chain(instance)
            .chain(self.fields)
            .map(|(name, value)| (name.to_owned(), value))
            .collect::<Value>()
            .to_string()
    }

    fn put(&mut self, field: &Field, value: impl Into<Value>) {
        self.fields.push((field.name(), value.into()));
    }
}

impl Visit for LogRecord {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.record_str(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let value = mask_secrets(value);
        if field.name() == "message" {
            self.message = value;
        } else {
            self.put(field, value);
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }
}
