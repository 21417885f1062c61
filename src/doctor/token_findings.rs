//! The bot token, `env_file`, and Telegram's answer about the webhook.

use crate::config::settings::{TelegramTable, WebhookPolicy};
use crate::doctor::Finding;
use crate::engine::action::SameToken;
use crate::engine::instance::BotId;
use crate::telegram::{ApiError, Webhook, WebhookAnswer};
use crate::text::{join_and, printable};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSearch {
    pub found: Option<BotId>,
    /// The bots of other tokens that are set.
    pub others: Vec<BotId>,
    pub variables: Vec<String>,
    pub file: String,
    /// Printable names of variables that have a token but are not in `token_env`.
    pub unlisted: Vec<String>,
    /// Printable names of variables whose value is not a token.
    pub misfits: Vec<String>,
    pub same_token: SameToken,
}

/// Reports the bot id of the token, or where to set the token.
pub fn token_finding(search: &TokenSearch) -> Finding {
    const NAME: &str = "token";
    match (search.found, search.same_token) {
        (Some(id), _) if !search.others.is_empty() => {
            let others: Vec<String> = search.others.iter().map(ToString::to_string).collect();
            Finding::note(
                NAME,
                format!("that of bot {id} is used; that of bot {} is set too", join_and(&others)),
                "the first variable of `token_env` that has a token decides, then `env_file`",
            )
        }
        (Some(id), _) => Finding::ok(NAME, format!("found, for bot {id}")),
        (None, SameToken::Refuse | SameToken::Act | SameToken::Warn)
            if !search.unlisted.is_empty() =>
        {
            let (looks, which) = match search.unlisted.len() {
                1 => ("looks like a bot token", "it"),
                _ => ("look like bot tokens", "the one that the bot reads"),
            };
            Finding::warning(
                NAME,
                format!("none found under `token_env`, but {} {looks}", join_and(&search.unlisted)),
                format!("add {which} to `token_env`"),
            )
        }
        (None, _) if !search.misfits.is_empty() => Finding::warning(
            NAME,
            format!(
                "none found: {} holds a value that is not a bot token (a number, a colon and a \
                 secret)",
                search.misfits.join(" and ")
            ),
            "set it to the token from @BotFather, or list the variable that the bot reads in \
             `token_env`",
        ),
        (None, SameToken::Off) => {
            Finding::ok(NAME, "none found, and none needed, as `same_token` is off")
        }
        (None, SameToken::Refuse | SameToken::Act | SameToken::Warn) => Finding::warning(
            NAME,
            format!(
                "none found in {} or {}: a process that polls with the token under another \
                     command is not found",
                short_list(&search.variables),
                printable(&search.file)
            ),
            "set one of these variables, or add the variable that the bot reads to \
                 `token_env`; `same_token = \"off\"` turns this search off",
        ),
    }
}

pub fn env_file_finding(warning: &str) -> Finding {
    let (what, hint) = warning.rsplit_once("; ").unwrap_or((warning, "correct `env_file`"));
    Finding::warning("env file", what, hint)
}

/// Lists all variables if they are few, else the first ones and the number of others.
fn short_list(variables: &[String]) -> String {
    const MAX_NAMED: usize = 4;
    let shown = |names: &[String]| {
        names.iter().map(|name| format!("${}", printable(name))).collect::<Vec<_>>().join(", ")
    };
    match variables {
        many @ [first, second, rest @ ..] if many.len() > MAX_NAMED => format!(
            "${}, ${}, {} other variables of `token_env`",
            printable(first),
            printable(second),
            rest.len()
        ),
        few => shown(few),
    }
}

pub fn telegram_finding(answer: &WebhookAnswer, config: &TelegramTable) -> Finding {
    const NAME: &str = "Telegram";
    let server = &config.api_url.authority;
    let webhook = match answer {
        Ok(None) => {
            return Finding::ok(NAME, format!("{server} knows this bot, and no webhook is set"));
        }
        Ok(Some(webhook)) => {
            format!("{server} knows this bot, and a webhook to `{}` is set", webhook.host)
        }
        Err(error @ ApiError::Unauthorized) => {
            return Finding::problem(NAME, error.sentence(server), error.hint());
        }
        Err(error) => return Finding::warning(NAME, error.sentence(server), error.hint()),
    };
    match config.webhook {
        WebhookPolicy::Delete => Finding::ok(NAME, format!("{webhook}; a start deletes it")),
        WebhookPolicy::Refuse => {
            Finding::problem(NAME, format!("{webhook}: a start is refused"), Webhook::HINT)
        }
        WebhookPolicy::Ignore | WebhookPolicy::Warn => Finding::warning(
            NAME,
            format!("{webhook}: polling fails with 409 Conflict"),
            Webhook::HINT,
        ),
    }
}
