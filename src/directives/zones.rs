//! The module's shared-memory zones, one for each structure.

use std::cell::Cell;
use std::path::PathBuf;

use api_sessions_agent::export::is_spool_file;
use api_sessions_nginx::worker_user::{CoreConf, is_configuration_test};
use api_sessions_nginx::zone::{Region, Tag, ZoneContent};
use api_sessions_nginx::{log_warn, process, shared};
use api_sessions_shm::{
    Denylist, Links, Mailbox, RecordQueue, RuleCounts, SessionTable, SharedConfig,
};

static TABLE: Tag = Tag::unique();
static LINKS: Tag = Tag::unique();
static COUNTS: Tag = Tag::unique();
static DENYLIST: Tag = Tag::unique();
static QUEUE: Tag = Tag::unique();
static SETTINGS: Tag = Tag::unique();
static MAILBOX: Tag = Tag::unique();

/// `api_sessions_zone`.
pub(crate) struct ZoneSettings {
    pub(super) name: String,
    pub(super) size: usize,
    pub(super) inactive_ms: u64,
}

impl Default for ZoneSettings {
    fn default() -> Self {
        Self { name: "api_sessions".to_owned(), size: 16 << 20, inactive_ms: 24 * 3_600_000 }
    }
}

/// A structure with a zone of its own.
pub(super) trait Kind: Sized {
    /// The structure in shared memory.
    type Structure: Copy;
    /// Name for messages.
    const WHAT: &'static str;
    /// Tag that distinguishes its zones from all others.
    const TAG: &'static Tag;

    /// Attaches the structure to a zone. `before` is the one of the configuration in force, as for
    /// [`ZoneContent::attach`].
    fn attach(
        &self,
        region: Region,
        before: Option<Self::Structure>,
    ) -> Result<Self::Structure, String>;
}

/// A zone with one structure in it.
#[derive(Default)]
pub(super) struct SharedZone<K: Kind> {
    pub(super) kind: K,
    attached: Cell<Option<(Region, K::Structure)>>,
}

impl<K: Kind> SharedZone<K> {
    pub(super) fn new(kind: K) -> Self {
        Self { kind, attached: Cell::new(None) }
    }

    /// Present once the configuration takes effect.
    #[inline]
    pub(super) fn get(&self) -> Option<K::Structure> {
        self.attached.get().map(|(_, structure)| structure)
    }
}

impl<K: Kind> ZoneContent for SharedZone<K> {
    const WHAT: &'static str = K::WHAT;
    const TAG: &'static Tag = K::TAG;

    fn attach(&self, region: Region, before: Option<&Self>) -> Result<(), String> {
        let structure = self.kind.attach(region, before.and_then(Self::get))?;
        self.attached.set(Some((region, structure)));
        Ok(())
    }

    fn region(&self) -> Option<Region> {
        self.attached.get().map(|(region, _)| region)
    }
}

/// The session table.
pub(super) struct TableZone {
    inactive_ms: u64,
}

impl TableZone {
    pub(super) fn new(settings: &ZoneSettings) -> Self {
        Self { inactive_ms: settings.inactive_ms }
    }
}

impl Kind for TableZone {
    type Structure = SessionTable;
    const WHAT: &'static str = "api_sessions: session table";
    const TAG: &'static Tag = &TABLE;

    fn attach(&self, region: Region, before: Option<SessionTable>) -> Result<SessionTable, String> {
        match before {
            // `inactive=` waits for `take_effect`.
            Some(table) => Ok(table),
            None => shared::table(region, self.inactive_ms),
        }
    }
}

impl SharedZone<TableZone> {
    /// Called once the configuration is in force: from now on its `inactive=` applies to all users of the zone.
    pub(super) fn take_effect(&self) {
        if let Some(table) = self.get() {
            table.set_inactive_ms(self.kind.inactive_ms);
        }
    }
}

/// Which session an issued value belongs to.
pub(super) struct LinksZone {
    inactive_s: u32,
}

impl LinksZone {
    /// 230,000 values, 32 bytes each.
    pub(super) const SIZE: usize = 8 << 20;

    pub(super) fn new(table: &ZoneSettings) -> Self {
        // A link lives as long as its session.
        Self { inactive_s: u32::try_from(table.inactive_ms / 1000).unwrap_or(u32::MAX) }
    }
}

impl Kind for LinksZone {
    type Structure = Links;
    const WHAT: &'static str = "api_sessions: links";
    const TAG: &'static Tag = &LINKS;

    fn attach(&self, region: Region, _before: Option<Links>) -> Result<Links, String> {
        shared::links(region, self.inactive_s)
    }
}

impl SharedZone<LinksZone> {
    /// Lifetime as in the session table.
    pub(super) fn take_effect(&self) {
        if let Some(links) = self.get() {
            links.set_inactive_s(self.kind.inactive_s);
        }
    }
}

/// Counts of rules.
#[derive(Default)]
pub(super) struct CountsZone;

impl CountsZone {
    /// 119,000 counts, 64 bytes each.
    pub(super) const SIZE: usize = 8 << 20;
}

impl Kind for CountsZone {
    type Structure = RuleCounts;
    const WHAT: &'static str = "api_sessions: counts of rules";
    const TAG: &'static Tag = &COUNTS;

    fn attach(&self, region: Region, _before: Option<RuleCounts>) -> Result<RuleCounts, String> {
        shared::rule_counts(region)
    }
}

/// The denylist.
#[derive(Default)]
pub(super) struct DenylistZone;

impl DenylistZone {
    /// 8 MB, enough for more than 100,000 entries, plus NGINX's own share of a zone.
    pub(super) const SIZE: usize = (8 << 20) + (256 << 10);
}

impl Kind for DenylistZone {
    type Structure = Denylist;
    const WHAT: &'static str = "api_sessions: denylist";
    const TAG: &'static Tag = &DENYLIST;

    fn attach(&self, region: Region, _before: Option<Denylist>) -> Result<Denylist, String> {
        shared::denylist(region)
    }
}

/// Records on their way to the exporter threads: one ring per worker.
pub(super) struct QueueZone {
    pub(super) name: String,
    pub(super) size: usize,
    ring_bytes: usize,
    /// The spool directory, and the user whose workers write there.
    spool: Option<(PathBuf, CoreConf)>,
}

impl QueueZone {
    /// The zone's name contains its sizes: a reload that changes them makes another zone, and this one stays in use
    /// until it is empty.
    pub(super) fn new(
        zone_name: &str,
        ring_bytes: usize,
        workers: Option<usize>,
        spool: Option<(PathBuf, CoreConf)>,
    ) -> Self {
        let size = shared::queue_zone_bytes(ring_bytes, workers);
        let name = format!("{zone_name}_queue_{size}_{ring_bytes}");
        Self { name, size, ring_bytes, spool }
    }

    /// The same zone in the next configuration, which has another queue: no records are added to it any more.
    pub(super) fn former(&self) -> Self {
        let Self { size, ring_bytes, .. } = *self;
        Self { name: self.name.clone(), size, ring_bytes, spool: None }
    }

    /// At this point `user` is known, and a failed reload leaves the running configuration in force. A test by
    /// another user than the one that starts NGINX only warns, since it cannot know who will.
    fn ensure_spool(&self) -> Result<(), String> {
        let Some((path, core)) = &self.spool else { return Ok(()) };
        match core.worker_user().ensure_directory(path, is_spool_file) {
            Err(message) if is_configuration_test() => {
                log_warn!(process::cycle(), "api_sessions_export: spool {message}");
                Ok(())
            }
            ensured => ensured.map_err(|message| format!("spool {message}")),
        }
    }
}

impl Kind for QueueZone {
    type Structure = RecordQueue;
    const WHAT: &'static str = "api_sessions: record queue";
    const TAG: &'static Tag = &QUEUE;

    fn attach(&self, region: Region, _before: Option<RecordQueue>) -> Result<RecordQueue, String> {
        self.ensure_spool()?;
        shared::queue(region, self.ring_bytes)
    }
}

impl SharedZone<QueueZone> {
    /// Whether a worker owns a ring in it, or has left one that is not empty.
    pub(super) fn is_in_use(&self) -> bool {
        self.get().is_some_and(|queue| queue.is_in_use())
    }
}

/// Key facts on their way to the worker that judges keys.
#[derive(Default)]
pub(super) struct MailboxZone;

impl MailboxZone {
    /// The facts of 80 keys at least; workers wait with the rest.
    pub(super) const SIZE: usize = 4 << 20;
}

impl Kind for MailboxZone {
    type Structure = Mailbox;
    const WHAT: &'static str = "api_sessions: key facts";
    const TAG: &'static Tag = &MAILBOX;

    fn attach(&self, region: Region, _before: Option<Mailbox>) -> Result<Mailbox, String> {
        shared::mailbox(region)
    }
}

/// Keys, context parameters and rules of the cloud, or what this node has decided about keys.
#[derive(Default)]
pub(super) struct SettingsZone;

impl SettingsZone {
    pub(super) fn size() -> usize {
        shared::settings_zone_bytes()
    }
}

impl Kind for SettingsZone {
    type Structure = SharedConfig;
    const WHAT: &'static str = "api_sessions: settings";
    const TAG: &'static Tag = &SETTINGS;

    fn attach(
        &self,
        region: Region,
        _before: Option<SharedConfig>,
    ) -> Result<SharedConfig, String> {
        shared::settings(region)
    }
}
