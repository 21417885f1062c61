//! Asking Telegram before a start, beside the look at the machine.

use tracing::{debug, info, warn};

use crate::{
    config::{
        ApiUrl,
        settings::{TelegramTable, WebhookPolicy},
    },
    engine::{reason::RefusalReason, token::Token},
    sys::{machine::poll::Poller, wake::Interrupted},
    telegram::{
        api::Api,
        api_error::ApiError,
        background::{BackgroundRequest, Seen},
        response::{POLLING_FAILS, Webhook},
    },
};

/// Asks now, and waits for the answer, at most `telegram.timeout`.
pub fn look(telegram: &TelegramTable, token: &Token) -> Seen {
    let api = api(telegram, token);
    BackgroundRequest::set_out(&api, Api::webhook).answer()
}

/// What one start asks Telegram, and does about the answer. Whatever goes wrong with that is a
/// warning.
#[derive(Debug)]
pub struct Preflight {
    api: Api,
    webhook: WebhookPolicy,
    asked: PreflightState,
    /// What there was to warn of, so that it is said once.
    warned: Option<Seen>,
    deleting: WebhookRemoval,
}

/// How far it has come.
#[derive(Debug)]
enum PreflightState {
    /// The question is on its way.
    Out(BackgroundRequest),
    /// It was answered, or will not be.
    Answered(Seen),
}

/// Whether the webhook was deleted, or that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WebhookRemoval {
    NotTried,
    Tried,
}

/// What a start did when it had the locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FinalCheck {
    /// There was nothing to do.
    Nothing,
    /// It deleted the webhook, or tried to, which took its time.
    Deleted,
}

/// What a plan says of it, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PreflightReport {
    /// Telegram has nothing against it.
    Fine(String),
    /// A person should know.
    Odd(String),
    /// There would be no start.
    Objection(RefusalReason),
}

impl Preflight {
    /// Asks what a start with this token wants to know, on a thread of its own; `None`: nobody is
    /// to be asked. To be called once signals are waited for: that thread must not take one.
    #[must_use]
    pub fn set_out(telegram: &TelegramTable, token: Option<&Token>) -> Option<Preflight> {
        match telegram.webhook {
            WebhookPolicy::Ignore => None,
            webhook @ (WebhookPolicy::Warn | WebhookPolicy::Refuse | WebhookPolicy::Delete) => {
                let api = api(telegram, token?);
                let asked = ask(&api);
                Some(Preflight {
                    api,
                    webhook,
                    asked,
                    warned: None,
                    deleting: WebhookRemoval::NotTried,
                })
            }
        }
    }

    /// What Telegram said is of before a wait, and may be hours old.
    pub(crate) fn ask_again(&mut self) {
        self.asked = ask(&self.api);
        self.deleting = WebhookRemoval::NotTried;
    }

    /// Whether Telegram's word was heard already.
    pub(crate) fn has_answer(&self) -> bool {
        matches!(self.asked, PreflightState::Answered(_))
    }

    /// Why there must be no start, once the machine was looked at and before anybody is signalled.
    ///
    /// # Errors
    /// A signal told the start to give up.
    pub(crate) fn objection(
        &mut self,
        poller: Option<&Poller>,
    ) -> Result<Option<RefusalReason>, Interrupted> {
        let seen = match &self.asked {
            PreflightState::Out(question) => question.wait(poller)?,
            PreflightState::Answered(seen) => return Ok(self.refusal(seen)),
        };
        self.tell(&seen);
        let refusal = self.refusal(&seen);
        self.asked = PreflightState::Answered(seen);
        Ok(refusal)
    }

    fn tell(&mut self, seen: &Seen) {
        let warning = match (seen, self.webhook) {
            (Ok(Some(_)), WebhookPolicy::Warn) => self.sentence(seen),
            (
                Ok(Some(_)),
                WebhookPolicy::Ignore | WebhookPolicy::Refuse | WebhookPolicy::Delete,
            ) => return,
            (Ok(None), _) => return debug!("no webhook is set"),
            (Err(trouble), _) => format!("{}; {}", self.sentence(seen), trouble.way_out()),
        };
        if self.warned.as_ref() != Some(seen) {
            warn!("{warning}");
            self.warned = Some(seen.clone());
        }
    }

    /// The last thing before the start, with the locks in hand: a webhook is deleted where that is
    /// wanted.
    ///
    /// # Errors
    /// A signal told the start to give up.
    pub(crate) fn last_word(&mut self, poller: Option<&Poller>) -> Result<FinalCheck, Interrupted> {
        match (&self.asked, self.webhook, self.deleting) {
            (
                PreflightState::Answered(Ok(Some(webhook))),
                WebhookPolicy::Delete,
                WebhookRemoval::NotTried,
            ) => {
                self.delete(&webhook.host, poller)?;
                self.deleting = WebhookRemoval::Tried;
                Ok(FinalCheck::Deleted)
            }
            (PreflightState::Out(_) | PreflightState::Answered(_), ..) => Ok(FinalCheck::Nothing),
        }
    }

    fn delete(&self, host: &str, poller: Option<&Poller>) -> Result<(), Interrupted> {
        match BackgroundRequest::set_out(&self.api, Api::delete).wait(poller)? {
            Ok(None) => info!(host, "deleted the webhook to `{host}`; no update was dropped"),
            Ok(Some(again)) => warn!(
                host = again.host,
                "the webhook to `{host}` was deleted, and one to `{}` is set: something else sets it; {POLLING_FAILS}",
                again.host
            ),
            Err(trouble) => warn!(
                host,
                "the webhook to `{host}` may be set still, and then {POLLING_FAILS}: {}; {}",
                trouble.sentence(self.server()),
                trouble.way_out()
            ),
        }
        Ok(())
    }

    /// For a plan, which deletes nothing: what was found out.
    #[must_use]
    pub fn report(&self) -> PreflightReport {
        let seen = match &self.asked {
            PreflightState::Out(question) => question.answer(),
            PreflightState::Answered(seen) => seen.clone(),
        };
        match (self.refusal(&seen), &seen) {
            (Some(why), _) => PreflightReport::Objection(why),
            (None, Ok(None)) => PreflightReport::Fine(self.sentence(&seen)),
            (None, Ok(Some(_)) | Err(_)) => PreflightReport::Odd(self.sentence(&seen)),
        }
    }

    fn refusal(&self, seen: &Seen) -> Option<RefusalReason> {
        match (seen, self.webhook) {
            (Ok(Some(webhook)), WebhookPolicy::Refuse) => {
                Some(RefusalReason::Webhook { host: webhook.host.clone() })
            }
            (Ok(_) | Err(_), _) => None,
        }
    }

    fn sentence(&self, seen: &Seen) -> String {
        match (seen, self.webhook) {
            (Ok(None), _) => "no webhook is set".to_owned(),
            (Ok(Some(webhook)), WebhookPolicy::Delete) => {
                format!(
                    "a webhook to `{}` is set; a start deletes it, and drops no update",
                    webhook.host
                )
            }
            (
                Ok(Some(webhook)),
                WebhookPolicy::Ignore | WebhookPolicy::Warn | WebhookPolicy::Refuse,
            ) => Webhook::objection(&webhook.host),
            (Err(ApiError::Unauthorized), _) => {
                format!(
                    "{}: the bot will not be able to poll",
                    ApiError::Unauthorized.sentence(self.server())
                )
            }
            (Err(trouble), _) => format!(
                "whether a webhook is set is not known: {}",
                trouble.sentence(self.server())
            ),
        }
    }

    fn server(&self) -> &str {
        self.api.url.authority()
    }
}

fn ask(api: &Api) -> PreflightState {
    debug!("asking {} whether a webhook is set", api.url.authority());
    PreflightState::Out(BackgroundRequest::set_out(api, Api::webhook))
}

fn api(telegram: &TelegramTable, token: &Token) -> Api {
    Api { url: ApiUrl::clone(&telegram.api_url), token: token.clone(), timeout: *telegram.timeout }
}
