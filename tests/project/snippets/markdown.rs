//! The fenced blocks of a Markdown page.

/// A fenced block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    /// The first word after the fence, such as `toml`.
    pub(super) language: String,
    /// The name of the file that the block is, from `title="…"`.
    pub(super) title: Option<String>,
    /// The line of the opening fence, starting at 1.
    pub(super) line: usize,
    /// The number of headings of the first two levels above. The blocks of a section share a
    /// folder.
    pub(super) section: usize,
    pub(super) body: String,
}

/// Returns all blocks of a page, or the problem with a fence.
pub(super) fn blocks(page: &str) -> Result<Vec<Block>, String> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut section = 0;
    let mut open = false;
    for (number, line) in (1..).zip(page.lines()) {
        let fence = line.trim_start().strip_prefix("```");
        match fence {
            Some(_) if !line.starts_with('`') => {
                return Err(format!("{number}: a fence is indented: start it in the first column"));
            }
            Some("") if open => open = false,
            Some(info) if !open => {
                let (language, title) =
                    read_info(info).map_err(|why| format!("{number}: {why}"))?;
                blocks.push(Block { language, title, line: number, section, body: String::new() });
                open = true;
            }
            Some(_) | None if open => {
                let block = blocks.last_mut().unwrap();
                block.body += line;
                block.body.push('\n');
            }
            Some(_) | None => {
                section += usize::from(line.starts_with("# ") || line.starts_with("## "));
            }
        }
    }
    if open {
        return Err(format!("{}: a fence is never closed", blocks.last().unwrap().line));
    }
    Ok(blocks)
}

/// Parses `toml title="config.toml"`.
fn read_info(info: &str) -> Result<(String, Option<String>), String> {
    let (language, rest) = info.split_once(' ').unwrap_or((info, ""));
    if rest.is_empty() {
        return Ok((language.to_owned(), None));
    }
    let title = rest.strip_prefix("title=\"").and_then(|rest| rest.strip_suffix('"'));
    match title {
        Some(title) => Ok((language.to_owned(), Some(title.to_owned()))),
        None => Err(format!("`{rest}` after the language is not `title=\"…\"`")),
    }
}

/// Replaces the bodies of the blocks at these lines.
pub(super) fn with_bodies(page: &str, bodies: &[(usize, String)]) -> String {
    let mut out = String::new();
    let mut replaced = false;
    for (number, line) in (1..).zip(page.lines()) {
        if replaced && line != "```" {
            continue;
        }
        replaced = false;
        out += line;
        out.push('\n');
        if let Some((_, body)) = bodies.iter().find(|(line, _)| *line == number) {
            out += body;
            replaced = true;
        }
    }
    out
}
