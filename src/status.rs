//! `api_sessions_status`: the module's state, as JSON or as Prometheus text.

mod control;
mod format;

use std::fmt::Write;

use api_sessions_detect::ParserPanics;
use api_sessions_extract::builtin;
use ngx::ffi::ngx_int_t;
use serde_json::{Value, json};

use crate::directives::MainConf;
use crate::ffi::catch_unwind;
use crate::ffi::handler::ContentHandler;
use crate::ffi::request::Request;
use crate::ffi::response;
pub(crate) use control::Control;
use format::Format;

pub(crate) struct Status;

impl ContentHandler for Status {
    fn handle(r: Request<'_>) -> ngx_int_t {
        if !matches!(r.method(), b"GET" | b"HEAD") {
            response::add_header(r, c"Allow", c"GET, HEAD");
            return refusal(r, 405, "method_not_allowed", "GET is accepted");
        }
        let Some(format) = Format::wanted(r) else {
            return refusal(r, 400, "bad_request", "format: json or prometheus is accepted");
        };
        let Some(figures) = Figures::collect(r) else {
            return refusal(r, 503, "not_ready", "the session table is not there");
        };
        match format {
            Format::Prometheus => {
                let text = figures.prometheus();
                let content_type = c"text/plain; version=0.0.4; charset=utf-8";
                response::send(r, 200, content_type, text.as_bytes())
            }
            Format::Json => response::send(r, 200, c"application/json", figures.json().as_bytes()),
        }
    }
}

fn refusal(r: Request<'_>, status: u16, error: &str, detail: &str) -> ngx_int_t {
    let text = format!("{}\n", json!({ "error": error, "detail": detail }));
    response::send(r, status, c"application/json", text.as_bytes())
}

/// One figure: name, help, kind, value.
type Figure = (&'static str, &'static str, &'static str, u64);

struct Figures {
    table: Vec<Figure>,
    export: Vec<Figure>,
    denylist: Vec<Figure>,
    node: Option<String>,
    settings: Option<Value>,
}

impl Figures {
    fn collect(r: Request<'_>) -> Option<Self> {
        let main = MainConf::of(r)?;
        let stats = main.table()?.stats();
        let parsers = ParserPanics::count();
        let (gauge, counter) = ("gauge", "counter");
        let table = vec![
            ("sessions_in_use", "Sessions in the table.", gauge, stats.in_use),
            ("sessions_capacity", "Sessions there is room for.", gauge, stats.capacity),
            ("sessions_created_total", "Sessions that were created.", counter, stats.created),
            ("evicted_idle_total", "Idle sessions that made room.", counter, stats.evicted_idle),
            (
                "evicted_provisional_total",
                "Sessions of one request that made room.",
                counter,
                stats.evicted_provisional,
            ),
            (
                "evicted_live_total",
                "Sessions in use that made room: the zone is too small.",
                counter,
                stats.evicted_live,
            ),
            (
                "lock_busy_total",
                "Requests not counted since a lock was held for too long.",
                counter,
                stats.lock_busy,
            ),
            (
                "lock_recoveries_total",
                "Sets emptied after a process died while it held them.",
                counter,
                stats.lock_recoveries,
            ),
            ("requests_malicious_total", "Malicious requests.", counter, stats.malicious),
            (
                "requests_detected_total",
                "Of those, such that the module's own detectors marked.",
                counter,
                stats.detected,
            ),
            ("requests_denied_total", "Requests of denied sessions.", counter, stats.denied),
            (
                "duplicate_cookies_total",
                "Requests whose session was found by a cookie that was there more than once.",
                counter,
                stats.duplicate_cookies,
            ),
            ("panics_total", "Panics caught in this worker.", counter, catch_unwind::panics()),
            (
                "detector_panics_sqli_total",
                "Panics in the parser of SQL, caught in this worker: what it would have found is not.",
                counter,
                parsers.sqli,
            ),
            (
                "detector_panics_xss_total",
                "Panics in the parser of markup, caught in this worker: what it would have found is not.",
                counter,
                parsers.xss,
            ),
        ];
        let queue = main.queue().map(|queue| queue.stats()).unwrap_or_default();
        let export = vec![
            ("queue_bytes", "Bytes of records that wait to be sent.", gauge, queue.used),
            ("queue_capacity_bytes", "Bytes of the queues in use.", gauge, queue.capacity),
            ("records_queued_total", "Records that were queued.", counter, queue.queued),
            ("records_sent_total", "Records that the cloud has.", counter, queue.sent),
            ("records_sent_bytes_total", "Bytes of those.", counter, queue.sent_bytes),
            ("records_refused_total", "Records that the cloud refused.", counter, queue.refused),
            (
                "records_dropped_full_total",
                "Records dropped since the queue was full.",
                counter,
                queue.dropped_full,
            ),
            (
                "records_dropped_too_long_total",
                "Records dropped since they were longer than the queue.",
                counter,
                queue.dropped_too_long,
            ),
            (
                "export_retries_total",
                "Attempts that failed and were repeated.",
                counter,
                queue.retries,
            ),
            (
                "spool_bytes",
                "Bytes of records on disk that wait to be sent.",
                gauge,
                queue.spool_bytes,
            ),
            ("records_spooled_total", "Records written to the spool.", counter, queue.spooled),
            (
                "records_dropped_spool_full_total",
                "Spooled records dropped for newer ones.",
                counter,
                queue.dropped_spool_full,
            ),
            (
                "records_dropped_damaged_total",
                "Spooled records that were damaged on disk.",
                counter,
                queue.dropped_damaged,
            ),
            (
                "spool_errors_total",
                "Attempts to write to the spool that failed.",
                counter,
                queue.spool_errors,
            ),
        ];
        let denied = main.denylist().map(|denylist| denylist.stats()).unwrap_or_default();
        let denylist = vec![
            ("denylist_entries", "Entries of the denylist.", gauge, denied.entries),
            ("denylist_capacity", "Entries there is room for.", gauge, denied.capacity),
            (
                "denylist_recoveries_total",
                "Times a process died while it changed the denylist.",
                counter,
                denied.recovered,
            ),
        ];
        let node = main.export().map(|export| export.node.clone());
        // As the cloud wrote it, with its version; null until there was one.
        let text = main.settings().map(|settings| settings.read().map(|(_, text)| text));
        let settings = text.map(|text| {
            text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or(Value::Null)
        });
        Some(Self { table, export, denylist, node, settings })
    }

    fn json(&self) -> String {
        let object = |figures: &[Figure]| {
            figures
                .iter()
                .map(|(name, _, _, value)| ((*name).to_owned(), json!(value)))
                .collect::<serde_json::Map<_, _>>()
        };
        let builtin: Vec<_> = builtin::TABLE
            .iter()
            .map(|entry| json!({ "name": entry.name, "reason": entry.group.reason() }))
            .collect();
        let status = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "node": self.node,
            "table": object(&self.table),
            "export": object(&self.export),
            "denylist": object(&self.denylist),
            "settings": self.settings,
            "builtin_keys": builtin,
            "builtin_keys_unused": builtin::KNOWN_UNUSED,
        });
        format!("{status:#}\n")
    }

    fn prometheus(&self) -> String {
        let mut text = String::new();
        for (name, help, kind, value) in self.table.iter().chain(&self.export).chain(&self.denylist)
        {
            // Writing to a string does not fail.
            let _ = write!(
                text,
                "# HELP api_sessions_{name} {help}\n# TYPE api_sessions_{name} {kind}\napi_sessions_{name} {value}\n"
            );
        }
        text
    }
}
