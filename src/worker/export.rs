//! Export: this worker's end of the record queue, and its exporter thread.
#![forbid(unsafe_code)]

use std::cell::RefCell;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use api_sessions_agent::export::{
    Exporter, LogEvent, LogSender, Severity, ThreadPriority, ThreadRole, log_channel,
};
use api_sessions_agent::remote_config::{Restored, StateFile};
use api_sessions_agent::{Stop, stop_channel};
use api_sessions_key_facts::WindowFacts;
use api_sessions_nginx::process::{self, ProcessKind};
use api_sessions_nginx::shared;
use api_sessions_nginx::thread::{self, SharedPriority};
use api_sessions_nginx::{log_error, log_warn};
use api_sessions_protocol::DenyEntry;
use api_sessions_shm::{Producer, RecordQueue};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use ngx::ffi::ngx_cycle_t;

use crate::directives::{ExportConf, MainConf};
use crate::limits::{MAX_WAITING_DENIALS, MAX_WAITING_KEY_FACTS};

/// Grace period beyond an exporter's own budget before the worker exits without it.
const GRACE: Duration = Duration::from_millis(200);

/// The priority of the threads of this worker.
struct ExportPriority(SharedPriority);

impl ThreadPriority for ExportPriority {
    fn join(&self, role: ThreadRole) {
        // An exporter that is not scheduled loses records.
        self.0.join(role == ThreadRole::Uplink);
    }

    fn set(&self, niceness: u8) {
        self.0.set(niceness);
    }
}

pub(super) struct Export {
    producer: RefCell<Producer>,
    /// Denials by rules to be persisted; `None` without a directory for them.
    denials: Option<Sender<DenyEntry>>,
    facts: Sender<Vec<WindowFacts>>,
    notes: Receiver<LogEvent>,
    stop: Stop,
    done: Receiver<()>,
    thread: JoinHandle<()>,
    budget: Duration,
    node: String,
    /// The queue, unless another process takes it over.
    private: Option<RecordQueue>,
}

impl Export {
    /// The sending end of log messages, for other threads.
    pub(super) fn start(conf: &ExportConf, main: &MainConf) -> Result<(Self, LogSender), String> {
        let private = || shared::private_queue(conf.queue).ok_or("no memory for a queue");
        let shared_region =
            main.runtime().queue().filter(|_| process::kind() == ProcessKind::Worker);
        let claim = |region: RecordQueue| {
            let handle = region.join(process::slot(), process::pid());
            handle.claim().map(|ends| (handle, ends))
        };
        let is_shared = shared_region.is_some();
        let mut private_region = None;
        let (handle, (producer, consumer)) = match shared_region.and_then(claim) {
            Some(claimed) => claimed,
            None => {
                if is_shared {
                    log_warn!(
                        process::cycle(),
                        "api_sessions: export: former workers that still drain hold all queues: the records of this one wait in memory that ends with it"
                    );
                }
                let region = *private_region.insert(private()?);
                claim(region).ok_or("no ring of a queue")?
            }
        };
        let restored = restored_state_file(conf, main);
        let (to_journal, denials) = bounded(MAX_WAITING_DENIALS);
        let (to_facts, facts) = bounded(MAX_WAITING_KEY_FACTS);
        let journal = state_file(conf, main);
        let to_journal = journal.is_some().then_some(to_journal);
        let settings = conf.settings.clone();
        let join = |queue: RecordQueue| queue.join(process::slot(), process::pid());
        let former: Vec<_> = match is_shared {
            true => main.runtime().queues().skip(1).map(join).collect(),
            false => Vec::new(),
        };
        let budget = settings.shutdown + GRACE;
        let (to_log, notes) = log_channel();
        let (stop, stopped) = stop_channel();
        let (finished, done) = bounded(1);
        let thread_notes = to_log.clone();
        let thread = thread::spawn("api-sessions", move || {
            let priority = Arc::new(ExportPriority(SharedPriority::of_event_loop()));
            match Exporter::new(settings, handle, consumer, stopped, priority, thread_notes.clone())
            {
                Ok(exporter) => exporter
                    .with_state_file(restored)
                    .with_journal(denials, journal)
                    .with_key_facts(facts)
                    .adopting_from(former)
                    .run(),
                Err(error) => {
                    thread_notes.add(Severity::Error, format!("export: no thread: {error}"));
                }
            }
            let _ = finished.send(());
        })
        .map_err(|error| format!("cannot start a thread: {error}"))?;
        let producer = RefCell::new(producer);
        let node = conf.settings.node.clone();
        let export = Self {
            producer,
            denials: to_journal,
            facts: to_facts,
            notes,
            stop,
            done,
            thread,
            budget,
            node,
            private: private_region,
        };
        Ok((export, to_log))
    }

    #[inline]
    pub(super) fn node(&self) -> &str {
        &self.node
    }

    #[inline]
    pub(super) fn notes(&self) -> &Receiver<LogEvent> {
        &self.notes
    }

    /// Queues a record. A drop is counted in the queue, with its reason.
    #[inline]
    pub(super) fn send(&self, line: &[u8]) {
        if let Ok(mut producer) = self.producer.try_borrow_mut() {
            let _ = producer.push(line);
        }
    }

    /// Sends key facts to the cloud. If the channel is full they are dropped; those of the next window are similar.
    pub(super) fn tell(&self, windows: Vec<WindowFacts>) {
        if !windows.is_empty() {
            let _ = self.facts.try_send(windows);
        }
    }

    /// Persists a denial by a rule, so that it survives any end of NGINX. Returns `false` if too many wait; it is in
    /// force, and part of the next snapshot.
    pub(super) fn write_down(&self, denial: DenyEntry) -> bool {
        self.denials.as_ref().is_none_or(|denials| denials.try_send(denial).is_ok())
    }

    /// Flushes the queue, within the time that NGINX leaves an exiting worker.
    pub(super) fn end(self, cycle: *mut ngx_cycle_t) {
        drop(self.stop);
        let ended = self.done.recv_timeout(self.budget);
        super::log_notes(cycle, self.notes.try_iter());
        match ended {
            Err(RecvTimeoutError::Timeout) => {
                // The file stays mapped (-z nodelete); the thread ends with the process. Its queue is
                // taken over by the next worker.
                log_warn!(cycle, "api_sessions: export: the last batch was not answered in time");
                drop(self.thread);
            }
            _ => {
                if self.thread.join().is_err() {
                    log_error!(cycle, "api_sessions: the export thread has failed");
                }
            }
        }
        let lost = self.private.map_or(0, |queue| queue.waiting().0);
        if lost > 0 {
            log_warn!(
                cycle,
                "api_sessions: export: records are lost, since they could not be sent: {lost}"
            );
        }
    }
}

/// Restores the denylist from the copy that the first worker keeps beside the spool. Each worker does so before its
/// first request.
fn restored_state_file(conf: &ExportConf, main: &MainConf) -> Option<StateFile> {
    let mut file = state_file(conf, main)?;
    let path = conf.settings.spool.as_ref()?.path.display();
    match file.restore(process::now_ms(), process::pid()) {
        Ok(Restored { damaged_orders: 0, .. }) => {}
        Ok(Restored { damaged_orders, .. }) => log_warn!(
            process::cycle(),
            "api_sessions: {damaged_orders} orders of the denylist in {path} cannot be read: they were not acknowledged when NGINX ended, or the disk is damaged"
        ),
        Err(error) => log_error!(
            process::cycle(),
            "api_sessions: the copy of the denylist in {path} cannot be read: {error}"
        ),
    }
    process::is_first_worker().then_some(file)
}

/// The copy and the journal of the denylist beside the spool, if there is one.
pub(super) fn state_file(conf: &ExportConf, main: &MainConf) -> Option<StateFile> {
    let spool = conf.settings.spool.as_ref()?;
    Some(StateFile::new(&spool.path, *main.runtime().denylist_writer()?, main.runtime().settings()))
}
