//! The Telegram Voice-to-Insight bot.
mod ending;
mod endpoint;
mod fault;
mod insight;
mod intake;
mod journal;
mod lines;
mod media;
mod retry;
mod secret;
mod services;
mod settings;
mod split;
#[cfg(test)]
#[path = "../../../tests/support/endpoint.rs"]
mod test_endpoint;
mod transcription;
mod wording;

fn main() {}
