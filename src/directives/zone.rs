//! `api_sessions_zone`, and the zones that come with it.

use std::cell::Cell;
use std::ffi::CStr;
use std::path::PathBuf;

use api_sessions_nginx::conf::{Conf, Directive};
use api_sessions_nginx::log_warn;
use api_sessions_nginx::process;
use api_sessions_nginx::worker_user::{CoreConf, is_configuration_test};
use api_sessions_nginx::zone::{self, Region, Tag, ZoneContent};
use api_sessions_shm::{Denylist, RecordQueue, SessionTable, SharedConfig};

use super::MainConf;
use super::options::{once, once_word, one, option, size, time_ms};

/// Longest name of a zone, bytes.
const MAX_NAME_BYTES: usize = 64;
/// Largest zone, bytes.
const MAX_ZONE_BYTES: usize = 1 << 36;
/// Shortest and longest `inactive=`, milliseconds.
const INACTIVE_MS: std::ops::RangeInclusive<u64> = 1_000..=30 * 24 * 3_600_000;

static TABLE: Tag = Tag::unique();
static DENYLIST: Tag = Tag::unique();
static LINKS: Tag = Tag::unique();
static COUNTS: Tag = Tag::unique();
static QUEUE: Tag = Tag::unique();
static SETTINGS: Tag = Tag::unique();

/// `name:size [inactive=time]`.
pub(crate) struct ZoneSettings {
    pub(super) name: String,
    pub(super) size: usize,
    inactive_ms: u64,
}

impl Default for ZoneSettings {
    fn default() -> Self {
        Self { name: "api_sessions".to_owned(), size: 16 << 20, inactive_ms: 24 * 3_600_000 }
    }
}

pub(super) struct Zone;

impl Directive for Zone {
    type Level = MainConf;
    const NAME: &'static CStr = c"api_sessions_zone";
    const SYNTAX: &'static str = "name:size [inactive=time]";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut MainConf) -> Result<(), String> {
        let (spec, options) = words.split_first().ok_or("a name and a size are missing")?;
        let refused = || format!("invalid zone \"{spec}\": \"name:size\" is accepted");
        let (name, bytes) = spec.split_once(':').ok_or_else(refused)?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
        if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(plain) {
            return Err(refused());
        }
        let mut settings = ZoneSettings {
            name: name.to_owned(),
            size: size(bytes, zone::smallest(api_sessions_shm::MIN_BYTES)..=MAX_ZONE_BYTES)?,
            ..ZoneSettings::default()
        };
        let mut inactive_ms = None;
        for word in options {
            let Some((_, value)) = option(word, &["inactive"]) else {
                return Err(format!("invalid parameter \"{word}\": \"inactive=\" is accepted"));
            };
            once_word(&mut inactive_ms, time_ms(value, INACTIVE_MS)?, word)?;
        }
        settings.inactive_ms = inactive_ms.unwrap_or(settings.inactive_ms);
        once(&mut level.zone, settings)
    }
}

/// The session table.
pub(crate) struct TableZone {
    inactive_ms: u64,
    attached: Cell<Option<(Region, SessionTable)>>,
}

impl TableZone {
    pub(super) fn new(settings: &ZoneSettings) -> Self {
        Self { inactive_ms: settings.inactive_ms, attached: Cell::new(None) }
    }

    /// There once the configuration is taken.
    pub(crate) fn table(&self) -> Option<SessionTable> {
        self.attached.get().map(|(_, table)| table)
    }

    /// The configuration is in force: from now on, its `inactive=` counts, for all who use the zone.
    pub(super) fn take_effect(&self) -> Result<(), String> {
        if let Some(table) = self.table() {
            table.set_inactive_ms(self.inactive_ms);
        }
        Ok(())
    }
}

impl ZoneContent for TableZone {
    const WHAT: &'static str = "api_sessions: session table";
    const TAG: &'static Tag = &TABLE;

    fn attach(&self, region: Region, before: Option<&Self>) -> Result<(), String> {
        let table = match before.and_then(TableZone::table) {
            // `inactive=` waits for `take_effect`.
            Some(table) => table,
            None => api_sessions_nginx::shared::table(region, self.inactive_ms)?,
        };
        self.attached.set(Some((region, table)));
        Ok(())
    }

    fn region(&self) -> Option<Region> {
        self.attached.get().map(|(region, _)| region)
    }
}

/// `api_sessions_links`.
pub(super) struct Links;

impl Directive for Links {
    type Level = MainConf;
    const NAME: &'static CStr = c"api_sessions_links";
    const SYNTAX: &'static str = "size";

    fn set(_cf: Conf<'_>, words: &[&str], level: &mut MainConf) -> Result<(), String> {
        let smallest = zone::smallest(api_sessions_shm::MIN_LINK_BYTES);
        once(&mut level.links_bytes, size(one(words)?, smallest..=MAX_ZONE_BYTES)?)
    }
}

/// Which session an issued value belongs to.
pub(crate) struct LinksZone {
    inactive_s: u32,
    attached: Cell<Option<(Region, api_sessions_shm::Links)>>,
}

impl LinksZone {
    /// 230,000 values, 32 bytes each.
    pub(super) const SIZE: usize = 8 << 20;

    pub(super) fn new(table: &ZoneSettings) -> Self {
        // A link lives as long as its session.
        let inactive_s = u32::try_from(table.inactive_ms / 1000).unwrap_or(u32::MAX);
        Self { inactive_s, attached: Cell::new(None) }
    }

    #[inline]
    pub(crate) fn links(&self) -> Option<api_sessions_shm::Links> {
        self.attached.get().map(|(_, links)| links)
    }

    /// As [`TableZone::take_effect`].
    pub(super) fn take_effect(&self) {
        if let Some(links) = self.links() {
            links.set_inactive_s(self.inactive_s);
        }
    }
}

impl ZoneContent for LinksZone {
    const WHAT: &'static str = "api_sessions: links";
    const TAG: &'static Tag = &LINKS;

    fn attach(&self, region: Region, _before: Option<&Self>) -> Result<(), String> {
        let links = api_sessions_nginx::shared::links(region, self.inactive_s)?;
        self.attached.set(Some((region, links)));
        Ok(())
    }

    fn region(&self) -> Option<Region> {
        self.attached.get().map(|(region, _)| region)
    }
}

/// What rules have counted.
#[derive(Default)]
pub(crate) struct CountsZone {
    attached: Cell<Option<(Region, api_sessions_shm::RuleCounts)>>,
}

impl CountsZone {
    /// 119,000 counts, 64 bytes each.
    pub(super) const SIZE: usize = 8 << 20;

    #[inline]
    pub(crate) fn counts(&self) -> Option<api_sessions_shm::RuleCounts> {
        self.attached.get().map(|(_, counts)| counts)
    }
}

impl ZoneContent for CountsZone {
    const WHAT: &'static str = "api_sessions: counts of rules";
    const TAG: &'static Tag = &COUNTS;

    fn attach(&self, region: Region, _before: Option<&Self>) -> Result<(), String> {
        let counts = api_sessions_nginx::shared::rule_counts(region)?;
        self.attached.set(Some((region, counts)));
        Ok(())
    }

    fn region(&self) -> Option<Region> {
        self.attached.get().map(|(region, _)| region)
    }
}

/// The denied sessions.
#[derive(Default)]
pub(crate) struct DenylistZone {
    attached: Cell<Option<(Region, Denylist)>>,
}

impl DenylistZone {
    /// 8 MB, which hold more than 100,000 entries, and what NGINX takes of a zone for itself.
    pub(super) const SIZE: usize = (8 << 20) + (256 << 10);

    pub(crate) fn denylist(&self) -> Option<Denylist> {
        self.attached.get().map(|(_, denylist)| denylist)
    }
}

impl ZoneContent for DenylistZone {
    const WHAT: &'static str = "api_sessions: denylist";
    const TAG: &'static Tag = &DENYLIST;

    fn attach(&self, region: Region, _before: Option<&Self>) -> Result<(), String> {
        let denylist = api_sessions_nginx::shared::denylist(region)?;
        self.attached.set(Some((region, denylist)));
        Ok(())
    }

    fn region(&self) -> Option<Region> {
        self.attached.get().map(|(region, _)| region)
    }
}

/// Records on their way to the exporter threads: one ring a worker.
pub(crate) struct QueueZone {
    pub(super) name: String,
    pub(super) size: usize,
    ring_bytes: usize,
    /// Where records wait that cannot be sent, and whose workers write there.
    spool: Option<(PathBuf, CoreConf)>,
    attached: Cell<Option<(Region, RecordQueue)>>,
}

impl QueueZone {
    /// Its name tells its sizes: a reload that changes them makes another zone, beside which this one can go on
    /// until it is empty.
    pub(super) fn new(
        zone_name: &str,
        ring_bytes: usize,
        workers: Option<usize>,
        spool: Option<(PathBuf, CoreConf)>,
    ) -> Self {
        let size = api_sessions_nginx::shared::queue_zone_bytes(ring_bytes, workers);
        let name = format!("{zone_name}_queue_{size}_{ring_bytes}");
        Self { name, size, ring_bytes, spool, attached: Cell::new(None) }
    }

    /// The same zone in the next configuration, which has another queue: nothing is added to it any more.
    pub(super) fn former(&self) -> Self {
        let Self { size, ring_bytes, .. } = *self;
        let (name, attached) = (self.name.clone(), Cell::new(None));
        Self { name, size, ring_bytes, spool: None, attached }
    }

    /// A worker has a ring in it, or has left one that is not empty.
    pub(super) fn is_in_use(&self) -> bool {
        self.queue().is_some_and(|queue| queue.is_in_use())
    }

    pub(crate) fn queue(&self) -> Option<RecordQueue> {
        self.attached.get().map(|(_, queue)| queue)
    }

    /// Here `user` is known, and a failed reload leaves the running configuration in force. A test by
    /// another user than the one that starts NGINX only warns: it cannot know who will.
    fn provide_spool(&self) -> Result<(), String> {
        let Some((path, core)) = &self.spool else { return Ok(()) };
        match core.worker_user().provide_directory(path) {
            Err(message) if is_configuration_test() => {
                log_warn!(process::cycle(), "api_sessions_export: spool {message}");
                Ok(())
            }
            provided => provided.map_err(|message| format!("spool {message}")),
        }
    }
}

impl ZoneContent for QueueZone {
    const WHAT: &'static str = "api_sessions: record queue";
    const TAG: &'static Tag = &QUEUE;

    fn attach(&self, region: Region, _before: Option<&Self>) -> Result<(), String> {
        self.provide_spool()?;
        let queue = api_sessions_nginx::shared::queue(region, self.ring_bytes)?;
        self.attached.set(Some((region, queue)));
        Ok(())
    }

    fn region(&self) -> Option<Region> {
        self.attached.get().map(|(region, _)| region)
    }
}

/// Keys and context parameters of the cloud.
#[derive(Default)]
pub(crate) struct SettingsZone {
    attached: Cell<Option<(Region, SharedConfig)>>,
}

impl SettingsZone {
    pub(super) fn size() -> usize {
        api_sessions_nginx::shared::settings_zone_bytes()
    }

    #[inline]
    pub(crate) fn settings(&self) -> Option<SharedConfig> {
        self.attached.get().map(|(_, settings)| settings)
    }
}

impl ZoneContent for SettingsZone {
    const WHAT: &'static str = "api_sessions: settings";
    const TAG: &'static Tag = &SETTINGS;

    fn attach(&self, region: Region, _before: Option<&Self>) -> Result<(), String> {
        let settings = api_sessions_nginx::shared::settings(region)?;
        self.attached.set(Some((region, settings)));
        Ok(())
    }

    fn region(&self) -> Option<Region> {
        self.attached.get().map(|(region, _)| region)
    }
}
