use super::*;
use crate::activity;

const ID: SegmentId = SegmentId { day: Day(20_000), number: 1 };

fn look(segment: &Segment) -> Option<i64> {
    segment.peek(|connection| {
        connection.query_row("SELECT count(*) FROM request", [], |row| row.get(0))
    })
}

fn one_segment() -> (tempfile::TempDir, Segments) {
    let dir = tempfile::tempdir().unwrap();
    let segments = Segments::find(dir.path()).unwrap();
    drop(segments.open_to_write(ID).unwrap());
    (dir, Segments::find(segments.0.dir.as_path()).unwrap())
}

#[test]
fn a_file_that_a_full_disk_left_empty_is_no_broken_segment() {
    let (_dir, segments) = one_segment();
    let path = segments.path(ID);
    std::fs::write(&path, "").unwrap();
    let segment = segments.list().remove(0);
    assert!(look(&segment).is_none() && segment.error().is_none());
    std::fs::write(&path, "no database").unwrap();
    assert!(look(&segment).is_none() && segment.error().is_some());
}

#[test]
fn what_is_not_damage_is_forgotten_with_the_next_good_read() {
    let (_dir, segments) = one_segment();
    let fail = |code: i32| {
        let question = segments.list();
        let error = rusqlite::ffi::Error::new(code);
        let failed = question[0]
            .peek(|_| Err::<(), _>(rusqlite::Error::SqliteFailure(error, Some(code.to_string()))));
        assert!(failed.is_none());
        assert_eq!(incomplete(&question), [ID.day.to_string()], "of this question it stays true");
    };
    let is_well = || {
        let question = segments.list();
        look(&question[0]).unwrap();
        incomplete(&question).is_empty() && question[0].error().is_none()
    };
    fail(rusqlite::ffi::SQLITE_IOERR);
    assert!(is_well());
    // Damage is reported first, else the last error.
    fail(rusqlite::ffi::SQLITE_IOERR);
    fail(rusqlite::ffi::SQLITE_BUSY);
    let error = || segments.list()[0].error().unwrap();
    assert_eq!(error(), rusqlite::ffi::SQLITE_BUSY.to_string());
    fail(rusqlite::ffi::SQLITE_CORRUPT);
    fail(rusqlite::ffi::SQLITE_BUSY);
    assert!(!is_well());
    assert_eq!(error(), rusqlite::ffi::SQLITE_CORRUPT.to_string());
    assert!(matches!(absent::<()>(&segments.list()), Err(StoreError::Damaged(_))));
}

#[test]
fn a_segment_that_is_deleted_while_it_is_read_is_not_missing() {
    let (_dir, segments) = one_segment();
    let question = segments.list();
    segments.drop_before(Day(ID.day.0 + 1)).unwrap();
    assert!(look(&question[0]).is_none());
    assert!(incomplete(&question).is_empty());
}

#[test]
fn a_directory_of_the_old_format_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("day-2026-11-23.db"), "").unwrap();
    let error = Segments::find(dir.path()).err().unwrap().to_string();
    assert!(error.contains("day-2026-11-23.db is of a format before"), "{error}");
}

#[test]
fn a_segment_of_an_older_version_gets_the_columns_that_it_lacks() {
    let (_dir, segments) = one_segment();
    let older = segments.open_to_write(ID).unwrap();
    older
        .execute_batch(
            "DROP VIEW requests; ALTER TABLE request DROP COLUMN ja4;
             ALTER TABLE activity DROP COLUMN errors;
             CREATE VIEW requests AS SELECT 1;",
        )
        .unwrap();
    assert_eq!(schema::missing_columns(&older).unwrap(), ["ja4 INTEGER"]);
    activity::read(&older, 0, u64::MAX).unwrap();
    drop(older);
    let newer = segments.open_to_write(ID).unwrap();
    assert!(schema::missing_columns(&newer).unwrap().is_empty());
    newer.prepare("SELECT ja4, endpoint FROM requests").unwrap();
    newer.prepare("SELECT errors FROM activity").unwrap();
}

#[test]
fn names_of_segments_are_read_back() {
    assert_eq!(SegmentId::parse(&ID.to_string()), Some(ID));
    for bad in ["2026-11-23", "2026-11-23.", "2026-11-23.x", "2026-13-23.0001"] {
        assert_eq!(SegmentId::parse(bad), None, "{bad}");
    }
}
