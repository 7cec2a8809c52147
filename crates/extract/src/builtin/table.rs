//! The set itself: one line a name, in the order in which they are tried.

/// Why an entry stands where it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Issued by a server as *the* session, in no other traffic.
    Protocol,
    /// Cookies that are server-issued, random, and kept for a whole visit.
    OpaqueCookie,
    /// Says session, but is often made by the client.
    SessionHeader,
    /// One login on one device; survives token refresh.
    JwtSid,
    /// Live for hours.
    OpaqueToken,
    /// Stable, but joins a user's devices.
    JwtSub,
    /// Common, less certain.
    GenericCookie,
    /// Works, but ids in URLs leak: always hashed, and cut from the exported path.
    Url,
}

impl Group {
    /// One sentence for operators.
    pub const fn reason(self) -> &'static str {
        match self {
            Group::Protocol => "issued by a server as the session, in no other traffic",
            Group::OpaqueCookie => "server-issued, random, kept for a whole visit",
            Group::SessionHeader => "says session, but is often made by the client",
            Group::JwtSid => "one login on one device, survives token refresh (read, not verified)",
            Group::OpaqueToken => "lives for hours",
            Group::JwtSub => "user-level: joins a user's devices (read, not verified)",
            Group::GenericCookie => "common, less certain",
            Group::Url => "works, but ids in URLs leak: always hashed and cut from the path",
        }
    }
}

/// Where an entry's value is.
#[derive(Debug, Clone, Copy)]
pub enum Rule {
    /// A request header; lower-case name.
    Header(&'static str),
    /// A cookie; lower-case name, compared without case and without `__Host-` or `__Secure-`.
    Cookie(&'static str),
    /// As [`Rule::Cookie`], but for one way to write it, which has an entry of its own.
    CookieExcept {
        /// Lower-case name.
        name: &'static str,
        /// What is not meant.
        except: &'static str,
    },
    /// A cookie of exactly that name, but for `__Host-` and `__Secure-`.
    CookieExact(&'static str),
    /// A cookie whose lower-case name satisfies the predicate.
    CookieLike(fn(&[u8]) -> bool),
    /// Two cookies, only together.
    CookiePair(&'static str, &'static str),
    /// Claims `iss` and `sid` of a JWT in `Authorization: Bearer`, then in cookies.
    JwtSid,
    /// `Authorization: Bearer` or `Token` that is no JWT.
    OpaqueAuthorization,
    /// Claims `iss`, `azp` or `client_id`, and `sub`.
    JwtSub,
    /// `;name=value` behind a path segment; lower-case name.
    PathParameter(&'static str),
    /// A query argument.
    Query(&'static str),
}

impl Rule {
    /// Whether it is about cookies by name.
    pub(super) fn is_cookie(self) -> bool {
        matches!(
            self,
            Cookie(_) | CookieExcept { .. } | CookieExact(_) | CookieLike(_) | CookiePair(..)
        )
    }

    /// Which of the rule's cookies has that name, which comes in lower case too: of a pair 0 or 1, else 0.
    #[inline]
    pub(super) fn cookie(self, name: &[u8], lower: &[u8]) -> Option<usize> {
        let is = |known: &str| *lower == *known.as_bytes();
        let hit = match self {
            Cookie(known) => is(known),
            CookieExcept { name: known, except } => is(known) && name != except.as_bytes(),
            CookieExact(known) => name == known.as_bytes(),
            CookieLike(like) => like(lower),
            CookiePair(one, two) => return [one, two].into_iter().position(is),
            _ => false,
        };
        hit.then_some(0)
    }
}

/// One line of the set.
#[derive(Debug)]
pub struct Entry {
    /// As operators write it; the label of sessions found by it.
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

/// The set, in order.
pub static TABLE: &[Entry] = &[
    entry(Group::Protocol, "Mcp-Session-Id", Header("mcp-session-id")),
    entry(OpaqueCookie, "PHPSESSID", Cookie("phpsessid")),
    entry(OpaqueCookie, "JSESSIONID", Cookie("jsessionid")),
    entry(OpaqueCookie, "ASP.NET_SessionId", Cookie("asp.net_sessionid")),
    entry(OpaqueCookie, ".AspNetCore.Session", Cookie(".aspnetcore.session")),
    entry(OpaqueCookie, "connect.sid", Cookie("connect.sid")),
    entry(OpaqueCookie, "sails.sid", Cookie("sails.sid")),
    // Django; `sessionId` may be anybody's.
    entry(OpaqueCookie, "sessionid", CookieExcept { name: "sessionid", except: "sessionId" }),
    // Spring; the lower-case one is Flask's, with the state inside.
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
    entry(OpaqueCookie, "CFID+CFTOKEN", CookiePair("cfid", "cftoken")),
    entry(OpaqueCookie, "SESS<32 hex>", CookieLike(is_drupal)),
    entry(OpaqueCookie, "ASPSESSIONID<8 capitals>", CookieLike(is_classic_asp)),
    entry(OpaqueCookie, "wordpress_logged_in_*", CookieLike(is_wordpress)),
    entry(OpaqueCookie, "wiki*_session", CookieLike(is_mediawiki)),
    entry(SessionHeader, "X-Session-Id", Header("x-session-id")),
    entry(SessionHeader, "Session-Id", Header("session-id")),
    entry(SessionHeader, "X-Session-Token", Header("x-session-token")),
    entry(Group::JwtSid, "jwt.sid", Rule::JwtSid),
    entry(OpaqueToken, "X-Auth-Token", Header("x-auth-token")),
    entry(OpaqueToken, "Authorization", Rule::OpaqueAuthorization),
    entry(OpaqueToken, "X-Access-Token", Header("x-access-token")),
    entry(Group::JwtSub, "jwt.sub", Rule::JwtSub),
    // Exact: `SID` is Google's, and shared by all its sites.
    entry(GenericCookie, "session_id", CookieExact("session_id")),
    entry(GenericCookie, "sessionId", CookieExact("sessionId")),
    entry(GenericCookie, "session-id", CookieExact("session-id")),
    entry(GenericCookie, "sid", CookieExact("sid")),
    entry(GenericCookie, "auth_session", Cookie("auth_session")),
    entry(GenericCookie, "user_session", Cookie("user_session")),
    entry(Url, ";jsessionid=", Rule::PathParameter("jsessionid")),
    entry(Url, "?PHPSESSID=", Query("PHPSESSID")),
    entry(Url, "?session_id=", Query("session_id")),
    entry(Url, "?sessionid=", Query("sessionid")),
    entry(Url, "?sid=", Query("sid")),
    entry(Url, "?access_token=", Query("access_token")),
];

/// Known, but not used: their value changes during a session, so it alone would make a session of each
/// request.
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
    "session",
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

/// Drupal: `SESS` or `SSESS` and 32 hexadecimal digits.
fn is_drupal(name: &[u8]) -> bool {
    let digits = name.strip_prefix(b"ssess").or_else(|| name.strip_prefix(b"sess"));
    digits.is_some_and(|digits| digits.len() == 32 && digits.iter().all(u8::is_ascii_hexdigit))
}

/// Classic ASP: `ASPSESSIONID` and 8 capitals.
fn is_classic_asp(name: &[u8]) -> bool {
    let rest = name.strip_prefix(b"aspsessionid");
    rest.is_some_and(|rest| rest.len() == 8 && rest.iter().all(u8::is_ascii_alphabetic))
}

fn is_wordpress(name: &[u8]) -> bool {
    name.starts_with(b"wordpress_logged_in_")
}

/// MediaWiki: the database's name is `wiki` or begins with it.
fn is_mediawiki(name: &[u8]) -> bool {
    name.starts_with(b"wiki") && name.ends_with(b"_session")
}
