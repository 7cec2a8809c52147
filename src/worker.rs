//! What a worker process owns: the buffers that requests are worked in,
//! its end of the record queue, and the exporter thread.
#![forbid(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use api_sessions_engine::export::{Exporter, Note, Severity, Stop, mailbox, notes};
use api_sessions_engine::point::Scratch;
use api_sessions_engine::record::Encoder;
use api_sessions_engine::table::{Producer, QueueRegion};
use ngx::ffi::ngx_cycle_t;

use crate::conf::{ExportConf, MainConf};
use crate::nginx::cell::EventLoopCell;
use crate::nginx::log::{log_error, log_notice, log_warn};
use crate::nginx::process::{self, ProcessKind};
use crate::nginx::timer::Ticker;
use crate::nginx::{shared, thread};

/// How often the event loop looks at what is to be logged, milliseconds.
const TICK_MS: usize = 1000;
/// Ticks between two looks at the table's evictions.
const TICKS_A_WARNING: u32 = 60;
/// Time an exporter has beyond its own budget before it is left behind.
const GRACE: Duration = Duration::from_millis(200);

static WORKER: EventLoopCell<Worker> = EventLoopCell::empty();

/// One worker process.
pub(crate) struct Worker {
    pub(crate) buffers: RefCell<Buffers>,
    export: Option<Export>,
    live_evictions: Cell<u64>,
    ticks: Cell<u32>,
    _ticker: Ticker,
}

/// Memory that each request is worked in, used again for the next.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) scratch: Scratch,
    /// The value that identified the session.
    pub(crate) found: Vec<u8>,
    pub(crate) encoder: Encoder,
}

/// The way out.
struct Export {
    producer: RefCell<Producer>,
    notes: Receiver<Note>,
    stop: Stop,
    done: Receiver<()>,
    thread: JoinHandle<()>,
    budget: Duration,
    node: String,
}

/// The worker, once it has started.
#[inline]
pub(crate) fn current() -> Option<&'static Worker> {
    WORKER.get()
}

impl Worker {
    /// The node's name, if records are exported.
    #[inline]
    pub(crate) fn node(&self) -> Option<&str> {
        self.export.as_ref().map(|export| &*export.node)
    }

    /// Queues a record. A drop is counted in the queue, with its reason.
    #[inline]
    pub(crate) fn send(&self, line: &[u8]) {
        if let Some(export) = &self.export
            && let Ok(mut producer) = export.producer.try_borrow_mut()
        {
            let _ = producer.push(line);
        }
    }
}

/// `init_process`. Whatever fails, the worker serves: without export, or without the module.
pub(crate) fn start(cycle: *mut ngx_cycle_t) {
    let kind = process::kind();
    if kind == ProcessKind::Other {
        return;
    }
    let Some(main) = MainConf::current().filter(|main| main.is_used()) else { return };
    let (Some(table), Some(_)) = (main.table(), main.hand()) else { return };
    if !main.has_own_secret() && process::is_first_worker() {
        log_notice!(
            cycle,
            "api_sessions: no \"api_sessions_secret\": a random one lives in the zone, session ids change with a restart"
        );
    }
    let export = main.export().and_then(|conf| {
        let export = start_export(conf, main, kind);
        if let Err(message) = &export {
            log_error!(cycle, "api_sessions: records are not exported: {message}");
        }
        export.ok()
    });
    WORKER.set(Worker {
        buffers: RefCell::default(),
        export,
        live_evictions: Cell::new(table.stats().evicted_live),
        ticks: Cell::new(0),
        _ticker: Ticker::start(TICK_MS, tick),
    });
}

fn start_export(conf: &ExportConf, main: &MainConf, kind: ProcessKind) -> Result<Export, String> {
    let private = || shared::private_queue(conf.queue).ok_or("no memory for a queue");
    let shared_region = main.queue().filter(|_| kind == ProcessKind::Worker);
    let claim = |region: QueueRegion| {
        let hand = region.join(process::slot(), process::pid());
        hand.claim().map(|ends| (hand, ends))
    };
    let (hand, (producer, consumer)) = match shared_region.and_then(claim) {
        Some(claimed) => claimed,
        None => claim(private()?).ok_or("no ring of a queue")?,
    };
    let settings = conf.settings();
    let budget = settings.shutdown + GRACE;
    let (to_log, notes) = notes();
    let (stop, mailbox) = mailbox();
    let (finished, done) = channel();
    let thread = thread::spawn("api-sessions", move || {
        match Exporter::new(settings, hand, consumer, mailbox, to_log.clone()) {
            Ok(exporter) => exporter.run(),
            Err(error) => to_log.add(Severity::Error, format!("export: no thread: {error}")),
        }
        let _ = finished.send(());
    })
    .map_err(|error| format!("cannot start a thread: {error}"))?;
    Ok(Export {
        producer: RefCell::new(producer),
        notes,
        stop,
        done,
        thread,
        budget,
        node: conf.node.clone(),
    })
}

/// `exit_process`: hands over what is left, within the budget that NGINX leaves.
pub(crate) fn stop(cycle: *mut ngx_cycle_t) {
    let Some(worker) = WORKER.take() else { return };
    let Some(export) = worker.export else { return };
    drop(export.stop);
    let ended = export.done.recv_timeout(export.budget);
    log_notes(cycle, &export.notes);
    match ended {
        Err(RecvTimeoutError::Timeout) => {
            // The file stays mapped (-z nodelete); the thread ends with the process. Its queue is taken
            // over by the next worker.
            log_warn!(cycle, "api_sessions: export: the last batch was not answered in time");
            std::mem::forget(export.thread);
        }
        _ => {
            if export.thread.join().is_err() {
                log_error!(cycle, "api_sessions: the export thread has failed");
            }
        }
    }
}

/// `exit_master`, once all workers are gone: says what is lost with the queue's memory.
pub(crate) fn farewell(cycle: *mut ngx_cycle_t) {
    let Some(queue) = MainConf::current().and_then(MainConf::queue) else { return };
    let (records, bytes) = queue.waiting();
    if records > 0 {
        log_warn!(
            cycle,
            "api_sessions: export: {records} records ({bytes} bytes) could not be sent and are lost; \"spool=\" would have kept them"
        );
    }
}

/// Once a second, on the event loop.
fn tick() {
    let Some(worker) = WORKER.get() else { return };
    let cycle = process::cycle();
    if let Some(export) = &worker.export {
        log_notes(cycle, &export.notes);
    }
    let ticks = worker.ticks.get().wrapping_add(1);
    worker.ticks.set(ticks);
    if ticks.is_multiple_of(TICKS_A_WARNING) && process::is_first_worker() {
        warn_of_evictions(worker, cycle);
    }
}

fn warn_of_evictions(worker: &Worker, cycle: *mut ngx_cycle_t) {
    let Some(table) = MainConf::current().and_then(MainConf::table) else { return };
    let stats = table.stats();
    let more = stats.evicted_live.saturating_sub(worker.live_evictions.replace(stats.evicted_live));
    if more > 0 {
        log_warn!(
            cycle,
            "api_sessions: zone too small: {more} sessions in use made room for others in the last minute ({} of {} in use)",
            stats.in_use,
            stats.capacity
        );
    }
}

fn log_notes(cycle: *mut ngx_cycle_t, notes: &Receiver<Note>) {
    for note in notes.try_iter() {
        let text = &note.text;
        match note.severity {
            Severity::Notice => log_notice!(cycle, "api_sessions: {text}"),
            Severity::Warning => log_warn!(cycle, "api_sessions: {text}"),
            Severity::Error => log_error!(cycle, "api_sessions: {text}"),
        }
    }
}
