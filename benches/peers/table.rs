//! The table, printed row by row.

use std::time::Duration;

/// The target of a ratio.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Target {
    /// No target.
    None,
    /// At most this many times as long as the alternative.
    AtMost(f64),
    /// At least this many times as fast as the alternative.
    Faster(f64),
}

impl Target {
    fn said(self) -> String {
        match self {
            Target::None => String::new(),
            Target::AtMost(most) => format!("at most {most} ×"),
            Target::Faster(least) => format!("at least {least} × as fast"),
        }
    }

    fn met(self, ratio: f64) -> &'static str {
        match self {
            Target::None => "",
            Target::AtMost(most) => yes(ratio <= most),
            Target::Faster(least) => yes(ratio.recip() >= least),
        }
    }

    fn ratio(self, ratio: f64) -> String {
        match self {
            Target::Faster(_) => format!("{:.1} × as fast", ratio.recip()),
            Target::None if ratio < 1.0 => format!("{:.1} × as fast", ratio.recip()),
            Target::None | Target::AtMost(_) => format!("{ratio:.2} ×"),
        }
    }
}

fn yes(met: bool) -> &'static str {
    if met { "yes" } else { "**no**" }
}

pub(crate) fn head() {
    println!(
        "| what | monopoll | beside | | ratio | target | met |\n| --- | ---: | --- | ---: | ---: \
            | --- | --- |"
    );
}

/// Prints how the figures were measured.
pub(crate) fn foot(rounds: usize) {
    println!(
        "\nMedians of {rounds} interleaved rounds (10, 100 and 300 at once: of 7, 3 and 1) in a \
            PID namespace of their own, whose first process is tini. The child that\n\
         everybody starts is a static program whose first act is to read the clock: \"exec\" is \
             its first instruction, an exit the last one before it leaves. Its\n\
         start is in every figure alike. `start-stop-daemon` is two commands without a shell. \
         Floors are the same system calls in C, linked statically; one thread, where it does not \
         say two."
    );
}

/// Prints a comparison of times.
pub(crate) fn row(what: &str, ours: Duration, peer: &str, theirs: Duration, target: Target) {
    let ratio = ours.as_secs_f64() / theirs.as_secs_f64();
    let (ours, theirs) = (time(ours), time(theirs));
    println!(
        "| {what} | {ours} | {peer} | {theirs} | {} | {} | {} |",
        target.ratio(ratio),
        target.said(),
        target.met(ratio)
    );
}

/// Prints a count with a maximum.
pub(crate) fn count(what: &str, ours: u64, unit: &str, beside: (&str, String), most: Option<u64>) {
    let target = most.map(|most| format!("at most {most} {unit}")).unwrap_or_default();
    let met = most.map(|most| yes(ours <= most)).unwrap_or_default();
    let (peer, theirs) = beside;
    println!("| {what} | {ours} {unit} | {peer} | {theirs} | | {target} | {met} |");
}

fn time(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1000.0)
}
