//! Compares sliding counts with a list of all events.

use std::collections::BTreeSet;

use proptest::prelude::*;

use crate::distinct::Distinct;
use crate::limits::MAX_DISTINCT;
use crate::window::Window;
use crate::{Counts as _, MemoryCounts, Over};

/// Times of requests, milliseconds: bursts, pauses of about the length of the window, and steady traffic.
fn times(window_ms: u64, most: usize) -> impl Strategy<Value = Vec<u64>> {
    let pause = prop_oneof![
        4 => Just(0u64),
        4 => 0..window_ms / 50,
        2 => 0..window_ms / 4,
        1 => window_ms - 2..window_ms + 3,
        1 => 0..window_ms * 3,
    ];
    let begin = 1_700_000_000_000u64..1_700_000_100_000;
    (begin, proptest::collection::vec(pause, 1..most)).prop_map(|(mut now, pauses)| {
        let add = |pause: u64| {
            now += pause;
            now
        };
        pauses.into_iter().map(add).collect()
    })
}

fn window() -> impl Strategy<Value = u64> {
    prop_oneof![
        Just(1000u64),
        Just(60_000),
        Just(3_600_000),
        Just(30 * 86_400_000),
        1000..100_000u64
    ]
}

/// Sum of the events in the last `window_ms`.
fn sum(events: &[(u64, u64)], window_ms: u64) -> u64 {
    let now = events.last().map_or(0, |(at, _)| *at);
    events.iter().filter(|(at, _)| now - at < window_ms).map(|(_, amount)| amount).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn no_fire_is_missed_and_none_invented(
        (window_ms, times) in window().prop_flat_map(|ms| (Just(ms), times(ms, 400))),
        threshold in prop_oneof![0u64..14, 13..100u64],
    ) {
        let over = Over { threshold, window_ms };
        let window = Window::new(over, true);
        let mut words = Default::default();
        let mut events = Vec::new();
        for now in times {
            events.push((now, 1));
            let found = window.add(&mut words, now, 1);
            let exact = sum(&events, window_ms);
            // Requests that are slightly too old may count.
            let slice = if threshold <= 12 { window_ms.div_ceil(60_000).max(1) } else { window_ms.div_ceil(23) };
            let late = sum(&events, window_ms + slice - 1);
            prop_assert!(exact <= threshold || found.fires, "missed {exact} of {threshold}");
            prop_assert!(!found.fires || late > threshold, "invented at {late} of {threshold}");
            prop_assert!(found.count >= exact.min(threshold + 1));
            let slice = if threshold <= 12 { window_ms.div_ceil(11) } else { slice };
            prop_assert!(found.count <= sum(&events, window_ms + slice));
            // The same without adding a request.
            prop_assert!(window.count(&words, now).count >= exact.min(threshold + 1));
        }
    }

    #[test]
    fn sums_keep_their_rest(
        (window_ms, times) in window().prop_flat_map(|ms| (Just(ms), times(ms, 300))),
        amounts in proptest::collection::vec(0u64..40_000, 300),
        threshold in 1_000_000u64..300_000_000,
    ) {
        let over = Over { threshold, window_ms };
        let window = Window::new(over, false);
        let mut words = Default::default();
        let mut events = Vec::new();
        let unit = threshold / (1 << 15) + 1;
        for (now, amount) in times.into_iter().zip(amounts) {
            events.push((now, amount));
            let found = window.add(&mut words, now, amount);
            // A remainder counts once it grows to a unit.
            prop_assert!(found.count + unit >= sum(&events, window_ms));
            prop_assert!(found.count <= sum(&events, window_ms + window_ms.div_ceil(23)) + unit);
        }
    }

    #[test]
    fn a_few_distinct_values_are_exact(
        (window_ms, times) in window().prop_flat_map(|ms| (Just(ms), times(ms, 200))),
        values in proptest::collection::vec(0u64..8, 200),
        threshold in 0u64..9,
    ) {
        let distinct = Distinct::new(Over { threshold, window_ms });
        let counts = MemoryCounts::default();
        let mut seen: Vec<(u64, u64)> = Vec::new();
        for (now, value) in times.into_iter().zip(values) {
            seen.push((now, value));
            let of = |window_ms: u64| -> u64 {
                let alive = seen.iter().filter(|(at, _)| now - at < window_ms);
                alive.map(|(_, value)| value).collect::<BTreeSet<_>>().len() as u64
            };
            let hash = counts.hash(1, &value.to_le_bytes());
            let found = distinct.add(&counts, 7, now, hash).unwrap();
            let (exact, late) = (of(window_ms), of(window_ms + window_ms.div_ceil(254)));
            prop_assert!(exact <= threshold || found.fires);
            prop_assert!(!found.fires || late > threshold);
            let count = distinct.count_at(&counts, 7, now);
            prop_assert!((exact..=late).contains(&count), "{count} {exact} {late}");
        }
    }

    #[test]
    fn many_distinct_values_are_within_a_tenth(
        (window_ms, times) in window().prop_flat_map(|ms| (Just(ms), times(ms, 1200))),
        kinds in 1u64..MAX_DISTINCT + 1,
        values in proptest::collection::vec(any::<u64>(), 1200),
    ) {
        let distinct = Distinct::new(Over { threshold: 20, window_ms });
        let counts = MemoryCounts::default();
        let mut seen: Vec<(u64, u64)> = Vec::new();
        for (now, value) in times.into_iter().zip(values) {
            let value = value % kinds;
            seen.push((now, value));
            let of = |window_ms: u64| -> u64 {
                let alive = seen.iter().filter(|(at, _)| now - at < window_ms);
                alive.map(|(_, value)| value).collect::<BTreeSet<_>>().len() as u64
            };
            let hash = counts.hash(1, &value.to_le_bytes());
            distinct.add(&counts, 7, now, hash).unwrap();
            let (exact, late) = (of(window_ms), of(window_ms + window_ms.div_ceil(254)));
            let count = distinct.count_at(&counts, 7, now);
            let bounds = (exact - exact / 10)..=(late + late / 10);
            prop_assert!(bounds.contains(&count), "{count} {exact} {late}");
        }
    }
}

#[test]
fn a_clock_that_is_behind_loses_nothing() {
    let window = Window::new(Over { threshold: 20, window_ms: 60_000 }, true);
    let mut words = Default::default();
    let now = 1_700_000_000_000u64;
    for n in 0..30 {
        // Workers cache the time.
        let found = window.add(&mut words, now - (n % 3) * 40, 1);
        assert_eq!(found.fires, n >= 20);
    }
}

#[test]
fn a_rate_allows_what_it_says() {
    let rate = crate::Rate::parse("10r/s", "limit:10r/s").unwrap();
    let mut words = Default::default();
    let begin = 1_700_000_000_000u64;
    let taken = (0..10_000).filter(|ms| rate.take(&mut words, begin + ms).is_ok()).count();
    assert!((99..=101).contains(&taken), "{taken}");
    assert!(matches!(rate.take(&mut words, begin + 10_000), Ok(()) | Err(1..=100)));
}
