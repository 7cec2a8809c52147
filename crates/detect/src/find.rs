//! The detectors, one module for each attack type. Each reads a [`View`] and returns the range of its first
//! match.

mod code;
mod hosts;
mod javascript;
mod ldap;
mod lines;
mod nosql;
mod objects;
mod path;
mod patterns;
mod redis;
mod scanner;
mod schemes;
mod sensitive_files;
mod shell;
mod ssi;
mod template;
mod words;
mod xxe;

use std::ops::Range;
use std::sync::LazyLock;

use crate::kind::{AttackKind, AttackKinds};
use api_sessions_values::{Mask, Place, View};

use api_sessions_detect_sql as sql;
pub(crate) use api_sessions_detect_sql::Tokens;
use api_sessions_detect_xss::{html, js};
use words::Words;

/// A detector with its type and the byte classes of which a value must have at least one.
type Detector = (AttackKind, Mask, fn(&View<'_>) -> Option<Range<usize>>);

/// For detectors that also find plain words, such as names of programs and classes.
const ANY: Mask = Mask::NONE;

const DETECTORS: &[Detector] = &[
    (
        AttackKind::Xss,
        Mask::ANGLE.and(Mask::QUOTE).and(Mask::PAREN).and(Mask::COLON).and(Mask::SIGN),
        html::find,
    ),
    (AttackKind::Xss, Mask::PAREN.and(Mask::QUOTE).and(Mask::SIGN), js::find),
    (AttackKind::PathTraversal, Mask::SLASH.and(Mask::BACKSLASH).and(Mask::COLON), path::find),
    (AttackKind::CommandInjection, ANY, shell::find),
    (AttackKind::CommandInjection, ANY, code::find),
    (
        AttackKind::TemplateInjection,
        Mask::BRACE.and(Mask::ANGLE).and(Mask::DOLLAR).and(Mask::SIGN),
        template::find,
    ),
    (AttackKind::JndiInjection, Mask::DOLLAR.and(Mask::PERCENT), template::find_jndi),
    (
        AttackKind::NosqlInjection,
        Mask::DOLLAR.and(Mask::QUOTE).and(Mask::PAREN).and(Mask::BRACE).and(Mask::SEPARATOR),
        nosql::find,
    ),
    (AttackKind::NosqlInjection, Mask::BLANK.and(Mask::LINE), redis::find),
    (AttackKind::LdapInjection, Mask::PAREN.and(Mask::COLON).and(Mask::BACKSLASH), ldap::find),
    (AttackKind::SsiInjection, Mask::ANGLE, ssi::find),
    (AttackKind::Xxe, Mask::ANGLE.and(Mask::QUOTE), xxe::find),
    (AttackKind::HeaderInjection, Mask::LINE, lines::find_header),
    (AttackKind::MailInjection, Mask::LINE, lines::find_mail),
];

/// Byte classes of paths of plain segments.
pub(crate) const IN_PLAIN_PATH: Mask =
    Mask::SLASH.and(Mask::DASH).and(Mask::DOT).and(Mask::UNDERSCORE);

/// Searches one form of a value for attacks of the `wanted` types.
pub(crate) fn each(
    view: &View<'_>,
    wanted: AttackKinds,
    tokens: &mut Tokens,
    found: &mut dyn FnMut(AttackKind, Range<usize>),
) {
    let mut missing = wanted;
    let mut give = |missing: &mut AttackKinds, kind: AttackKind, at: Range<usize>| {
        *missing = missing.without(kind.into());
        found(kind, at);
    };
    if missing.has(AttackKind::Scanner)
        && is_for(AttackKind::Scanner, view.place)
        && let Some(at) = scanner::find(view)
    {
        give(&mut missing, AttackKind::Scanner, at);
    }
    // Segments of such a path are plain names.
    let is_plain = view.place == Place::Path && view.mask.is_within(IN_PLAIN_PATH);
    for (kind, mask, detector) in DETECTORS {
        view.begin();
        if (*mask == ANY || view.mask.has(*mask))
            && missing.has(*kind)
            && is_for(*kind, view.place)
            && (!is_plain || *kind == AttackKind::PathTraversal)
            && let Some(at) = detector(view)
        {
            give(&mut missing, *kind, at);
        }
    }
    view.begin();
    if missing.has(AttackKind::Sqli)
        && !is_plain
        && is_for(AttackKind::Sqli, view.place)
        && let Some(at) = sql::find(view, tokens)
    {
        give(&mut missing, AttackKind::Sqli, at);
    }
}

/// Whether a value without special characters may contain a word of code or of a shell, or a callback host.
pub(crate) fn names_code(value: &[u8]) -> bool {
    NAMES.as_ref().is_none_or(|words| words.are_in(value))
}

static NAMES: LazyLock<Option<Words>> = LazyLock::new(|| {
    Words::new(
        scanner::HOSTS.iter().chain(code::ALWAYS).chain(objects::LIBRARIES).chain(shell::ALWAYS),
    )
});

/// Whether a path of plain segments may contain what a detector looks for in paths.
pub(crate) fn names_probe(path: &[u8]) -> bool {
    PROBES.as_ref().is_none_or(|words| words.are_in(path))
}

static PROBES: LazyLock<Option<Words>> =
    LazyLock::new(|| Words::new(scanner::PROBES.iter().chain(words::FILES)));

/// Whether a value without special characters may be a command line.
pub(crate) fn may_be_command(value: &[u8], place: Place) -> bool {
    shell::may_be_command(value, place)
}

/// Whether a value of plain words may begin with a command of Redis.
pub(crate) fn may_be_redis(value: &[u8]) -> bool {
    redis::may_be(value)
}

/// Whether a value of plain words begins with a keyword of an SQL clause.
pub(crate) fn begins_clause(value: &[u8]) -> bool {
    sql::begins_clause(value)
}

/// Whether a value begins like a serialized object.
pub(crate) fn is_object(value: &[u8]) -> bool {
    objects::may_be_object(value)
}

/// Whether a file is a server-side script that executes input.
pub(crate) fn is_script(file: &[u8]) -> bool {
    code::is_script(file)
}

/// Finds `name[$op]=value` of a query or form.
pub(crate) fn operator(view: &View<'_>) -> Option<Range<usize>> {
    nosql::argument(view)
}

/// Finds `onload=…` of a query or form.
pub(crate) fn handler(view: &View<'_>) -> Option<Range<usize>> {
    html::handler(view)
}

/// Builds the tables of all detectors, so that no request waits for them.
pub(crate) fn prepare() {
    LazyLock::force(&NAMES);
    LazyLock::force(&PROBES);
    code::prepare();
    js::prepare();
    sensitive_files::prepare();
    scanner::prepare();
    shell::prepare();
    template::prepare();
}

/// Whether a type is looked for in a place.
fn is_for(kind: AttackKind, place: Place) -> bool {
    use AttackKind::{
        CommandInjection, HeaderInjection, JndiInjection, NosqlInjection, Scanner,
        TemplateInjection, Xss, Xxe,
    };
    match place {
        Place::Object => matches!(kind, NosqlInjection | CommandInjection),
        Place::Link => matches!(kind, Xss | JndiInjection | HeaderInjection | TemplateInjection),
        Place::Raw => matches!(kind, Xxe | JndiInjection | CommandInjection),
        Place::File => kind == CommandInjection,
        Place::Name => !matches!(kind, Scanner),
        _ => true,
    }
}
