//! Downloads of a start script: `curl -fsS URL` only asks, and `curl -o main.py URL` may choose the
//! bot.

use crate::scan::harmless_output::is_log;

/// The short options of curl and wget with a value.
const CURL_VALUES: &str = "AbCcDdEeFHhKmoPQrTtUuwXxYyz";
const WGET_VALUES: &str = "aBDeiIloOPQRtTUwX";

/// Returns whether curl writes no file that may be part of a bot.
pub(super) fn is_harmless_for_curl(args: &[&str]) -> bool {
    let names_output = ["--config", "--remote-", "-K"];
    let is_unknown =
        |it: &&str| names_output.iter().any(|start| it.starts_with(start)) || has_flag(it, "OJ");
    let outputs = outputs(args, 'o', "--output", CURL_VALUES);
    !args.iter().any(is_unknown) && outputs.iter().all(|it| is_discarded(it))
}

/// Returns whether wget writes no such file.
pub(super) fn is_harmless_for_wget(args: &[&str]) -> bool {
    let outputs = outputs(args, 'O', "--output-document", WGET_VALUES);
    let is_printed = !outputs.is_empty() && outputs.iter().all(|it| is_discarded(it));
    args.contains(&"--spider") || is_printed
}

/// Returns whether output goes to that of the command, or to a log.
fn is_discarded(file: &str) -> bool {
    file == "-" || is_log(file)
}

/// Returns whether a word has one of these options of curl: `-fsSLO`.
fn has_flag(word: &str, flags: &str) -> bool {
    let Some(options) = short_options(word) else { return false };
    options.chars().take_while(|c| !CURL_VALUES.contains(*c)).any(|c| flags.contains(c))
}

/// Returns the values of an option for the output: `-o FILE`, `-fsSLoFILE`, `--output=FILE`.
fn outputs<'a>(args: &[&'a str], short: char, long: &str, with_value: &str) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut args = args.iter().copied();
    while let Some(arg) = args.next() {
        if arg == long {
            found.extend(args.next());
        } else if let Some(value) = arg.strip_prefix(long).and_then(|it| it.strip_prefix('=')) {
            found.push(value);
        } else if let Some(options) = short_options(arg)
            && let Some(at) = options.find(|c| with_value.contains(c))
        {
            let value = Some(&options[at + 1..]).filter(|it| !it.is_empty());
            let value = value.or_else(|| args.next());
            found.extend(value.filter(|_| options[at..].starts_with(short)));
        }
    }
    found
}

fn short_options(word: &str) -> Option<&str> {
    word.strip_prefix('-').filter(|it| !it.starts_with('-') && !it.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_is_harmless_unless_it_writes_a_file() {
        let harmless = |text: &str| {
            let words: Vec<&str> = text.split(' ').collect();
            match words[0] {
                "curl" => is_harmless_for_curl(&words[1..]),
                _ => is_harmless_for_wget(&words[1..]),
            }
        };
        for text in [
            "curl -fsS localhost",
            "curl -X POST -H Origin:x localhost",
            "curl -XPOST localhost",
            "curl -s -o /dev/null -w %{http_code} localhost",
            "curl -so/dev/null localhost",
            "curl --output curl.log localhost",
            "wget --spider -q localhost",
            "wget -qO- localhost",
            "wget -nv -O - localhost",
            "wget --output-document=/dev/null localhost",
        ] {
            assert!(harmless(text), "{text}");
        }
        for text in [
            "curl -o main.py localhost",
            "curl -fsSLo main.py localhost",
            "curl -omain.py localhost",
            "curl --output=main.py localhost",
            "curl -LO localhost/main.py",
            "curl -OJ localhost",
            "curl --remote-name-all localhost/main.py",
            "curl -K bob",
            "wget localhost/main.py",
            "wget -q localhost/main.py",
            "wget -O main.py localhost",
            "wget -qOmain.py localhost",
            "wget --output-document main.py localhost",
        ] {
            assert!(!harmless(text), "{text}");
        }
    }
}
