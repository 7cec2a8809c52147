//! `api_sessions_status`: the module's state, as JSON or as Prometheus text.
#![forbid(unsafe_code)]

mod control;
mod format;

use std::fmt::Write;

use api_sessions_agent::key_verdicts::BadKey;
use api_sessions_detect::ParserPanics;
use api_sessions_extract::builtin;
use api_sessions_nginx::catch_unwind;
use api_sessions_nginx::handler::ContentHandler;
use api_sessions_nginx::request::Request;
use api_sessions_nginx::response;
use api_sessions_shm::{Metric, MetricGroup, MetricKind};
use ngx::ffi::ngx_int_t;
use serde_json::{Value, json};

use crate::directives::MainConf;
use crate::request::rules::hit;
pub(crate) use control::Control;
use format::Format;

pub(crate) struct Status;

impl ContentHandler for Status {
    fn handle(r: Request<'_>) -> ngx_int_t {
        if !matches!(r.current_method(), b"GET" | b"HEAD") {
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

struct Figures {
    groups: [MetricGroup; 5],
    /// Name, hits, refusals.
    rules: Vec<(String, u64, u64)>,
    node: Option<String>,
    settings: Option<Value>,
    /// Keys that this node finds bad; `None`: it does not judge them.
    key_verdicts: Option<Vec<BadKey>>,
}

impl Figures {
    fn collect(r: Request<'_>) -> Option<Self> {
        let main = MainConf::of(r)?;
        main.runtime().table()?;
        let mut groups = main.runtime().structures().metrics();
        groups[0].1.extend(panics());
        // The version as the cloud wrote it; null until there is one.
        let text = main.runtime().settings().map(|settings| settings.read().map(|(_, text)| text));
        let settings = text.map(|text| {
            text.and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or(Value::Null)
        });
        let rules = main.rule_names().into_iter().map(|name| {
            let (hits, refusals) = hit::figures(main, &name);
            (name, hits, refusals)
        });
        let node = main.export().map(|export| export.settings.node.clone());
        let key_verdicts = main.runtime().key_verdicts().map(|shared| shared.bad());
        Some(Self { groups, rules: rules.collect(), node, settings, key_verdicts })
    }

    fn json(&self) -> String {
        let builtin: Vec<_> = builtin::TABLE
            .iter()
            .map(|entry| json!({ "name": entry.name, "reason": entry.group.reason() }))
            .collect();
        let mut status = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "node": self.node,
            "rules": self
                .rules
                .iter()
                .map(|(name, hits, refusals)| json!({ "name": name, "hits": hits, "refusals": refusals }))
                .collect::<Vec<_>>(),
            "settings": self.settings,
            "key_verdicts": self.key_verdicts,
            "builtin_keys": builtin,
            "builtin_keys_unused": builtin::KNOWN_UNUSED,
        });
        for (group, metrics) in &self.groups {
            let values = metrics.iter().map(|it| (it.name.to_owned(), json!(it.value)));
            status[group] = Value::Object(values.collect());
        }
        format!("{status:#}\n")
    }

    fn prometheus(&self) -> String {
        let mut text = String::new();
        for metric in self.groups.iter().flat_map(|(_, metrics)| metrics) {
            // Writing to a string does not fail.
            let _ = write!(text, "{metric}");
        }
        rule_figures(&mut text, &self.rules);
        text
    }
}

/// Hits and refusals by rule.
fn rule_figures(text: &mut String, rules: &[(String, u64, u64)]) {
    type Figure = fn(&(String, u64, u64)) -> u64;
    let figures: [(&str, &str, Figure); 2] = [
        ("rule_hits_total", "Requests with which a rule over sessions has fired.", |rule| rule.1),
        ("rule_refusals_total", "Requests that a rule over sessions has refused.", |rule| rule.2),
    ];
    for (name, help, figure) in figures.iter().filter(|_| !rules.is_empty()) {
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "# HELP api_sessions_{name} {help}\n# TYPE api_sessions_{name} counter");
        for rule in rules {
            let _ = writeln!(text, "api_sessions_{name}{{rule=\"{}\"}} {}", rule.0, figure(rule));
        }
    }
}

/// Counters of this worker alone.
fn panics() -> [Metric; 2] {
    let parsers = ParserPanics::count();
    let counter = |name, help, value| Metric {
        name,
        help,
        kind: MetricKind::Counter,
        reported: false,
        value,
    };
    [
        counter("panics_total", "Panics caught in this worker.", catch_unwind::panics()),
        counter(
            "detector_panics_sqli_total",
            "Panics in the parser of SQL, caught in this worker: what it would have found is not.",
            parsers.sqli,
        ),
    ]
}
