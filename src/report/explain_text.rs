//! An explanation as text: a sentence, then all verdicts, most important first.

use crate::engine::explain::{Criterion, EntryVerdict, Explanation, RuleVerdict};
use crate::engine::fact::Truth;
use crate::engine::process::{Process, Role};
use crate::report::{
    Context, condition_facts, conflict_text, explain_sentence, explain_verdicts, format, reasons,
    typed,
};
use crate::text::{Paint, Style, count, printable, sanitize};

pub fn one(it: &Explanation<'_>, context: &Context<'_>, paint: Paint) -> String {
    let mut text = LabeledLines { lines: Vec::new(), paint };
    text.add_process(it, context);
    text.lines.join("\n") + "\n"
}

/// Returns one sentence for each process of the plan, and the command that shows all checks.
pub fn whole(all: &[Explanation<'_>], context: &Context<'_>, paint: Paint) -> String {
    let instance = format::instance(context, paint);
    if all.is_empty() {
        return format!(
            "{instance}: no process was recognized as this bot. {} explains any other process.\n",
            typed("explain PID", context.command.as_deref())
        );
    }
    let processes = count(all.len(), "process", "processes");
    let mut text = format!("{instance}: {processes} considered.\n\n");
    for it in all {
        let pid = paint.style(Style::Bold, &format!("pid {}", it.process.id.pid));
        let command = format::short_command(it.process);
        let predicate = sanitize(&explain_sentence::predicate(it));
        let line = format!("{pid}  {command}\n   it {predicate}.\n");
        text.push_str(&line);
    }
    let one = typed("explain PID", context.command.as_deref());
    format!("{text}\n{one} shows every check of one process.\n")
}

struct LabeledLines {
    lines: Vec<String>,
    paint: Paint,
}

impl LabeledLines {
    fn add_process(&mut self, it: &Explanation<'_>, context: &Context<'_>) {
        let pid = self.paint.style(Style::Bold, &format!("pid {}", it.process.id.pid));
        self.lines.push(format!("{pid} {}.", sanitize(&explain_sentence::predicate(it))));
        self.lines.push(String::new());
        self.lines.push(format!("{pid}  {}", format::short_command(it.process)));
        self.add("instance", [format::instance(context, Paint::Plain)]);
        self.add("process", [conflict_text::facts(it.process)]);
        self.add(
            "guard",
            it.conflict
                .filter(|conflict| conflict.pid() == Some(it.process.id.pid))
                .and_then(|it| it.guard.as_ref())
                .map(conflict_text::guard_facts),
        );
        self.add("tree", explain_verdicts::tree(it));
        self.add("match", self.entries(it, context));
        self.add("token", [self.row(it.process.same_token(), &explain_verdicts::token(it))]);
        self.add(
            "network",
            [self.row(
                explain_verdicts::is_connected(it.process),
                &explain_verdicts::network(it.process),
            )],
        );
        self.add("against", [self.against(it)]);
        self.add("lock", [self.row(it.lock.holds, &explain_verdicts::lock(&it.lock))]);
        self.add(
            "shields",
            it.shields
                .iter()
                .map(|shield| self.row(shield.holds(), &explain_verdicts::shield(shield)))
                .collect::<Vec<_>>(),
        );
        self.add("rules", self.rules(it, context));
        if let Some(conflict) = it.conflict {
            self.add("decided", [conflict_text::decision(conflict, context)]);
            self.add("steps", [conflict_text::steps(conflict, context.purpose, self.paint)]);
        }
    }

    fn add(&mut self, label: &str, lines: impl IntoIterator<Item = String>) {
        for (index, line) in lines.into_iter().enumerate() {
            let label = if index == 0 { label } else { "" };
            self.lines.push(format::labeled(label, &line, self.paint));
        }
    }

    fn row(&self, truth: Truth, text: &str) -> String {
        let (tone, word) = match truth {
            Truth::True => (Style::Bold, "yes"),
            Truth::False => (Style::Dim, "no"),
            Truth::Unknown => (Style::Warning, "unknown"),
        };
        format!("{}{text}", self.paint.style(tone, &format!("{word:<8}")))
    }

    fn against(&self, it: &Explanation<'_>) -> String {
        let is_shielded = it.shields.iter().any(|shield| shield.holds() == Truth::True);
        let against = if is_shielded {
            reasons::against_without_hint(&it.against)
        } else {
            reasons::against(it, it.policy.purpose)
        };
        match against {
            Some(why) => self.row(Truth::True, &sanitize(&why)),
            None => self.row(Truth::False, "no evidence against it"),
        }
    }

    fn entries(&self, it: &Explanation<'_>, context: &Context<'_>) -> Vec<String> {
        if it.entries.is_empty() {
            let why = match it.process.role {
                Role::Monopoll => "the lock and the ticket identify a monopoll process",
                Role::ServesOthers => "it serves people or other programs",
                Role::Program => "no COMMAND is given after `--`",
            };
            return vec![self.row(Truth::False, &format!("not compared: {why}"))];
        }
        let rows = |entry: &EntryVerdict<'_>| {
            let head = self.row(entry.holds(), &explain_verdicts::entry(entry, context));
            let asked: Vec<LabeledRow> = entry
                .criteria
                .iter()
                .map(|(criterion, truth)| LabeledRow::of(criterion, *truth, it.process))
                .collect();
            std::iter::once(head).chain(self.aligned(asked)).collect::<Vec<_>>()
        };
        it.entries.iter().flat_map(rows).collect()
    }

    fn rules(&self, it: &Explanation<'_>, context: &Context<'_>) -> Vec<String> {
        let whose = match it.conflict.and_then(|conflict| conflict.root.as_ref()) {
            Some(root) if root.id.pid != it.process.id.pid => {
                Some(format!("applied to pid {}, the root of its tree", root.id.pid))
            }
            Some(_) => None,
            None => Some("not applied, as there is no conflict; they would say".to_owned()),
        };
        if it.rules.is_empty() {
            return vec!["none".to_owned()];
        }
        let rows = |rule: &RuleVerdict<'_>| {
            let conditions = rule.conditions.iter().map(|(criterion, truth)| {
                LabeledRow::of(&Criterion::Condition(*criterion), *truth, &it.subject)
            });
            let head = self.row(rule.holds(), &explain_verdicts::rule(rule, it, context));
            std::iter::once(head).chain(self.aligned(conditions.collect())).collect::<Vec<_>>()
        };
        whose.into_iter().chain(it.rules.iter().flat_map(rows)).collect()
    }

    /// Aligns the conditions and the facts in two columns.
    fn aligned(&self, rows: Vec<LabeledRow>) -> Vec<String> {
        let width = rows
            .iter()
            .map(|row| row.question.chars().count())
            .max()
            .unwrap_or_default()
            .min(WIDEST_QUESTION);
        rows.into_iter()
            .map(|row| {
                format!(
                    "  {}",
                    self.row(row.truth, &format!("{:<width$}  {}", row.question, row.fact))
                )
            })
            .collect()
    }
}

/// A longer question does not widen the column.
const WIDEST_QUESTION: usize = 40;

struct LabeledRow {
    truth: Truth,
    question: String,
    fact: String,
}

impl LabeledRow {
    fn of(criterion: &Criterion<'_>, truth: Truth, process: &Process) -> LabeledRow {
        let shown = |text: &str| format::shorten(&printable(text));
        let fact = condition_facts::fact(criterion, process)
            .map(|fact| if fact.is_empty() { "none".to_owned() } else { shown(&fact) });
        let wanted = || match shown(&condition_facts::wanted(criterion)) {
            none if none.is_empty() => "none".to_owned(),
            wanted => wanted,
        };
        let fact = match (criterion, truth, fact) {
            // The same name on another file system, or a difference that is masked.
            (Criterion::Part(_), Truth::False, Some(fact)) if fact == wanted() => {
                format!("{fact}, but not the same")
            }
            (Criterion::Part(_), Truth::False, Some(fact)) => {
                format!("{fact}, not {}", wanted())
            }
            (Criterion::Part(_), Truth::Unknown, _) => {
                format!("cannot be compared with {}", wanted())
            }
            (Criterion::Part(_) | Criterion::Condition(_), _, Some(fact)) => fact,
            (Criterion::Part(_) | Criterion::Condition(_), _, None) => "cannot be read".to_owned(),
        };
        LabeledRow { truth, question: shown(&condition_facts::question(criterion)), fact }
    }
}
