//! Pages of endpoints over a large store, which take seconds: they are kept, and counted again in the background.

use std::time::{Duration, Instant};

use ahash::AHashMap;
use api_sessions_store::clock::now_ms;
use api_sessions_store::{EndpointPage, EndpointQuery};
use parking_lot::Mutex;

use crate::limits::{MAX_KEPT_PAGES, MAX_PAGE_AGE, MIN_KEPT_REQUESTS};

/// Age from which a page is counted again.
const FRESH: Duration = Duration::from_secs(60);

/// Large pages, by query.
#[derive(Debug)]
pub struct EndpointPages {
    pages: Mutex<AHashMap<EndpointQuery, Kept>>,
    /// Number of requests from which a page is large.
    large: u64,
}

impl Default for EndpointPages {
    fn default() -> EndpointPages {
        EndpointPages::keeping(MIN_KEPT_REQUESTS)
    }
}

#[derive(Debug)]
struct Kept {
    page: EndpointPage,
    at: Instant,
    as_of: u64,
    is_counted_again: bool,
}

/// A kept page.
pub(crate) struct Known {
    pub(crate) page: EndpointPage,
    /// When it was counted, milliseconds since 1970.
    pub(crate) as_of: u64,
    /// The caller has to count it again; this is true once.
    pub(crate) is_due: bool,
}

impl EndpointPages {
    /// Keeps pages over `large` requests or more.
    pub(crate) fn keeping(large: u64) -> EndpointPages {
        EndpointPages { pages: Mutex::default(), large }
    }

    /// Keeps a page that was counted at `at`, if it is large.
    pub(crate) fn keep(&self, query: EndpointQuery, page: &EndpointPage, at: Instant) {
        let mut pages = self.pages.lock();
        pages.remove(&query);
        if page.endpoints.iter().map(|endpoint| endpoint.requests).sum::<u64>() < self.large {
            return;
        }
        if pages.len() >= MAX_KEPT_PAGES
            && let Some(oldest) =
                pages.iter().min_by_key(|(_, kept)| kept.at).map(|(query, _)| query.clone())
        {
            pages.remove(&oldest);
        }
        let kept = Kept { page: page.clone(), at, as_of: now_ms(), is_counted_again: false };
        pages.insert(query, kept);
    }

    /// The page, if it is kept.
    pub(crate) fn find(&self, query: &EndpointQuery, now: Instant) -> Option<Known> {
        let mut pages = self.pages.lock();
        let kept = pages.get_mut(query)?;
        let age = now.saturating_duration_since(kept.at);
        if age >= MAX_PAGE_AGE {
            return None;
        }
        let is_due = age >= FRESH && !std::mem::replace(&mut kept.is_counted_again, true);
        Some(Known { page: kept.page.clone(), as_of: kept.as_of, is_due })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api_sessions_store::EndpointStats;

    fn page(requests: u64) -> EndpointPage {
        let endpoint = EndpointStats { requests, ..EndpointStats::default() };
        EndpointPage { endpoints: vec![endpoint], incomplete: Vec::new() }
    }

    fn of(application: u32) -> EndpointQuery {
        EndpointQuery { application: Some(application.to_string()), ..EndpointQuery::default() }
    }

    #[test]
    fn a_page_over_few_requests_was_out_of_date() {
        let (pages, now) = (EndpointPages::default(), Instant::now());
        pages.keep(of(1), &page(MIN_KEPT_REQUESTS), now);
        assert!(pages.find(&of(1), now).is_some_and(|known| !known.is_due));
        pages.keep(of(1), &page(MIN_KEPT_REQUESTS - 1), now);
        assert!(pages.find(&of(1), now).is_none());
    }

    #[test]
    fn a_large_page_was_counted_for_each_viewer() {
        let (pages, now) = (EndpointPages::default(), Instant::now());
        pages.keep(of(1), &page(MIN_KEPT_REQUESTS), now);
        let due = |age| pages.find(&of(1), now + age).map(|known| known.is_due);
        let second = Duration::from_secs(1);
        assert_eq!((due(FRESH - second), due(FRESH)), (Some(false), Some(true)));
        assert_eq!(
            (due(FRESH), due(MAX_PAGE_AGE - second), due(MAX_PAGE_AGE)),
            (Some(false), Some(false), None)
        );
    }

    #[test]
    fn pages_that_were_kept_grew_without_bound() {
        let (pages, now) = (EndpointPages::default(), Instant::now());
        for number in 0..=MAX_KEPT_PAGES as u32 {
            pages.keep(
                of(number),
                &page(MIN_KEPT_REQUESTS),
                now + Duration::from_secs(number.into()),
            );
        }
        assert_eq!(pages.pages.lock().len(), MAX_KEPT_PAGES);
        assert!(pages.find(&of(0), now).is_none(), "the oldest");
    }
}
