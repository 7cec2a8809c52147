//! Watches open requests: terminates those whose session is denied, and counts the
//! old ones. Its timer runs only while there are any.
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::ops::ControlFlow;

use api_sessions_nginx::open_requests::{Then, cut_each, each, is_any};
use api_sessions_nginx::process;
use api_sessions_nginx::timer::Timer;
use api_sessions_shm::OpenCounts;

use crate::directives::MainConf;
use crate::request::{OpenKind, is_denied_meanwhile, open_kind};

/// Interval of the checks, milliseconds: a denial terminates open requests within about this time.
const INTERVAL_MS: usize = 500;
/// Age from which an open request is counted, milliseconds.
const OLD_MS: u64 = 10_000;

pub(super) struct OpenRequests {
    timer: Timer,
    /// [`api_sessions_shm::Denylist::changes`] at the last check.
    changes: Cell<u32>,
}

impl OpenRequests {
    pub(super) fn new() -> Self {
        Self { timer: Timer::new(look), changes: Cell::new(0) }
    }

    /// Adds a request to the open ones, before it is looked up in the denylist, so that no denial falls between
    /// the lookup and the next check.
    #[inline]
    pub(super) fn watch(&self) {
        if !self.timer.is_set() {
            self.changes.set(changes());
            self.timer.start(INTERVAL_MS);
        }
    }
}

fn changes() -> u32 {
    let denylist = MainConf::current().and_then(|main| main.runtime().denylist());
    denylist.map_or(0, |denylist| denylist.changes())
}

fn look() -> Option<usize> {
    let worker = super::current()?;
    let changes = changes();
    if worker.open.changes.replace(changes) != changes {
        cut_each(|r| if is_denied_meanwhile(r) { Then::Cut } else { Then::Keep });
    }
    publish(&counts());
    is_any().then_some(INTERVAL_MS)
}

fn counts() -> OpenCounts {
    let mut counts = OpenCounts::default();
    let now_ms = process::now_ms();
    each(|r| {
        if now_ms.saturating_sub(r.start_ms()) < OLD_MS {
            return ControlFlow::Break(());
        }
        match open_kind(r) {
            OpenKind::Upgraded => counts.upgraded += 1,
            OpenKind::Streaming => counts.streaming += 1,
            OpenKind::Other => counts.other += 1,
        }
        ControlFlow::Continue(())
    });
    counts
}

fn publish(counts: &OpenCounts) {
    if let Some(handle) = MainConf::current().and_then(|main| main.runtime().table_handle()) {
        handle.set_open(counts);
    }
}

/// Called when the worker exits.
pub(super) fn none_is_left() {
    publish(&OpenCounts::default());
}
