//! The runtime state of a configuration in one process: its shared memory, and the process's handles on it.

use std::cell::{OnceCell, RefCell};
use std::ffi::c_int;
use std::rc::Rc;

use api_sessions_agent::key_verdicts::SharedVerdicts;
use api_sessions_extract::CloudSettings;
use api_sessions_identity::Hasher;
use api_sessions_nginx::conf::Conf;
use api_sessions_nginx::variable::IndexedVariable;
use api_sessions_nginx::zone::{self, InPool};
use api_sessions_nginx::{process, request_id, thread};
use api_sessions_shm::{
    Denylist, DenylistWriter, LinkHandle, Links, RecordQueue, RuleCounts, RuleCountsHandle,
    SessionTable, SharedConfig, Structures, TableHandle,
};

use super::export_conf::ExportConf;
use super::zones::{
    CountsZone, DenylistZone, Kind, LinksZone, MailboxZone, QueueZone, SettingsZone, SharedZone,
    TableZone, ZoneSettings,
};

/// Sizes of the zones that the configuration needs.
pub(super) struct Wanted<'w> {
    pub(super) table: &'w ZoneSettings,
    pub(super) links_bytes: Option<usize>,
    /// Bytes for the counts of rules, if some location has rules or may get them from the cloud.
    pub(super) rules: Option<Option<usize>>,
    pub(super) denylist: bool,
    pub(super) export: Option<&'w ExportConf>,
    /// Keys are measured, and no cloud judges them.
    pub(super) judges_keys: bool,
    pub(super) secret: Option<&'w [u8]>,
}

/// Empty until [`Runtime::add_zones`]; without shared memory until the configuration takes effect.
#[derive(Default)]
pub(crate) struct Runtime {
    table: Option<InPool<SharedZone<TableZone>>>,
    denylist: Option<InPool<SharedZone<DenylistZone>>>,
    links: Option<InPool<SharedZone<LinksZone>>>,
    counts: Option<InPool<SharedZone<CountsZone>>>,
    queue: Option<InPool<SharedZone<QueueZone>>>,
    /// Queues of previous configurations that still hold records.
    former_queues: Vec<InPool<SharedZone<QueueZone>>>,
    /// The cloud's, or if this node judges keys itself, those that it has demoted.
    settings: Option<InPool<SharedZone<SettingsZone>>>,
    /// Present if this node judges keys itself.
    mailbox: Option<InPool<SharedZone<MailboxZone>>>,
    standings: Option<InPool<SharedZone<SettingsZone>>>,
    /// The cloud's settings as this process has parsed them, and their generation.
    cloud: RefCell<(u64, Option<Rc<CloudSettings>>)>,
    /// `worker_priority`, for the threads of workers.
    worker_priority: Option<c_int>,
    /// `$request_id`.
    request_id: Option<IndexedVariable>,
    /// Keyed with the operator's secret, or with the zone's once it exists.
    hasher: OnceCell<Hasher>,
    table_handle: OwnHandle<TableHandle>,
    denylist_writer: OwnHandle<DenylistWriter>,
    link_handle: OwnHandle<LinkHandle>,
    rule_counts_handle: OwnHandle<RuleCountsHandle>,
}

/// This process's handle on a structure in shared memory. The master takes none, so each process takes its own after
/// the fork; in single-process mode, once per configuration.
struct OwnHandle<T>(OnceCell<T>);

impl<T> Default for OwnHandle<T> {
    fn default() -> Self {
        Self(OnceCell::new())
    }
}

impl<T> OwnHandle<T> {
    /// `join` is called with the process's slot and id.
    #[inline]
    fn get(&self, join: impl FnOnce(u16, u32) -> Option<T>) -> Option<&T> {
        if self.0.get().is_none() {
            let handle = join(process::slot(), process::pid())?;
            return Some(self.0.get_or_init(|| handle));
        }
        self.0.get()
    }
}

impl Runtime {
    /// The session table.
    #[inline]
    pub(crate) fn table(&self) -> Option<SessionTable> {
        self.table.as_ref()?.get()
    }

    /// This process's handle on the session table.
    #[inline]
    pub(crate) fn table_handle(&self) -> Option<&TableHandle> {
        self.table_handle.get(|slot, pid| Some(self.table()?.join(slot, pid)))
    }

    /// The denylist, if some location consults it.
    #[inline]
    pub(crate) fn denylist(&self) -> Option<Denylist> {
        self.denylist.as_ref()?.get()
    }

    /// This process's handle on the denylist.
    pub(crate) fn denylist_writer(&self) -> Option<&DenylistWriter> {
        self.denylist_writer.get(|slot, pid| Some(self.denylist()?.join(slot, pid)))
    }

    /// The links.
    pub(crate) fn links(&self) -> Option<Links> {
        self.links.as_ref()?.get()
    }

    /// This process's handle on the links.
    #[inline]
    pub(crate) fn link_handle(&self) -> Option<&LinkHandle> {
        self.link_handle.get(|slot, pid| Some(self.links()?.join(slot, pid)))
    }

    /// The counts of rules, if there are rules.
    pub(crate) fn rule_counts(&self) -> Option<RuleCounts> {
        self.counts.as_ref()?.get()
    }

    /// This process's handle on the counts of rules.
    #[inline]
    pub(crate) fn rule_counts_handle(&self) -> Option<&RuleCountsHandle> {
        self.rule_counts_handle.get(|slot, pid| Some(self.rule_counts()?.join(slot, pid)))
    }

    /// The record queue, if records are exported.
    pub(crate) fn queue(&self) -> Option<RecordQueue> {
        self.queue.as_ref()?.get()
    }

    /// All queues that hold records, this configuration's first.
    pub(crate) fn queues(&self) -> impl Iterator<Item = RecordQueue> {
        self.queue.iter().chain(&self.former_queues).filter_map(|zone| zone.get())
    }

    /// All structures with metrics.
    pub(crate) fn structures(&self) -> Structures {
        Structures {
            table: self.table(),
            queues: self.queues().collect(),
            denylist: self.denylist(),
            links: self.links(),
            rule_counts: self.rule_counts(),
        }
    }

    /// The cloud's settings, if `sync=on`.
    pub(crate) fn settings(&self) -> Option<SharedConfig> {
        self.settings.as_ref().filter(|_| self.mailbox.is_none())?.get()
    }

    /// What this node has measured and decided of keys, if no cloud does.
    pub(crate) fn key_verdicts(&self) -> Option<SharedVerdicts> {
        Some(SharedVerdicts {
            mailbox: self.mailbox.as_ref()?.get()?,
            standings: self.standings.as_ref()?.get()?,
            settings: self.settings.as_ref()?.get()?,
        })
    }

    /// Generation of the settings in force; 0 if there are none.
    #[inline]
    pub(crate) fn settings_generation(&self) -> u64 {
        match &self.settings {
            None => 0,
            Some(zone) => zone.get().map_or(0, |settings| settings.generation()),
        }
    }

    /// The settings in force, of the cloud or of this node, and their generation. Invalid ones are ignored and the previous
    /// ones stay in force; none are ever published.
    pub(crate) fn cloud_settings(&self) -> (u64, Option<Rc<CloudSettings>>) {
        let mut known = self.cloud.borrow_mut();
        if let Some((generation, text)) = self.settings.as_ref().and_then(|zone| zone.get()?.read())
            && known.0 != generation
        {
            known.0 = generation;
            if let Ok(settings) = CloudSettings::parse(&text) {
                known.1 = Some(Rc::new(settings));
            }
        }
        known.clone()
    }

    /// Hashes with the operator's secret, else with the zone's.
    #[inline]
    pub(crate) fn hasher(&self) -> Option<&Hasher> {
        if self.hasher.get().is_none() {
            let hasher = Hasher::new(&self.table()?.zone_secret());
            return Some(self.hasher.get_or_init(|| hasher));
        }
        self.hasher.get()
    }

    /// `$request_id`.
    pub(crate) fn request_id(&self) -> Option<IndexedVariable> {
        self.request_id
    }

    /// Called once the configuration is in force: the reload can no longer fail.
    pub(super) fn take_effect(&self) {
        if let Some(priority) = self.worker_priority {
            thread::allow_return_to(priority);
        }
        if let Some(links) = &self.links {
            links.take_effect();
        }
        if let Some(table) = &self.table {
            table.take_effect();
        }
    }

    /// Called after all directives are read. `before` is the runtime of the configuration in force.
    pub(super) fn add_zones(
        &mut self,
        cf: Conf<'_>,
        wanted: &Wanted<'_>,
        before: Option<&Self>,
    ) -> Result<(), String> {
        if let Some(secret) = wanted.secret {
            self.hasher = Hasher::new(secret).into();
        }
        self.request_id = IndexedVariable::find(cf, c"request_id");
        let (name, size) = (&wanted.table.name, wanted.table.size);
        self.table = Some(add(cf, name, size, TableZone::new(wanted.table))?);
        let links_bytes = wanted.links_bytes.unwrap_or(LinksZone::SIZE);
        let links = LinksZone::new(wanted.table);
        self.links = Some(add(cf, &format!("{name}_links"), links_bytes, links)?);
        if let Some(bytes) = wanted.rules {
            let bytes = bytes.unwrap_or(CountsZone::SIZE);
            self.counts = Some(add(cf, &format!("{name}_rules"), bytes, CountsZone)?);
        }
        if wanted.denylist {
            let name = format!("{name}_denylist");
            self.denylist = Some(add(cf, &name, DenylistZone::SIZE, DenylistZone)?);
        }
        if let Some(export) = wanted.export {
            self.worker_priority = Some(cf.core().worker_priority());
            let spool = export.settings.spool.as_ref().map(|spool| (spool.path.clone(), cf.core()));
            let queue = QueueZone::new(name, export.queue, cf.workers(), spool);
            // Each record has a request id.
            request_id::install_request_id_getter(cf);
            self.add_queue(cf, queue, before)?;
        }
        if wanted.export.is_some_and(|export| export.sync) {
            let name = format!("{name}_settings");
            self.settings = Some(add(cf, &name, SettingsZone::size(), SettingsZone)?);
        } else if wanted.judges_keys {
            // Zones of other names than the cloud's, whose settings must not stay in force without it.
            let settings =
                |what| add(cf, &format!("{name}_{what}"), SettingsZone::size(), SettingsZone);
            self.settings = Some(settings("demoted_keys")?);
            self.standings = Some(settings("key_verdicts")?);
            let name = format!("{name}_key_facts");
            self.mailbox = Some(add(cf, &name, MailboxZone::SIZE, MailboxZone)?);
        }
        Ok(())
    }

    /// Adds the queue, and queues of other sizes that are still in use: workers of this configuration send
    /// what previous workers could not.
    fn add_queue(
        &mut self,
        cf: Conf<'_>,
        queue: QueueZone,
        before: Option<&Self>,
    ) -> Result<(), String> {
        let zones = before.iter().flat_map(|it| it.queue.iter().chain(&it.former_queues));
        for zone in zones.filter(|zone| zone.kind.name != queue.name && zone.is_in_use()) {
            let former = zone.kind.former();
            let (name, size) = (former.name.clone(), former.size);
            self.former_queues.push(add(cf, &name, size, former)?);
        }
        let (name, size) = (queue.name.clone(), queue.size);
        self.queue = Some(add(cf, &name, size, queue)?);
        Ok(())
    }
}

fn add<K: Kind>(
    cf: Conf<'_>,
    name: &str,
    size: usize,
    kind: K,
) -> Result<InPool<SharedZone<K>>, String> {
    zone::add(cf, name, size, SharedZone::new(kind))
}
