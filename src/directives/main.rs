//! What exists once in the `http` block.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;

use api_sessions_extract::CloudSettings;
use api_sessions_identity::Hasher;
use api_sessions_nginx::conf::{Conf, current_main_conf};
use api_sessions_nginx::process;
use api_sessions_nginx::request::Request;
use api_sessions_nginx::request_id;
use api_sessions_nginx::thread;
use api_sessions_nginx::variable::{IndexedVariable, PointVariables};
use api_sessions_nginx::worker_user::CoreConf;
use api_sessions_nginx::worker_user::is_configuration_test;
use api_sessions_nginx::zone::{self, InPool};
use api_sessions_shm::{
    Denylist, DenylistWriter, LinkHandle, Links, RecordQueue, RuleCounts, RuleCountsHandle,
    SessionTable, SharedConfig, TableHandle,
};

use super::export::ExportConf;
use super::variable_refs::Mentions;
use super::zone::{
    CountsZone, DenylistZone, LinksZone, QueueZone, SettingsZone, TableZone, ZoneSettings,
};

/// The `http` block's settings and the memory that comes of them.
#[derive(Default)]
pub(crate) struct MainConf {
    /// Some location uses the module. Without, it adds no handler, no zone and no thread.
    pub(super) used: bool,
    /// Some location has detectors.
    pub(super) detects: bool,
    /// Some location denies sessions or controls the denylist.
    pub(super) denies: bool,
    /// Some location does before the rewrite module's directives run.
    pub(super) denies_before_rewrite: bool,
    /// `api_sessions_zone`.
    pub(super) zone: Option<ZoneSettings>,
    /// `api_sessions_links`, bytes.
    pub(super) links_bytes: Option<usize>,
    /// `api_sessions_rules_zone`, bytes.
    pub(super) rules_bytes: Option<usize>,
    /// Rules that were written so far.
    pub(super) written_rules: usize,
    /// Their names, and those of the default pack where it is used.
    pub(super) rule_names: Vec<String>,
    /// Some location has rules, or may get them from the cloud.
    pub(super) has_rules: bool,
    /// `api_sessions_secret`.
    pub(super) secret: Option<Vec<u8>>,
    /// `api_sessions_export`; `Some(None)` is `off`.
    pub(super) export: Option<Option<ExportConf>>,
    /// Complex values of points.
    pub(super) variables: PointVariables,
    /// Variables that are to be there.
    pub(super) mentions: Mentions,
    /// What the operator should know of, once the log of this configuration is open.
    pub(super) warnings: Vec<String>,
    /// `$request_id`.
    request_id: Option<IndexedVariable>,
    table: Option<InPool<TableZone>>,
    denylist: Option<InPool<DenylistZone>>,
    links: Option<InPool<LinksZone>>,
    counts: Option<InPool<CountsZone>>,
    queue: Option<InPool<QueueZone>>,
    /// Queues of former configurations that hold records still.
    former_queues: Vec<InPool<QueueZone>>,
    settings: Option<InPool<SettingsZone>>,
    /// This process' reading of the cloud's settings, and their generation.
    cloud: RefCell<(u64, Option<Rc<CloudSettings>>)>,
    /// Of NGINX.
    core: Option<CoreConf>,
    hasher: OnceCell<Hasher>,
    hand: OnceCell<TableHandle>,
    deny_hand: OnceCell<DenylistWriter>,
    link_hand: OnceCell<LinkHandle>,
    counts_hand: OnceCell<RuleCountsHandle>,
}

impl MainConf {
    /// Of the cycle in force.
    pub(crate) fn current() -> Option<&'static MainConf> {
        current_main_conf()
    }

    /// Of the request's cycle.
    #[inline]
    pub(crate) fn of<'r>(r: Request<'r>) -> Option<&'r MainConf> {
        r.main_conf()
    }

    pub(crate) fn is_used(&self) -> bool {
        self.used
    }

    pub(crate) fn detects(&self) -> bool {
        self.detects
    }

    pub(crate) fn denies_before_rewrite(&self) -> bool {
        self.denies_before_rewrite
    }

    pub(crate) fn variables(&self) -> &PointVariables {
        &self.variables
    }

    pub(crate) fn request_id(&self) -> Option<IndexedVariable> {
        self.request_id
    }

    pub(crate) fn export(&self) -> Option<&ExportConf> {
        self.export.as_ref()?.as_ref()
    }

    /// The session table, once the configuration was taken.
    #[inline]
    pub(crate) fn table(&self) -> Option<SessionTable> {
        self.table.as_ref()?.table()
    }

    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// The configuration is in force, and no reload that brought it can fail any more.
    pub(crate) fn take_effect(&self) -> Result<(), String> {
        if let Some(core) = self.core.filter(|_| self.export().is_some()) {
            thread::allow_return_to(core.worker_priority());
        }
        if let Some(links) = &self.links {
            links.take_effect();
        }
        self.table.as_ref().map_or(Ok(()), |zone| zone.take_effect())
    }

    /// This process' hand on the table. The master never asks, so each process takes its own after the
    /// fork; in single-process mode, each configuration does.
    #[inline]
    pub(crate) fn hand(&self) -> Option<&TableHandle> {
        if self.hand.get().is_none() {
            let hand = self.table()?.join(process::slot(), process::pid());
            return Some(self.hand.get_or_init(|| hand));
        }
        self.hand.get()
    }

    /// The denied sessions, if a location asks for them.
    #[inline]
    pub(crate) fn denylist(&self) -> Option<Denylist> {
        self.denylist.as_ref()?.denylist()
    }

    /// This process' hand on the denylist, as [`MainConf::hand`].
    pub(crate) fn deny_hand(&self) -> Option<&DenylistWriter> {
        let denylist = self.denylist()?;
        Some(self.deny_hand.get_or_init(|| denylist.join(process::slot(), process::pid())))
    }

    /// All queues that hold records: the first is that of this configuration.
    pub(crate) fn queues(&self) -> impl Iterator<Item = RecordQueue> {
        self.queue.iter().chain(&self.former_queues).filter_map(|zone| zone.queue())
    }

    /// The links, once the configuration was taken.
    pub(crate) fn links(&self) -> Option<Links> {
        self.links.as_ref()?.links()
    }

    /// This process' hand on the links, as [`MainConf::hand`].
    #[inline]
    pub(crate) fn link_hand(&self) -> Option<&LinkHandle> {
        if self.link_hand.get().is_none() {
            let hand = self.links()?.join(process::slot(), process::pid());
            return Some(self.link_hand.get_or_init(|| hand));
        }
        self.link_hand.get()
    }

    /// The counts of rules, if there are rules.
    pub(crate) fn rule_counts(&self) -> Option<RuleCounts> {
        self.counts.as_ref()?.counts()
    }

    /// This process' hand on the counts, as [`MainConf::hand`].
    #[inline]
    pub(crate) fn counts_hand(&self) -> Option<&RuleCountsHandle> {
        if self.counts_hand.get().is_none() {
            let hand = self.rule_counts()?.join(process::slot(), process::pid());
            return Some(self.counts_hand.get_or_init(|| hand));
        }
        self.counts_hand.get()
    }

    /// Names of the rules of nginx.conf, of the default pack and of the cloud, each once.
    pub(crate) fn rule_names(&self) -> impl Iterator<Item = String> {
        let cloud = self.cloud_settings().1;
        let of_cloud = cloud.iter().flat_map(|cloud| cloud.rules.iter());
        let of_cloud: Vec<String> = of_cloud.map(|rule| rule.name.clone()).collect();
        let mut names: Vec<String> = self.rule_names.iter().cloned().chain(of_cloud).collect();
        names.sort_unstable();
        names.dedup();
        names.into_iter()
    }

    /// The record queue, if records are exported.
    pub(crate) fn queue(&self) -> Option<RecordQueue> {
        self.queue.as_ref()?.queue()
    }

    /// The cloud's settings, if they are taken.
    pub(crate) fn settings(&self) -> Option<SharedConfig> {
        self.settings.as_ref()?.settings()
    }

    /// Changes with the cloud's settings; 0 where there are none.
    #[inline]
    pub(crate) fn settings_generation(&self) -> u64 {
        match &self.settings {
            None => 0,
            Some(zone) => zone.settings().map_or(0, |settings| settings.generation()),
        }
    }

    /// The cloud's settings and their generation. Such that make no sense, which a poller does not
    /// publish, leave those before in force.
    pub(crate) fn cloud_settings(&self) -> (u64, Option<Rc<CloudSettings>>) {
        let mut known = self.cloud.borrow_mut();
        if let Some((generation, text)) = self.settings().and_then(|settings| settings.read())
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
        if let Some(hasher) = self.hasher.get() {
            return Some(hasher);
        }
        let hasher = match &self.secret {
            Some(secret) => Hasher::new(secret),
            None => Hasher::new(&self.table()?.zone_secret()),
        };
        Some(self.hasher.get_or_init(|| hasher))
    }

    /// The secret is the zone's: it does not survive a restart.
    pub(crate) fn has_own_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// Once all directives are read: adds the zones and looks variables up.
    pub(crate) fn complete(&mut self, cf: Conf<'_>) -> Result<(), String> {
        self.mentions.tell_unknown(cf);
        if is_configuration_test() {
            // Which writes to no log of that configuration.
            self.warnings.drain(..).for_each(|warning| cf.warn(&warning));
        }
        self.core = Some(cf.core());
        self.request_id = IndexedVariable::find(cf, c"request_id");
        if self.export().is_some_and(|export| export.sync) {
            // Whatever the cloud may ask for one day.
            self.denies = true;
            self.has_rules = true;
        }
        let settings = self.zone.take().unwrap_or_default();
        let (name, size) = (&settings.name, settings.size);
        self.table = Some(zone::add(cf, name, size, TableZone::new(&settings))?);
        let (links, size) =
            (LinksZone::new(&settings), self.links_bytes.unwrap_or(LinksZone::SIZE));
        self.links = Some(zone::add(cf, &format!("{name}_links"), size, links)?);
        if self.has_rules {
            let (name, size) =
                (format!("{name}_rules"), self.rules_bytes.unwrap_or(CountsZone::SIZE));
            self.counts = Some(zone::add(cf, &name, size, CountsZone::default())?);
        }
        if self.denies {
            let (name, size) = (format!("{name}_denylist"), DenylistZone::SIZE);
            self.denylist = Some(zone::add(cf, &name, size, DenylistZone::default())?);
        }
        if let Some(export) = self.export() {
            let spool = export.spool.as_ref().map(|spool| (spool.path.clone(), cf.core()));
            let queue = QueueZone::new(name, export.queue, cf.workers(), spool);
            // Each record has one.
            request_id::make_cheap(cf);
            self.add_queue(cf, queue)?;
        }
        if self.export().is_some_and(|export| export.sync) {
            let name = format!("{name}_settings");
            let zone = SettingsZone::default();
            self.settings = Some(zone::add(cf, &name, SettingsZone::size(), zone)?);
        }
        self.zone = Some(settings);
        Ok(())
    }

    /// Adds the queue, and those in force that have other sizes and are in use: workers of this configuration send
    /// what those before could not.
    fn add_queue(&mut self, cf: Conf<'_>, queue: QueueZone) -> Result<(), String> {
        let in_force = cf.main_conf_in_force::<Self>();
        let zones = in_force.iter().flat_map(|main| main.queue.iter().chain(&main.former_queues));
        for zone in zones.filter(|zone| zone.name != queue.name && zone.is_in_use()) {
            let former = zone::add(cf, &zone.name, zone.size, zone.former())?;
            self.former_queues.push(former);
        }
        let (name, size) = (queue.name.clone(), queue.size);
        self.queue = Some(zone::add(cf, &name, size, queue)?);
        Ok(())
    }
}
