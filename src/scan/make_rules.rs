//! The rules of a Makefile.

use std::collections::{BTreeMap, BTreeSet};

/// Of more prerequisites, the rest is not read.
const MAX_TARGETS: usize = 256;

#[derive(Default)]
pub(super) struct MakeRules<'a> {
    rules: Vec<Rule<'a>>,
    /// The places of the rules of each target.
    of_target: BTreeMap<&'a str, Vec<usize>>,
    /// Settings for some targets: `bob: export A = x`.
    settings: Vec<(Vec<&'a str>, &'a str)>,
    /// The target that is made if no goal is given.
    pub(super) default_goal: Option<&'a str>,
    /// All lines but those of recipes, without comments.
    pub(super) other_lines: Vec<&'a str>,
}

#[derive(Default)]
struct Rule<'a> {
    needs: Vec<&'a str>,
    lines: Vec<&'a str>,
}

/// How make makes a target.
pub(super) struct MadeTarget<'a> {
    rules: Vec<usize>,
    /// The part of the name that `%` of a pattern rule stands for.
    pub(super) stem: Option<String>,
    pub(super) lines: Vec<&'a str>,
}

impl<'a> MakeRules<'a> {
    /// Reads a file whose long lines were joined.
    pub(super) fn read(text: &'a str) -> MakeRules<'a> {
        let mut all = MakeRules::default();
        for line in text.lines() {
            if let Some(line) = line.strip_prefix('\t') {
                if let Some(Rule { lines, .. }) = all.rules.last_mut() {
                    lines.push(line);
                }
                continue;
            }
            let line = line.split('#').next().unwrap_or_default().trim();
            all.other_lines.push(line);
            let rule = line.split_once(':').filter(|_| assignment(line).is_none());
            let Some((targets, rest)) = rule else { continue };
            let targets = targets.split_whitespace();
            let setting = rest.trim();
            if assignment(setting).is_some() {
                all.settings.push((targets.collect(), setting));
                // Lines of a recipe do not follow it.
                all.rules.push(Rule::default());
                continue;
            }
            let (needs, first) = rest.split_once(';').unwrap_or((rest, ""));
            let needs = needs.trim_start_matches(':').split_whitespace();
            for target in targets {
                if all.default_goal.is_none() && !target.starts_with('.') && !target.contains('%') {
                    all.default_goal = Some(target);
                }
                all.of_target.entry(target).or_default().push(all.rules.len());
            }
            all.rules.push(Rule {
                needs: needs.filter(|it| *it != "|").collect(),
                lines: Some(first.trim()).filter(|it| !it.is_empty()).into_iter().collect(),
            });
        }
        all
    }

    /// Returns the targets that have rules of their own.
    pub(super) fn targets(&self) -> impl Iterator<Item = &'a str> {
        self.of_target.keys().copied()
    }

    /// Returns the settings for a target.
    pub(super) fn settings_of(&self, target: &str) -> impl Iterator<Item = &'a str> {
        let is_for = move |of: &str| of == target || stem_of(of, target).is_some();
        let of_target = self.settings.iter().filter(move |(of, _)| of.iter().any(|it| is_for(it)));
        of_target.map(|(_, setting)| *setting)
    }

    /// Returns how a target is made: by its own rules, or the recipe of a pattern rule. `None` if
    /// there is no rule for it.
    pub(super) fn target(&self, target: &str) -> Option<MadeTarget<'a>> {
        let mut rules = self.of_target.get(target).cloned().unwrap_or_default();
        let has_recipe = |rule: &usize| !self.rules[*rule].lines.is_empty();
        let mut stem = None;
        if !rules.iter().any(has_recipe) {
            let of_pattern = self.of_target.iter().filter_map(|(pattern, rules)| {
                let rule = *rules.iter().find(|rule| has_recipe(rule))?;
                Some((stem_of(pattern, target)?, rule))
            });
            // make prefers the shortest stem, then the first rule.
            if let Some((found, rule)) = of_pattern.min_by_key(|(stem, rule)| (stem.len(), *rule)) {
                stem = Some(found.to_owned());
                rules.push(rule);
            }
        }
        let lines = rules.iter().flat_map(|rule| self.rules[*rule].lines.iter().copied()).collect();
        (!rules.is_empty()).then_some(MadeTarget { rules, stem, lines })
    }

    /// Returns the prerequisites of a goal that have a recipe. A file that is there is seldom made
    /// again.
    pub(super) fn before(
        &self,
        goal: &str,
        is_built: &dyn Fn(&str) -> bool,
    ) -> Vec<(String, MadeTarget<'a>)> {
        let (mut targets, mut seen) = (vec![goal.to_owned()], BTreeSet::from([goal.to_owned()]));
        let (mut found, mut done) = (Vec::new(), BTreeSet::new());
        let mut at = 0;
        while let Some(target) = targets.get(at).cloned().filter(|_| at < MAX_TARGETS) {
            at += 1;
            let Some(made) = self.target(&target).filter(|_| target == goal || !is_built(&target))
            else {
                continue;
            };
            let new = made.rules.iter().map(|rule| (*rule, made.stem.clone()));
            let new: Vec<_> = new.filter(|rule| done.insert(rule.clone())).collect();
            for need in new.iter().flat_map(|(rule, _)| &self.rules[*rule].needs) {
                let need = match &made.stem {
                    Some(stem) => need.replacen('%', stem, 1),
                    None => (*need).to_owned(),
                };
                if seen.insert(need.clone()) {
                    targets.push(need);
                }
            }
            if target != goal && !new.is_empty() {
                found.push((target, made));
            }
        }
        found
    }
}

/// Returns what the `%` of a pattern stands for in a target.
fn stem_of<'a>(pattern: &str, target: &'a str) -> Option<&'a str> {
    let (before, after) = pattern.split_once('%')?;
    let stem = target.strip_prefix(before)?.strip_suffix(after)?;
    (!stem.is_empty()).then_some(stem)
}

/// The value of a variable of make.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Set(&'a str),
    /// Used if the environment has none: `NAME ?= VALUE`.
    Default(&'a str),
    /// Set more than once.
    Unknown,
}

/// Parses `NAME = VALUE`, with any of make's operators.
pub(super) fn assignment(line: &str) -> Option<(&str, Value<'_>)> {
    let line = line.strip_prefix("export ").unwrap_or(line);
    let (name, value) = line.split_once('=')?;
    let value = value.trim();
    let (name, value) = if let Some(name) = name.strip_suffix('?') {
        (name.trim(), Value::Default(value))
    } else if let Some(name) = name.strip_suffix(['+', '!']) {
        (name.trim(), Value::Unknown)
    } else {
        (name.trim_end_matches(':').trim(), Value::Set(value))
    };
    is_name(name).then_some((name, value))
}

pub(super) fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_rule_makes_what_has_no_recipe_of_its_own() {
        let text = "run-bob: extra\nrun-%: use-%\n\t./bot $*\nrun-%-x:\n\t./x\n\
                    run-own:\n\t./own\nuse-%:\n\tcp $*\nextra: ; ./extra\n";
        let rules = MakeRules::read(text);
        for (target, expected) in [
            ("run-alice", Some(("./bot $*", Some("alice"), "use-alice"))),
            ("run-bob", Some(("./bot $*", Some("bob"), "extra use-bob"))),
            ("run-own", Some(("./own", None, ""))),
            ("run-a-x", Some(("./x", Some("a"), ""))),
            ("run-", None),
            ("walk-alice", None),
        ] {
            let made = rules.target(target);
            let found = made.map(|it| (it.lines.join(" "), it.stem));
            let before = rules.before(target, &|_| false).into_iter().map(|(name, _)| name);
            let before = before.collect::<Vec<_>>().join(" ");
            let expected = expected.map(|(lines, stem, before)| {
                (lines.to_owned(), stem.map(str::to_owned), before.to_owned())
            });
            assert_eq!(found.map(|(lines, stem)| (lines, stem, before)), expected, "{target}");
        }
        assert_eq!(rules.default_goal, Some("run-bob"));
    }
}
