//! Counters in shared memory, each declared once.
//!
//! A declaration of [`metrics!`] yields the atomics, their sum over all processes, and the name, kind and
//! help text under which the status handler and the cloud see each value.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A value with its description.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Name in JSON; in Prometheus it has a prefix.
    pub name: &'static str,
    /// One sentence.
    pub help: &'static str,
    /// Whether it can go down.
    pub kind: MetricKind,
    /// Whether the node reports it to the cloud with each poll.
    pub reported: bool,
    /// The value.
    pub value: u64,
}

/// As lines of a Prometheus page.
impl fmt::Display for Metric {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, help, kind, value, .. } = self;
        let kind = kind.name();
        writeln!(to, "# HELP api_sessions_{name} {help}")?;
        writeln!(to, "# TYPE api_sessions_{name} {kind}")?;
        writeln!(to, "api_sessions_{name} {value}")
    }
}

/// Type of a metric, as in Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only ever grows.
    Counter,
    /// Goes up and down.
    Gauge,
}

impl MetricKind {
    /// The word of a Prometheus `# TYPE` line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
        }
    }
}

/// Adds to a counter that only this process writes, so no atomic read-modify-write is needed.
#[inline]
pub(crate) fn add(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// 16-bit hash (folded FNV-1a) of the names, in order.
pub(crate) const fn layout(names: &[&str]) -> u16 {
    let mut hash = 0x811c_9dc5_u32;
    let mut at = 0;
    while at < names.len() {
        let name = names[at].as_bytes();
        let mut byte = 0;
        while byte < name.len() {
            hash = (hash ^ name[byte] as u32).wrapping_mul(0x0100_0193);
            byte += 1;
        }
        // Separates the names.
        hash = hash.wrapping_mul(0x0100_0193);
        at += 1;
    }
    (hash >> 16) as u16 ^ hash as u16
}

/// Declares the metrics of a structure, in the order in which they are shown. Each line has a source:
///
/// - `event_loop`: a counter written by the event loop of one worker,
/// - `exporter`: a counter written by the exporter thread that reads the same ring,
/// - `gauge` and `counter`: computed when the metrics are read.
///
/// `reported` marks what a node also reports to the cloud.
macro_rules! metrics {
    (@kind gauge) => { $crate::metrics::MetricKind::Gauge };
    (@kind $source:ident) => { $crate::metrics::MetricKind::Counter };

    (@reported) => { false };
    (@reported reported) => { true };

    // Sorts the counters by source.
    (@sort [$($event_loop:ident)*] [$($exporter:ident)*] $structs:tt event_loop $field:ident $($rest:tt)*) => {
        metrics! { @sort [$($event_loop)* $field] [$($exporter)*] $structs $($rest)* }
    };
    (@sort [$($event_loop:ident)*] [$($exporter:ident)*] $structs:tt exporter $field:ident $($rest:tt)*) => {
        metrics! { @sort [$($event_loop)*] [$($exporter)* $field] $structs $($rest)* }
    };
    (@sort $event_loop:tt $exporter:tt $structs:tt gauge $field:ident $($rest:tt)*) => {
        metrics! { @sort $event_loop $exporter $structs $($rest)* }
    };
    (@sort $event_loop:tt $exporter:tt $structs:tt counter $field:ident $($rest:tt)*) => {
        metrics! { @sort $event_loop $exporter $structs $($rest)* }
    };
    (@sort $event_loop:tt $exporter:tt [$Stats:ident $EventLoop:tt $Exporter:tt]) => {
        metrics! { @atomics $Stats add_event_loop $EventLoop $event_loop }
        metrics! { @atomics $Stats add_exporter $Exporter $exporter }
    };

    (@atomics $Stats:ident $add:ident [] []) => {};
    (@atomics $Stats:ident $add:ident [$Counters:ident] [$($field:ident)*]) => {
        #[doc = concat!("Counters in shared memory, of which [`", stringify!($Stats), "`] is the sum.")]
        #[repr(C)]
        pub(crate) struct $Counters {
            $(pub(crate) $field: std::sync::atomic::AtomicU64,)*
        }

        impl $Counters {
            /// Changes with the names and the order of the counters.
            pub(crate) const LAYOUT: u16 = $crate::metrics::layout(&[$(stringify!($field)),*]);
        }

        impl $Stats {
            fn $add(&mut self, counters: &$Counters) {
                $(self.$field += counters.$field.load(std::sync::atomic::Ordering::Relaxed);)*
            }
        }
    };

    (
        $(#[$doc:meta])*
        pub struct $Stats:ident $(event_loop($EventLoop:ident))? $(exporter($Exporter:ident))?;

        $($source:ident $field:ident $name:literal: $help:literal $($reported:ident)?;)*
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct $Stats {
            $(#[doc = $help] pub $field: u64,)*
        }

        impl $Stats {
            #[allow(dead_code, reason = "not every structure exists more than once")]
            fn add(&mut self, other: &Self) {
                $(self.$field += other.$field;)*
            }

            /// All values with their descriptions, in the order in which they are shown.
            pub fn metrics(&self) -> impl Iterator<Item = $crate::Metric> + use<> {
                [$($crate::Metric {
                    name: $name,
                    help: $help,
                    kind: metrics!(@kind $source),
                    reported: metrics!(@reported $($reported)?),
                    value: self.$field,
                },)*]
                .into_iter()
            }
        }

        metrics! {
            @sort [] []
            [$Stats [$($EventLoop)?] [$($Exporter)?]]
            $($source $field)*
        }
    };
}
pub(crate) use metrics;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::{DenylistStats, LinkStats, QueueStats, RuleCountsStats, TableStats};

    #[test]
    fn a_new_counter_left_the_layout_as_it_was() {
        let layouts: BTreeSet<u16> = [
            &["requests", "denied"][..],
            &["denied", "requests"],
            &["requests", "denied", "notes"],
            &["requestsdenied"],
            &["requestsd", "enied"],
            &[],
        ]
        .map(layout)
        .into();
        assert_eq!(layouts.len(), 6);
    }

    #[test]
    fn names_are_unique_and_only_those_of_counters_end_with_total() {
        let metrics: Vec<Metric> = TableStats::default()
            .metrics()
            .chain(QueueStats::default().metrics())
            .chain(DenylistStats::default().metrics())
            .chain(LinkStats::default().metrics())
            .chain(RuleCountsStats::default().metrics())
            .collect();
        let names: BTreeSet<_> = metrics.iter().map(|metric| metric.name).collect();
        assert_eq!(names.len(), metrics.len());
        for metric in metrics {
            let is_counter = metric.kind == MetricKind::Counter;
            assert_eq!(metric.name.ends_with("_total"), is_counter, "{}", metric.name);
        }
    }
}
