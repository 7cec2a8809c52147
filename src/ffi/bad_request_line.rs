//! Request lines that NGINX refuses: of `GET /../../etc/passwd` it keeps neither method nor target, and yet
//! somebody will want to know who sent it.

/// The first word, if it may be a method: a token (RFC 9110, 5.6.2), with a target behind it.
pub(super) fn method(line: &[u8]) -> &[u8] {
    match words(line) {
        Some((method, _)) => method,
        None => &[],
    }
}

/// The second word, without a scheme and host in front.
pub(super) fn target(line: &[u8]) -> &[u8] {
    let Some((_, target)) = words(line) else { return &[] };
    if target.starts_with(b"/") {
        return target;
    }
    // An absolute URI: its path begins with the third slash.
    let behind = target.windows(3).position(|three| three == b"://").map(|at| at + 3);
    let path = behind.and_then(|from| {
        let rest = target.get(from..)?;
        rest.get(rest.iter().position(|byte| *byte == b'/')?..)
    });
    path.unwrap_or_default()
}

fn words(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let (method, target) = (words.next()?, words.next()?);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    method.iter().all(is_token).then_some((method, target))
}
