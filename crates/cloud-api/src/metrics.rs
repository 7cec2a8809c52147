//! Metrics of the cloud, in Prometheus text format 0.0.4.

use prometheus_client::encoding::prometheus_text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Metric, Registry};

use api_sessions_store::StoreHealth;

/// Counters since the start, and gauges that are set at each scrape.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    batches: Counter,
    batch_errors: Counter,
    stored: Counter,
    duplicates: Counter,
    rejected: Counter,
    expired: Counter,
    forbidden: Counter,
    days_dropped: Counter,
    store_days: Gauge,
    store_days_broken: Gauge,
    store_bytes: Gauge,
    store_writable: Gauge,
    nodes: Gauge,
    key_facts: Counter,
    key_windows_late: Gauge,
}

/// The encoder appends `_total` to counters and a period to the help text.
fn register<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut all = Registry::with_prefix("api_sessions_cloud");
        let all = &mut all;
        Metrics {
            batches: register(all, "batches", "Batches answered with 200"),
            batch_errors: register(all, "batch_errors", "Batches refused"),
            stored: register(all, "records_stored", "Records stored"),
            duplicates: register(
                all,
                "records_duplicate",
                "Records already stored under the same Idempotency-Key",
            ),
            rejected: register(all, "records_rejected", "Invalid records"),
            expired: register(all, "records_expired", "Records older than the retention"),
            forbidden: register(all, "forbidden", "Requests with a token of the wrong role"),
            days_dropped: register(all, "days_dropped", "Days deleted"),
            store_days: register(all, "store_days", "Days stored"),
            store_days_broken: register(all, "store_days_broken", "Days that cannot be read"),
            store_bytes: register(all, "store_bytes", "Bytes on disk"),
            store_writable: register(all, "store_writable", "1 if the last write succeeded"),
            nodes: register(all, "nodes", "Nodes that have synced since start"),
            key_facts: register(all, "key_facts", "Batches of key facts taken"),
            key_windows_late: register(
                all,
                "key_windows_late",
                "Windows of key facts that came after they were judged, since start",
            ),
            registry: std::mem::take(all),
        }
    }
}

impl Metrics {
    /// Counts a batch answered with 200.
    pub fn batch(&self, stored: u64, duplicates: u64, rejected: u64, expired: u64) {
        self.batches.inc();
        self.stored.inc_by(stored);
        self.duplicates.inc_by(duplicates);
        self.rejected.inc_by(rejected);
        self.expired.inc_by(expired);
    }

    /// Counts the lines of a batch that has no valid line.
    pub fn rejected(&self, lines: u64) {
        self.rejected.inc_by(lines);
    }

    /// Counts a batch of key facts.
    pub fn key_facts(&self) {
        self.key_facts.inc();
    }

    /// Sets the number of windows of key facts that arrived too late.
    pub fn key_windows_late(&self, windows: u64) {
        self.key_windows_late.set(gauge(windows));
    }

    /// Counts a refused batch.
    pub fn batch_error(&self) {
        self.batch_errors.inc();
    }

    /// Counts a request with a token of the wrong role.
    pub fn forbidden(&self) {
        self.forbidden.inc();
    }

    /// Counts deleted days.
    pub fn dropped(&self, days: usize) {
        self.days_dropped.inc_by(days as u64);
    }

    /// Renders all metrics.
    ///
    /// # Errors
    /// [`std::fmt::Error`], which writing to a string does not return.
    pub fn render(&self, health: &StoreHealth, nodes: usize) -> Result<String, std::fmt::Error> {
        let bytes: u64 = health.days.iter().map(|day| day.bytes).sum();
        let broken = health.days.iter().filter(|day| day.error.is_some()).count();
        self.store_days.set(gauge(health.days.len() as u64));
        self.store_days_broken.set(gauge(broken as u64));
        self.store_bytes.set(gauge(bytes));
        self.store_writable.set(i64::from(health.write_error.is_none()));
        self.nodes.set(gauge(nodes as u64));
        let mut text = String::new();
        prometheus_text::encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

fn gauge(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}
