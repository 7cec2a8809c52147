//! The list of sessions: each day is scanned by itself, the days are merged here.
//!
//! Parts of sessions that live on one day alone go straight into the page; the others are first put
//! together. Ids of sessions are read for the page alone: until then a session is its key.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use ahash::RandomState;
use rusqlite::{Connection, OptionalExtension};

use super::candidate::{Candidate, Top};
use super::days::{DayFile, find_part, key_text};
use super::filter::{FEW, Predicates, Sets};
use super::late::{Late, Need};
use super::mark::{self, Mark, Seen};
use super::numbers::{self, Numbers, PARTS, SessionKey};
use crate::query::{SessionQuery, Sort};
use crate::{Day, StoreError};

/// Requests that may have come since the first page: they are read for each page after it.
const MAX_LATE: i64 = 5_000_000;

fn too_old() -> StoreError {
    StoreError::Invalid("cursor: too many requests since the first page; start again".into())
}

/// What a scan of all days gives.
pub(super) struct Found {
    pub(super) total: u64,
    pub(super) page: Vec<Candidate>,
    pub(super) more: bool,
    /// What there was when the first page was made.
    pub(super) mark: Mark,
}

/// What a scan of one day gives.
struct DayFound {
    day: Day,
    /// Only parts that meet some filter were looked at: these are the ones of sessions of several days.
    partial: Option<HashSet<SessionKey, RandomState>>,
    total: u64,
    top: Top,
    several: Vec<Candidate>,
    newest_row: i64,
    /// The newest row that the list knows of: that of the first page.
    up_to: i64,
    /// What came to it since the first page was made.
    late: Option<Late>,
}

/// Finds a page of sessions.
pub(super) fn find(days: &[Arc<DayFile>], query: &SessionQuery) -> Result<Found, StoreError> {
    let predicates = Predicates::new(&query.filter);
    let top = Top::new(query)?;
    let shown = shown(days, top.mark())?;
    let days = &shown[..];
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    let next = std::sync::atomic::AtomicUsize::new(0);
    let mut scanned: Vec<DayFound> = std::thread::scope(|scope| {
        let work = || {
            let mut found = Vec::new();
            loop {
                let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(file) = days.get(n) else { return found };
                found.extend(file.read(|connection| {
                    Scan::new(connection, file.day, query, &predicates, top.clone())?.run(false)
                }));
            }
        };
        let others: Vec<_> = (1..threads.min(days.len())).map(|_| scope.spawn(work)).collect();
        let mut found = work();
        for other in others {
            found.extend(other.join().unwrap_or_default());
        }
        found
    });

    // Where other days have many sessions to be completed, reading a day through is faster.
    if scanned.iter().map(|day| day.several.len()).sum::<usize>() > FEW {
        for day in scanned.iter_mut().filter(|day| day.partial.is_some()) {
            let whole = days.iter().find(|file| file.day == day.day).and_then(|file| {
                file.read(|connection| {
                    Scan::new(connection, file.day, query, &predicates, top.clone())?.run(true)
                })
            });
            if let Some(whole) = whole {
                *day = whole;
            }
        }
    }

    let mark = top.mark().cloned();
    let mark = mark.unwrap_or_else(|| {
        let known = scanned.iter().map(|day| (day.day, Some(day.newest_row)));
        let missing = days.iter().filter(|file| file.is_missing()).map(|file| (file.day, None));
        Mark::new(known.chain(missing))
    });
    let mut total = 0;
    let mut top = top;
    for day in &scanned {
        total += day.total;
        day.top.offer_to(&mut top);
    }
    let mut several = merge(&scanned, threads);
    several.retain(|candidate| predicates.may_be_met(candidate.met));
    complete(days, query, &predicates, &scanned, &mut several);
    for candidate in several.into_iter().filter(|candidate| !candidate.is_not_yet()) {
        if predicates.all_met(candidate.met, candidate.denied) {
            total += 1;
            if top.may_take(&candidate) {
                top.offer(candidate);
            }
        }
    }
    let (page, more) = top.into_page();
    Ok(Found { total, page, more, mark })
}

/// The days that a page is made of.
///
/// # Errors
/// Too much has come since the first page.
fn shown(days: &[Arc<DayFile>], mark: Option<&Mark>) -> Result<Vec<Arc<DayFile>>, StoreError> {
    let Some(mark) = mark else { return Ok(days.to_vec()) };
    let mut shown = Vec::with_capacity(days.len());
    let mut came = 0;
    for file in days {
        match mark.seen(file.day) {
            Seen::Nothing => continue,
            Seen::Missing => {
                file.leave_out();
                continue;
            }
            Seen::UpTo(row) => {
                let newest = file.peek(mark::newest_row).unwrap_or_default();
                came += newest.saturating_sub(row).max(0);
            }
            Seen::All => {}
        }
        shown.push(Arc::clone(file));
    }
    if came > MAX_LATE { Err(too_old()) } else { Ok(shown) }
}

/// Sessions of several days, each from its parts. Keys are spread evenly, so each thread takes those of its
/// own remainder.
fn merge(scanned: &[DayFound], threads: usize) -> Vec<Candidate> {
    let share = |n: usize| {
        let most = scanned.iter().map(|day| day.several.len()).max().unwrap_or_default() / threads;
        let mut known: HashMap<SessionKey, usize, RandomState> =
            HashMap::with_capacity_and_hasher(most, RandomState::default());
        let mut merged: Vec<Candidate> = Vec::with_capacity(most);
        for candidate in scanned.iter().flat_map(|day| &day.several) {
            let [.., last] = candidate.session;
            if usize::from(last) % threads != n {
                continue;
            }
            let at = *known.entry(candidate.session).or_insert(merged.len());
            match merged.get_mut(at) {
                Some(known) => known.merge(candidate),
                None => merged.push(*candidate),
            }
        }
        merged
    };
    std::thread::scope(|scope| {
        let share = &share;
        let others: Vec<_> = (1..threads).map(|n| scope.spawn(move || share(n))).collect();
        let mut all = share(0);
        all.extend(others.into_iter().flat_map(|other| other.join().unwrap_or_default()));
        all
    })
}

/// Adds the parts of days that meet no filter to the sessions that others let be found: what a session
/// holds is all of it.
fn complete(
    days: &[Arc<DayFile>],
    query: &SessionQuery,
    predicates: &Predicates,
    scanned: &[DayFound],
    several: &mut [Candidate],
) {
    if several.is_empty() || scanned.iter().all(|day| day.partial.is_none()) {
        return;
    }
    let names: Vec<_> = several.iter().map(|candidate| session_of(days, candidate)).collect();
    for file in days {
        let of_day = scanned.iter().find(|day| day.day == file.day);
        let Some(of_day) = of_day else { continue };
        let Some(seen) = &of_day.partial else { continue };
        file.read(|connection| {
            // What came since the scan is not on this page either.
            let late = match mark::newest_row(connection)? > of_day.newest_row {
                true => Some(Late::load(connection, of_day.up_to, Need::of(query))?),
                false => None,
            };
            let late = late.as_ref().or(of_day.late.as_ref());
            for (candidate, name) in several.iter_mut().zip(&names) {
                let Some(name) = name.as_ref().filter(|_| !seen.contains(&candidate.session))
                else {
                    continue;
                };
                let Some(part) = find_part(connection, name)? else { continue };
                let Some(numbers) = numbers::of_part(connection, part)? else { continue };
                let mut found = Candidate::of(file.day, part, candidate.session, &numbers);
                if let Some(late) = late
                    && !late.take_away(&mut found)
                {
                    late.look_up(
                        connection,
                        file.day.start() as i64,
                        std::slice::from_mut(&mut found),
                    )?;
                }
                if found.is_not_yet() {
                    continue;
                }
                found.met = predicates.met_by_part(&query.filter, &found);
                candidate.merge(&found);
            }
            Ok(())
        });
    }
}

/// The id of a session that was found.
pub(super) fn session_of(days: &[Arc<DayFile>], candidate: &Candidate) -> Option<String> {
    let file = days.iter().find(|file| file.day == candidate.day)?;
    file.peek(|connection| {
        connection
            .prepare_cached("SELECT session FROM part WHERE id = ?")?
            .query_row([candidate.part], |row| Ok(key_text(row.get_ref(0)?)))
            .optional()
    })?
}

/// A scan of one day.
struct Scan<'a> {
    connection: &'a Connection,
    query: &'a SessionQuery,
    predicates: &'a Predicates,
    sets: Sets,
    found: DayFound,
    /// Parts whose times are to be looked up without what came late.
    unsettled: Vec<Candidate>,
    /// Keys of the row's sessions, once one is needed.
    keys: Option<(i64, Vec<SessionKey>)>,
}

impl<'a> Scan<'a> {
    fn new(
        connection: &'a Connection,
        day: Day,
        query: &'a SessionQuery,
        predicates: &'a Predicates,
        top: Top,
    ) -> rusqlite::Result<Scan<'a>> {
        let newest_row = mark::newest_row(connection)?;
        let seen = top.mark().map_or(Seen::All, |mark| mark.seen(day));
        let up_to = match seen {
            Seen::UpTo(row) => row,
            _ => newest_row,
        };
        let late = match up_to < newest_row {
            true => Some(Late::load(connection, up_to, Need::of(query))?),
            false => None,
        };
        Ok(Scan {
            connection,
            query,
            predicates,
            sets: Sets::load(connection, predicates)?,
            found: DayFound {
                day,
                partial: None,
                total: 0,
                top,
                several: Vec::new(),
                newest_row,
                up_to,
                late,
            },
            unsettled: Vec::new(),
            keys: None,
        })
    }

    /// `whole`: of all parts, even if few meet a filter.
    fn run(mut self, whole: bool) -> rusqlite::Result<DayFound> {
        if let Some(session) = &self.query.filter.session {
            if let Some(part) = find_part(self.connection, session)?
                && let Some(numbers) = numbers::of_part(self.connection, part)?
            {
                self.visit(part, &numbers)?;
            }
            return self.end();
        }
        // "Not denied" must see all parts of a session.
        match self.sets.few().filter(|_| !whole && self.query.filter.denied != Some(false)) {
            Some(parts) => {
                self.found.partial = Some(HashSet::default());
                for of_row in parts.chunk_by(|a, b| a / PARTS == b / PARTS) {
                    let Some(first) = of_row.first() else { continue };
                    let row = numbers::load(self.connection, first / PARTS)?;
                    for part in of_row {
                        if let Some(numbers) = row.get(numbers::place(*part).1) {
                            self.visit(*part, numbers)?;
                        }
                    }
                }
                let seen = self.found.several.iter().chain(&self.unsettled);
                self.found.partial = Some(seen.map(|candidate| candidate.session).collect());
            }
            None => {
                // Parts are made in about the order of time: the page fills at once, and what comes
                // after is mostly not on it.
                let mut statement = self.connection.prepare_cached(if self.query.ascending {
                    "SELECT id, numbers FROM part_numbers ORDER BY id"
                } else {
                    "SELECT id, numbers FROM part_numbers ORDER BY id DESC"
                })?;
                let mut rows = statement.query([])?;
                while let Some(row) = rows.next()? {
                    let first = row.get::<_, i64>(0)? * PARTS;
                    let bytes = row.get_ref(1)?.as_blob().unwrap_or_default();
                    for (part, numbers) in (first..).zip(numbers::decode(bytes)) {
                        self.visit(part, &numbers)?;
                    }
                }
            }
        }
        self.end()
    }

    fn visit(&mut self, part: i64, numbers: &Numbers) -> rusqlite::Result<()> {
        let met = self.sets.met(part);
        if numbers.requests == 0 || !(numbers.several_days || self.sets.all_met(met)) {
            return Ok(());
        }
        let mut candidate = Candidate::of(self.found.day, part, SessionKey::default(), numbers);
        candidate.met = met;
        if let Some(late) = &self.found.late
            && !late.take_away(&mut candidate)
        {
            candidate.session = self.key(part)?;
            self.unsettled.push(candidate);
            return Ok(());
        }
        self.take(candidate)
    }

    /// Takes a part whose numbers are as of the first page.
    fn take(&mut self, mut candidate: Candidate) -> rusqlite::Result<()> {
        if candidate.is_not_yet() {
            // Of a session of several days it is one part that is known, all the same.
            if !candidate.several {
                return Ok(());
            }
        } else {
            candidate.met |= self.predicates.met_by_part(&self.query.filter, &candidate);
        }
        if candidate.several {
            candidate.session = self.key(candidate.part)?;
            self.found.several.push(candidate);
        } else if self.predicates.all_met(candidate.met, candidate.denied) {
            self.found.total += 1;
            // Most are not on this page: their keys are not read.
            if self.found.top.may_take(&candidate) {
                candidate.session = self.key(candidate.part)?;
                self.found.top.offer(candidate);
            }
        }
        Ok(())
    }

    fn key(&mut self, part: i64) -> rusqlite::Result<SessionKey> {
        let (row, at) = numbers::place(part);
        let keys = match &self.keys {
            Some((known, keys)) if *known == row => keys,
            _ => &self.keys.insert((row, numbers::keys(self.connection, row)?)).1,
        };
        keys.get(at).copied().ok_or_else(super::requests::damaged)
    }

    fn end(mut self) -> rusqlite::Result<DayFound> {
        let mut unsettled = std::mem::take(&mut self.unsettled);
        if let Some(late) = self.found.late.take_if(|_| !unsettled.is_empty()) {
            unsettled.sort_unstable_by_key(|candidate| candidate.part);
            late.look_up(self.connection, self.found.day.start() as i64, &mut unsettled)?;
            self.found.late = Some(late);
            unsettled.into_iter().try_for_each(|candidate| self.take(candidate))?;
        }
        Ok(self.found)
    }
}

/// The value that sorts, of a candidate.
pub(super) fn sort_value(sort: Sort, candidate: &Candidate) -> i64 {
    match sort {
        Sort::LastTs => candidate.last_ts,
        Sort::FirstTs => candidate.first_ts,
        Sort::Requests => candidate.requests,
        Sort::Attacks => candidate.attacks,
        Sort::Denied => candidate.denied,
        Sort::Duration => candidate.last_ts.saturating_sub(candidate.first_ts),
    }
}

#[cfg(test)]
mod tests {
    use api_sessions_protocol::Record;

    use super::super::schema;
    use super::*;
    use crate::query::Paged;
    use crate::sqlite::SqliteStore;
    use crate::{Batch, NewRequest, Records};

    /// A store with three sessions of one day, and that day.
    fn store(dir: &std::path::Path) -> (SqliteStore, Day) {
        let store = SqliteStore::open(dir).unwrap();
        let now = crate::clock::now_ms();
        let line = |n: u32| {
            format!(
                r#"{{"id":"{n:032x}","ts":{now},"node":"n","session":"{n:032x}","key":"k","source":"ip","ip":"192.0.2.1","method":"GET","path":"/","status":200,"time_ms":1,"request_bytes":1,"response_bytes":1,"params":[],"attacks":[],"denied":false}}"#
            )
        };
        let request = |n: u32| NewRequest {
            record: serde_json::from_str(&line(n)).map(Record::into_owned).unwrap(),
            endpoint: "/".into(),
            line: n,
        };
        let requests = vec![request(1), request(2), request(3)];
        let (reply, answer) = crossbeam_channel::bounded(1);
        store.append(
            Batch { key: None, requests, cut: None },
            Box::new(move |result| drop(reply.send(result))),
        );
        answer.recv().unwrap().unwrap();
        (store, Day::of(now))
    }

    fn page(store: &SqliteStore, mark: &str) -> Result<crate::SessionPage, StoreError> {
        let query = SessionQuery { limit: 10, ..SessionQuery::default() };
        let cursor = Some(query.sign_cursor("sqlite", &[&i64::MIN.to_string(), "", mark]));
        store.sessions(&SessionQuery { cursor, ..query })
    }

    #[test]
    fn a_page_does_not_read_all_that_came_since_a_cursor_of_long_ago() {
        let dir = tempfile::tempdir().unwrap();
        let (store, day) = store(dir.path());
        assert_eq!(page(&store, &format!("{}:3", day.0)).unwrap().total, 3);
        assert_eq!(page(&store, &format!("{}:2", day.0)).unwrap().total, 2);
        let file = dir.path().join(format!("day-{day}.db"));
        schema::open(&file, schema::DAY)
            .unwrap()
            .execute("UPDATE request SET id = ? WHERE id = 3", [MAX_LATE + 3])
            .unwrap();
        assert_eq!(page(&store, &format!("{}:3", day.0)).unwrap().total, 2);
        let error = page(&store, &format!("{}:2", day.0)).unwrap_err();
        assert!(
            matches!(&error, StoreError::Invalid(text) if text.contains("start again")),
            "{error}"
        );
    }

    #[test]
    fn a_day_that_the_first_page_could_not_read_stays_told() {
        let dir = tempfile::tempdir().unwrap();
        let (store, day) = store(dir.path());
        let found = page(&store, &format!("{}:-", day.0)).unwrap();
        assert_eq!((found.total, found.incomplete), (0, vec![day.to_string()]));
        // Of other lists it is none.
        assert!(page(&store, &format!("{}:3", day.0)).unwrap().incomplete.is_empty());
    }
}
