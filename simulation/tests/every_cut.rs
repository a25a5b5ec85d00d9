//! A session that is cut after each of its bytes, in both directions, told to both ends or to nobody: the device recovers, and
//! no promise is broken.

use thingwire_device::Version;
use thingwire_simulation::Diary;
use thingwire_simulation::network::{Break, LinkPlan};
use thingwire_simulation::plan::Part;
use thingwire_simulation::story::tell;

/// Answers how many cuts there were.
fn cut_everywhere(version: Version, part: Part) -> usize {
    let whole = tell(version, part, LinkPlan::default(), &Diary::default()).expect("a whole story");
    assert_eq!(whole.connects, 2);
    let (up, down) = whole.bytes;
    let ups = (0..=up).map(|cut| (Some(cut), None));
    let downs = (0..=down).map(|cut| (None, Some(cut)));
    let mut cuts = 0;
    for (cut_up, cut_down) in ups.chain(downs) {
        for how in [Break::Reset, Break::Silent] {
            let plan = LinkPlan {
                cut_up,
                cut_down,
                cut_as: Some(how),
                ..LinkPlan::default()
            };
            let told = tell(version, part, plan, &Diary::default());
            let outcome = told.unwrap_or_else(|what| {
                let diary = Diary::open();
                let _ = tell(version, part, plan, &diary);
                panic!("{plan:?}: {what}\n{}", diary.last_lines())
            });
            assert!(outcome.connects >= 1);
            cuts += 1;
        }
    }
    cuts
}

#[test]
fn every_cut_of_a_session_of_3_1_1_with_our_broker() {
    assert!(cut_everywhere(Version::V311, Part::Genuine) > 300);
}

#[test]
fn every_cut_of_a_session_of_5_with_our_broker() {
    assert!(cut_everywhere(Version::V5, Part::Genuine) > 300);
}

#[test]
fn every_cut_of_a_session_of_3_1_1_with_the_model() {
    assert!(cut_everywhere(Version::V311, Part::Model) > 300);
}

#[test]
fn every_cut_of_a_session_of_5_with_the_model() {
    assert!(cut_everywhere(Version::V5, Part::Model) > 300);
}
