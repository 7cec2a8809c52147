//! The denylist's metrics.

use crate::metrics::metrics;

metrics! {
    /// The denylist's state.
    pub struct DenylistStats;

    gauge entries "denylist_entries": "Entries of the denylist." reported;
    gauge capacity "denylist_capacity": "Entries there is room for.";
    counter recovered "denylist_recoveries_total": "Times a process died while it changed the denylist.";
    gauge text_in_use "denylist_text_bytes": "Bytes of applications, reasons and authors of denylist entries.";
    gauge text_capacity "denylist_text_capacity_bytes": "Bytes there is room for.";
}
