//! What comes from the cloud: one thread of the first worker asks for it.
#![forbid(unsafe_code)]

use std::cell::RefCell;

use api_sessions_agent::export::LogSender;
use api_sessions_agent::remote_config::{Poller, SyncSettings, SyncState};
use api_sessions_agent::{Stop, stop_channel};
use api_sessions_identity::Namespace;
use api_sessions_nginx::{process, thread};
use api_sessions_protocol::SessionId;
use api_sessions_shm::RecordQueue;
use crossbeam_channel::{Receiver, unbounded};
use serde_json::{Map, Value};

use super::export::state_file;
use crate::directives::{ExportConf, MainConf};

/// Ends when it is dropped: nothing that the cloud answers later is taken. Nobody waits for the thread,
/// which may be waiting for the cloud.
pub(super) struct PollerThread {
    stop: RefCell<Option<Stop>>,
    lifted: Receiver<SessionId>,
}

impl PollerThread {
    pub(super) fn start(
        conf: &ExportConf,
        main: &MainConf,
        notes: LogSender,
    ) -> Result<Self, String> {
        let url = conf.endpoint.sync().ok_or("no address to ask")?.to_owned();
        let settings = SyncSettings { export: conf.settings(), url, pid: process::pid() };
        let (to_loop, lifted) = unbounded();
        let hasher = main.runtime().hasher().cloned();
        let state = SyncState {
            deny: main.runtime().denylist_writer().copied(),
            journal: state_file(conf, main),
            address_session: Box::new(move |address| {
                Some(hasher.as_ref()?.session_id(Namespace::Ip, address.as_bytes()))
            }),
            lifted: Box::new(move |session| {
                // Where nobody receives, the worker ends.
                let _ = to_loop.send(session);
            }),
            settings: main.runtime().settings().ok_or("no memory for settings")?,
            counters: counters(main),
        };
        let (stop, stopped) = stop_channel();
        thread::spawn("api-sessions-rx", move || {
            thread::yield_to_event_loop();
            Poller::new(settings, state, notes, stopped).run();
        })
        .map_err(|error| format!("cannot start a thread: {error}"))?;
        Ok(Self { stop: RefCell::new(Some(stop)), lifted })
    }

    pub(super) fn stop(&self) {
        self.stop.take();
    }

    /// Sessions whose denials by rules were taken off in the cloud since the last call.
    pub(super) fn lifted(&self) -> impl Iterator<Item = SessionId> {
        self.lifted.try_iter()
    }
}

/// The node's figures for the Console. Counters of shared memory, read from any thread.
fn counters(main: &MainConf) -> Box<dyn Fn() -> String + Send> {
    let (table, denylist) = (main.runtime().table(), main.runtime().denylist());
    let queues: Vec<_> = main.runtime().queues().collect();
    Box::new(move || {
        let table = table.map(|table| table.stats()).unwrap_or_default();
        let queue = RecordQueue::stats_of(queues.iter().copied());
        let denylist = denylist.map(|denylist| denylist.stats()).unwrap_or_default();
        let metrics = table.metrics().chain(queue.metrics()).chain(denylist.metrics());
        let mut counters: Map<_, _> = metrics
            .filter(|metric| metric.reported)
            .map(|metric| (metric.name.to_owned(), metric.value.into()))
            .collect();
        counters.insert("records_dropped_total".to_owned(), queue.dropped().into());
        Value::Object(counters).to_string()
    })
}
