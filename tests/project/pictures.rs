//! The pictures in the documentation show the program's output and the measured figures.

use std::path::Path;
use std::process::Command;

use monopoll_test_bots::programs;

/// Runs a script with `--check`; `None` if there is no Python.
fn check(script: &str, arguments: &[&str]) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/scripts").join(script);
    let checked = Command::new("python3").arg(script).arg("--check").args(arguments).output();
    let Ok(checked) = checked else {
        monopoll_test_bots::stage::skip("there is no python3");
        return None;
    };
    let said = [checked.stdout, checked.stderr].concat();
    (!checked.status.success()).then(|| String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn the_takeover_shows_what_is_printed() {
    let monopoll = programs::monopoll();
    assert_eq!(check("takeover_svg.py", &["--monopoll", monopoll.to_str().unwrap()]), None);
}

#[test]
fn the_plot_and_the_readme_show_the_table() {
    assert_eq!(check("performance.py", &[]), None);
}
