//! Variables with names that are not known: `SHOP=a python3 main.py` and `SHOP=b python3 main.py`
//! may be two bots.

use monopoll_test_bots::stage::{Stage, Start, is_alive, token};

use crate::other_bots::{plan, refusal, unnamed};
use crate::same_command::{PYTHON, bot, end, program, write};
use crate::script_variables::{is_the_same, planned, with};

const LINE: &str = "python3 main.py";

fn main_py() -> Stage {
    let stage = Stage::new();
    write(&stage, "main.py", PYTHON);
    stage
}

#[track_caller]
fn is_in_doubt(stage: &Stage, name: &str) {
    for [one, other] in [["alice", "bob"], ["bob", "alice"]] {
        let [one, other] = [one, other].map(|value| format!("{name}={value} {LINE}"));
        let (plan, is_found) = planned(stage, &one, &other);
        let reason = refusal(&plan);
        assert!(is_found && reason.contains(&format!("another value of ${name}")), "{reason}");
        is_the_same(stage, &one, &one);
    }
}

#[test]
fn two_values_of_a_variable_that_is_not_known_are_a_doubt() {
    let stage = main_py();
    for name in ["SHOP", "TG_USER", "WHO"] {
        is_in_doubt(&stage, name);
        // A shell may have one for other reasons.
        is_the_same(&stage, &format!("{name}=alice {LINE}"), LINE);
        is_the_same(&stage, LINE, &format!("{name}=alice {LINE}"));
    }
}

/// `bot=alice python3 main.py`, as `BOT=alice`.
#[test]
fn a_lowercase_name_counts_like_its_uppercase_form() {
    let stage = main_py();
    for name in ["bot", "profile", "config", "env"] {
        is_in_doubt(&stage, name);
        let (plan, _) = planned(&stage, &format!("{name}=alice {LINE}"), LINE);
        assert!(refusal(&plan).contains(&format!("another value of ${name}")), "{plan:#}");
    }
    // Those of PM2 and of no one.
    for name in ["exec_mode", "shop"] {
        is_the_same(&stage, &format!("{name}=alice {LINE}"), &format!("{name}=bob {LINE}"));
        is_the_same(&stage, LINE, &format!("{name}=bob {LINE}"));
    }
}

#[test]
fn two_guards_with_two_values_of_such_a_variable_do_not_end_each_other() {
    let stage = main_py();
    let run = |shop: &str| with(unnamed(&stage, &["run"], LINE), &format!("SHOP={shop}"));
    let (alice, pid) = bot(&stage, run("alice"), stage.folder());
    run("bob").end().exits(75).says("another value of $SHOP");
    assert!(alice.is_alive() && is_alive(pid));
    let (_again, own) = bot(&stage, run("alice"), stage.folder());
    assert!(!is_alive(pid) && is_alive(own));
    alice.end().exits(0);
}

fn with_tokens<'a>(start: Start<'a>, who: &str, tokens: &[String]) -> Start<'a> {
    let named = ["ALICE_TOKEN", "BOB_TOKEN"].into_iter().zip(tokens);
    named.fold(start.env("WHO", who), |start, (name, token)| start.env(name, token))
}

#[test]
fn of_two_tokens_that_both_have_such_a_variable_may_choose_one() {
    let stage = main_py();
    let tokens = [token(), token()];
    for (count, is_in_doubt) in [(2, true), (1, false)] {
        let start = with_tokens(program(&stage, LINE), "alice", &tokens[..count]);
        let (process, pid) = bot(&stage, start, stage.folder());
        let token_env = "token_env=[\"ALICE_TOKEN\"]";
        let seen = |who: &str| {
            let start = unnamed(&stage, &["plan"], LINE).set(token_env);
            plan(with_tokens(start, who, &tokens[..count]))
        };
        let other = seen("bob");
        if is_in_doubt {
            assert!(refusal(&other).contains("another value of $WHO"), "{other:#}");
        } else {
            assert_eq!(other["verdict"], "act", "{other:#}");
        }
        let same = seen("alice");
        assert_eq!(same["verdict"], "act", "{same:#}");
        end(&stage, process, pid);
    }
}

#[test]
fn what_two_sessions_services_or_releases_have_is_no_doubt() {
    let stage = main_py();
    let names = "\
        WINDOWID TMUX TMUX_PANE STY SSH_CONNECTION SSH_CLIENT SSH_TTY SSH_AUTH_SOCK XDG_SESSION_ID \
        XDG_RUNTIME_DIR DBUS_SESSION_BUS_ADDRESS DISPLAY XAUTHORITY SESSION_MANAGER GPG_TTY \
        TERM_PROGRAM TERM_SESSION_ID VSCODE_IPC_HOOK VTE_VERSION COLUMNS LINES LS_COLORS LESSOPEN \
        INVOCATION_ID JOURNAL_STREAM SYSTEMD_EXEC_PID MEMORY_PRESSURE_WATCH NOTIFY_SOCKET MAIL \
        MAILTO LOGNAME USER SHELL SHLVL OLDPWD EDITOR SUDO_USER SUDO_COMMAND FNM_MULTISHELL_PATH \
        STARSHIP_SESSION_KEY NVM_BIN VIRTUAL_ENV CONDA_PREFIX PORT WORKERS GIT_SHA APP_VERSION \
        OPENAI_API_KEY DB_PASSWORD POLL_TIMEOUT HOSTNAME DYNO npm_lifecycle_script lower_case";
    let line = |value: &str| {
        let set = names.split_whitespace().map(|name| format!("{name}={value} "));
        set.collect::<String>() + LINE
    };
    is_the_same(&stage, &line("one"), &line("other"));
}
