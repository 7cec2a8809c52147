//! A worker process: the buffers for processing requests,
//! its end of the record queue, and the exporter thread.
#![forbid(unsafe_code)]

mod export;
mod open_requests;
mod poller;

use std::cell::{Cell, RefCell};

use api_sessions_agent::export::{LogEvent, Severity};
use api_sessions_agent::key_verdicts::KeyVerdicts;
use api_sessions_agent::record::RecordEncoder;
use api_sessions_detect::Workspace;
use api_sessions_extract::Scratch;
use api_sessions_key_facts::{Collector, Key, WindowFacts};
use api_sessions_nginx::process::{self, ProcessKind};
use api_sessions_nginx::process_local::EventLoopCell;
use api_sessions_nginx::timer::Timer;
use api_sessions_nginx::{log_error, log_notice, log_warn};
use api_sessions_protocol::DenyEntry;
use ngx::ffi::ngx_cycle_t;

use crate::directives::MainConf;
use crate::request::rules::lift;
use export::Export;
use open_requests::OpenRequests;
use poller::PollerThread;

/// Interval at which the event loop writes log messages of threads, milliseconds.
const TICK_MS: usize = 1000;
/// Interval at which the worker with the poller takes links, milliseconds.
const LINKS_MS: usize = 100;
/// Ticks between two warnings of evictions.
const TICKS_A_WARNING: u32 = 60;

static WORKER: EventLoopCell<Worker> = EventLoopCell::empty();

/// One worker process.
pub(crate) struct Worker {
    pub(crate) buffers: RefCell<Buffers>,
    /// Separate from the others: evaluating a rule may read values into those.
    pub(crate) rules: RefCell<RuleBuffers>,
    export: Option<Export>,
    /// Key facts, if a cloud or this node judges keys.
    pub(crate) facts: Option<RefCell<Collector>>,
    verdicts: RefCell<KeyVerdicts>,
    /// Only in the first worker, if configured.
    poller: Option<PollerThread>,
    live_evictions: Cell<u64>,
    /// Ticks until the next warning of evictions is allowed.
    quiet: Cell<u32>,
    open: OpenRequests,
    _linker: Option<Timer>,
    _ticker: Timer,
}

/// Buffers that every request reuses.
#[derive(Default)]
pub(crate) struct Buffers {
    pub(crate) scratch: Scratch,
    /// The value that identified the session.
    pub(crate) found: Vec<u8>,
    pub(crate) encoder: RecordEncoder,
    pub(crate) detection: Workspace,
}

/// Buffers for evaluating session rules.
#[derive(Default)]
pub(crate) struct RuleBuffers {
    /// The normalized path.
    pub(crate) path: Vec<u8>,
    pub(crate) observe: api_sessions_rules::Scratch,
    pub(crate) scratch: RefCell<Scratch>,
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
        self.export.as_ref().map(Export::node)
    }

    /// Queues a record. A drop is counted in the queue, with its reason.
    #[inline]
    pub(crate) fn send(&self, line: &[u8]) {
        if let Some(export) = &self.export {
            export.send(line);
        }
    }

    /// Passes key facts to the judge of keys: the cloud, or the first worker.
    fn tell(&self, cycle: *mut ngx_cycle_t, windows: Vec<WindowFacts>) {
        if let Some(shared) = MainConf::current().and_then(|main| main.runtime().key_verdicts()) {
            let judges = process::is_first_worker() && !process::is_exiting();
            let judges_at = judges.then(process::now_ms);
            if let Ok(mut verdicts) = self.verdicts.try_borrow_mut() {
                log_notes(cycle, verdicts.once_a_second(shared, windows, judges_at).into_iter());
            }
        } else if let Some(export) = &self.export {
            export.tell(windows);
        }
    }

    /// Persists a denial by a rule, if there is a directory for it. Returns `false` if too many wait.
    pub(crate) fn write_down(&self, denial: DenyEntry) -> bool {
        self.export.as_ref().is_none_or(|export| export.write_down(denial))
    }
}

/// `init_process`. Whatever fails, the worker serves: without export, or without the module.
pub(crate) fn start(cycle: *mut ngx_cycle_t) {
    let kind = process::kind();
    if kind == ProcessKind::Other {
        return;
    }
    let Some(main) = MainConf::current().filter(|main| main.is_used()) else { return };
    let (Some(table), Some(_)) = (main.runtime().table(), main.runtime().table_handle()) else {
        return;
    };
    if !main.has_own_secret() && process::is_first_worker() {
        log_notice!(
            cycle,
            "api_sessions: no \"api_sessions_secret\": a random one lives in the zone, session ids change with a restart"
        );
    }
    if main.detects() {
        api_sessions_detect::prepare();
        api_sessions_redact::prepare();
    }
    let (export, poller) = start_threads(cycle, main);
    let judges = main.runtime().key_verdicts().is_some();
    let measures = judges || export.is_some() && main.runtime().settings().is_some();
    let key = main.runtime().hasher().filter(|_| measures).map(|it| Key::new(it.facts_key()));
    let collector = if judges { Collector::of_keys_alone } else { Collector::new };
    let facts = key.map(|key| RefCell::new(collector(key)));
    let ticker = Timer::new(tick);
    ticker.start(TICK_MS);
    let linker = poller.is_some().then(|| Timer::new(link));
    linker.iter().for_each(|linker| linker.start(LINKS_MS));
    WORKER.set(Worker {
        buffers: RefCell::default(),
        rules: RefCell::default(),
        export,
        facts,
        verdicts: RefCell::new(KeyVerdicts::new(process::pid())),
        poller,
        live_evictions: Cell::new(table.stats().evicted_live),
        quiet: Cell::new(0),
        open: OpenRequests::new(),
        _linker: linker,
        _ticker: ticker,
    });
}

fn start_threads(
    cycle: *mut ngx_cycle_t,
    main: &MainConf,
) -> (Option<Export>, Option<PollerThread>) {
    let Some(conf) = main.export() else { return (None, None) };
    let (export, notes) = match Export::start(conf, main) {
        Ok(started) => started,
        Err(message) => {
            log_error!(cycle, "api_sessions: records are not exported: {message}");
            return (None, None);
        }
    };
    if !conf.sync || !process::is_first_worker() {
        return (Some(export), None);
    }
    let poller = PollerThread::start(conf, main, notes);
    if let Err(message) = &poller {
        log_error!(cycle, "api_sessions: nothing is taken from the cloud: {message}");
    }
    (Some(export), poller.ok())
}

/// `exit_process`: flushes the queue.
pub(crate) fn stop(cycle: *mut ngx_cycle_t) {
    let Some(worker) = WORKER.take() else { return };
    drop(worker.poller);
    open_requests::none_is_left();
    let windows = worker.facts.map(|facts| facts.into_inner().take_all()).unwrap_or_default();
    if let Some(shared) = MainConf::current().and_then(|main| main.runtime().key_verdicts()) {
        worker.verdicts.into_inner().end(shared, windows);
    } else if let Some(export) = &worker.export {
        export.tell(windows);
    }
    if let Some(export) = worker.export {
        export.end(cycle);
    }
}

/// `exit_master`, once all workers are gone: reports records lost with the queue's memory.
pub(crate) fn report_unsent(cycle: *mut ngx_cycle_t) {
    let Some(main) = MainConf::current() else { return };
    let waiting = main.runtime().queues().map(|queue| queue.waiting());
    let (records, bytes) = waiting.fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
    if records > 0 {
        log_warn!(
            cycle,
            "api_sessions: export: records are lost, since they could not be sent: {records} ({bytes} bytes); \"spool=\" would have kept them"
        );
    }
}

/// A request is under way.
#[inline]
pub(crate) fn watch_open_requests() {
    if let Some(worker) = WORKER.get() {
        worker.open.watch();
    }
}

/// Once a second, on the event loop.
fn tick() -> Option<usize> {
    if let Some(worker) = WORKER.get() {
        once_a_second(worker);
    }
    // The timer does not delay the worker's exit.
    (!process::is_exiting()).then_some(TICK_MS)
}

fn link() -> Option<usize> {
    if let Some(poller) = WORKER.get().and_then(|worker| worker.poller.as_ref())
        && let Some(main) = MainConf::current()
    {
        poller.link(main);
    }
    (!process::is_exiting()).then_some(LINKS_MS)
}

fn once_a_second(worker: &Worker) {
    let cycle = process::cycle();
    if let Some(export) = &worker.export {
        log_notes(cycle, export.notes().try_iter());
    }
    if let Some(Ok(mut facts)) = worker.facts.as_ref().map(RefCell::try_borrow_mut) {
        worker.tell(cycle, facts.take_done(process::now_ms()));
    }
    if process::is_exiting()
        && let Some(poller) = &worker.poller
    {
        // The next generation polls for itself, and may poll another cloud.
        poller.stop();
    }
    if !process::is_first_worker() {
        return;
    }
    if let (Some(poller), Some(main)) = (&worker.poller, MainConf::current()) {
        poller.lifted().for_each(|session| lift::lifted(main, &session, process::now_ms()));
    }
    match worker.quiet.get() {
        0 if warn_of_evictions(worker, cycle) => worker.quiet.set(TICKS_A_WARNING),
        0 => {}
        quiet => worker.quiet.set(quiet - 1),
    }
}

/// Warns at once, then at most once a minute. Returns whether there was anything to warn of.
fn warn_of_evictions(worker: &Worker, cycle: *mut ngx_cycle_t) -> bool {
    let Some(table) = MainConf::current().and_then(|main| main.runtime().table()) else {
        return false;
    };
    let stats = table.stats();
    let more = stats.evicted_live.saturating_sub(worker.live_evictions.replace(stats.evicted_live));
    if more > 0 {
        log_warn!(
            cycle,
            "api_sessions: zone too small: sessions in use that made room for others since the last look: {more} ({} of {} in use)",
            stats.in_use,
            stats.capacity
        );
    }
    more > 0
}

fn log_notes(cycle: *mut ngx_cycle_t, notes: impl Iterator<Item = LogEvent>) {
    for note in notes {
        let text = &note.text;
        match note.severity {
            Severity::Notice => log_notice!(cycle, "api_sessions: {text}"),
            Severity::Warning => log_warn!(cycle, "api_sessions: {text}"),
            Severity::Error => log_error!(cycle, "api_sessions: {text}"),
        }
    }
}
