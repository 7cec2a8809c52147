//! What is looked for by expressions: one table. They are compiled into one automaton, once, that runs
//! over a text in linear time (`regex`).

use std::sync::LazyLock;

use regex::bytes::{RegexSet, RegexSetBuilder};

use super::fields::Place;
use super::kind::{AttackKind, AttackKinds};

/// Which places a rule is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Where {
    Anywhere,
    /// Not in the text of a body that is neither form nor JSON nor multipart, nor in `User-Agent`.
    Values,
    Path,
    Names,
    Agent,
    Bodies,
}

struct Rule(AttackKind, Where, &'static str);

use AttackKind::{
    CommandInjection, HeaderInjection, JndiInjection, NosqlInjection, PathTraversal, Scanner,
    TemplateInjection, Xss, Xxe,
};
use Where::{Agent, Anywhere, Bodies, Names, Path, Values};

/// Case does not matter; `.` matches any byte.
const RULES: &[Rule] = &[
    // Three steps up; one or two are what relative links are made of.
    Rule(PathTraversal, Values, r"(?:^|[/\\=])(?:\.{2,}[/\\]+){3}"),
    Rule(
        PathTraversal,
        Values,
        r"(?:^|[/\\])\.\.[/\\]+(?:etc|proc|var|usr|home|root|boot|windows|winnt|web-inf|\.env|\.git|\.ssh)\b",
    ),
    // In a path, each step up: browsers resolve them before they ask.
    Rule(PathTraversal, Path, r"/\.\.(?:[/\\;]|$)"),
    Rule(
        PathTraversal,
        Values,
        r"(?:^|[/\\:])etc[/\\]+(?:passwd|shadow|group|hosts|issue|crontab|ssh[/\\]+ssh)\b",
    ),
    Rule(
        PathTraversal,
        Values,
        r"[/\\]proc[/\\]+(?:self|version|\d+)[/\\]?(?:environ|cmdline|maps|fd|status|cwd)?(?:$|\x00)",
    ),
    Rule(
        PathTraversal,
        Values,
        r"(?:^|[/\\])(?:boot\.ini|win\.ini|web-inf[/\\]+web\.xml|windows[/\\]+system32[/\\]+(?:drivers|config)|\.ssh[/\\]+(?:id_rsa|id_ed25519|authorized_keys))\b",
    ),
    Rule(PathTraversal, Values, r"^(?:file|php|phar|zip|expect|glob)://(?:/|filter|input)"),
    // A separator of a shell, then a program with what only a command line has.
    Rule(
        CommandInjection,
        Values,
        r"(?:^|[;|&`\n]|\$\(|\|\||&&)\s*(?:/(?:usr/)?(?:s?bin)/)?(?:cat|tac|head|tail|less|more|nl|od|xxd|strings|base64)\s+(?:-\w+\s+)*[/~.$][\w./*?$~-]+",
    ),
    Rule(
        CommandInjection,
        Values,
        r"(?:[;|&`\n]|\$\(|\|\||&&)\s*(?:/(?:usr/)?(?:s?bin)/)?(?:id|whoami|uname(?:\s+-\w+)?|hostname|pwd|ls(?:\s+-\w+)?(?:\s+[/~.][\w/.*-]*)?|dir(?:\s+[a-z]:\\?\S*)?|env|printenv|ifconfig|ipconfig|netstat(?:\s+-\w+)?|ps(?:\s+-?aux)?|w|systeminfo|tasklist|set)\s*(?:$|[;|&`#)\n])",
    ),
    Rule(
        CommandInjection,
        Values,
        r"(?:^|[;|&`\n]|\$\(|\|\||&&)\s*(?:/(?:usr/)?(?:s?bin)/)?(?:wget|curl|fetch|lynx|lwp-download|tftp)\s+(?:-[\w-]+\s+(?:\S+\s+)?)*[\x22']?(?:https?|ftp)://",
    ),
    Rule(
        CommandInjection,
        Values,
        r"(?:[;|&`\n]|\$\(|\|\||&&)\s*(?:ping\s+-[cn]\s*\d+|(?:sleep|timeout(?:\s+/t)?)\s+\d+\s*(?:$|[;|&`#)\n])|nslookup\s+\S+|dig\s+\S+\.\S+|nc(?:at)?\s+(?:-\w+\s+)*\S+\s+\d+|telnet\s+\S+\s+\d+|rm\s+-\w+|chmod\s+[+0-7]\S*\s+\S+|kill(?:all)?\s+-?\w+|touch\s+/\S+|net\s+(?:user|localgroup|share)|reg\s+(?:add|query)|type\s+(?:[a-z]:\\|%)\S+|echo\s+\S+\s*(?:>|\||$))",
    ),
    Rule(
        CommandInjection,
        Values,
        r"(?:^|[;|&`\n(\s/])(?:ba|z|k|c|tc|da)?sh\s+-(?:c|i)\b|/bin/(?:ba|z|k|c|tc|da)?sh\b(?:\s|$|[;|&)'])|/dev/(?:tcp|udp)/\S+/\d+",
    ),
    Rule(
        CommandInjection,
        Values,
        r"\bcmd(?:\.exe)?\s+/[ck]\b|\bpowershell(?:\.exe)?\s+-(?:e|enc|encodedcommand|nop|c|command|w)\b|\b(?:python[23]?|perl|ruby|php|node|lua)\s+-(?:c|e|r)\s+['\x22]?\w+",
    ),
    Rule(
        CommandInjection,
        Values,
        r"\$\{?IFS\b|\$\((?:id|whoami|uname|cat|ls|curl|wget|sleep|ping|nslookup|echo|printf|env|pwd|hostname)\b|`(?:id|whoami|uname|cat|ls|curl|wget|sleep|ping|nslookup|env|pwd|hostname)\b[^`]*`",
    ),
    // Shellshock; calls that web shells are made of.
    Rule(CommandInjection, Anywhere, r"\(\)\s*\{[^}]*;\s*\}\s*;"),
    Rule(
        CommandInjection,
        Values,
        r"<\?(?:php|=)\s*\S|\b(?:shell_exec|passthru|proc_open|pcntl_exec|popen)\s*\(|\b(?:system|exec|eval|assert)\s*\(\s*(?:\$_(?:get|post|request|cookie|server)|['\x22](?:cat|id|ls|whoami|uname|wget|curl)\b|base64_decode)|Runtime\.getRuntime\(\)|java\.lang\.(?:Runtime|ProcessBuilder)|\bos\.(?:system|popen)\s*\(|subprocess\.(?:call|run|Popen|check_output)\s*\(|child_process",
    ),
    // What a template engine would work out.
    Rule(
        TemplateInjection,
        Values,
        r"\{\{\s*-?\d+\s*[*+-]\s*'?\d+|\$\{\s*-?\d+\s*[*+-]\s*\d+\s*\}|#\{\s*-?\d+\s*[*+-]\s*\d+\s*\}|<%=\s*-?\d+\s*[*+-]\s*\d+|@\(\s*\d+\s*[*+-]\s*\d+\s*\)|\*\{\s*\d+\s*[*+-]\s*\d+\s*\}",
    ),
    Rule(
        TemplateInjection,
        Values,
        r"__(?:class|mro|subclasses|globals|builtins|import|init|base|bases)__|\{\{.*(?:config\.items|self\.|request\.application|cycler\.|joiner\.|lipsum\.|\.constructor|_self\.env|\|\s*attr\()|\{%.*(?:import|include|for\s+\w+\s+in\s+\[\]\.__)",
    ),
    Rule(
        TemplateInjection,
        Values,
        r"freemarker\.template\.utility|T\(\s*java\.lang|\$\{T\(|#(?:_memberAccess|context\[|rt\s*=)|%\{\(?#|@java\.lang|\$class\.inspect|<#assign\s+\w+\s*=|\$\{\s*(?:applicationScope|sessionScope|pageContext|facesContext)\b",
    ),
    Rule(
        JndiInjection,
        Anywhere,
        r"\$\{\s*jndi\s*:|\$\{(?:[^{}]|\$\{[^{}]*\})*\$\{\s*(?:lower|upper|env|sys|date|main|java|::-?|[\w-]*:-)[^{}]*\}|\$\{\s*(?:::-|env:[\w-]*:-|lower:|upper:)\w",
    ),
    Rule(
        NosqlInjection,
        Names,
        r"(?:^|\[|\.)\$(?:ne|eq|gt|gte|lt|lte|in|nin|regex|where|exists|or|and|not|nor|expr|elemMatch|type|mod)\]?$",
    ),
    Rule(
        NosqlInjection,
        Values,
        r"['\x22]?\$where['\x22]?\s*:|['\x22]\s*\|\|\s*['\x22]?\d*['\x22]?\s*==|;\s*return\s+(?:true|this)\b|\bthis\.\w+\s*(?:==|!=|\.match\()|\{\s*['\x22]?\$(?:ne|gt|gte|regex|nin|exists|where)['\x22]?\s*:",
    ),
    Rule(
        Xxe,
        Anywhere,
        r"<!ENTITY\s+(?:%\s*)?[\w.-]+\s+(?:SYSTEM|PUBLIC)\s|<!DOCTYPE\s+[^>\[]*\[\s*<!(?:ENTITY|ELEMENT)|<xi:include\s|<!DOCTYPE\s+\w+\s+(?:SYSTEM\s+['\x22]http|(?:SYSTEM|PUBLIC\s+['\x22][^'\x22]*['\x22])\s+['\x22](?:file|ftp|gopher|php|expect|jar))",
    ),
    Rule(
        HeaderInjection,
        Values,
        r"[\r\n]+\s*(?:(?:set-cookie|location|content-(?:type|length|encoding)|transfer-encoding|access-control-allow-origin|x-xss-protection|refresh)\s*:|HTTP/[12](?:\.\d)?\s)",
    ),
    // What libinjection has no parser for: schemes and handlers in values that become attributes.
    Rule(
        Xss,
        Values,
        r"^\s*(?:j\s*a\s*v\s*a|v\s*b)\s*s\s*c\s*r\s*i\s*p\s*t\s*:|^\s*data:text/html|<svg[\s/+][^>]*on\w+\s*=|['\x22]\s*on(?:error|load|click|mouse\w+|focus|blur|key\w+|pointer\w+|animation\w+|toggle)\s*=|<script[\s>/]|\bdocument\.(?:cookie|location|write)\b.*[()=]",
    ),
    // Tools by name.
    Rule(
        Scanner,
        Agent,
        r"\b(?:sqlmap|nikto|nessus|acunetix|nuclei|masscan|zgrab|dirbuster|gobuster|wpscan|havij|w3af|openvas|arachni|feroxbuster|ffuf|fuzz faster u fool|whatweb|jaeles|netsparker|qualys|appscan|webinspect|burpcollaborator|commix|xsstrike|joomscan|skipfish|wfuzz|dirsearch|paros|vega|zaproxy|owasp zap|censysinspect|l9explore|l9tcpid|nmap scripting engine|hydra|brutus|metasploit|xspider|detectify|interactsh)\b",
    ),
    Rule(
        Scanner,
        Values,
        r"\b(?:oast\.(?:pro|live|site|online|fun|me)|interact\.sh|burpcollaborator\.net|oastify\.com|bxss\.me|acunetix-wvs-test|nikto-\w+-test)\b",
    ),
    // Probes: nobody links to these.
    Rule(
        Scanner,
        Path,
        r"/\.(?:env(?:\.\w+)?|git/(?:config|HEAD|index|logs)|svn/(?:entries|wc\.db)|hg/|bzr/|DS_Store|aws/credentials|ssh/|htpasswd|htaccess|npmrc|dockercfg|docker/config\.json|vscode/sftp\.json|idea/workspace\.xml)(?:$|[/;])",
    ),
    Rule(
        Scanner,
        Path,
        r"/(?:vendor/phpunit/|phpunit/src/util/php/eval-stdin\.php|_ignition/execute-solution|boaform/|hnap1|cgi-bin/(?:luci/;|\.%2e|\.\.|test-cgi|printenv)|solr/admin/(?:cores|info)|actuator/(?:env|heapdump|gateway|jolokia)|jolokia/|jmx-console/|web-console/invoker|invoker/jmxinvokerservlet|manager/(?:html|text)|host-manager/html|phpmyadmin\d*/(?:scripts/setup\.php|setup)|pma/scripts|wp-config\.php|xmlrpc\.php\.bak|config\.(?:php|json|yml|bak)\.(?:bak|old|save|swp|txt)|(?:backup|dump|database|db)\.(?:sql|tar\.gz|zip|bak)|server-status$|debug/pprof/|console/login/loginform\.jsp|owa/auth/logon\.aspx/|ecp/\w+\.js|autodiscover/autodiscover\.json\?@|remote/fgt_lang|dana-na/|vpn/\.\./|global-protect/\w+\.esp/|shell\?|c99\.php|r57\.php|wso\.php|alfa\.php|adminer(?:-[\d.]+)?\.php|eval-stdin\.php|thinkphp/|index\.php\?s=/index/\\think|sdk/web-inf|geoserver/ows\?)",
    ),
    Rule(Xxe, Bodies, r"<!DOCTYPE[^>]*\[[^\]]*<!ENTITY"),
];

/// Compiled at the first use. The table is checked by a test, so an expression that is none cannot get
/// here; should it, nothing is found rather than a worker lost.
static SET: LazyLock<RegexSet> = LazyLock::new(|| {
    RegexSetBuilder::new(RULES.iter().map(|Rule(_, _, expression)| *expression))
        .case_insensitive(true)
        .dot_matches_new_line(true)
        .unicode(false)
        .build()
        .unwrap_or_else(|_| RegexSet::empty())
});

/// Compiles the table, so that no request waits for it.
pub(super) fn prepare() {
    LazyLock::force(&SET);
}

pub(super) fn matching(text: &[u8], place: Place) -> AttackKinds {
    if !is_worth_it(text, place) {
        return AttackKinds::default();
    }
    let is_for = |at: &Where| match at {
        Anywhere => true,
        Values => place.is_value(),
        Path => place == Place::Path,
        Names => place == Place::Name,
        Agent => place == Place::Agent,
        Bodies => place == Place::Whole,
    };
    SET.matches(text)
        .iter()
        .filter_map(|number| RULES.get(number))
        .filter(|Rule(_, at, _)| is_for(at))
        .fold(AttackKinds::default(), |found, Rule(kind, _, _)| found | (*kind).into())
}

/// Outside of paths and `User-Agent`, each rule needs a byte that plain words and numbers do not have.
fn is_worth_it(text: &[u8], place: Place) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"- @+,!".contains(byte);
    matches!(place, Place::Path | Place::Agent)
        || !text.iter().all(is_plain)
        // An option of a command.
        || memchr::memmem::find(text, b" -").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_expression_compiles() {
        assert_eq!(SET.len(), RULES.len());
        for Rule(_, _, expression) in RULES {
            let one = RegexSetBuilder::new([expression]).unicode(false).build();
            assert!(one.is_ok(), "{expression}: {one:?}");
        }
    }
}
