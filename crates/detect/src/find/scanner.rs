//! Vulnerability scanners: by their names, their callback hosts and the paths that only they request.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use api_sessions_values::{Place, View, is_word};

const AGENTS: &[&str] = &[
    "sqlmap",
    "nikto",
    "nessus",
    "acunetix",
    "nuclei",
    "masscan",
    "zgrab",
    "dirbuster",
    "gobuster",
    "wpscan",
    "havij",
    "w3af",
    "openvas",
    "arachni",
    "feroxbuster",
    "ffuf",
    "fuzz faster u fool",
    "whatweb",
    "jaeles",
    "netsparker",
    "qualys",
    "appscan",
    "webinspect",
    "burpcollaborator",
    "commix",
    "xsstrike",
    "joomscan",
    "skipfish",
    "wfuzz",
    "dirsearch",
    "paros",
    "vega",
    "zaproxy",
    "owasp zap",
    "censysinspect",
    "l9explore",
    "l9tcpid",
    "nmap scripting engine",
    "hydra",
    "brutus",
    "metasploit",
    "xspider",
    "detectify",
    "interactsh",
    "absinthe",
    "bsqlbf",
    "cgichk",
    "grendel-scan",
    "jbrofuzz",
    "sqlninja",
    "webshag",
    "whcc/",
    "uniscan",
    "n-stealth",
    "pangolin",
    "prog.customcrawler",
    "morfeus",
    "datacha0s",
    "domino hunter",
    "blackwidow",
    "webtrends security",
    "zmeu",
    "pmafind",
    "sitelockspider",
    "core-project/1.0",
    "dav.pm/v",
    "mysqloit",
    "toata dragostea",
    "advanced email extractor",
    "springenwerk",
    "t34mh4k",
    "nsauditor",
];
pub(super) const HOSTS: &[&str] = &[
    "oast.pro",
    "oast.live",
    "oast.site",
    "oast.online",
    "oast.fun",
    "oast.me",
    "interact.sh",
    "burpcollaborator.net",
    "oastify.com",
    "bxss.me",
    "acunetix-wvs-test",
    "nikto-",
];
pub(super) const PROBES: &[&str] = &[
    "/.env",
    "/.git/config",
    "/.git/head",
    "/.git/index",
    "/.git/logs",
    "/.svn/entries",
    "/.svn/wc.db",
    "/.hg/",
    "/.bzr/",
    "/.ds_store",
    "/.aws/credentials",
    "/.ssh/",
    "/.htpasswd",
    "/.htaccess",
    "/.npmrc",
    "/.dockercfg",
    "/.docker/config.json",
    "/.vscode/sftp.json",
    "/.idea/workspace.xml",
    "/vendor/phpunit/",
    "/phpunit/src/util/php/eval-stdin.php",
    "/_ignition/execute-solution",
    "/boaform/",
    "/hnap1",
    "/cgi-bin/luci/;",
    "/cgi-bin/.%2e",
    "/cgi-bin/..",
    "/cgi-bin/test-cgi",
    "/cgi-bin/printenv",
    "/solr/admin/cores",
    "/solr/admin/info",
    "/actuator/env",
    "/actuator/heapdump",
    "/actuator/gateway",
    "/actuator/jolokia",
    "/jolokia/",
    "/jmx-console/",
    "/web-console/invoker",
    "/invoker/jmxinvokerservlet",
    "/manager/html",
    "/manager/text",
    "/host-manager/html",
    "/phpmyadmin/scripts/setup.php",
    "/phpmyadmin/setup",
    "/pma/scripts",
    "/wp-config.php",
    "/xmlrpc.php.bak",
    "/config.php.bak",
    "/config.php.old",
    "/config.json.bak",
    "/config.yml.bak",
    "/backup.sql",
    "/backup.zip",
    "/backup.tar.gz",
    "/dump.sql",
    "/database.sql",
    "/db.sql",
    "/db.bak",
    "/server-status",
    "/debug/pprof/",
    "/console/login/loginform.jsp",
    "/owa/auth/logon.aspx/",
    "/autodiscover/autodiscover.json?@",
    "/remote/fgt_lang",
    "/dana-na/",
    "/vpn/../",
    "/shell?",
    "/c99.php",
    "/r57.php",
    "/wso.php",
    "/alfa.php",
    "/adminer.php",
    "/eval-stdin.php",
    "/thinkphp/",
    "/index.php?s=/index/\\think",
    "/sdk/web-inf",
    "/geoserver/ows?",
];
/// Probes that match only if the path or a segment ends there: otherwise they are prefixes of harmless names.
const WHOLE: &[&str] = &[
    "/.env",
    "/.git/head",
    "/.git/index",
    "/.ds_store",
    "/.npmrc",
    "/server-status",
    "/hnap1",
    "/.htaccess",
    "/.htpasswd",
    "/manager/text",
    "/manager/html",
    "/actuator/env",
];

fn automaton(words: &[&str]) -> Option<AhoCorasick> {
    AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(words).ok()
}

static AGENT: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| automaton(AGENTS));
static HOST: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| automaton(HOSTS));
static PROBE: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| automaton(PROBES));

/// Builds the tables, so that no request waits for them.
pub(crate) fn prepare() {
    LazyLock::force(&AGENT);
    LazyLock::force(&HOST);
    LazyLock::force(&PROBE);
}

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    match view.place {
        Place::Agent => AGENT.as_ref()?.find_iter(view.low).take(16).find_map(|found| {
            let begins = found.start() == 0 || !is_word(view.at(found.start() - 1));
            let ends = !is_word(view.at(found.end())) || !is_word(view.at(found.end() - 1));
            (begins && (ends || found.len() >= 7)).then(|| found.range())
        }),
        Place::Path => PROBE.as_ref()?.find_iter(view.low).take(16).find_map(|found| {
            let word = PROBES[found.pattern().as_usize()];
            let ends =
                found.end() == view.low.len() || matches!(view.at(found.end()), b'/' | b';' | b'.');
            (!WHOLE.contains(&word) || ends).then(|| found.range())
        }),
        Place::Name | Place::Raw => None,
        // Host names need no word boundary.
        _ => HOST.as_ref()?.find(view.low).map(|found| found.range()),
    }
}
