//! Tokens that are written into the code of a bot. The token in `.env`, or in the environment of
//! the start, then says nothing about it.

use std::path::{Path, PathBuf};

use crate::engine::carried_tokens::bots_in;
use crate::engine::instance::BotId;
use crate::scan::command::Command;
use crate::scan::invocation::Target;
use crate::scan::small_file;

/// A longer file is not the program of a bot that has its token in its code.
const MAX_CODE: u64 = 256 << 10;

impl Command {
    /// Returns the program of COMMAND that has the token of another bot than `mine` in its code,
    /// and reads no variable.
    pub(crate) fn token_in_code(&self, mine: BotId) -> Option<(PathBuf, BotId)> {
        self.with_started().filter_map(Command::code_file).find_map(|file| {
            let text = small_file::text(file, MAX_CODE)?;
            Some((file.to_owned(), token_of_code(&text, mine)?))
        })
    }

    fn code_file(&self) -> Option<&Path> {
        match &self.runs.target {
            Target::Script(..) | Target::Module(_) => self.file.as_deref(),
            Target::Program(_) | Target::Entry(..) | Target::Code(..) | Target::Input => None,
        }
    }
}

/// Returns the bot whose token is in code that mentions neither `mine` nor variables.
fn token_of_code(text: &str, mine: BotId) -> Option<BotId> {
    let bots = bots_in(text.as_bytes());
    if bots.is_empty() || bots.contains(&mine) {
        return None;
    }
    let code: Vec<&str> = text.lines().map(without_comment).collect();
    // `os.environ`, `getenv`, `process.env`, `load_dotenv`
    if code.iter().any(|line| line.to_ascii_lowercase().contains("env")) {
        return None;
    }
    code.iter().find_map(|line| bots_in(line.as_bytes()).into_iter().next())
}

fn without_comment(line: &str) -> &str {
    let in_url = |at: usize| line.get(..at).is_some_and(|before| before.ends_with(':'));
    let slashes = line.match_indices("//").map(|(at, _)| at).find(|at| !in_url(*at));
    let end = line.find('#').into_iter().chain(slashes).min().unwrap_or(line.len());
    let code = line.get(..end).unwrap_or(line);
    if code.trim_start().starts_with(['*', '/']) { "" } else { code }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn code_that_reads_no_variable_has_its_token_itself() {
        let token = |id: u64| format!("{id}:{}", "a".repeat(35));
        let (mine, other) = (token(8_123_450_001), token(8_123_450_002));
        let bot = |token: &str| bots_in(token.as_bytes()).into_iter().next().unwrap();
        for (code, is_another) in [
            (format!("#!/usr/bin/env python3\nTOKEN = '{other}'\nrun(TOKEN)"), true),
            (format!("const bot = new Telegraf(\"{other}\") // of $ENV"), true),
            (format!("URL = 'https://api.telegram.org/bot{other}/'"), true),
            (format!("bot = TeleBot('{other}')  # was {mine}"), false),
            (format!("bot = TeleBot('{mine}')"), false),
            (format!("bot = TeleBot(config.TOKEN)  # {other}"), false),
            (format!("// {other}\nbot(config.token)"), false),
            (format!(" * {other}\nbot(config.token)"), false),
            (format!("bot(os.getenv('BOT_TOKEN', '{other}'))"), false),
            (format!("load_dotenv()\nLOG = '{other}'"), false),
            (format!("bot(process.env.BOT_TOKEN || '{other}')"), false),
            ("bot(config.token)".to_owned(), false),
        ] {
            let expected = is_another.then(|| bot(&other));
            assert_eq!(token_of_code(&code, bot(&mine)), expected, "{code}");
        }
    }
}
