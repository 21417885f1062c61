//! The files to which a line of shell code redirects output.

/// Returns the files to which the output of a command goes, as they are written.
pub(super) fn output_files(command: &str) -> Vec<&str> {
    let mut files = Vec::new();
    let mut quote: Option<char> = None;
    let mut chars = command.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (Some('\''), _) if c != '\'' => {}
            (_, '\\') => {
                chars.next();
            }
            (Some(open), _) => quote = quote.filter(|_| c != open),
            (None, '\'' | '"') => quote = Some(c),
            (None, '>') => {
                while chars.next_if(|(_, c)| ['>', '|'].contains(c)).is_some() {}
                let rest = command[at..].trim_start_matches(['>', '|']);
                let of_both = rest.strip_prefix('&');
                let is_descriptor =
                    of_both.is_some_and(|it| it.starts_with(|c: char| c == '-' || c.is_numeric()));
                let file = first_word(of_both.unwrap_or(rest).trim_start());
                files.extend((!is_descriptor).then_some(file));
            }
            (None, _) => {}
        }
    }
    files
}

fn first_word(text: &str) -> &str {
    let mut quote: Option<char> = None;
    let end = text.find(|c: char| match quote {
        Some(open) => {
            quote = quote.filter(|_| c != open);
            false
        }
        None if matches!(c, '\'' | '"') => {
            quote = Some(c);
            false
        }
        None => c.is_whitespace() || ";|&)".contains(c),
    });
    &text[..end.unwrap_or(text.len())]
}
