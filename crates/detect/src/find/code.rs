//! Code of PHP, Java, Python, Node.js, Ruby, Perl and ASP, recognized by words that only occur in it.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use api_sessions_values::{Mask, Place, View, is_word};

use super::objects;
use crate::limits::MAX_FILE_BYTES;

/// Words that are always code that affects its host.
pub(super) const ALWAYS: &[&str] = &[
    "<?php",
    "<?=",
    "<%@",
    "<%!",
    "runtime.getruntime",
    "java.lang.runtime",
    "java.lang.processbuilder",
    "processbuilder(",
    "java.lang.system",
    "java.lang.class",
    "javax.script",
    "child_process",
    "process.mainmodule",
    "shell_exec",
    "passthru(",
    "proc_open",
    "pcntl_exec",
    "$_get[",
    "$_post[",
    "$_request[",
    "$_cookie[",
    "$_server[",
    "$_session[",
    "$_get{",
    "$_files[",
    "$globals[",
    "php_sapi_name",
    "phpinfo",
    "auto_prepend_file",
    "allow_url_include",
    "base64_decode(",
    "str_rot13(",
    "create_function(",
    "preg_replace(\"/.*/e",
    "call_user_func",
    "os.system(",
    "os.popen(",
    "subprocess.",
    "__import__(",
    "kernel.exec",
    "io.popen",
    "getclass().",
    "class.classloader",
    "class.module",
    "org.apache.",
    "com.sun.org",
    "commons.collections",
    "invokertransformer",
    "ysoserial",
    "org.springframework",
    "javax.naming",
    "objectinputstream",
    "rmi://",
    "wscript.shell",
    "server.createobject",
    "xmldecoder",
    "file_put_contents(",
    "file_get_contents(",
    "fsockopen(",
    "move_uploaded_file",
    "gzinflate(",
    "posix_getpwuid",
    "chr(101)",
    "rO0ABQ",
    "rO0ABXNy",
    "rO0ABXVy",
    "rO0ABXN9",
    "aced000573",
    "aced000577",
    "execfile(",
    "eval(compile",
    "perl -e",
    "process.binding",
    "constructor.constructor",
    "__proto__",
    "constructor.prototype",
    "constructor[prototype]",
    "constructor[\"prototype",
    "constructor['prototype",
    "constructor:constructor",
    "__js_function",
    "__definegetter__",
    "__definesetter__",
    "__lookupgetter__",
    "__lookupsetter__",
    "[constructor][prototype]",
    "!!python/",
    "!!java",
    "!!com.sun.",
    "!!js/function",
    "!ruby/object:",
    "!ruby/hash:",
    "!ruby/struct:",
    "c__builtin__\n",
    "cos\nsystem",
    "cposix\nsystem",
    "csubprocess\n",
    "cbuiltins\n",
    "objectdataprovider",
    "system.diagnostics.process",
    "system.management.automation",
    "system.configuration.install",
    "system.windows.data.",
    "system.windows.markup",
    "losformatter",
    "binaryformatter",
    "typeconfusedelegate",
    "jdbcrowsetimpl",
    "com.mchange.",
    "com.alibaba.fastjson",
    "bcel.util.classloader",
    "java.lang.autocloseable",
    "java.beans.",
    "sun.rmi.",
    "templatesimpl",
    "bsh.interpreter",
    "gem::installer",
    "gem::specification",
    "gem::requirement",
    "gem::package",
    "gem::specfetcher",
    "erb.new(",
    "marshal.load(",
    "yaml.load(",
    "pickle.loads(",
    "unserialize(",
    "aaeaaad/////",
    "ldap_connect(",
    "require('fs')",
    "require(\"fs\")",
    "require('child",
    "globalthis.process",
    "process.env",
    "process.exit",
    "_$$nd_func$$_",
    "nodejs.",
    "open3",
    "%x{",
    "`#{",
    "new file(",
    "new java.",
    "'.execute()",
    "\".execute()",
    "[#lazy_builder",
    "[#post_render",
    "[#pre_render",
];
/// Byte classes that occur in code, besides words.
const SIGNS: Mask = Mask::QUOTE
    .and(Mask::ANGLE)
    .and(Mask::PAREN)
    .and(Mask::BRACE)
    .and(Mask::DOLLAR)
    .and(Mask::SLASH)
    .and(Mask::SEPARATOR)
    .and(Mask::SIGN)
    .and(Mask::COLON)
    .and(Mask::BRACKET);
/// Functions that count as code only if their argument is a call or a variable.
const CALLS: &[&str] = &[
    "system(",
    "exec(",
    "popen(",
    "eval(",
    "assert(",
    "include(",
    "require(",
    "include_once(",
    "readfile(",
    "print(",
    "die(",
    "md5(",
    "var_dump(",
    "print_r(",
    "print `",
    "chr(",
    "highlight_file(",
    "show_source(",
    "exit(",
    "fopen(",
    "unlink(",
    "opendir(",
    "ini_get(",
    "ini_set(",
    "putenv(",
    "spawn(",
    "load(",
    "glob(",
    "echo(",
];

static WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    AhoCorasick::builder()
        .ascii_case_insensitive(true)
        .kind(Some(AhoCorasickKind::DFA))
        .build(ALWAYS.iter().chain(CALLS))
        .ok()
});

/// Builds the table, so that no request waits for it.
pub(crate) fn prepare() {
    LazyLock::force(&WORDS);
}

pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    if view.place == Place::Object {
        return objects::prototype(view);
    }
    if view.place == Place::File {
        let at = view.find(b"<?").or_else(|| view.find(b"<%"))?;
        return Some(at..at + 2);
    }
    // People paste code into text; code of an attack is short or alone.
    if view.place == Place::Agent
        && !view.mask.has(
            api_sessions_values::Mask::ANGLE
                .and(api_sessions_values::Mask::QUOTE)
                .and(api_sessions_values::Mask::DOLLAR),
        )
    {
        return None;
    }
    let is_text = matches!(view.place, Place::Text | Place::Whole | Place::Raw);
    let lines = if is_text { memchr::memchr_iter(b'\n', view.low).take(8).count() } else { 0 };
    if view.is_prose() || lines >= 3 {
        return None;
    }
    let found = objects::find(view).or_else(|| called_by_name(view));
    if found.is_some() {
        return found;
    }
    let words = WORDS.as_ref()?;
    words.find_iter(view.low).take_while(|_| !view.is_spent()).find_map(|found| {
        view.spend(8);
        let at = found.start();
        let begins_word = at == 0 || !is_word(view.at(at)) || !is_word(view.at(at - 1));
        if !begins_word {
            return None;
        }
        // A word of only letters and digits is plain text if the value has no special characters.
        let is_bare = view.low[found.range()].iter().all(u8::is_ascii_alphanumeric);
        if is_bare
            && !view.mask.has(SIGNS)
            && !objects::SERIALIZED.iter().any(|head| view.starts(0, head))
        {
            return None;
        }
        let is_code = if found.pattern().as_usize() < ALWAYS.len() {
            true
        } else {
            called(view, at, found.end())
        };
        is_code.then(|| found.range())
    })
}

/// `"system"('id')`, `[exec][0]('id')`: a function of PHP that is called by its name in a string.
fn called_by_name(view: &View<'_>) -> Option<Range<usize>> {
    const FUNCTIONS: &[&[u8]] = &[
        b"assert",
        b"call_user_func",
        b"create_function",
        b"eval",
        b"exec",
        b"passthru",
        b"phpinfo",
        b"popen",
        b"proc_open",
        b"shell_exec",
        b"system",
    ];
    if !view.mask.has(Mask::PAREN)
        || !view.mask.has(Mask::QUOTE.and(Mask::BRACKET).and(Mask::SEPARATOR))
    {
        return None;
    }
    view.each(b'(').take(32).find_map(|paren| {
        let head = &view.low[paren.saturating_sub(12)..paren];
        // `["system"][0] (`
        let is_sign = |byte: &&u8| b" \t'\")]}[0".contains(byte);
        let end = paren - head.iter().rev().take_while(is_sign).count();
        view.spend(head.len());
        let name = view.word_before(end);
        let start = end - name.len();
        let before = view.before_blanks(start);
        // The "system" (as people put it).
        let is_text = matches!(view.place, Place::Text | Place::Whole);
        if is_text && view.low[end..paren].iter().any(u8::is_ascii_whitespace) {
            return None;
        }
        let is_framed = before > 0 && b"'\"([{".contains(&view.at(before - 1));
        (end < paren && is_framed && FUNCTIONS.contains(&name)).then_some(start..paren + 1)
    })
}

/// `<?php system($_GET[0])` or `<% Runtime… %>`, also after the header of an image.
pub(super) fn is_script(file: &[u8]) -> bool {
    const PHP: &[&[u8]] = &[
        b"$_",
        b"eval(",
        b"system(",
        b"exec(",
        b"passthru",
        b"phpinfo",
        b"assert(",
        b"base64_decode",
        b"popen(",
        b"call_user_func",
    ];
    const SERVER_PAGE: &[&[u8]] = &[
        b"Runtime",
        b"ProcessBuilder",
        b"eval(",
        b"eval request",
        b"WScript",
        b"Process.Start",
        b"cmd.exe",
    ];
    let file = &file[..file.len().min(MAX_FILE_BYTES)];
    let behind = |start: &[u8], words: &[&[u8]]| {
        memchr::memmem::find(file, start).is_some_and(|at| {
            let window = &file[at..file.len().min(at + 4096)];
            words.iter().any(|word| memchr::memmem::find(window, word).is_some())
        })
    };
    memchr::memmem::find(file, b"<?").is_some()
        && (behind(b"<?php", PHP) || behind(b"<?=", PHP) || behind(b"<? ", PHP))
        || behind(b"<%", SERVER_PAGE)
}

/// Whether a call has an argument typical of attacks and is at a position where a statement can begin.
fn called(view: &View<'_>, at: usize, inside: usize) -> bool {
    let before = view.before_blanks(at);
    let starts = before == 0
        || matches!(
            view.at(before - 1),
            b';' | b'{'
                | b'}'
                | b'('
                | b'@'
                | b'\''
                | b'"'
                | b'='
                | b'|'
                | b'&'
                | b'`'
                | b'>'
                | b'.'
                | b'!'
                | b'+'
                | b'\n'
        );
    if !starts {
        return false;
    }
    let argument = view.behind_blanks(inside);
    let window = view.window(argument, 48);
    view.spend(window.len());
    let has = |text: &[u8]| memchr::memmem::find(window, text).is_some();
    let name = &view.low[at..inside];
    let first = view.at(argument);
    match name {
        b"system(" | b"exec(" | b"popen(" | b"spawn(" => {
            matches!(first, b'\'' | b'"' | b'$' | b'`')
                || has(b"/")
                || super::words::COMMANDS.binary_search(&view.word(argument)).is_ok()
        }
        b"eval(" | b"assert(" | b"include(" | b"require(" | b"include_once(" => {
            let quoted = matches!(first, b'\'' | b'"') && name == b"eval(";
            quoted && super::words::COMMANDS.binary_search(&view.word(argument + 1)).is_ok()
                || has(b"$_")
                || has(b"base64")
                || has(b"chr(")
                || has(b"system")
                || has(b"http://")
                || has(b"../")
                || has(b"php")
        }
        b"echo(" => has(b"exec") || has(b"system"),
        b"chr(" => memchr::memmem::find(view.window(at, 40), b").chr(").is_some(),
        b"print(" | b"die(" | b"var_dump(" | b"print_r(" | b"exit(" | b"md5(" => {
            // A probe that only prints a computed value.
            (has(b"md5(")
                || has(b"`")
                || has(b"scandir")
                || has(b"$_")
                || first.is_ascii_digit() && has(b"*"))
                && !matches!(view.place, Place::Text)
                || name == b"print(" && has(b"md5(")
        }
        b"print `" => true,
        _ => {
            matches!(first, b'\'' | b'"' | b'$')
                && (has(b"/") || has(b"$_") || has(b".."))
                && view.low.len() < 200
        }
    }
}
