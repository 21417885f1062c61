//! The reasons that the token of a start may not be the one that its bot gets, as messages.

use std::path::Path;

use crate::config::dotenv::TokenLine;
use crate::engine::instance::BotId;
use crate::engine::token::Token;
use crate::guard::other_env_files::ConflictingFile;
use crate::text::{printable, shell_quote};

/// The reason that a token may not be the one that the bot gets.
#[derive(Debug)]
pub(crate) struct Unclear {
    pub(super) what: String,
    /// The clause that follows if no `instance` is given.
    consequence: &'static str,
    pub(super) hint: String,
}

impl Unclear {
    pub(super) fn message(&self) -> String {
        format!("{}, {}", self.what, self.consequence)
    }
}

const LOADERS_DIFFER: &str = "and loaders differ in which one they read";

/// `place` is that of `mine`, and `what` gives the bot another token.
pub(super) fn given(place: &str, mine: &Token, what: &str) -> Unclear {
    Unclear {
        what: format!("{place} has the token of bot {}, but {what}", mine.id()),
        consequence: "so it may start another bot",
        hint: "set the bot's token before `monopoll` and not in COMMAND, or name the bot with \
               `--instance NAME`"
            .to_owned(),
    }
}

/// `file` is a program with the token of `bot` in its code.
pub(super) fn in_code(place: &str, mine: &Token, file: &Path, bot: BotId) -> Unclear {
    Unclear {
        what: format!(
            "{place} has the token of bot {}, but `{}` has that of bot {bot} in its code",
            mine.id(),
            printable(&file.to_string_lossy())
        ),
        consequence: "and seems to read no variable",
        hint: "name the bot with `--instance NAME`, or let it read its token from the environment \
               and set it there"
            .to_owned(),
    }
}

pub(super) fn two_files(here: &TokenLine, other: &ConflictingFile) -> Unclear {
    let ConflictingFile { line, why, .. } = other;
    Unclear {
        what: format!(
            "`{}` has the token of bot {}, but `{}`, which {why}, that of bot {}",
            here.place(),
            here.token.id(),
            line.place(),
            line.token.id()
        ),
        consequence: LOADERS_DIFFER,
        hint: format!(
            "name the file that the bot reads, as in `--set env_file={}`, or the bot with \
             `--instance`, or set its token in the environment",
            shell_quote(&line.file)
        ),
    }
}

/// `place` is the variable of the environment that has `mine`.
pub(super) fn two_variables(place: &str, mine: &Token, line: &TokenLine) -> Unclear {
    Unclear {
        what: format!(
            "{place} has the token of bot {}, but {} in `{}` has that of bot {}",
            mine.id(),
            printable(&line.variable),
            line.place(),
            line.token.id()
        ),
        consequence: "and the bot may read either",
        hint: format!(
            "unset {place} for this start, or list the variable that the bot reads alone, as in \
             `--set token_env=['{}']`, or name the bot with `--instance NAME`",
            printable(&line.variable)
        ),
    }
}

pub(super) fn two_lines(first: &TokenLine, last: &TokenLine) -> Unclear {
    Unclear {
        what: format!(
            "{} is the token of bot {} in `{}`, but that of bot {} in `{}`",
            printable(&first.variable),
            first.token.id(),
            first.place(),
            last.token.id(),
            last.place()
        ),
        consequence: LOADERS_DIFFER,
        hint: "remove one of the lines, or name the bot with `--instance`, or set its token in \
               the environment"
            .to_owned(),
    }
}
