//! The README's figures, compared with the usual alternatives: `cargo bench --bench peers`.
//!
//! Needs the programs that `.ci/run` installs, and the C compiler that rustc links with. `-- --only
//! a,c` selects sections, and `-- --rounds N` sets the number of runs. Each figure is the median of
//! interleaved runs. Only the ratios apply to other machines.
#![cfg_attr(
    target_os = "linux",
    expect(
        clippy::disallowed_methods,
        clippy::disallowed_macros,
        reason = "a bench starts processes, reads the clock and prints its figures"
    )
)]

#[cfg(target_os = "linux")]
mod bench;
#[cfg(target_os = "linux")]
mod crowd;
#[cfg(target_os = "linux")]
mod hand_over;
#[cfg(target_os = "linux")]
mod many;
#[cfg(target_os = "linux")]
mod options;
#[cfg(target_os = "linux")]
mod peer;
#[cfg(target_os = "linux")]
mod plan;
#[cfg(target_os = "linux")]
mod race;
#[cfg(target_os = "linux")]
mod reaper;
#[cfg(target_os = "linux")]
mod resident;
#[cfg(target_os = "linux")]
mod stamps;
#[cfg(target_os = "linux")]
mod start;
#[cfg(target_os = "linux")]
mod table;

#[cfg(target_os = "linux")]
fn main() -> Result<(), bench::Failure> {
    use options::{Options, Section};

    let options = Options::read(std::env::args().skip(1))?;
    reaper::insist()?;
    let mut bench = bench::Bench::set_up(&options)?;
    let mut crowd = crowd::Crowd::default();
    table::head();
    for processes in [100, 1_000, 5_000, 10_000] {
        if processes == 100 || options.has(Section::Start) || options.has(Section::Plan) {
            crowd.fill(processes)?;
        }
        for section in options.sections() {
            match (section, processes) {
                (Section::Start, _) => start::rows(&mut bench, processes)?,
                (Section::Plan, _) => plan::rows(&mut bench, processes)?,
                (Section::HandOver, 100) => hand_over::rows(&mut bench)?,
                (Section::Resident, 100) => resident::rows(&mut bench)?,
                (Section::Many, 100) => many::rows(&mut bench)?,
                (Section::HandOver | Section::Resident | Section::Many, _) => {}
            }
        }
    }
    table::foot(bench.rounds);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {}
