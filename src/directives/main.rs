//! Settings of the `http` block.

use std::collections::BTreeSet;

use api_sessions_key_facts::{Settings, WINDOW_MS};
use api_sessions_nginx::conf::{Conf, Mentions, current_main_conf};
use api_sessions_nginx::request::Request;
use api_sessions_nginx::variable::PointVariables;
use api_sessions_nginx::worker_user::is_configuration_test;

use super::export_conf::ExportConf;
use super::runtime::{Runtime, Wanted};
use super::zones::ZoneSettings;

/// The `http` block's settings.
#[derive(Default)]
pub(crate) struct MainConf {
    /// Some location uses the module. Otherwise it adds no handler, zone or thread.
    pub(super) used: bool,
    /// Some location has detectors.
    pub(super) detects: bool,
    /// Some location denies sessions or controls the denylist.
    pub(super) denies: bool,
    /// Some location denies before the rewrite module's directives run.
    pub(super) denies_before_rewrite: bool,
    /// `api_sessions_zone`.
    pub(super) zone: Option<ZoneSettings>,
    /// `api_sessions_links`, bytes.
    pub(super) links_bytes: Option<usize>,
    /// `api_sessions_rules_zone`, bytes.
    pub(super) rules_bytes: Option<usize>,
    /// Number of rules written so far.
    pub(super) written_rules: usize,
    /// Names of rules, including the default pack where it is used.
    pub(crate) rule_names: Vec<String>,
    /// Some location measures keys because `api_sessions_key_facts` says so.
    pub(super) measures_keys: bool,
    /// Some location has rules, or may get them from the cloud.
    pub(super) has_rules: bool,
    /// `api_sessions_secret`.
    pub(super) secret: Option<Vec<u8>>,
    /// `api_sessions_export`; `Some(None)` is `off`.
    pub(super) export: Option<Option<ExportConf>>,
    /// Complex values of points.
    pub(super) variables: PointVariables,
    /// Variables that must exist.
    pub(super) mentions: Mentions,
    /// Warnings, written once the log of this configuration is open.
    pub(super) warnings: Vec<String>,
    /// The process's runtime state of this configuration.
    runtime: Runtime,
}

impl MainConf {
    /// The settings of the cycle in force.
    pub(crate) fn current() -> Option<&'static MainConf> {
        current_main_conf()
    }

    /// The settings of the request's cycle.
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

    /// The process's runtime state of this configuration.
    #[inline]
    pub(crate) fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    pub(crate) fn export(&self) -> Option<&ExportConf> {
        self.export.as_ref()?.as_ref()
    }

    /// Settings of key facts where `api_sessions_key_facts` is not written: keys are measured where records are exported.
    pub(super) fn key_facts(&self) -> Option<Settings> {
        self.export().map(|_| Settings { window_ms: WINDOW_MS, report: false })
    }

    pub(crate) fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Called once the configuration is in force: the reload can no longer fail.
    pub(crate) fn take_effect(&self) {
        self.runtime.take_effect();
    }

    /// Names of the rules of nginx.conf, the default pack and the cloud.
    pub(crate) fn rule_names(&self) -> BTreeSet<String> {
        let cloud = self.runtime.cloud_settings().1;
        let of_cloud = cloud.iter().flat_map(|cloud| cloud.rules.iter());
        let of_cloud = of_cloud.map(|rule| rule.name.clone());
        self.rule_names.iter().cloned().chain(of_cloud).collect()
    }

    /// Whether the secret is the zone's, which does not survive a restart.
    pub(crate) fn has_own_secret(&self) -> bool {
        self.secret.is_some()
    }

    /// Called after all directives are read: adds the zones and looks variables up.
    pub(crate) fn complete(&mut self, cf: Conf<'_>) -> Result<(), String> {
        self.mentions.tell_unknown(cf);
        if is_configuration_test() {
            // The configuration's own log is not open yet.
            self.warnings.drain(..).for_each(|warning| cf.warn(&warning));
        }
        if self.export().is_some_and(|export| export.sync) {
            // The cloud may add rules at any time.
            self.denies = true;
            self.has_rules = true;
        }
        let judges_keys = self.measures_keys || self.export().is_some();
        let wanted = Wanted {
            table: self.zone.get_or_insert_default(),
            links_bytes: self.links_bytes,
            rules: self.has_rules.then_some(self.rules_bytes),
            denylist: self.denies,
            export: self.export.as_ref().and_then(Option::as_ref),
            judges_keys,
            secret: self.secret.as_deref(),
        };
        let in_force = cf.main_conf_in_force::<Self>();
        self.runtime.add_zones(cf, &wanted, in_force.map(|main| &main.runtime))
    }
}
