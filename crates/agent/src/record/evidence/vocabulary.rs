//! Words that attacks are written in: keywords, functions, elements, event handlers, programs, parts of well-known
//! paths. None of them is anybody's secret.

/// Whether a lower-case word is one of them, or a single digit.
pub(super) fn is_known(word: &[u8]) -> bool {
    matches!(word, [digit] if digit.is_ascii_digit()) || WORDS.binary_search(&word).is_ok()
}

/// Sorted, for binary search.
#[rustfmt::skip]
const WORDS: &[&[u8]] = &[
    b"absolute", b"accesskey", b"action", b"address", b"alert", b"all", b"alter", b"ambient",
    b"analyze", b"and", b"any", b"apos", b"apply", b"arguments", b"array", b"as", b"asc", b"ascii",
    b"asp", b"assert", b"atob", b"attribute", b"attributes", b"attrs", b"audio", b"autofocus",
    b"awk", b"background", b"backgroundimage", b"base", b"base64", b"base64_decode", b"bash",
    b"bat", b"bcc", b"before", b"begin", b"behavior", b"benchmark", b"between", b"bin", b"binary",
    b"bind", b"blob", b"body", b"bool", b"boolean", b"boot", b"btoa", b"button", b"by", b"bypass",
    b"call", b"callback", b"canvas", b"capture", b"case", b"cast", b"cat", b"catch", b"cc", b"cd",
    b"cdata", b"cgi", b"char", b"character", b"charset", b"chmod", b"chr", b"class", b"classloader",
    b"clearinterval", b"close", b"cmd", b"coalesce", b"code", b"col", b"collate", b"column",
    b"columns", b"com", b"comment", b"commit", b"component", b"compute", b"concat", b"concat_ws",
    b"config", b"configuration", b"confirm", b"console", b"constructor", b"content",
    b"contenteditable", b"convert", b"cookie", b"count", b"cp", b"create", b"createelement", b"csv",
    b"curl", b"cursor", b"cut", b"data", b"database", b"dbms_pipe", b"declare", b"decode", b"def",
    b"define", b"delay", b"delete", b"desc", b"describe", b"details", b"dev", b"dict", b"dig",
    b"dir", b"display", b"distinct", b"div", b"dll", b"dns", b"do", b"doc", b"docs", b"doctype",
    b"document", b"domain", b"drop", b"dual", b"dumpfile", b"each", b"echo", b"elemmatch", b"else",
    b"embed", b"encode", b"encoding", b"end", b"engine", b"entity", b"env", b"environ", b"eq",
    b"error", b"esi", b"etc", b"eval", b"event", b"exe", b"exec", b"execute", b"exists", b"exit",
    b"exp", b"expand", b"expect", b"expression", b"extends", b"extractvalue", b"false", b"fetch",
    b"file", b"filename", b"filter", b"find", b"findall", b"finger", b"first", b"float", b"floor",
    b"font", b"for", b"form", b"format", b"forms", b"freemarker", b"from", b"from_base64",
    b"fromcharcode", b"fsockopen", b"ftp", b"function", b"gcc", b"geo", b"get", b"getattribute",
    b"getclass", b"getenv", b"getinputstream", b"getmethod", b"getparameter", b"getruntime", b"gif",
    b"global", b"globals", b"go", b"gopher", b"grant", b"grep", b"group", b"group_concat",
    b"groups", b"gt", b"gte", b"having", b"head", b"header", b"headers", b"helo", b"hex", b"home",
    b"host", b"hostname", b"hosts", b"href", b"hta", b"htaccess", b"html", b"htpasswd", b"http",
    b"https", b"id", b"if", b"ifconfig", b"ifnull", b"iframe", b"ifs", b"image", b"img", b"import",
    b"in", b"include", b"include_once", b"information_schema", b"ini", b"init", b"inner", b"input",
    b"insert", b"instanceof", b"int", b"integer", b"internal", b"intersect", b"into", b"invoke",
    b"io", b"ip", b"ipconfig", b"is", b"isindex", b"isnull", b"java", b"javascript", b"javax",
    b"jndi", b"join", b"jpg", b"js", b"json", b"jsp", b"keygen", b"kill", b"lang", b"language",
    b"last", b"ldap", b"ldaps", b"left", b"length", b"lib", b"like", b"limit", b"limits", b"linear",
    b"link", b"list", b"load", b"load_extension", b"load_file", b"local", b"localhost",
    b"localtime", b"location", b"log", b"lower", b"ls", b"lt", b"lte", b"machine", b"mail", b"map",
    b"marquee", b"mask", b"match", b"math", b"max", b"md5", b"member", b"message", b"meta",
    b"method", b"mid", b"min", b"mod", b"mode", b"modulus", b"mouse", b"move", b"ms", b"mysql",
    b"name", b"namespace", b"nan", b"navigator", b"nc", b"ncat", b"netcat", b"netstat", b"new",
    b"next", b"nin", b"node", b"nor", b"not", b"ns", b"nslookup", b"null", b"nullif", b"obj",
    b"object", b"objectclass", b"off", b"offset", b"ole", b"on", b"onabort", b"onafterprint",
    b"onanimationend", b"onanimationstart", b"onbeforeunload", b"onblur", b"oncanplay", b"onchange",
    b"onclick", b"oncopy", b"oncut", b"ondblclick", b"ondrag", b"ondrop", b"one", b"onend",
    b"onerror", b"onfocus", b"onfocusin", b"onhashchange", b"oninput", b"oninvalid", b"onkeydown",
    b"onkeypress", b"onkeyup", b"onload", b"onloadstart", b"onmessage", b"onmousedown",
    b"onmousemove", b"onmouseout", b"onmouseover", b"onmouseup", b"onpageshow", b"onpaste",
    b"onpointerdown", b"onpointerenter", b"onpointerover", b"onpopstate", b"onreadystatechange",
    b"onreset", b"onresize", b"onscroll", b"onsearch", b"onselect", b"onstart", b"onsubmit",
    b"ontimeupdate", b"ontoggle", b"ontouchstart", b"ontransitionend", b"onunload", b"onwheel",
    b"open", b"openrowset", b"openssl", b"operator", b"opt", b"or", b"ord", b"order", b"os", b"out",
    b"outer", b"outfile", b"overflow", b"page", b"param", b"parameter", b"parent", b"parse",
    b"parseint", b"passthru", b"passwd", b"path", b"pattern", b"pcntl_exec", b"perl", b"pg_catalog",
    b"pg_sleep", b"php", b"phpinfo", b"ping", b"pipe", b"png", b"popen", b"port", b"pos",
    b"position", b"post", b"powershell", b"prepare", b"print", b"printenv", b"printf", b"private",
    b"proc", b"proc_open", b"procedure", b"process", b"prompt", b"proto", b"prototype", b"ps",
    b"public", b"put", b"pwd", b"python", b"python3", b"query", b"quit", b"quot", b"quote",
    b"raise", b"rand", b"randomblob", b"range", b"rcpt", b"read", b"readfile", b"receive", b"regex",
    b"regexp", b"release", b"remote", b"remove", b"rename", b"replace", b"request", b"require",
    b"require_once", b"reserved", b"resource", b"response", b"return", b"reverse", b"revoke",
    b"right", b"rlike", b"rm", b"rollback", b"root", b"row", b"rows", b"ruby", b"run", b"runtime",
    b"say", b"scalar", b"schema", b"schemas", b"script", b"scriptlet", b"search", b"security",
    b"select", b"self", b"sendmail", b"server", b"service", b"set", b"setattribute", b"setinterval",
    b"settimeout", b"sh", b"shadow", b"shell", b"shell_exec", b"short", b"show", b"shutdown",
    b"sleep", b"smb", b"smtp", b"socket", b"sort", b"source", b"sp_executesql", b"sql",
    b"sqlite_master", b"sqlite_version", b"src", b"srcdoc", b"srv", b"ssh", b"standalone", b"start",
    b"statement", b"static", b"stdin", b"stop", b"store", b"strcmp", b"stream", b"string",
    b"structure", b"style", b"sub", b"subclasses", b"subject", b"subprocess", b"substr",
    b"substring", b"sudo", b"sum", b"svg", b"sys", b"syscolumns", b"sysdate", b"sysobjects",
    b"system", b"systeminfo", b"sysusers", b"tab", b"table", b"tables", b"tac", b"tail", b"tee",
    b"telnet", b"template", b"test", b"text", b"textarea", b"tftp", b"then", b"this", b"throw",
    b"timeout", b"title", b"tmp", b"to", b"tomcat", b"top", b"touch", b"transfer", b"transition",
    b"trigger", b"trim", b"true", b"try", b"type", b"typeof", b"uid", b"uname", b"unhex", b"union",
    b"unique", b"unlink", b"unlinked", b"update", b"updatexml", b"upper", b"url", b"use",
    b"user_agent", b"using", b"usr", b"utf", b"utf7", b"utf8", b"utl_http", b"utl_inaddr", b"value",
    b"values", b"var", b"varchar", b"variable", b"vbscript", b"version", b"video", b"view",
    b"virtual", b"vulnerable", b"wait", b"waitfor", b"web", b"wget", b"when", b"where", b"which",
    b"while", b"whoami", b"width", b"win", b"window", b"windows", b"wizard", b"write", b"writeln",
    b"xi", b"xinclude", b"xml", b"xmlns", b"xmltype", b"xor", b"xp_cmdshell", b"xpath", b"xsl",
    b"xss", b"zip",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_in_order() {
        assert!(WORDS.is_sorted_by(|one, two| one < two));
        assert!(is_known(b"select") && is_known(b"onerror") && is_known(b"7"));
        assert!(!is_known(b"hunter") && !is_known(b"12") && !is_known(b""));
    }
}
