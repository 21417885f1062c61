//! `docs/rules.md` lists all possible values of `managed_by`.

use std::fs;

use monopoll::internals::engine::managed_by::{
    Container, ContainerEngine, ManagedBy, Pm2App, Pm2Mode, ServiceFolder, SupervisordAddress,
    SupervisordProgram, Watcher,
};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/rules.md");
const BEGIN: &str = "The values of `managed_by` are ";

/// Returns a value of each variant, in the order of the page.
fn all() -> Vec<ManagedBy> {
    let text = str::to_owned;
    let service = || ServiceFolder { name: text("NAME"), folder: None };
    let watcher = |name| ManagedBy::Watcher(Watcher { name, pid: 1 });
    vec![
        ManagedBy::Systemd(text("UNIT")),
        ManagedBy::SystemdUser(text("UNIT")),
        ManagedBy::Container(Container { id: text("ID"), engine: ContainerEngine::Docker }),
        ManagedBy::Supervisord(Some(SupervisordProgram {
            group: text("GROUP"),
            name: text("NAME"),
            address: SupervisordAddress::Default,
        })),
        ManagedBy::Pm2(Some(Pm2App {
            name: text("NAME"),
            id: None,
            home: None,
            restarts: true,
            mode: Pm2Mode::Fork,
        })),
        ManagedBy::Runit(service()),
        ManagedBy::S6(service()),
        ManagedBy::OpenRc(text("NAME")),
        watcher("nodemon"),
        watcher("pm2-runtime"),
        watcher("watchexec"),
    ]
}

/// Returns the number of a variant. A new variant does not compile until it is listed here and
/// above.
fn number(managed_by: &ManagedBy) -> usize {
    match managed_by {
        ManagedBy::Systemd(_) => 0,
        ManagedBy::SystemdUser(_) => 1,
        ManagedBy::Container(_) => 2,
        ManagedBy::Supervisord(_) => 3,
        ManagedBy::Pm2(_) => 4,
        ManagedBy::Runit(_) => 5,
        ManagedBy::S6(_) => 6,
        ManagedBy::OpenRc(_) => 7,
        ManagedBy::Watcher(_) => 8,
    }
}

#[test]
fn the_page_lists_every_value_of_managed_by() {
    let mut numbers: Vec<usize> = all().iter().map(number).collect();
    numbers.dedup();
    assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7, 8]);
    let page = fs::read_to_string(PAGE).unwrap();
    let (_, rest) = page.split_once(BEGIN).expect("the page has no list of values");
    let (list, _) = rest.split_once(". ").unwrap();
    let listed: Vec<&str> = list.split('`').skip(1).step_by(2).collect();
    let values: Vec<String> = all().iter().map(ManagedBy::to_string).collect();
    assert_eq!(listed, values);
}
