//! Counters, as Prometheus text.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use api_sessions_store::StoreHealth;

/// Counters since start.
#[derive(Debug, Default)]
pub struct Metrics {
    batches: AtomicU64,
    batch_errors: AtomicU64,
    stored: AtomicU64,
    duplicates: AtomicU64,
    rejected: AtomicU64,
    expired: AtomicU64,
    denied: AtomicU64,
    days_dropped: AtomicU64,
}

impl Metrics {
    /// A batch was answered with 200.
    pub fn batch(&self, stored: u64, duplicates: u64, rejected: u64, expired: u64) {
        self.batches.fetch_add(1, Relaxed);
        self.stored.fetch_add(stored, Relaxed);
        self.duplicates.fetch_add(duplicates, Relaxed);
        self.rejected.fetch_add(rejected, Relaxed);
        self.expired.fetch_add(expired, Relaxed);
    }

    /// Lines of a batch of which none was good.
    pub fn rejected(&self, lines: u64) {
        self.rejected.fetch_add(lines, Relaxed);
    }

    /// A batch was not taken.
    pub fn batch_error(&self) {
        self.batch_errors.fetch_add(1, Relaxed);
    }

    /// A token of the wrong role was shown.
    pub fn denied(&self) {
        self.denied.fetch_add(1, Relaxed);
    }

    /// Days were deleted.
    pub fn dropped(&self, days: usize) {
        self.days_dropped.fetch_add(days as u64, Relaxed);
    }

    /// All of it, text format 0.0.4.
    pub fn render(&self, health: &StoreHealth, nodes: usize) -> String {
        let mut text = String::new();
        let bytes: u64 = health.days.iter().map(|day| day.bytes).sum();
        let broken = health.days.iter().filter(|day| day.error.is_some()).count() as u64;
        let load = |counter: &AtomicU64| counter.load(Relaxed);
        for (name, kind, help, value) in [
            ("batches_total", "counter", "Batches answered with 200.", load(&self.batches)),
            ("batch_errors_total", "counter", "Batches not taken.", load(&self.batch_errors)),
            ("records_stored_total", "counter", "Records stored.", load(&self.stored)),
            (
                "records_duplicate_total",
                "counter",
                "Records that an earlier batch had brought.",
                load(&self.duplicates),
            ),
            ("records_rejected_total", "counter", "Bad records.", load(&self.rejected)),
            (
                "records_expired_total",
                "counter",
                "Records older than what is kept.",
                load(&self.expired),
            ),
            (
                "forbidden_total",
                "counter",
                "Requests with a token of the wrong role.",
                load(&self.denied),
            ),
            ("days_dropped_total", "counter", "Days deleted.", load(&self.days_dropped)),
            ("store_days", "gauge", "Days kept.", health.days.len() as u64),
            ("store_days_broken", "gauge", "Days that cannot be served.", broken),
            ("store_bytes", "gauge", "Bytes on disk.", bytes),
            (
                "store_writable",
                "gauge",
                "1 while the last write worked.",
                u64::from(health.write_error.is_none()),
            ),
            ("nodes", "gauge", "Nodes that have synced since start.", nodes as u64),
        ] {
            // Writing to a string cannot fail.
            let _ = write!(
                text,
                "# HELP api_sessions_cloud_{name} {help}\n\
                 # TYPE api_sessions_cloud_{name} {kind}\n\
                 api_sessions_cloud_{name} {value}\n"
            );
        }
        text
    }
}
