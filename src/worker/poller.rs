//! Polling the cloud: a thread of the first worker.
#![forbid(unsafe_code)]

use std::cell::RefCell;

use api_sessions_agent::export::LogSender;
use api_sessions_agent::remote_config::{Poller, ReceivedLink, SyncSettings, SyncState};
use api_sessions_agent::{Stop, stop_channel};
use api_sessions_identity::{Namespace, RemoteLink, add_remote_link};
use api_sessions_nginx::{process, thread};
use api_sessions_protocol::SessionId;
use crossbeam_channel::{Receiver, bounded, unbounded};
use serde_json::Value;

use super::export::state_file;
use crate::directives::{ExportConf, MainConf};
use crate::limits::MAX_WAITING_LINKS;

/// Stops when dropped: later responses of the cloud are ignored. Nobody waits for the thread,
/// which may be blocked in a poll.
pub(super) struct PollerThread {
    stop: RefCell<Option<Stop>>,
    lifted: Receiver<SessionId>,
    linked: Receiver<Vec<ReceivedLink>>,
}

impl PollerThread {
    pub(super) fn start(
        conf: &ExportConf,
        main: &MainConf,
        notes: LogSender,
    ) -> Result<Self, String> {
        let url = conf.settings.endpoint.sync().ok_or("no address to ask")?.to_owned();
        let settings = SyncSettings { export: conf.settings.clone(), url, pid: process::pid() };
        let (to_loop, lifted) = unbounded();
        let (to_links, linked) = bounded(MAX_WAITING_LINKS);
        let hasher = main.runtime().hasher().cloned();
        let state = SyncState {
            deny: main.runtime().denylist_writer().copied(),
            journal: state_file(conf, main),
            address_session: Box::new(move |address| {
                Some(hasher.as_ref()?.session_id(Namespace::Ip, address.as_bytes()))
            }),
            lifted: Box::new(move |session| {
                // Without a receiver the worker is exiting.
                let _ = to_loop.send(session);
            }),
            linked: Box::new(move |links| to_links.try_send(links).is_ok()),
            settings: main.runtime().settings().ok_or("no memory for settings")?,
            rule_names: main.rule_names.clone(),
            counters: counters(main),
        };
        let (stop, stopped) = stop_channel();
        thread::spawn("api-sessions-rx", move || {
            thread::yield_to_event_loop();
            Poller::new(settings, state, notes, stopped).run();
        })
        .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self { stop: RefCell::new(Some(stop)), lifted, linked })
    }

    pub(super) fn stop(&self) {
        self.stop.take();
    }

    /// Sessions whose denials by rules were removed in the cloud since the last call.
    pub(super) fn lifted(&self) -> impl Iterator<Item = SessionId> {
        self.lifted.try_iter()
    }

    /// Links the identifiers that other nodes have issued since the last call.
    pub(super) fn link(&self, main: &MainConf) {
        let now_s = u32::try_from(process::now_ms() / 1000).unwrap_or(u32::MAX);
        for (alias, session) in self.linked.try_iter().flatten() {
            if let Some(handle) = main.runtime().link_handle() {
                add_remote_link(handle, now_s, RemoteLink { alias, session });
            }
        }
    }
}

/// The node's figures for the Console: counters in shared memory, readable from any thread.
fn counters(main: &MainConf) -> Box<dyn Fn() -> String + Send> {
    let structures = main.runtime().structures();
    Box::new(move || {
        let reported = structures.reported();
        let counters = reported.map(|(name, value)| (name.to_owned(), value.into())).collect();
        Value::Object(counters).to_string()
    })
}
