//! Address of a ClickHouse database, as operators write it.

use std::borrow::Cow;
use std::fmt;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;

/// Where the database is.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct ClickHouseOptions {
    /// `http://host:8123` or `https://host:8443`.
    pub url: String,
    /// User; empty: the server's default.
    pub user: String,
    /// Password in the URL, where there is one.
    pub password: Option<String>,
    /// File of the password.
    pub password_file: Option<PathBuf>,
    /// Database; created if it does not exist.
    pub database: String,
    /// Name of the cluster whose servers hold the tables; absent: this server only.
    pub cluster: Option<String>,
}

impl fmt::Debug for ClickHouseOptions {
    /// Without the password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.url, self.database)
    }
}

impl ClickHouseOptions {
    /// Parses `http://[user[:password]@]host:port[/database][?cluster=name]`.
    ///
    /// # Errors
    /// A sentence that says what is wrong.
    pub fn parse(text: &str) -> Result<ClickHouseOptions, String> {
        let wanted = "http[s]://[user@]host:port[/database][?cluster=name]";
        let wrong = |what: &str| format!("{what}; expected {wanted}");
        let mut url = url::Url::parse(text).map_err(|error| wrong(&error.to_string()))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(wrong("not an http or https address"));
        }
        let mut cluster = None;
        for (name, value) in url.query_pairs() {
            match &*name {
                "cluster" if is_name(&value) => cluster = Some(value.into_owned()),
                "cluster" => {
                    return Err(wrong("the cluster's name has other than letters, digits, `_`"));
                }
                other => return Err(wrong(&format!("unknown option `{other}`"))),
            }
        }
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(Cow::into_owned).map_err(|_| wrong("user or password is not UTF-8"))
        };
        let user = decoded(url.username())?;
        let password = url.password().map(decoded).transpose()?;
        let database = match url.path().trim_matches('/') {
            "" => "api_sessions".to_owned(),
            name if is_name(name) => name.to_owned(),
            _ => return Err(wrong("the database's name has other than letters, digits, `_`")),
        };
        url.set_path("");
        url.set_query(None);
        let _ = url.set_username("");
        let _ = url.set_password(None);
        let url = url.to_string();
        Ok(ClickHouseOptions { url, user, password, password_file: None, database, cluster })
    }
}

/// Whether a name needs no quotes in SQL.
fn is_name(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|first: char| first.is_ascii_digit())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let options =
            ClickHouseOptions::parse("http://ann:p%40ss@db.example:8123/shop?cluster=main")
                .unwrap();
        assert_eq!(options.url, "http://db.example:8123/");
        assert_eq!((&*options.user, options.password.as_deref()), ("ann", Some("p@ss")));
        assert_eq!((&*options.database, options.cluster.as_deref()), ("shop", Some("main")));
        assert!(!format!("{options:?}").contains("p@ss"));
        let plain = ClickHouseOptions::parse("https://127.0.0.1:8443").unwrap();
        assert_eq!((&*plain.database, plain.cluster), ("api_sessions", None));
        for bad in [
            "",
            "db:9000",
            "tcp://db:9000",
            "http://db/a-b",
            "http://db/?clustr=x",
            "http://db/x?cluster=a'b",
        ] {
            assert!(ClickHouseOptions::parse(bad).is_err(), "{bad}");
        }
    }
}
