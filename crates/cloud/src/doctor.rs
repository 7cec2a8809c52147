//! `api-sessions-cloud doctor`: checks store, disk, clock and tokens, or whether a module fits an NGINX.

mod binaries;
mod module_fit;

use std::io::Write;
use std::path::Path;

use crate::store::{self, StoreKind};
use crate::tokens::{ADMIN_FILE, INGEST_FILE};
use api_sessions_cloud_api::auth;
use api_sessions_cloud_config::config::Config;
use api_sessions_store::clock::{now_ms, rfc3339};
use api_sessions_store::{Day, Role, Store};
use api_sessions_store_clickhouse::{ClickHouseOptions, ClickHouseStore};
use api_sessions_store_sqlite::SqliteStore;

/// Minimum free disk space, bytes.
const LOW_DISK: u64 = 1 << 30;

/// 2024-01-01, ms since 1970. A clock set earlier is wrong.
const EARLIEST_NOW: u64 = 1_704_067_200_000;

/// Results of the checks.
#[derive(Debug, Default)]
pub struct Findings(Vec<(bool, &'static str, String)>);

impl Findings {
    fn add(&mut self, good: bool, subject: &'static str, text: impl Into<String>) {
        self.0.push((good, subject, text.into()));
    }

    /// Whether no check failed.
    pub fn is_good(&self) -> bool {
        self.0.iter().all(|finding| finding.0)
    }

    /// Prints one line per finding.
    ///
    /// # Errors
    /// Writing to `out` fails.
    pub fn print(&self, out: &mut impl Write) -> std::io::Result<()> {
        for (good, subject, text) in &self.0 {
            writeln!(out, "{:4} {subject}: {text}", if *good { "ok" } else { "BAD" })?;
        }
        Ok(())
    }
}

/// Checks whether `module` fits the NGINX binary; without one, the module in the binary's module directory.
pub fn examine_module(nginx: &Path, module: Option<&Path>) -> Findings {
    module_fit::examine(nginx, module)
}

/// Checks the cloud with this configuration.
pub fn examine(config: &Config, kind: &StoreKind) -> Findings {
    let mut findings = Findings::default();
    disk(&mut findings, &config.data);
    clock(&mut findings);
    if let Err(error) = store::is_there(kind, &config.data) {
        findings.add(false, "store", error.to_string());
        return findings;
    }
    match kind {
        StoreKind::Sqlite => match SqliteStore::open(&config.data) {
            Ok(store) => {
                store.verify();
                days(&mut findings, &store);
                tokens(&mut findings, &store, &config.data);
            }
            Err(error) => findings.add(false, "store", error.to_string()),
        },
        StoreKind::ClickHouse(options) => {
            if let Err(error) = clickhouse(&mut findings, options, &config.data) {
                findings.add(false, "store", error);
            }
        }
    }
    findings
}

fn clickhouse(
    findings: &mut Findings,
    options: &ClickHouseOptions,
    data: &Path,
) -> Result<(), String> {
    let runtime = tokio::runtime::Runtime::new().map_err(|error| error.to_string())?;
    let opening = ClickHouseStore::open(options, runtime.handle());
    let store = runtime.block_on(opening).map_err(|error| error.to_string())?;
    let version = store.server_version().map_err(|error| error.to_string())?;
    findings.add(true, "store", format!("ClickHouse {version} at {options:?}"));
    days(findings, &store);
    tokens(findings, &store, data);
    Ok(())
}

fn disk(findings: &mut Findings, data: &Path) {
    let probe = data.join(".doctor");
    let write = std::fs::File::create(&probe).and_then(|mut file| {
        file.write_all(b"probe")?;
        file.sync_all()
    });
    let _ = std::fs::remove_file(&probe);
    match write {
        Ok(()) => findings.add(true, "disk", format!("{} is writable", data.display())),
        Err(error) => {
            let cure = match error.kind() {
                std::io::ErrorKind::PermissionDenied => ": run doctor as root or as its owner",
                std::io::ErrorKind::NotFound => ": name the service's with --data or --config",
                _ => "",
            };
            findings.add(false, "disk", format!("{}: {error}{cure}", data.display()));
        }
    }
    match rustix::fs::statvfs(data) {
        Ok(stat) => {
            let free = stat.f_bavail.saturating_mul(stat.f_frsize);
            let is_low = free < LOW_DISK;
            let cure = if is_low { ": make room, or shorten the retention" } else { "" };
            findings.add(!is_low, "disk", format!("{} MiB free{cure}", free >> 20));
        }
        Err(error) => findings.add(false, "disk", format!("free space: {error}")),
    }
}

fn clock(findings: &mut Findings) {
    let now = now_ms();
    let is_set = now > EARLIEST_NOW;
    let cure = if is_set { "" } else { ": set the clock (NTP)" };
    findings.add(is_set, "clock", format!("{}{cure}", rfc3339(now)));
}

fn days(findings: &mut Findings, store: &dyn Store) {
    let health = store.health();
    let tomorrow = Day(Day::of(now_ms()).0 + 1).to_string();
    findings.add(true, "store", format!("days with records: {}", health.days.len()));
    if let Some(error) = health.write_error {
        findings.add(false, "store", format!("read-only: {error}"));
    }
    for day in health.days {
        match day.error {
            Some(error) => findings.add(false, "store", format!("{}: {error}", day.day)),
            None if day.day > tomorrow => {
                findings.add(
                    false,
                    "clock",
                    format!(
                        "the store has records of {}, in the future: compare the nodes' clocks with this one",
                        day.day
                    ),
                );
            }
            None => {
                findings.add(true, "store", format!("{}: {} MiB", day.day, day.bytes >> 20));
            }
        }
    }
}

fn tokens(findings: &mut Findings, store: &dyn Store, data: &Path) {
    let known = match store.tokens() {
        Ok(known) => known,
        Err(error) => return findings.add(false, "tokens", error.to_string()),
    };
    for role in [Role::Ingest, Role::Admin] {
        let count = known.iter().filter(|token| token.role == role).count();
        let role = role.as_str();
        let text = match count {
            0 => format!("none of role {role}: api-sessions-cloud token create --role {role}"),
            _ => format!("{count} of role {role}"),
        };
        findings.add(count > 0, "tokens", text);
    }
    for name in [INGEST_FILE, ADMIN_FILE] {
        let path = data.join(name);
        // The operator may have moved it.
        let Ok(token) = std::fs::read_to_string(&path) else { continue };
        let is_valid =
            store.find_token(&auth::hash(token.trim())).is_ok_and(|found| found.is_some());
        let state = if is_valid { "is valid" } else { "was revoked: delete the file" };
        findings.add(is_valid, "tokens", format!("{name} {state}"));
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(&path).map_or(0, |meta| meta.permissions().mode() & 0o777);
        let is_private = mode & 0o077 == 0;
        let cure = match is_private {
            true => String::new(),
            false => format!(", others can read it: chmod 600 {}", path.display()),
        };
        findings.add(is_private, "tokens", format!("{name} has mode {mode:o}{cure}"));
    }
}
