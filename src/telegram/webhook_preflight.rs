//! Checks for a webhook before a start; warns, refuses or deletes it according to
//! `telegram.webhook`.

use tracing::{debug, info, warn};

use crate::config::ApiUrl;
use crate::config::settings::{TelegramTable, WebhookPolicy};
use crate::engine::reason::RefusalReason;
use crate::engine::token::Token;
use crate::sys::machine::poll::Poller;
use crate::sys::wake::Interrupted;
use crate::telegram::api_error::ApiError;
use crate::telegram::background_request::{BackgroundRequest, WebhookAnswer};
use crate::telegram::bot_api::BotApi;
use crate::telegram::response::{POLLING_FAILS, Webhook};

pub fn ask_for_webhook(telegram: &TelegramTable, token: &Token) -> WebhookAnswer {
    BackgroundRequest::send(&bot_api(telegram, token), BotApi::webhook).wait_uninterrupted()
}

/// The webhook check of a start. Failures are only warnings.
#[derive(Debug)]
pub struct Preflight {
    api: BotApi,
    policy: WebhookPolicy,
    state: PreflightState,
    warned: Option<WebhookAnswer>,
    removal: WebhookRemoval,
}

#[derive(Debug)]
enum PreflightState {
    Asked(BackgroundRequest),
    Answered(WebhookAnswer),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebhookRemoval {
    NotTried,
    /// Took some time, in which a new conflict may have appeared.
    Tried,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreflightReport {
    Fine(String),
    Warning(String),
    Refusal(RefusalReason),
}

impl Preflight {
    /// Requests the webhook in the background; `None` if there is no token or `telegram.webhook` is
    /// `ignore`. Call it after the signals are blocked, so that the thread receives none.
    pub fn begin(telegram: &TelegramTable, token: Option<&Token>) -> Option<Preflight> {
        match telegram.webhook {
            WebhookPolicy::Ignore => None,
            policy @ (WebhookPolicy::Warn | WebhookPolicy::Refuse | WebhookPolicy::Delete) => {
                let api = bot_api(telegram, token?);
                let state = ask(&api);
                let removal = WebhookRemoval::NotTried;
                Some(Preflight { api, policy, state, warned: None, removal })
            }
        }
    }

    /// Requests the webhook again after a wait, because the old answer may be hours old.
    pub(crate) fn ask_again(&mut self) {
        self.state = ask(&self.api);
        self.removal = WebhookRemoval::NotTried;
    }

    pub(crate) fn has_answer(&self) -> bool {
        matches!(self.state, PreflightState::Answered(_))
    }

    /// Waits for the answer and returns the reason to refuse the start, if any.
    pub(crate) fn refusal(
        &mut self,
        poller: Option<&Poller>,
    ) -> Result<Option<RefusalReason>, Interrupted> {
        if let PreflightState::Asked(request) = &self.state {
            let answer = request.wait(poller)?;
            self.warn_about(&answer);
            self.state = PreflightState::Answered(answer);
        }
        match &self.state {
            PreflightState::Answered(answer) => Ok(self.refusal_for(answer)),
            PreflightState::Asked(_) => Ok(None),
        }
    }

    fn warn_about(&mut self, answer: &WebhookAnswer) {
        let warning = match (answer, self.policy) {
            (Ok(Some(_)), WebhookPolicy::Warn) => self.sentence(answer),
            (
                Ok(Some(_)),
                WebhookPolicy::Ignore | WebhookPolicy::Refuse | WebhookPolicy::Delete,
            ) => return,
            (Ok(None), _) => return debug!("no webhook is set"),
            (Err(error), _) => format!("{}; {}", self.sentence(answer), error.hint()),
        };
        if self.warned.as_ref() != Some(answer) {
            warn!("{warning}");
            self.warned = Some(answer.clone());
        }
    }

    /// Deletes the webhook if the policy says so. Call it with the locks held, right before the
    /// child starts.
    pub(crate) fn delete_webhook(
        &mut self,
        poller: Option<&Poller>,
    ) -> Result<WebhookRemoval, Interrupted> {
        let (
            PreflightState::Answered(Ok(Some(Webhook { host }))),
            WebhookPolicy::Delete,
            WebhookRemoval::NotTried,
        ) = (&self.state, self.policy, self.removal)
        else {
            return Ok(WebhookRemoval::NotTried);
        };
        match BackgroundRequest::send(&self.api, BotApi::delete_webhook).wait(poller)? {
            Ok(None) => info!(host, "deleted the webhook to `{host}`; no update was dropped"),
            Ok(Some(again)) => warn!(
                host = again.host,
                "deleted the webhook to `{host}`, but another program has set one to `{}`: \
                 {POLLING_FAILS}",
                again.host
            ),
            Err(error) => warn!(
                host,
                "the webhook to `{host}` may still be set, and then {POLLING_FAILS}: {}; {}",
                error.sentence(self.server()),
                error.hint()
            ),
        }
        self.removal = WebhookRemoval::Tried;
        Ok(WebhookRemoval::Tried)
    }

    pub fn report(&self) -> PreflightReport {
        let answer = match &self.state {
            PreflightState::Asked(request) => request.wait_uninterrupted(),
            PreflightState::Answered(answer) => answer.clone(),
        };
        match (self.refusal_for(&answer), &answer) {
            (Some(reason), _) => PreflightReport::Refusal(reason),
            (None, Ok(None)) => PreflightReport::Fine(self.sentence(&answer)),
            (None, Ok(Some(_)) | Err(_)) => PreflightReport::Warning(self.sentence(&answer)),
        }
    }

    fn refusal_for(&self, answer: &WebhookAnswer) -> Option<RefusalReason> {
        match (answer, self.policy) {
            (Ok(Some(webhook)), WebhookPolicy::Refuse) => {
                Some(RefusalReason::Webhook { host: webhook.host.clone() })
            }
            (Ok(_) | Err(_), _) => None,
        }
    }

    fn sentence(&self, answer: &WebhookAnswer) -> String {
        match (answer, self.policy) {
            (Ok(None), _) => "no webhook is set".to_owned(),
            (Ok(Some(webhook)), WebhookPolicy::Delete) => {
                let host = &webhook.host;
                format!("a webhook to `{host}` is set; a start deletes it and drops no update")
            }
            (
                Ok(Some(webhook)),
                WebhookPolicy::Ignore | WebhookPolicy::Warn | WebhookPolicy::Refuse,
            ) => Webhook::objection(&webhook.host),
            (Err(error @ ApiError::Unauthorized), _) => {
                format!("{}: the bot cannot poll", error.sentence(self.server()))
            }
            (Err(error), _) => {
                let why = error.sentence(self.server());
                format!("cannot tell whether a webhook is set: {why}")
            }
        }
    }

    fn server(&self) -> &str {
        &self.api.url.authority
    }
}

fn ask(api: &BotApi) -> PreflightState {
    debug!("asking {} whether a webhook is set", api.url.authority);
    PreflightState::Asked(BackgroundRequest::send(api, BotApi::webhook))
}

fn bot_api(telegram: &TelegramTable, token: &Token) -> BotApi {
    BotApi {
        url: ApiUrl::clone(&telegram.api_url),
        token: token.clone(),
        timeout: *telegram.timeout,
    }
}
