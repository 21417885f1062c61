//! The two services, asked with patience.

use crate::endpoint;
use crate::insight::{self, Insight};
use crate::media::Recording;
use crate::retry::Retry;
use crate::settings::Service;
use crate::shutdown::{Failed, Shutdown};
use crate::transcription::{self, Heard};
use reqwest::Client;

/// Asks services.
#[derive(Debug)]
pub(crate) struct Services {
    client: Client,
    retry: Retry,
    shutdown: Shutdown,
}

impl Services {
    /// Asks as often as `retry` says, until the bot ends.
    pub(crate) fn new(client: Client, retry: Retry, shutdown: Shutdown) -> Services {
        Services { client, retry, shutdown }
    }

    /// What is said in a recording.
    ///
    /// # Errors
    /// The service failed, or the bot ends.
    pub(crate) async fn transcript(
        &self,
        service: &Service,
        recording: &Recording,
        sound: &[u8],
    ) -> Result<Heard, Failed> {
        let once = async || {
            let question = transcription::question(service, recording, sound.to_vec());
            let request = self.client.post(service.url.clone()).multipart(question);
            transcription::answer(&endpoint::ask(service, request).await?)
        };
        self.shutdown.persist(self.retry, "the transcription service", once).await
    }

    /// What is in a transcript.
    ///
    /// # Errors
    /// The service failed, or the bot ends.
    pub(crate) async fn insight(
        &self,
        service: &Service,
        transcript: &str,
    ) -> Result<Insight, Failed> {
        let once = async || {
            let request = self
                .client
                .post(service.url.clone())
                .json(&insight::question(&service.model, transcript));
            insight::answer(&endpoint::ask(service, request).await?)
        };
        self.shutdown.persist(self.retry, "the insight service", once).await
    }
}

#[cfg(test)]
mod tests;
