//! How far each day had come when the first page of a list was made. Cursors carry it: pages after the
//! first show the sessions in the order they had then, whatever came since, and however late.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::Day;

/// Days in a mark; what comes for older ones moves sessions between pages. Cursors stay short.
const DAYS: usize = 60;

/// In the text, for the row of a day that could not be read.
const MISSING: &str = "-";

/// The newest request (its row) of each day, when the first page was made; `None`: the day could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Mark(BTreeMap<Day, Option<i64>>);

/// What a page may know of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// All of it: this is the first page, or the day is too old to be in the mark.
    All,
    /// Requests up to this row.
    UpTo(i64),
    /// Nothing: the day was not there.
    Nothing,
    /// Nothing: the day could not be read when the first page was made.
    Missing,
}

impl Mark {
    /// Of the days, each with its newest row.
    pub(super) fn new(days: impl IntoIterator<Item = (Day, Option<i64>)>) -> Mark {
        let mut days: BTreeMap<Day, Option<i64>> = days.into_iter().collect();
        while days.len() > DAYS {
            days.pop_first();
        }
        Mark(days)
    }

    /// Reads what [`Mark::to_text`] wrote.
    pub(super) fn parse(text: &str) -> Option<Mark> {
        let day = |text: &str| {
            let (day, row) = text.split_once(':')?;
            let row = match row {
                MISSING => None,
                row => Some(row.parse().ok().filter(|row: &i64| *row >= 0)?),
            };
            Some((Day(day.parse().ok()?), row))
        };
        let days: Option<BTreeMap<_, _>> =
            text.split(',').filter(|text| !text.is_empty()).map(day).collect();
        days.filter(|days| days.len() <= DAYS).map(Mark)
    }

    pub(super) fn to_text(&self) -> String {
        let row = |row: &Option<i64>| row.map_or(MISSING.to_owned(), |row| row.to_string());
        let days: Vec<String> =
            self.0.iter().map(|(day, newest)| format!("{}:{}", day.0, row(newest))).collect();
        days.join(",")
    }

    /// What the page may know of `day`.
    pub(super) fn seen(&self, day: Day) -> Seen {
        match (self.0.get(&day), self.0.first_key_value()) {
            (Some(Some(row)), _) => Seen::UpTo(*row),
            (Some(None), _) => Seen::Missing,
            (None, Some((first, _))) if day < *first && self.0.len() == DAYS => Seen::All,
            (None, _) => Seen::Nothing,
        }
    }
}

/// Row of the newest request of a day; 0 where there is none.
pub(super) fn newest_row(connection: &Connection) -> rusqlite::Result<i64> {
    connection
        .prepare_cached("SELECT ifnull(max(id), 0) FROM request")?
        .query_row([], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_survives_its_text() {
        for days in [0, 1, 7, 60] {
            let row = |n: u32| (n % 7 != 3).then_some(i64::from(n) * 1_000);
            let mark = Mark::new((0..days).map(|n| (Day(20_000 + n * 2), row(n))));
            assert_eq!(Mark::parse(&mark.to_text()), Some(mark));
        }
        for bad in ["x", "1", "1:x", "-1:1", "1:1;2:2", "1:-5"] {
            assert_eq!(Mark::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn days_that_were_not_there_are_not_shown_and_old_ones_are() {
        let mark = Mark::new([(Day(10), Some(5)), (Day(12), Some(6)), (Day(14), None)]);
        assert_eq!(mark.seen(Day(12)), Seen::UpTo(6));
        assert_eq!(mark.seen(Day(14)), Seen::Missing);
        // Made since, by records that came days late.
        assert_eq!([9, 11, 13].map(|day| mark.seen(Day(day))), [Seen::Nothing; 3]);
        let many = Mark::new((0..100).map(|n| (Day(n), Some(1))));
        assert_eq!(many.seen(Day(39)), Seen::All);
        assert_eq!(many.seen(Day(40)), Seen::UpTo(1));
        assert!(many.to_text().len() < 1_000);
    }
}
