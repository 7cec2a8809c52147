//! The effective configuration: flags, environment, file and defaults, in order of precedence.

use std::fmt;
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;

use axum::http::HeaderMap;
use tracing_subscriber::EnvFilter;

use crate::address::Address;
use crate::limits::MAX_RETENTION_DAYS;
use crate::options::{FileDays, FileList, FileOptions, Options, without_empty};
use crate::site::{Peer, Site, TrustedProxy};
use api_sessions_store::Day;

/// Default address: loopback only.
pub const DEFAULT_LISTEN: &str = "127.0.0.1:8700";

/// Default permissions of a Unix-domain socket, as in NGINX. Requests need a token regardless.
const DEFAULT_SOCKET_MODE: u32 = 0o666;

/// Default retention in days.
pub const DEFAULT_RETENTION_DAYS: u32 = 7;

/// The effective configuration.
#[derive(Clone)]
pub struct Config {
    /// Address to listen on.
    pub listen: Address,
    /// Permissions of a Unix-domain socket.
    pub socket_mode: u32,
    /// Directory of the store and the token files.
    pub data: PathBuf,
    /// Store, as `--store` takes it. It may contain a password.
    pub store: String,
    /// File with the password of the ClickHouse user, for this store and for those given to `copy`.
    pub clickhouse_password_file: Option<PathBuf>,
    /// Full days kept in addition to the current one.
    pub retention_days: u32,
    /// Address under which browsers see the Console; `None` to take it from requests.
    pub public_url: Option<Site>,
    /// Proxies whose `X-Forwarded-*` headers are trusted.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// MMDB files with countries and networks of addresses.
    pub mmdb: Vec<PathBuf>,
    /// Log in JSON.
    pub log_json: bool,
    /// Log filter, as [`EnvFilter`] parses it.
    pub log: String,
    /// File to log to; `None`: standard error.
    pub log_file: Option<PathBuf>,
}

impl fmt::Debug for Config {
    /// Without the store, whose address may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Config { listen, data, .. } = self;
        f.debug_struct("Config").field("listen", listen).field("data", data).finish_non_exhaustive()
    }
}

/// An invalid configuration.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    /// An error with this message, which names the option.
    pub fn new(message: String) -> ConfigError {
        ConfigError(message)
    }
}

impl Config {
    /// The Console's address: as configured, or else as given by the request.
    pub fn site(&self, peer: Option<Peer>, headers: &HeaderMap) -> Site {
        let stated = || Site::of_request(&self.trusted_proxies, peer, headers);
        self.public_url.clone().unwrap_or_else(stated)
    }

    /// Merges flags, environment, file and defaults.
    ///
    /// # Errors
    /// [`ConfigError`] names the option and the valid values.
    pub fn load(options: Options) -> Result<Config, ConfigError> {
        let options = options.without_empty();
        let file = match &options.config {
            Some(path) => FileOptions::read(path).map_err(ConfigError)?,
            None => FileOptions::default(),
        };
        let listen = options.listen.or(file.listen).unwrap_or_else(|| DEFAULT_LISTEN.to_owned());
        let store = options.store.or(file.store).unwrap_or_else(|| "sqlite".to_owned());
        let password_file = options.clickhouse_password_file.or(file.clickhouse_password_file);
        let retention = options.retention.or(file.retention.map(FileDays::into_text));
        let public_url = options.public_url.or(file.public_url.filter(|url| !url.is_empty()));
        let mut proxies = options.trusted_proxy;
        if proxies.is_empty() {
            proxies = without_empty(file.trusted_proxy.map_or_else(Vec::new, FileList::into_vec));
        }
        let mut mmdb = options.mmdb;
        if mmdb.is_empty() {
            let all = without_empty(file.mmdb.map_or_else(Vec::new, FileList::into_vec));
            mmdb = all.into_iter().map(PathBuf::from).collect();
        }
        let log = options.log.or(file.log).unwrap_or_else(|| "info".to_owned());
        if EnvFilter::try_new(&log).is_err() {
            return Err(invalid(
                "log",
                &log,
                "a filter such as \"info\" or \"api_sessions_cloud=debug\"",
            ));
        }
        let mode = options.socket_mode.or(file.socket_mode);
        let format = options.log_format.or(file.log_format);
        Ok(Config {
            listen: read_listen(&listen)?,
            socket_mode: mode.map_or(Ok(DEFAULT_SOCKET_MODE), |mode| read_mode(&mode))?,
            data: options.data.or(file.data).unwrap_or_else(default_data),
            store,
            clickhouse_password_file: password_file,
            retention_days: match retention {
                Some(text) => read_days(&text)?,
                None => DEFAULT_RETENTION_DAYS,
            },
            public_url: public_url.map(|url| read_public_url(&url)).transpose()?,
            trusted_proxies: proxies
                .iter()
                .map(|text| read_trusted_proxy(text))
                .collect::<Result<_, _>>()?,
            mmdb,
            log_json: match format.as_deref() {
                None | Some("text") => false,
                Some("json") => true,
                Some(other) => {
                    return Err(invalid("log-format", other, "\"text\" or \"json\""));
                }
            },
            log,
            log_file: options.log_file.or(file.log_file),
        })
    }

    /// The log filter.
    pub fn log_filter(&self) -> EnvFilter {
        EnvFilter::new(&self.log)
    }

    /// Names of options that differ from `old` but take effect only at start.
    pub fn fixed_changes(&self, old: &Config) -> Vec<&'static str> {
        let is_changed = [
            ("listen", self.listen != old.listen),
            ("socket-mode", self.socket_mode != old.socket_mode),
            ("data", self.data != old.data),
            ("store", self.store != old.store),
            ("log-format", self.log_json != old.log_json),
            ("log-file", self.log_file != old.log_file),
        ];
        is_changed.into_iter().filter(|(_, is)| *is).map(|(option, _)| option).collect()
    }

    /// This configuration, with the options of `old` that take effect only at start.
    #[must_use]
    pub fn with_fixed_of(self, old: &Config) -> Config {
        let old = old.clone();
        Config {
            retention_days: self.retention_days,
            public_url: self.public_url,
            trusted_proxies: self.trusted_proxies,
            mmdb: self.mmdb,
            log: self.log,
            ..old
        }
    }

    /// The oldest day within the retention at the Unix time `now` in milliseconds.
    pub fn first_day(&self, now: u64) -> Day {
        Day(Day::of(now).0.saturating_sub(self.retention_days))
    }
}

fn invalid(name: &str, value: &str, expected: &str) -> ConfigError {
    ConfigError(format!("invalid value \"{value}\" of {name}: {expected} is expected"))
}

fn read_public_url(text: &str) -> Result<Site, ConfigError> {
    Site::parse(text).map_err(|what| {
        // Everything up to an `@` may contain a password.
        let shown = text.split('@').next_back().unwrap_or_default();
        let expected = "http:// or https://, a host and an optional path \
            (letters, digits and -._~%+=:@/), such as https://console.example/sessions/,";
        let ConfigError(error) = invalid("public-url", shown, expected);
        ConfigError(format!("{error}: {what}"))
    })
}

fn read_trusted_proxy(text: &str) -> Result<TrustedProxy, ConfigError> {
    let expected = "a network such as 10.0.0.0/8, an address or \"unix:\"";
    text.trim().parse().map_err(|()| invalid("trusted-proxy", text, expected))
}

fn default_data() -> PathBuf {
    match std::env::var_os("STATE_DIRECTORY") {
        // systemd's StateDirectory=
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ => PathBuf::from("api-sessions-data"),
    }
}

/// Parses `unix:` and a path, or an address or host name with a port. A name resolves to its first IPv4 address, or
/// else to its first address.
fn read_listen(text: &str) -> Result<Address, ConfigError> {
    if let Some(path) = text.strip_prefix("unix:") {
        let expected = "\"unix:\" and an absolute path of at most 107 bytes";
        return Address::unix(path).ok_or_else(|| invalid("listen", text, expected));
    }
    let wrong = || {
        invalid(
            "listen",
            text,
            &format!("an address or name and a port, such as {DEFAULT_LISTEN}, or unix:/path"),
        )
    };
    let all: Vec<SocketAddr> = text.to_socket_addrs().map_err(|_| wrong())?.collect();
    let four = all.iter().find(|address| address.is_ipv4());
    four.or(all.first()).copied().map(Address::Tcp).ok_or_else(wrong)
}

fn read_mode(text: &str) -> Result<u32, ConfigError> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    mode.ok_or_else(|| invalid("socket-mode", text, "an octal number of at most 777, such as 660,"))
}

fn read_days(text: &str) -> Result<u32, ConfigError> {
    text.strip_suffix('d')
        .unwrap_or(text)
        .parse()
        .ok()
        .filter(|days| (1..=MAX_RETENTION_DAYS).contains(days))
        .ok_or_else(|| {
            let range = format!("a number of days from 1d to {MAX_RETENTION_DAYS}d");
            invalid("retention", text, &range)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_takes_precedence_over_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "retention = \"3d\"\nlisten = \"127.0.0.1:1\"\n").unwrap();
        let options = Options {
            config: Some(path.clone()),
            listen: Some("127.0.0.1:2".into()),
            ..Options::default()
        };
        let config = Config::load(options.clone()).unwrap();
        assert_eq!((config.retention_days, config.listen.to_string().as_str()), (3, "127.0.0.1:2"));
        std::fs::write(&path, "retenton = \"3d\"\n").unwrap();
        assert!(Config::load(options).unwrap_err().to_string().contains("retenton"));
    }

    #[test]
    fn subcommands_missed_the_store_of_the_service() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cloud.toml");
        let data = |options: Options| {
            let config = Config::load(options.with_default_file(&path)).unwrap();
            config.data.to_str().unwrap().to_owned()
        };
        assert_eq!(data(Options::default()), default_data().to_str().unwrap());
        std::fs::write(&path, "data = \"/service\"\n").unwrap();
        assert_eq!(data(Options::default()), "/service");
        // An explicit store is not combined with the service's options.
        assert_eq!(data(Options { data: Some("/other".into()), ..Options::default() }), "/other");
        let options = Options { store: Some("sqlite".into()), ..Options::default() };
        assert_eq!(data(options), default_data().to_str().unwrap());
        let other = dir.path().join("other.toml");
        std::fs::write(&other, "data = \"/third\"\n").unwrap();
        assert_eq!(data(Options { config: Some(other), ..Options::default() }), "/third");
        std::fs::write(&path, "data = 3\n").unwrap();
        let wrong = Config::load(Options::default().with_default_file(&path)).unwrap_err();
        assert!(wrong.to_string().contains("cloud.toml"), "{wrong}");
    }

    #[test]
    fn listen_takes_a_host_name_and_retention_a_number() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "retention = 3\nlisten = \"localhost:1\"\n").unwrap();
        let options =
            Options { config: Some(path.clone()), log: Some(String::new()), ..Options::default() };
        let config = Config::load(options.clone()).unwrap();
        assert_eq!((config.retention_days, config.log.as_str()), (3, "info"));
        let Address::Tcp(listen) = config.listen else { panic!("{}", config.listen) };
        assert!(listen.ip().is_loopback());
        std::fs::write(&path, "retention = true\n").unwrap();
        assert!(Config::load(options).unwrap_err().to_string().contains("7d"));
    }

    #[test]
    fn the_public_address_comes_from_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        let load = |text: &str| {
            std::fs::write(&path, text).unwrap();
            Config::load(Options { config: Some(path.clone()), ..Options::default() })
        };
        let config =
            load("public-url = \"https://a.example/x/\"\ntrusted-proxy = \"::1\"\n").unwrap();
        assert_eq!(config.public_url.unwrap().link("/"), "/x/");
        assert_eq!(config.trusted_proxies, ["::1".parse().unwrap()]);
        let config = load("trusted-proxy = [\"10.0.0.0/8\", \"unix:\"]\n").unwrap();
        assert_eq!(
            config.trusted_proxies,
            ["10.0.0.0/8", "unix:"].map(|text| text.parse().unwrap())
        );
        let config = load("mmdb = [\"/a.mmdb\", \"\", \"/b.mmdb\"]\n").unwrap();
        assert_eq!(config.mmdb, ["/a.mmdb", "/b.mmdb"].map(PathBuf::from));
        assert!(load("trusted-proxy = 1\n").unwrap_err().to_string().contains("list of strings"));
        let error = load("public-url = \"https://me:word@a/\"\n").unwrap_err().to_string();
        assert!(error.contains("a user is not possible") && !error.contains("word"), "{error}");
    }

    #[test]
    fn errors_name_the_option() {
        for (options, word) in [
            (Options { retention: Some("0d".into()), ..Options::default() }, "retention"),
            (Options { retention: Some("week".into()), ..Options::default() }, "retention"),
            (Options { listen: Some("8700".into()), ..Options::default() }, "listen"),
            (Options { listen: Some("unix:s".into()), ..Options::default() }, "listen"),
            (Options { listen: Some("unix:".into()), ..Options::default() }, "listen"),
            (Options { socket_mode: Some("888".into()), ..Options::default() }, "socket-mode"),
            (Options { log: Some("a=b=c".into()), ..Options::default() }, "log"),
            (Options { log_format: Some("xml".into()), ..Options::default() }, "log-format"),
            (Options { public_url: Some("a.example".into()), ..Options::default() }, "public-url"),
            (
                Options { trusted_proxy: vec!["10.0.0.0/33".into()], ..Options::default() },
                "trusted-proxy",
            ),
        ] {
            let error = Config::load(options).unwrap_err().to_string();
            assert!(error.starts_with("invalid value \"") && error.contains(word), "{error}");
        }
    }
}
