//! No row of the list is without a case, and each has the outcome that the list asks for, or a reason in the documentation.

use std::collections::BTreeSet;

use crate::rows::{Listed, listed, messages, updates};

const PAGE: &str = include_str!("../../../../docs/bad-input.md");

/// Rows whose outcome is not one of the list: what the page says of them is the reason.
const DEVIATIONS: [&str; 2] = ["A22", "A24"];

/// What becomes of a row with an external and with an internal peer, in the words of the list; further forms (`H12a`) are ours.
fn outcomes(id: &str) -> [BTreeSet<String>; 2] {
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    for row in messages().into_iter().filter(|row| row.id == id) {
        for (found, outcome) in found.iter_mut().zip(row.sessions) {
            found.insert(match outcome.split(' ').next().unwrap_or_default() {
                "refresh" => "ok".to_owned(),
                "text" => "close".to_owned(),
                word => word.to_owned(),
            });
        }
    }
    for row in updates().into_iter().filter(|row| row.id == id) {
        found[usize::from(row.session.internal())].insert(row.outcome.listed());
    }
    found
}

fn numbered(letter: char, last: usize) -> impl Iterator<Item = String> {
    (1..=last).map(move |number| format!("{letter}{number:02}"))
}

#[test]
fn every_row_of_the_list_has_a_case_with_both_sorts_of_peers() {
    let ids: Vec<&str> = listed().map(|row| row.id).collect();
    let sizes = [('H', 15), ('O', 45), ('U', 19), ('A', 107), ('M', 23), ('R', 6), ('N', 6)];
    let all: Vec<String> = sizes.into_iter().flat_map(|(letter, last)| numbered(letter, last)).collect();
    assert_eq!((ids, all.len()), (all.iter().map(String::as_str).collect(), 221));
    for row in listed() {
        for (found, sort) in outcomes(row.id).iter().zip(["external", "internal"]) {
            assert!(!found.is_empty(), "{} has no case with an {sort} peer", row.id);
        }
    }
    for id in messages().iter().map(|row| row.id).chain(updates().iter().map(|row| row.id)) {
        let listed = id.trim_end_matches(|c: char| c.is_ascii_lowercase());
        assert!(id.starts_with('F') || all.iter().any(|one| one == listed), "{id} is not in the list");
    }
}

fn differs(row: Listed) -> bool {
    let allowed: BTreeSet<String> = row.outcomes.split(", ").map(str::to_owned).collect();
    let [external, internal] = outcomes(row.id);
    let about = match row.session {
        "external" => external,
        "internal" => internal,
        "both" => &external | &internal,
        other => panic!("{other} is no session"),
    };
    !about.is_subset(&allowed)
}

#[test]
fn every_outcome_is_the_listed_one_or_explained() {
    let deviating: Vec<&str> = listed().filter(|row| differs(*row)).map(|row| row.id).collect();
    assert_eq!(deviating, DEVIATIONS);
    // Where the list leaves a choice the page says which was made, and why.
    for row in listed().filter(|row| differs(*row) || row.outcomes.contains(',')) {
        let explained = |line: &str| line.starts_with("| ") && line.split(['|', ',', ' ']).any(|word| word == row.id);
        assert!(PAGE.lines().any(explained), "docs/bad-input.md says nothing of {}", row.id);
    }
}
