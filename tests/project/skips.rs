//! A test that cannot run says why. In CI, it fails, unless `.ci/run` has found the reason itself.

use std::env;
use std::path::Path;
use std::process::Command;

use monopoll_test_bots::stage::skip;

#[test]
#[ignore = "the test below runs it"]
fn one_that_is_skipped() {
    skip("there is no moon, and no sun");
}

#[test]
fn a_skipped_test_fails_in_ci_unless_its_reason_is_known() {
    for (ci, without, succeeds) in [
        ("", "", true),
        ("true", "", false),
        ("true", "it needs root,", false),
        ("true", "it needs root,there is no moon", true),
    ] {
        let this = Command::new(env::current_exe().unwrap())
            .args(["--ignored", "--exact", "skips::one_that_is_skipped"])
            .envs([("CI", ci), ("MONOPOLL_WITHOUT", without)])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&this.stdout);
        assert!(said.contains("running 1 test\n"), "{said}");
        assert_eq!(this.status.success(), succeeds, "{ci}, {without}: {said}");
    }
}

#[test]
fn no_test_is_skipped_in_another_way() {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let printed = ["\"skip", "ped: "].concat();
    let files: Vec<_> = monopoll_test_bots::stage::files_containing(&printed, &tests)
        .into_iter()
        .map(|path| path.strip_prefix(&tests).unwrap().to_owned())
        .collect();
    // Each of the two compares `$CI` itself.
    let expected = ["bots/src/stage.rs", "project/snippets.rs"].map(Path::new);
    assert!(files.iter().all(|it| expected.contains(&it.as_path())), "{files:?}");
    assert_eq!(files.len(), expected.len(), "{files:?}");
}
