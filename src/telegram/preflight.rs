//! Asking Telegram before a start, beside the look at the machine.

use tracing::{debug, info, warn};

use crate::{
    config::{Telegram, settings},
    engine::token::Token,
    scan::machine::Machine,
    telegram::{
        api::Api,
        background::{Question, Seen},
        error::Trouble,
        response::Webhook,
    },
    terminate::process_control::Interrupted,
};

/// Asks now, and waits for the answer, at most `telegram.timeout`.
pub fn look(telegram: &Telegram, token: &Token) -> Seen {
    let api = api(telegram, token);
    Question::set_out(&api, Api::webhook).answer()
}

/// What one start asks Telegram, and does about the answer. Whatever goes wrong with that is a
/// warning.
#[derive(Debug)]
pub struct Preflight {
    api: Api,
    webhook: settings::Webhook,
    asked: Asked,
    /// What there was to warn of, so that it is said once.
    warned: Option<Seen>,
    deleting: Deleting,
}

/// How far it has come.
#[derive(Debug)]
enum Asked {
    /// The question is on its way.
    Out(Question),
    /// It was answered, or will not be.
    Answered(Seen),
}

/// Whether the webhook was deleted, or that was tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deleting {
    NotTried,
    Tried,
}

/// What a start did when it had the locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LastWord {
    /// There was nothing to do.
    Nothing,
    /// It deleted the webhook, or tried to, which took its time.
    Deleted,
}

/// What a plan says of it, in a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Report {
    /// Telegram has nothing against it.
    Fine(String),
    /// A person should know.
    Odd(String),
    /// There would be no start.
    Objection(String),
}

impl Preflight {
    /// Asks what a start with this token wants to know, on a thread of its own; `None`: nobody is
    /// to be asked. To be called once signals are waited for: that thread must not take one.
    #[must_use]
    pub fn set_out(telegram: &Telegram, token: Option<&Token>) -> Option<Preflight> {
        match telegram.webhook {
            settings::Webhook::Ignore => None,
            webhook @ (settings::Webhook::Warn
            | settings::Webhook::Refuse
            | settings::Webhook::Delete) => {
                let api = api(telegram, token?);
                let asked = ask(&api);
                Some(Preflight { api, webhook, asked, warned: None, deleting: Deleting::NotTried })
            }
        }
    }

    /// What Telegram said is of before a wait, and may be hours old.
    pub(crate) fn ask_again(&mut self) {
        self.asked = ask(&self.api);
        self.deleting = Deleting::NotTried;
    }

    /// Whether Telegram's word was heard already.
    pub(crate) fn has_answer(&self) -> bool {
        matches!(self.asked, Asked::Answered(_))
    }

    /// Why there must be no start, once the machine was looked at and before anybody is signalled.
    ///
    /// # Errors
    /// A signal told the start to give up.
    pub(crate) fn objection(&mut self, machine: &Machine) -> Result<Option<String>, Interrupted> {
        let seen = match &self.asked {
            Asked::Out(question) => question.heard_by(machine)?,
            Asked::Answered(seen) => return Ok(self.refusal(seen)),
        };
        self.tell(&seen);
        let refusal = self.refusal(&seen);
        self.asked = Asked::Answered(seen);
        Ok(refusal)
    }

    fn tell(&mut self, seen: &Seen) {
        let warning = match (seen, self.webhook) {
            (Ok(Some(_)), settings::Webhook::Warn) => self.sentence(seen),
            (
                Ok(Some(_)),
                settings::Webhook::Ignore | settings::Webhook::Refuse | settings::Webhook::Delete,
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
    pub(crate) fn last_word(&mut self, machine: &Machine) -> Result<LastWord, Interrupted> {
        match (&self.asked, self.webhook, self.deleting) {
            (Asked::Answered(Ok(Some(webhook))), settings::Webhook::Delete, Deleting::NotTried) => {
                self.delete(&webhook.host, machine)?;
                self.deleting = Deleting::Tried;
                Ok(LastWord::Deleted)
            }
            (Asked::Out(_) | Asked::Answered(_), ..) => Ok(LastWord::Nothing),
        }
    }

    fn delete(&self, host: &str, machine: &Machine) -> Result<(), Interrupted> {
        match Question::set_out(&self.api, Api::delete).heard_by(machine)? {
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
    pub fn report(&self) -> Report {
        let seen = match &self.asked {
            Asked::Out(question) => question.answer(),
            Asked::Answered(seen) => seen.clone(),
        };
        match (self.refusal(&seen), &seen) {
            (Some(why), _) => Report::Objection(why),
            (None, Ok(None)) => Report::Fine(self.sentence(&seen)),
            (None, Ok(Some(_)) | Err(_)) => Report::Odd(self.sentence(&seen)),
        }
    }

    fn refusal(&self, seen: &Seen) -> Option<String> {
        match (seen, self.webhook) {
            (Ok(Some(webhook)), settings::Webhook::Refuse) => {
                Some(format!("{}; {}", set(webhook), Webhook::WAY_OUT))
            }
            (Ok(_) | Err(_), _) => None,
        }
    }

    fn sentence(&self, seen: &Seen) -> String {
        match (seen, self.webhook) {
            (Ok(None), _) => "no webhook is set".to_owned(),
            (Ok(Some(webhook)), settings::Webhook::Delete) => {
                format!(
                    "a webhook to `{}` is set; a start deletes it, and drops no update",
                    webhook.host
                )
            }
            (
                Ok(Some(webhook)),
                settings::Webhook::Ignore | settings::Webhook::Warn | settings::Webhook::Refuse,
            ) => {
                format!("{}; {}", set(webhook), Webhook::WAY_OUT)
            }
            (Err(Trouble::Unauthorized), _) => {
                format!(
                    "{}: the bot will not be able to poll",
                    Trouble::Unauthorized.sentence(self.server())
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

/// What a webhook means.
const POLLING_FAILS: &str = "polling fails with 409 Conflict";

fn set(webhook: &Webhook) -> String {
    format!("a webhook to `{}` is set, and with it {POLLING_FAILS}", webhook.host)
}

fn ask(api: &Api) -> Asked {
    debug!("asking {} whether a webhook is set", api.url.authority());
    Asked::Out(Question::set_out(api, Api::webhook))
}

fn api(telegram: &Telegram, token: &Token) -> Api {
    Api { url: telegram.api_url.clone(), token: token.clone(), timeout: telegram.timeout }
}
