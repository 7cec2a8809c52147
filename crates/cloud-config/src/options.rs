//! Options as operators write them: flags, environment and file.

use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use serde::Deserialize;

/// Configuration file of the packaged service.
const SERVICE_FILE: &str = "/etc/api-sessions/cloud.toml";

/// Accepts an empty path, which counts as unset; clap's own parser rejects it.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// Options from flags and environment. An empty value counts as unset, since service managers export empty
/// variables.
#[derive(Debug, Clone, Default, Args)]
pub struct Options {
    /// Address and port to listen on, or `unix:` and the path of a socket [default: 127.0.0.1:8700]
    #[arg(long, env = "API_SESSIONS_CLOUD_LISTEN", value_name = "ADDRESS", global = true)]
    pub listen: Option<String>,
    /// Permissions of the socket of `--listen unix:`, in octal [default: 666]
    #[arg(long, env = "API_SESSIONS_CLOUD_SOCKET_MODE", value_name = "MODE", global = true)]
    pub socket_mode: Option<String>,
    /// Directory of the embedded store and the token files [default: $STATE_DIRECTORY, else
    /// ./api-sessions-data]
    #[arg(long, env = "API_SESSIONS_CLOUD_DATA", value_name = "DIR", value_parser = path(), global = true)]
    pub data: Option<PathBuf>,
    /// Store: `sqlite` (in --data), or
    /// `clickhouse:http[s]://[user@]host:port[/database][?cluster=name]` [default: sqlite]
    #[arg(long, env = "API_SESSIONS_CLOUD_STORE", value_name = "STORE", global = true)]
    pub store: Option<String>,
    /// File with the password of the ClickHouse user
    #[arg(
        long,
        env = "API_SESSIONS_CLOUD_CLICKHOUSE_PASSWORD_FILE",
        value_name = "FILE",
        value_parser = path(),
        global = true
    )]
    pub clickhouse_password_file: Option<PathBuf>,
    /// Full UTC days kept in addition to the current one, such as `7d` [default: 7d]
    #[arg(long, env = "API_SESSIONS_CLOUD_RETENTION", value_name = "DAYS", global = true)]
    pub retention: Option<String>,
    /// Address under which browsers see the Console: scheme, host and path, such as
    /// `https://console.example/sessions/` [default: what the request says]
    #[arg(long, env = "API_SESSIONS_CLOUD_PUBLIC_URL", value_name = "URL", global = true)]
    pub public_url: Option<String>,
    /// Proxy whose X-Forwarded-Proto, -Host, -Port and -Prefix headers count: a network, an address or `unix:`;
    /// repeatable [default: none]
    #[arg(
        long,
        env = "API_SESSIONS_CLOUD_TRUSTED_PROXY",
        value_name = "CIDR",
        value_delimiter = ',',
        global = true
    )]
    pub trusted_proxy: Vec<String>,
    /// MMDB file (GeoLite2, DB-IP, IPinfo and others) with countries or networks of addresses; repeatable. Read into
    /// memory, and again when it changes [default: none]
    #[arg(
        long,
        env = "API_SESSIONS_CLOUD_MMDB",
        value_name = "FILE",
        value_parser = path(),
        value_delimiter = ',',
        global = true
    )]
    pub mmdb: Vec<PathBuf>,
    /// Log format: `text` or `json` [default: text]
    #[arg(long, env = "API_SESSIONS_CLOUD_LOG_FORMAT", value_name = "FORMAT", global = true)]
    pub log_format: Option<String>,
    /// Log filter, such as `info` or `api_sessions_cloud=debug` [default: info]
    #[arg(long, env = "API_SESSIONS_CLOUD_LOG", value_name = "FILTER", global = true)]
    pub log: Option<String>,
    /// File to log to; SIGUSR1 reopens it [default: standard error]
    #[arg(long, env = "API_SESSIONS_CLOUD_LOG_FILE", value_name = "FILE", value_parser = path(), global = true)]
    pub log_file: Option<PathBuf>,
    /// TOML file with any of these options, under the same names [default: none for the server;
    /// /etc/api-sessions/cloud.toml, if there is one, for subcommands without --data and --store]
    #[arg(long, env = "API_SESSIONS_CLOUD_CONFIG", value_name = "FILE", value_parser = path(), global = true)]
    pub config: Option<PathBuf>,
}

/// Options from a file. An unknown name is an error.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct FileOptions {
    pub(crate) listen: Option<String>,
    pub(crate) socket_mode: Option<String>,
    pub(crate) data: Option<PathBuf>,
    pub(crate) store: Option<String>,
    pub(crate) clickhouse_password_file: Option<PathBuf>,
    pub(crate) retention: Option<FileDays>,
    pub(crate) public_url: Option<String>,
    pub(crate) trusted_proxy: Option<FileList>,
    pub(crate) mmdb: Option<FileList>,
    pub(crate) log_format: Option<String>,
    pub(crate) log: Option<String>,
    pub(crate) log_file: Option<PathBuf>,
}

/// Retention in a file: a number, or a string as for the flag.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a number of days, such as 7 or \"7d\", is expected")]
pub(crate) enum FileDays {
    Number(u32),
    Text(String),
}

/// A list in a file: one string or several.
#[derive(Debug, Deserialize)]
#[serde(untagged, expecting = "a string or a list of strings is expected")]
pub(crate) enum FileList {
    One(String),
    Several(Vec<String>),
}

impl FileDays {
    pub(crate) fn into_text(self) -> String {
        match self {
            FileDays::Number(days) => days.to_string(),
            FileDays::Text(text) => text,
        }
    }
}

impl FileList {
    pub(crate) fn into_vec(self) -> Vec<String> {
        match self {
            FileList::One(text) => vec![text],
            FileList::Several(all) => all,
        }
    }
}

impl Options {
    /// These options for a subcommand: uses the file of the packaged service if it exists and no option names a store
    /// or a file. [`Config::load`](crate::config::Config::load) rejects an unreadable file, so that a subcommand never uses the wrong store.
    #[must_use]
    pub fn of_service(self) -> Options {
        self.with_default_file(Path::new(SERVICE_FILE))
    }

    pub(crate) fn with_default_file(self, file: &Path) -> Options {
        let mut options = self.without_empty();
        let names_store = options.data.is_some() || options.store.is_some();
        if options.config.is_none() && !names_store && file.exists() {
            options.config = Some(file.to_owned());
        }
        options
    }

    pub(crate) fn without_empty(self) -> Options {
        let text = |value: Option<String>| value.filter(|value| !value.is_empty());
        let path = |value: Option<PathBuf>| value.filter(|value| !value.as_os_str().is_empty());
        Options {
            listen: text(self.listen),
            socket_mode: text(self.socket_mode),
            data: path(self.data),
            store: text(self.store),
            clickhouse_password_file: path(self.clickhouse_password_file),
            retention: text(self.retention),
            public_url: text(self.public_url),
            trusted_proxy: without_empty(self.trusted_proxy),
            mmdb: self.mmdb.into_iter().filter(|path| !path.as_os_str().is_empty()).collect(),
            log_format: text(self.log_format),
            log: text(self.log),
            log_file: path(self.log_file),
            config: path(self.config),
        }
    }
}

impl FileOptions {
    /// Reads a file. The error names it.
    pub(crate) fn read(path: &Path) -> Result<FileOptions, String> {
        let wrong = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        toml::from_str(&text).map_err(|error| wrong(&error))
    }
}

/// Without empty texts, which count as unset.
pub(crate) fn without_empty(mut all: Vec<String>) -> Vec<String> {
    all.retain(|text| !text.is_empty());
    all
}
