//! Code of PHP, Java, Python, Node.js, Ruby, Perl and ASP, recognized by words that only occur in it.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use api_sessions_values::{Mask, Place, View, is_word};

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
/// Prefixes of serialized Java and .NET objects in base64 and hexadecimal, in lower case.
pub(super) const SERIALIZED: &[&[u8]] = &[b"ro0ab", b"aced0005", b"aaeaaad/"];
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
        return prototype(view);
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
    if let Some(found) = php_object(view) {
        return Some(found);
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
        if is_bare && !view.mask.has(SIGNS) && !SERIALIZED.iter().any(|head| view.starts(0, head)) {
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

/// `O:8:"stdClass":1:{`: a serialized PHP object, at the start of a value or in an array.
fn php_object(view: &View<'_>) -> Option<Range<usize>> {
    if !view.mask.has(Mask::COLON) || !view.mask.has(Mask::QUOTE) {
        return None;
    }
    memchr::memmem::find_iter(view.low, b":\"").take(16).find_map(|quote| {
        let head = view.low[..quote].iter().rev().take(6);
        let digits = head.take_while(|byte| byte.is_ascii_digit()).count();
        let letter = (quote - digits).checked_sub(2)?;
        let begins = letter == 0 || matches!(view.at(letter - 1), b';' | b'{' | b'|' | b'=' | b' ');
        if digits == 0
            || !matches!(view.at(letter), b'o' | b'c')
            || view.at(letter + 1) != b':'
            || !begins
        {
            return None;
        }
        // The name of the class, followed by the number of its members.
        let name = view.window(quote + 2, 96);
        let end = quote + 2 + memchr::memchr(b'"', name)?;
        (view.at(end + 1) == b':' && view.at(end + 2).is_ascii_digit()).then_some(letter..end + 1)
    })
}

/// `{"constructor": {"prototype": …`: members shared by all objects.
fn prototype(view: &View<'_>) -> Option<Range<usize>> {
    const NAME: &[u8] = b"\"constructor\"";
    memchr::memmem::find_iter(view.low, NAME).take(8).find_map(|at| {
        let mut next = at + NAME.len();
        for sign in [b':', b'{'] {
            next = view.behind_blanks(next);
            if view.at(next) != sign {
                return None;
            }
            next += 1;
        }
        let next = view.behind_blanks(next);
        view.starts(next, b"\"prototype\"").then_some(at..next + 11)
    })
}

/// Maximum number of bytes of a file that are inspected.
const MAX_FILE_BYTES: usize = 64 * 1024;

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
