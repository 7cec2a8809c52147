use std::fs;

use proptest::prelude::*;

use super::*;

fn spool(directory: &Path, max_bytes: u64) -> Spool {
    Spool::new(SpoolSettings { path: directory.join("spool"), max_bytes })
}

fn batch(name: &str, lines: &str) -> Spooled {
    Spooled { name: name.to_owned(), lines: lines.as_bytes().to_vec() }
}

fn put(spool: &mut Spool, batch: &Spooled) -> Lost {
    spool.put(&batch.name, &batch.lines, Durable::Now).unwrap()
}

fn all(spool: &mut Spool) -> (Vec<Spooled>, Lost) {
    let (mut found, mut lost) = (Vec::new(), Lost::default());
    while let Some(batch) = spool.next(&mut lost).unwrap() {
        found.push(batch);
        spool.done().unwrap();
    }
    (found, lost)
}

/// The only segment.
fn segment(directory: &Path) -> PathBuf {
    let all = segments(&directory.join("spool")).unwrap();
    assert_eq!(all.len(), 1);
    directory.join("spool").join(&all[0].0)
}

#[test]
fn batches_come_back_in_order_with_their_names_and_leave_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = spool(directory.path(), 1 << 20);
    let batches: Vec<_> =
        (0..50).map(|n| batch(&format!("node-{n}"), &format!("{{\"n\":{n}}}\n"))).collect();
    for batch in &batches {
        assert_eq!(put(&mut spool, batch), Lost::default());
    }
    assert_eq!(all(&mut spool), (batches, Lost::default()));
    assert_eq!(spool.bytes(), 0);
}

#[test]
fn a_batch_stays_until_it_is_done_also_over_a_restart() {
    let directory = tempfile::tempdir().unwrap();
    let (one, two) = (batch("one", "1\n"), batch("two", "2\n"));
    let mut first = spool(directory.path(), 1 << 20);
    put(&mut first, &one);
    put(&mut first, &two);
    let mut lost = Lost::default();
    assert_eq!(first.next(&mut lost).unwrap().as_ref(), Some(&one));
    assert_eq!(first.next(&mut lost).unwrap().as_ref(), Some(&one), "not done");
    first.done().unwrap();
    drop(first);
    let mut second = spool(directory.path(), 1 << 20);
    assert_eq!(all(&mut second).0, [two]);
}

#[test]
fn what_another_works_on_is_left_alone_until_it_is_dead() {
    let directory = tempfile::tempdir().unwrap();
    let (mut mine, mut others) =
        (spool(directory.path(), 1 << 20), spool(directory.path(), 1 << 20));
    put(&mut others, &batch("theirs", "1\n"));
    assert_eq!(all(&mut mine).0, []);
    put(&mut mine, &batch("mine", "2\n"));
    drop(others);
    let names: Vec<_> = all(&mut mine).0.into_iter().map(|batch| batch.name).collect();
    assert_eq!(names, ["theirs", "mine"]);
}

#[test]
fn the_oldest_make_room_and_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let max = 1 << 20;
    let mut spool = spool(directory.path(), max);
    let lines = "x".repeat(9_999) + "\n";
    let mut lost = 0;
    for number in 0..300 {
        lost += put(&mut spool, &batch(&number.to_string(), &lines)).records;
        assert!(spool.bytes() <= max);
    }
    let (left, _) = all(&mut spool);
    assert_eq!(left.len() as u64 + lost, 300);
    assert!(left.len() > 80, "{} of 104 that fit", left.len());
    assert_eq!(left[0].name, lost.to_string());
}

#[test]
fn a_batch_larger_than_the_spool_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = spool(directory.path(), 1000);
    let error = spool.put("large", &[b'x'; 1000], Durable::Now).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    assert!(spool.put("small", b"x\n", Durable::Now).is_ok());
}

#[test]
fn a_segment_on_its_way_to_the_disk_is_nobodys() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = spool(directory.path(), 1 << 20);
    let batches: Vec<_> = (0..20).map(|n| batch(&format!("node-{n}"), "1\n")).collect();
    for batch in &batches {
        first.put(&batch.name, &batch.lines, Durable::Soon).unwrap();
        first.sync().unwrap();
    }
    drop(first);
    // The syncer's thread may still be waiting for the disk.
    assert_eq!(all(&mut spool(directory.path(), 1 << 20)), (batches, Lost::default()));
}

#[test]
fn a_torn_end_costs_the_torn_batch_alone() {
    let directory = tempfile::tempdir().unwrap();
    let mut first = spool(directory.path(), 1 << 20);
    put(&mut first, &batch("whole", "1\n"));
    put(&mut first, &batch("torn", "2\n3\n"));
    drop(first);
    let path = segment(directory.path());
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let (left, lost) = all(&mut spool(directory.path(), 1 << 20));
    assert_eq!(left, [batch("whole", "1\n")]);
    assert_eq!(lost, Lost { segments: 1, records: 1 });
}

#[test]
fn a_directory_that_cannot_be_made_is_an_error_not_a_loss() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("file"), "").unwrap();
    let path = directory.path().join("file/spool");
    let mut spool = Spool::new(SpoolSettings { path, max_bytes: 1 << 20 });
    assert!(spool.put("a", b"1\n", Durable::Now).is_err());
    let mut lost = Lost::default();
    assert!(spool.next(&mut lost).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens to a segment's bytes, untouched batches come back.
    #[test]
    fn damage_costs_what_it_touches(
        place in 0_usize..2000,
        bytes in proptest::collection::vec(any::<u8>(), 1..20),
        cut in proptest::option::of(0_usize..2000),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut first = spool(directory.path(), 1 << 20);
        let batches: Vec<_> = (0..10)
            .map(|n| batch(&format!("name-{n}"), &format!("{{\"n\":{n},\"x\":\"{}\"}}\n", "y".repeat(50))))
            .collect();
        let mut ends = vec![HEADER_BYTES];
        for batch in &batches {
            put(&mut first, batch);
            ends.push(ends.last().unwrap() + frame::size(&batch.name, &batch.lines) as usize);
        }
        drop(first);
        let path = segment(directory.path());
        let mut content = fs::read(&path).unwrap();
        let place = place % content.len();
        let damaged = place..(place + bytes.len()).min(content.len());
        content[damaged.clone()].copy_from_slice(&bytes[..damaged.len()]);
        content.truncate(cut.unwrap_or(usize::MAX));
        fs::write(&path, &content).unwrap();
        let (left, _) = all(&mut spool(directory.path(), 1 << 20));
        // A damaged header may claim that some batches were sent; then they are not expected.
        if damaged.start >= HEADER_BYTES {
            for (number, batch) in batches.iter().enumerate() {
                let range = ends[number]..ends[number + 1];
                let touched = range.start < damaged.end && damaged.start < range.end;
                if !touched && range.end <= content.len() {
                    prop_assert!(left.contains(batch), "{} is lost", batch.name);
                }
            }
        }
        prop_assert!(left.iter().all(|batch| batches.contains(batch)));
    }
}

const HEADER_BYTES: usize = segment::HEADER as usize;

#[test]
fn a_segment_that_cannot_be_opened_holds_back_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let mut spool = spool(directory.path(), 1 << 20);
    let kept = batch("kept", "1\n");
    put(&mut spool, &kept);
    // Older, and a directory: not even root can open it for reading and writing.
    fs::create_dir(directory.path().join("spool/000000000000000001-1-1.spool")).unwrap();
    let mut lost = Lost::default();
    assert_eq!(spool.next(&mut lost).unwrap().as_ref(), Some(&kept));
    spool.done().unwrap();
    assert!(spool.next(&mut lost).is_err(), "records are left");
}
