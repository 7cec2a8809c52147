//! What the chart of a list counts: all traffic of a period, or the requests that meet the filters of the list.

use ahash::AHashSet;
use api_sessions_store::{
    ACTIVITY_MS, Activity, FIRST_ERROR, Filter, SessionPage, Store, StoreError,
};

use crate::limits::{MAX_CHARTED_REQUESTS, MAX_CHARTED_SESSIONS, MAX_COUNTED_REQUESTS};

/// Largest number of intervals.
const BARS: u64 = 120;

/// Sessions whose requests are read at once.
const CHUNK: usize = 50;

/// An interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Bar {
    /// Its requests.
    pub(super) activity: Activity,
    /// Sessions with requests in it.
    pub(super) sessions: u64,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scope {
    /// All requests of the period.
    All,
    /// All requests of the period that meet the filters.
    Matching,
    /// Those of the most recently active sessions, of which there are more.
    Newest(usize),
}

/// A period cut into intervals.
#[derive(Debug)]
pub(super) struct Traffic {
    pub(super) start: u64,
    pub(super) step: u64,
    pub(super) bars: Vec<Bar>,
    pub(super) scope: Scope,
    /// Sessions with requests in the period; `None` if there are too many requests to count them.
    pub(super) sessions: Option<u64>,
}

impl Traffic {
    pub(super) fn new(from: u64, to: u64) -> Traffic {
        let span = to.saturating_sub(from).max(ACTIVITY_MS);
        let step = span.div_ceil(BARS).div_ceil(ACTIVITY_MS) * ACTIVITY_MS;
        let start = from / step * step;
        let count = (to.saturating_sub(start) / step + 1).min(BARS + 1);
        let bars = vec![Bar::default(); count as usize];
        Traffic { start, step, bars, scope: Scope::All, sessions: None }
    }

    pub(super) fn end(&self) -> u64 {
        self.start + self.step * self.bars.len() as u64
    }

    fn bar(&mut self, ts: u64) -> Option<&mut Bar> {
        let at = ts.checked_sub(self.start)? / self.step;
        self.bars.get_mut(usize::try_from(at).ok()?)
    }

    /// Adds requests.
    pub(super) fn add(&mut self, part: &Activity) {
        if let Some(bar) = self.bar(part.ts) {
            bar.activity.add(part);
        }
    }

    fn add_sessions(&mut self, ts: u64, sessions: u64) {
        if let Some(bar) = self.bar(ts) {
            bar.sessions += sessions;
        }
    }
}

/// The traffic of a period. `alike`: the sessions that match, most recently active first.
pub(super) fn read(
    store: &dyn Store,
    filter: &Filter,
    alike: &SessionPage,
    (from, to): (u64, u64),
) -> Result<Traffic, StoreError> {
    let mut traffic = Traffic::new(from, to);
    let period = Filter { from: filter.from, to: filter.to, ..Filter::default() };
    if *filter == period {
        let activity = store.activity(from, to)?;
        activity.iter().for_each(|part| traffic.add(part));
        if activity.iter().map(|part| part.requests).sum::<u64>() > MAX_COUNTED_REQUESTS {
            return Ok(traffic);
        }
        // Whole intervals, as those of the requests are.
        let first = from / ACTIVITY_MS * ACTIVITY_MS;
        let last = (to / ACTIVITY_MS * ACTIVITY_MS).saturating_add(ACTIVITY_MS - 1);
        let (of_bars, all) = store.active_sessions(first, last, traffic.step)?;
        of_bars.into_iter().for_each(|(ts, sessions)| traffic.add_sessions(ts, sessions));
        traffic.sessions = Some(all);
        return Ok(traffic);
    }
    let filter = Filter { from: Some(from), to: Some(to), ..filter.clone() };
    let active: Vec<String> = alike
        .sessions
        .iter()
        .filter(|session| session.last_ts >= from && session.first_ts <= to)
        .map(|session| session.session.clone())
        .collect();
    let shown = active.get(..MAX_CHARTED_SESSIONS).unwrap_or(&active);
    let mut sessions = 0;
    // Those that are not listed were active before all that are.
    let may_be_more = alike.total > alike.sessions.len() as u64
        && alike.sessions.last().is_some_and(|session| session.last_ts >= from);
    let mut is_cut = active.len() > shown.len() || may_be_more;
    for chunk in shown.chunks(CHUNK) {
        for page in store.newest(chunk, &filter, MAX_CHARTED_REQUESTS)? {
            is_cut |= page.items.len() >= MAX_CHARTED_REQUESTS;
            let mut active_in = AHashSet::new();
            for request in &page.items {
                let record = &request.record;
                traffic.add(&Activity {
                    ts: record.ts,
                    requests: 1,
                    attacks: u64::from(!record.attacks.is_empty()),
                    denied: u64::from(record.denied),
                    errors: u64::from(record.status >= FIRST_ERROR),
                });
                let at = record.ts.saturating_sub(traffic.start) / traffic.step;
                if active_in.insert(at) {
                    traffic.add_sessions(record.ts, 1);
                }
            }
            sessions += u64::from(!page.items.is_empty());
        }
    }
    traffic.sessions = Some(sessions);
    traffic.scope = if is_cut { Scope::Newest(shown.len()) } else { Scope::Matching };
    Ok(traffic)
}
