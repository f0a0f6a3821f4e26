//! Lines equal those of `bgpdump -m`: on the extract in `data/`, and on the two whole files where they lie beside the
//! project.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use heddle_mrt::Reader;
use heddle_mrt::show::{Summary, show};

fn compare(file: &Path, expected: &Path) -> Summary {
    let mut want = String::new();
    MultiGzDecoder::new(File::open(expected).expect("expected text")).read_to_string(&mut want).expect("text");
    let mut reader = Reader::new(File::open(file).expect("file")).expect("readable");
    let mut got = Vec::new();
    let summary = show(&mut reader, &mut got).expect("an MRT file");
    let got = String::from_utf8(got).expect("text");
    for (number, (got, want)) in got.lines().zip(want.lines()).enumerate() {
        assert_eq!(got, want, "line {} of {}", number + 1, file.display());
    }
    assert_eq!(got.lines().count(), want.lines().count());
    assert_eq!(summary.lines, want.lines().count() as u64);
    summary
}

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)
}

#[test]
fn extracts() {
    for name in ["updates.et.gz", "updates.gz", "rib.gz"] {
        let summary = compare(&data(name), &data(&format!("{name}.bgpdump-m.gz")));
        assert!(summary.lines > 30, "{name}: {summary:?}");
        assert_eq!(summary.skipped, 0);
    }
}

#[test]
fn whole_files() {
    let shared = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    for (name, lines) in [("updates.et-header.2015.gz", 577_744), ("updates.20160811.1600.gz", 41_234)] {
        let file = shared.join(name);
        if !file.exists() {
            eprintln!("{} is not there: only the extracts are compared", file.display());
            continue;
        }
        let summary = compare(&file, &shared.join(format!("{name}.bgpdump-m.gz")));
        assert_eq!((summary.lines, summary.skipped), (lines, 0));
    }
}
