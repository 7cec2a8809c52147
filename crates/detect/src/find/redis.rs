//! Commands of Redis.

use std::ops::Range;

use api_sessions_values::{Place, View};

/// A command of Redis with its arguments, as the whole value or one line of it. Names that are common English
/// words need more evidence.
pub(super) fn find(view: &View<'_>) -> Option<Range<usize>> {
    if matches!(view.place, Place::Object | Place::Agent | Place::Raw | Place::Link) {
        return None;
    }
    let lines = memchr::memchr2_iter(b'\n', b'\r', view.low).take(8).map(|at| at + 1);
    std::iter::once(0).chain(lines).find_map(|line| {
        if let Some(end) = array(view, line) {
            return Some(line..end);
        }
        let start = line + usize::from(matches!(view.at(line), b'"' | b'\'' | b';'));
        let start = view.behind_blanks(start);
        let word = view.word(start);
        let end = start + word.len();
        let rest = view.window(end, 96);
        let rest = &rest[..memchr::memchr2(b'\n', b'\r', rest).unwrap_or(rest.len())];
        view.spend(rest.len());
        let mut words = rest.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        let first = words.next().unwrap_or_default();
        let count = words.count() + usize::from(!first.is_empty());
        let found = match word {
            b"flushall" | b"flushdb" => count == 0 || matches!(first, b"async" | b"sync"),
            b"slaveof" | b"replicaof" => count == 2,
            b"config" => {
                matches!(first, b"set" | b"get" | b"rewrite" | b"resetstat") && {
                    let what = rest.strip_prefix(b" ").unwrap_or(rest);
                    [
                        &b"set dir"[..],
                        b"set dbfilename",
                        b"set save",
                        b"set requirepass",
                        b"get *",
                        b"get dir",
                        b"set slave",
                        b"set protected",
                        b"get requirepass",
                        b"rewrite",
                        b"resetstat",
                    ]
                    .iter()
                    .any(|known| what.starts_with(known))
                }
            }
            b"client" => matches!(first, b"setname" | b"getname" | b"kill" | b"list") && count <= 3,
            b"script" => {
                first == b"flush" && count <= 2 || first == b"load" && rest.contains(&b'"')
            }
            b"module" => first == b"load" && count == 2 && rest.contains(&b'/'),
            b"debug" => matches!(first, b"sleep" | b"segfault"),
            b"acl" => matches!(first, b"setuser" | b"deluser" | b"whoami"),
            b"eval" => {
                matches!(first.first(), Some(b'"' | b'\''))
                    && memchr::memmem::find(rest, b"redis.").is_some()
            }
            b"restore" => count >= 3 && rest.contains(&b'"'),
            b"zadd" | b"hset" | b"hmset" | b"setex" | b"psetex" | b"getset" | b"linsert" => {
                count >= 3
            }
            b"lpush" | b"rpush" | b"sadd" | b"srem" | b"hget" | b"setnx" | b"incrby"
            | b"expireat" => count >= 2,
            b"hgetall" | b"smembers" | b"bgrewriteaof" | b"bgsave" => count <= 1,
            b"lrange" | b"zrange" => count == 3,
            b"keys" => count == 1 && first.contains(&b'*'),
            _ => false,
        };
        (found && !view.is_prose()).then_some(start..end)
    })
}

/// End of `*1`, `$4`: the first lines of a command as it is sent (RESP), an array of strings with their lengths.
fn array(view: &View<'_>, line: usize) -> Option<usize> {
    let number = |at: usize, sign: u8| {
        let digits = view.window(at + 1, 8).iter().take_while(|byte| byte.is_ascii_digit()).count();
        (view.at(at) == sign && digits > 0).then_some(at + 1 + digits)
    };
    let end = number(line, b'*')?;
    let next = view.behind_blanks(end);
    (matches!(view.at(end), b'\r' | b'\n')).then(|| number(next, b'$')).flatten()
}

/// Whether a value without special characters may begin with a command of Redis, after blanks. Compares the
/// first four letters of all commands that [`find`] finds without a quote or slash after them.
pub(super) fn may_be(value: &[u8]) -> bool {
    let Some(head) = value.trim_ascii_start().first_chunk::<4>() else { return false };
    matches!(
        &head.map(|byte| byte | 0x20),
        b"acl "
            | b"bgre"
            | b"bgsa"
            | b"clie"
            | b"conf"
            | b"debu"
            | b"expi"
            | b"flus"
            | b"gets"
            | b"hget"
            | b"hmse"
            | b"hset"
            | b"incr"
            | b"lins"
            | b"lpus"
            | b"lran"
            | b"pset"
            | b"repl"
            | b"rpus"
            | b"sadd"
            | b"scri"
            | b"sete"
            | b"setn"
            | b"slav"
            | b"smem"
            | b"srem"
            | b"zadd"
            | b"zran"
    )
}
