//! Turns the rules and patterns of valid settings into the engine's.

use regex::Regex;

use crate::{
    config::{
        duration,
        problem::Fault,
        settings::{self, ContainerChoice, Settings},
    },
    engine::{
        pattern::{CmdlinePattern, ContainerLimit, NamePattern, PathPattern, Pattern, UserLimit},
        policy::{AfterGraceful, Conditions, MatchEntry, Policy, Rule, Timeouts},
        purpose::Purpose,
    },
};

/// A key and what is wrong with it.
pub(crate) type Misfit = (String, Fault);

/// The policy, or the key that does not fit.
pub(crate) fn policy(settings: &Settings) -> Result<Policy, Misfit> {
    let named =
        |list: &'static str, index: usize| move |fault: Fault| (format!("{list}[{index}]"), fault);
    let matches = settings
        .matches
        .iter()
        .enumerate()
        .map(|(index, entry)| match_entry(entry).map_err(named("match", index)));
    let rules = settings
        .rules
        .iter()
        .enumerate()
        .map(|(index, entry)| rule(index, entry).map_err(named("rules", index)));
    Ok(Policy {
        purpose: Purpose::Start,
        on_conflict: settings.on_conflict,
        after_wait: settings.after_wait,
        same_token: settings.same_token,
        matches: matches.collect::<Result<_, _>>()?,
        rules: rules.collect::<Result<_, _>>()?,
        timeouts: Timeouts {
            wait: duration::patience(&settings.timeouts.wait)
                .map_err(|fault| ("timeouts.wait".to_owned(), fault))?,
            graceful: settings.timeouts.graceful,
            force: settings.timeouts.force,
        },
        signal: settings.kill.signal,
        escalation: if settings.kill.escalate {
            AfterGraceful::Kill
        } else {
            AfterGraceful::Refuse
        },
        max_targets: count(settings.limits.max_targets),
        max_takeovers: count(settings.limits.max_takeovers),
        takeover_window: settings.limits.takeover_window,
    })
}

fn match_entry(entry: &settings::MatchTable) -> Result<MatchEntry, Fault> {
    Ok(MatchEntry {
        pattern: pattern([&entry.name, &entry.cmdline, &entry.exe, &entry.cwd])?,
        user: entry.user.as_deref().map(user).unwrap_or_default(),
        container: entry.container.map(container).unwrap_or_default(),
    })
}

fn rule(index: usize, entry: &settings::RuleTable) -> Result<Rule, Fault> {
    let when = &entry.when;
    Ok(Rule {
        name: entry.name.clone().unwrap_or_else(|| format!("rules[{index}]")),
        when: Conditions {
            pattern: pattern([&when.name, &when.cmdline, &when.exe, &when.cwd])?,
            user: when.user.as_deref().map(user),
            container: when.container.map(container),
            holds_lock: when.holds_lock,
            same_token: when.same_token,
            orphaned: when.orphaned,
            state: when.state,
            older_than: when.older_than,
            younger_than: when.younger_than,
            managed_by: when.managed_by.as_deref().map(Regex::new).transpose().map_err(misfit)?,
            local: when.local,
        },
        action: entry.action,
    })
}

fn pattern([name, cmdline, exe, cwd]: [&Option<String>; 4]) -> Result<Pattern, Fault> {
    Ok(Pattern {
        name: name.as_deref().map(NamePattern::new).transpose().map_err(misfit)?,
        cmdline: cmdline.as_deref().map(CmdlinePattern::new).transpose().map_err(misfit)?,
        exe: exe.as_deref().map(PathPattern::new).transpose().map_err(misfit)?,
        cwd: cwd.as_deref().map(PathPattern::new).transpose().map_err(misfit)?,
    })
}

fn misfit<E>(_: E) -> Fault {
    Fault::new("the pattern cannot be used")
}

fn user(text: &str) -> UserLimit {
    match text {
        "same" => UserLimit::Same,
        "any" => UserLimit::Any,
        name => UserLimit::Named(name.to_owned()),
    }
}

fn container(choice: ContainerChoice) -> ContainerLimit {
    match choice {
        ContainerChoice::Same => ContainerLimit::Same,
        ContainerChoice::Any => ContainerLimit::Any,
    }
}

fn count(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
