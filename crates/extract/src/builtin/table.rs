//! The set itself: one entry per line, in the order in which they are tried.

use crate::limits::MAX_COOKIE_NAME_BYTES;

/// Why an entry is at its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Server-issued, random cookies that last for a whole visit.
    OpaqueCookie,
    /// One login on one device; survives token refresh.
    JwtSid,
    /// Common, but less certain.
    GenericCookie,
    /// Issued by a server as the session, and used for nothing else. A client can forge one, so it does not outrank a
    /// cookie.
    Protocol,
    /// Named after a session, but often made by the client.
    SessionHeader,
    /// Lives for hours.
    OpaqueToken,
    /// Stable, but joins a user's devices.
    JwtSub,
    /// Works, but ids in URLs leak: always hashed, and cut out of the exported path.
    Url,
    /// Identifies a client rather than a user.
    Client,
}

impl Group {
    /// Explanation for operators.
    pub const fn reason(self) -> &'static str {
        match self {
            Group::OpaqueCookie => "server-issued, random, kept for a whole visit",
            Group::JwtSid => "one login on one device, survives token refresh (read, not verified)",
            Group::GenericCookie => "common, less certain",
            Group::Protocol => "issued by a server as the session, in no other traffic",
            Group::SessionHeader => "says session, but is often made by the client",
            Group::OpaqueToken => "lives for hours",
            Group::JwtSub => "user-level: joins a user's devices (read, not verified)",
            Group::Url => "works, but ids in URLs leak: always hashed and cut from the path",
            Group::Client => "client-level: names a client rather than a user",
        }
    }
}

/// Where an entry's value is.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// A request header, by lower-case name.
    Header(&'static str),
    /// A cookie, by lower-case name; compared case-insensitively and without `__Host-` or `__Secure-`.
    Cookie(&'static str),
    /// As [`Rule::Cookie`], except for one spelling, which has an entry of its own.
    CookieExcept {
        /// Lower-case name.
        name: &'static str,
        /// The spelling that is excluded.
        except: &'static str,
    },
    /// A cookie with exactly this name, apart from `__Host-` and `__Secure-`.
    CookieExact(&'static str),
    /// A cookie whose lower-case name satisfies the predicate.
    CookieLike {
        /// First letters of such names, in lower case.
        first: &'static str,
        /// The predicate.
        is: fn(&[u8]) -> bool,
    },
    /// Two cookies that only count together.
    CookiePair(&'static str, &'static str),
    /// Claims that name a session in a JWT: in `Authorization`, in a token header, then in cookies.
    JwtSid,
    /// `Authorization: Bearer`, `Token`, `JWT` or `DPoP`, unless it is a JWT.
    OpaqueAuthorization,
    /// Claims that name a user in a JWT.
    JwtSub,
    /// `Authorization: ApiKey`.
    ApiKeyAuthorization,
    /// User name in `Authorization: Basic`.
    BasicUser,
    /// `;name=value` after a path segment, by lower-case name.
    PathParameter(&'static str),
    /// A query argument.
    Query(&'static str),
}

/// The part of a request that an entry reads.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Reads {
    Cookies,
    Header,
    /// JWTs in headers and cookies.
    Jwt,
    Authorization,
    Path,
    Query,
}

impl Rule {
    pub(super) const fn reads(self) -> Reads {
        match self {
            Cookie(_)
            | CookieExcept { .. }
            | CookieExact(_)
            | CookieLike { .. }
            | CookiePair(..) => Reads::Cookies,
            Header(_) => Reads::Header,
            Rule::JwtSid | Rule::JwtSub => Reads::Jwt,
            Rule::OpaqueAuthorization | Rule::ApiKeyAuthorization | Rule::BasicUser => {
                Reads::Authorization
            }
            Rule::PathParameter(_) => Reads::Path,
            Query(_) => Reads::Query,
        }
    }

    /// Whether a cookie whose name has this length may belong to the rule.
    pub(super) const fn may_have_length(self, length: usize) -> bool {
        match self {
            Cookie(name) | CookieExcept { name, .. } | CookieExact(name) => name.len() == length,
            CookiePair(one, two) => one.len() == length || two.len() == length,
            CookieLike { .. } => true,
            _ => false,
        }
    }

    /// Whether it reads cookies by name.
    pub(super) fn is_cookie(self) -> bool {
        self.reads() == Reads::Cookies
    }

    /// Index of the rule's cookie with this name (`lower`: in lower case): 0 or 1 for a pair, else 0.
    #[inline]
    pub(super) fn cookie(self, name: &[u8], lower: &[u8]) -> Option<usize> {
        let is = |known: &str| *lower == *known.as_bytes();
        let hit = match self {
            Cookie(known) => is(known),
            CookieExcept { name: known, except } => is(known) && name != except.as_bytes(),
            CookieExact(known) => name == known.as_bytes(),
            CookieLike { is, .. } => is(lower),
            CookiePair(one, two) => return [one, two].into_iter().position(is),
            _ => false,
        };
        hit.then_some(0)
    }
}

/// One entry of the set.
#[derive(Debug)]
pub struct Entry {
    /// Its name in configurations, and the label of sessions that it finds.
    pub name: &'static str,
    /// Its group.
    pub group: Group,
    /// Where its value is.
    pub rule: Rule,
}

const fn entry(group: Group, name: &'static str, rule: Rule) -> Entry {
    Entry { name, group, rule }
}

use Group::{GenericCookie, OpaqueCookie, OpaqueToken, SessionHeader, Url};
use Rule::{Cookie, CookieExact, CookieExcept, CookieLike, CookiePair, Header, Query};

const fn like(first: &'static str, is: fn(&[u8]) -> bool) -> Rule {
    CookieLike { first, is }
}

/// The set, in order of priority.
pub static TABLE: &[Entry] = ENTRIES;

const ENTRIES: &[Entry] = &[
    entry(OpaqueCookie, "PHPSESSID", Cookie("phpsessid")),
    entry(OpaqueCookie, "JSESSIONID", Cookie("jsessionid")),
    entry(OpaqueCookie, "JSESSIONID.*", like("j", is_jenkins)),
    entry(OpaqueCookie, "ASP.NET_SessionId", Cookie("asp.net_sessionid")),
    entry(OpaqueCookie, ".AspNetCore.Session", Cookie(".aspnetcore.session")),
    entry(OpaqueCookie, "connect.sid", Cookie("connect.sid")),
    entry(OpaqueCookie, "sails.sid", Cookie("sails.sid")),
    // Django; other applications use `sessionId`.
    entry(OpaqueCookie, "sessionid", CookieExcept { name: "sessionid", except: "sessionId" }),
    // Spring; the lower-case name is Flask's.
    entry(OpaqueCookie, "SESSION", CookieExact("SESSION")),
    entry(OpaqueCookie, "MoodleSession", Cookie("moodlesession")),
    entry(OpaqueCookie, "CraftSessionId", Cookie("craftsessionid")),
    entry(OpaqueCookie, "OCSESSID", Cookie("ocsessid")),
    entry(OpaqueCookie, "OJSSID", Cookie("ojssid")),
    entry(OpaqueCookie, "osCsid", Cookie("oscsid")),
    entry(OpaqueCookie, "SimpleSAMLSessionID", Cookie("simplesamlsessionid")),
    entry(OpaqueCookie, "CGISESSID", Cookie("cgisessid")),
    entry(OpaqueCookie, "CAKEPHP", Cookie("cakephp")),
    entry(OpaqueCookie, "zenid", Cookie("zenid")),
    entry(OpaqueCookie, "beaker.session.id", Cookie("beaker.session.id")),
    entry(OpaqueCookie, "__session", Cookie("__session")),
    entry(OpaqueCookie, "DokuWiki", Cookie("dokuwiki")),
    entry(OpaqueCookie, "phpMyAdmin", Cookie("phpmyadmin")),
    entry(OpaqueCookie, "shaarli", Cookie("shaarli")),
    entry(OpaqueCookie, "dancer.session", Cookie("dancer.session")),
    entry(OpaqueCookie, "trac_session", Cookie("trac_session")),
    entry(OpaqueCookie, "AIOHTTP_SESSION", Cookie("aiohttp_session")),
    entry(OpaqueCookie, "_gitlab_session", Cookie("_gitlab_session")),
    entry(OpaqueCookie, "authelia_session", Cookie("authelia_session")),
    entry(OpaqueCookie, "AUTH_SESSION_ID", Cookie("auth_session_id")),
    entry(OpaqueCookie, "KEYCLOAK_SESSION", Cookie("keycloak_session")),
    entry(OpaqueCookie, "xf_session", Cookie("xf_session")),
    entry(OpaqueCookie, "fe_typo_user", Cookie("fe_typo_user")),
    entry(OpaqueCookie, "be_typo_user", Cookie("be_typo_user")),
    entry(OpaqueCookie, "_t", CookieExact("_t")),
    entry(OpaqueCookie, "CFID+CFTOKEN", CookiePair("cfid", "cftoken")),
    entry(OpaqueCookie, "SESS<32 hex>", like("s", is_drupal)),
    entry(OpaqueCookie, "ASPSESSIONID<8 capitals>", like("a", is_classic_asp)),
    entry(OpaqueCookie, "wordpress_logged_in_*", like("w", is_wordpress)),
    entry(OpaqueCookie, "wp_woocommerce_session_*", like("w", is_woocommerce)),
    entry(OpaqueCookie, "wiki*_session", like("w", is_mediawiki)),
    entry(OpaqueCookie, "phpbb*_sid", like("p", is_phpbb)),
    entry(OpaqueCookie, "SAP_SESSIONID_*", like("s", is_sap)),
    entry(OpaqueCookie, "oc<10 or more>", like("o", is_owncloud)),
    entry(OpaqueCookie, "<32 hex>", like("0123456789abcdef", is_joomla)),
    entry(Group::JwtSid, "jwt.sid", Rule::JwtSid),
    // Exact names: `SID` is a Google cookie that all its sites share.
    entry(GenericCookie, "session_id", CookieExact("session_id")),
    entry(GenericCookie, "sessionId", CookieExact("sessionId")),
    entry(GenericCookie, "session-id", CookieExact("session-id")),
    entry(GenericCookie, "sid", CookieExact("sid")),
    entry(GenericCookie, "auth_session", Cookie("auth_session")),
    entry(GenericCookie, "user_session", Cookie("user_session")),
    // Flask and Starlette keep state in it, others an identifier: the value decides.
    entry(GenericCookie, "session", CookieExact("session")),
    entry(Group::Protocol, "Mcp-Session-Id", Header("mcp-session-id")),
    entry(SessionHeader, "X-Session-Id", Header("x-session-id")),
    entry(SessionHeader, "Session-Id", Header("session-id")),
    entry(SessionHeader, "X-Session-Token", Header("x-session-token")),
    entry(OpaqueToken, "X-Auth-Token", Header("x-auth-token")),
    entry(OpaqueToken, "Authorization", Rule::OpaqueAuthorization),
    entry(OpaqueToken, "X-Access-Token", Header("x-access-token")),
    entry(OpaqueToken, "X-Device-Id", Header("x-device-id")),
    entry(Group::JwtSub, "jwt.sub", Rule::JwtSub),
    entry(Url, ";jsessionid=", Rule::PathParameter("jsessionid")),
    entry(Url, "?PHPSESSID=", Query("PHPSESSID")),
    entry(Url, "?session_id=", Query("session_id")),
    entry(Url, "?sessionid=", Query("sessionid")),
    entry(Url, "?sid=", Query("sid")),
    entry(Url, "?access_token=", Query("access_token")),
    entry(Group::Client, "X-API-Key", Header("x-api-key")),
    entry(Group::Client, "apikey", Header("apikey")),
    entry(Group::Client, "Authorization: ApiKey", Rule::ApiKeyAuthorization),
    entry(Group::Client, "Authorization: Basic", Rule::BasicUser),
];

/// Positions of the entries that read this part, one bit each.
pub(super) const fn places_of(reads: Reads) -> u128 {
    let (mut places, mut at) = (0, 0);
    while at < ENTRIES.len() {
        if ENTRIES[at].rule.reads() as u8 == reads as u8 {
            places |= 1 << at;
        }
        at += 1;
    }
    places
}

/// Positions of the entries before the first that reads anything but cookies, one bit each.
pub(super) const fn leading_cookies() -> u128 {
    let mut at = 0;
    while matches!(ENTRIES[at].rule.reads(), Reads::Cookies) {
        at += 1;
    }
    (1 << at) - 1
}

/// A subset of the set's entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EntrySet(u128);

impl EntrySet {
    /// The empty subset.
    pub const NONE: Self = Self(0);

    /// The entries with these names; unknown names are ignored.
    pub fn of<'n>(names: impl IntoIterator<Item = &'n str>) -> Self {
        let place = |name: &str| TABLE.iter().position(|entry| entry.name == name);
        Self(names.into_iter().filter_map(place).fold(0, |set, at| set | 1 << at))
    }

    /// Whether it contains no entry.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether it contains the entry.
    #[inline]
    pub fn has(self, entry: &Entry) -> bool {
        let is_it = |known: &Entry| std::ptr::eq(known, entry);
        self.0 != 0 && TABLE.iter().position(is_it).is_some_and(|at| self.0 & (1 << at) != 0)
    }
}

/// Entries that a cookie may belong to, by the first letter of its lower-case name: one bit per position.
pub(super) static BY_FIRST_LETTER: [u128; 256] = by_first_letter();

/// Entries that a cookie may belong to, by the length of its name: one bit per position.
pub(super) static BY_LENGTH: [u128; MAX_COOKIE_NAME_BYTES + 1] = by_length();

const fn by_length() -> [u128; MAX_COOKIE_NAME_BYTES + 1] {
    let mut index = [0; MAX_COOKIE_NAME_BYTES + 1];
    let mut length = 0;
    while length < index.len() {
        let mut at = 0;
        while at < ENTRIES.len() {
            if ENTRIES[at].rule.may_have_length(length) {
                index[length] |= 1 << at;
            }
            at += 1;
        }
        length += 1;
    }
    index
}

const fn by_first_letter() -> [u128; 256] {
    assert!(ENTRIES.len() <= 128);
    let mut index = [0; 256];
    let mut at = 0;
    while at < ENTRIES.len() {
        let (one, two) = match ENTRIES[at].rule {
            Cookie(name) | CookieExcept { name, .. } => (name.as_bytes(), [].as_slice()),
            // The name may contain capitals.
            CookieExact(name) => (name.as_bytes(), [].as_slice()),
            CookiePair(one, two) => (one.as_bytes(), two.as_bytes()),
            CookieLike { first, .. } => {
                let mut letter = 0;
                while letter < first.len() {
                    index[first.as_bytes()[letter] as usize] |= 1 << at;
                    letter += 1;
                }
                ([].as_slice(), [].as_slice())
            }
            _ => ([].as_slice(), [].as_slice()),
        };
        if let [first, ..] = one {
            index[first.to_ascii_lowercase() as usize] |= 1 << at;
        }
        if let [first, ..] = two {
            index[first.to_ascii_lowercase() as usize] |= 1 << at;
        }
        at += 1;
    }
    index
}

/// Known, but not used: the values change during a session, so each request would become a session of its own.
pub static KNOWN_UNUSED: &[&str] = &[
    "laravel_session",
    "laravel-session",
    "ci_session",
    "rack.session",
    "_rails_session",
    "PLAY_SESSION",
    "koa.sess",
    "koa:sess",
    "express:sess",
    "next-auth.session-token",
    "authjs.session-token",
    ".AspNetCore.Cookies",
    ".AspNetCore.Identity.Application",
    ".ASPXAUTH",
    "_oauth2_proxy",
    "sb-*-auth-token",
    "*_session",
    "*-session",
];

/// Drupal: `SESS` or `SSESS`, followed by 32 hexadecimal digits.
fn is_drupal(name: &[u8]) -> bool {
    let digits = name.strip_prefix(b"ssess").or_else(|| name.strip_prefix(b"sess"));
    digits.is_some_and(|digits| digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Classic ASP: `ASPSESSIONID`, followed by 8 capitals.
fn is_classic_asp(name: &[u8]) -> bool {
    let rest = name.strip_prefix(b"aspsessionid");
    rest.is_some_and(|rest| rest.len() == 8 && rest.iter().all(u8::is_ascii_alphabetic))
}

fn is_wordpress(name: &[u8]) -> bool {
    name.starts_with(b"wordpress_logged_in_")
}

/// Jenkins: `JSESSIONID.`, followed by a hash of the instance.
fn is_jenkins(name: &[u8]) -> bool {
    let hash = name.strip_prefix(b"jsessionid.");
    hash.is_some_and(|hash| hash.len() >= 8 && hash.iter().all(u8::is_ascii_hexdigit))
}

/// WooCommerce, including guests.
fn is_woocommerce(name: &[u8]) -> bool {
    name.starts_with(b"wp_woocommerce_session_")
}

fn is_phpbb(name: &[u8]) -> bool {
    name.starts_with(b"phpbb") && name.ends_with(b"_sid")
}

fn is_sap(name: &[u8]) -> bool {
    name.starts_with(b"sap_sessionid_")
}

/// Nextcloud and ownCloud: `oc`, followed by the id of the instance.
fn is_owncloud(name: &[u8]) -> bool {
    name.len() >= 12 && name.starts_with(b"oc") && name.iter().all(u8::is_ascii_alphanumeric)
}

/// Joomla: 32 hexadecimal digits.
fn is_joomla(name: &[u8]) -> bool {
    name.len() == 32 && name.iter().all(u8::is_ascii_hexdigit)
}

/// MediaWiki: the name of the database is `wiki` or begins with it.
fn is_mediawiki(name: &[u8]) -> bool {
    name.starts_with(b"wiki") && name.ends_with(b"_session")
}
