# Runs the commands of the documents as they stand there, so that a change in a document changes the test. Sourced by
# the try- scripts, in a root with README.md and install.md in /documents.
# shellcheck shell=bash

# block DOCUMENT HEADING LANGUAGE N: prints the Nth block of code of a language below a heading.
block() {
    local text
    text=$(awk -v heading="## $2" -v fence="\`\`\`$3" -v wanted="$4" '
        !open && /^## / { below = $0 == heading }
        open && /^```/ { open = 0; next }
        !open && /^```/ { open = 1; shown = below && $0 == fence && ++n == wanted; next }
        open && shown' "/documents/$1")
    [ -n "$text" ] || die "$1 has no block $4 of $3 below \"$2\""
    printf '%s\n' "$text"
}

# instead DOCUMENTED OURS: changes what cannot be run here in the commands of its input, and says so.
instead() {
    local text
    text=$(cat)
    [[ $text == *"$1"* ]] || die "the documents no longer say: $1"
    printf '   (%s instead of %s)\n' "$2" "$1" >&2
    printf '%s\n' "${text//"$1"/"$2"}"
}

# follow LINES: runs each line in this shell; what the last one prints is left in /tmp/printed.
follow() {
    local command
    while IFS= read -r command <&8; do
        printf '   # %s\n' "$command" >&2
        eval "$command" >/tmp/printed 2>/tmp/complaints 8<&- ||
            { tail -n 20 /tmp/printed /tmp/complaints >&2 || true; die "fails as documented: $command"; }
    done 8<<<"$1"
}

# The link of the Console, as the documented command has printed it, logs in and shows a session.
console_has_session() {
    local link
    link=$(grep -o 'http://[^ ]*' /tmp/printed) || die "no link is printed: $(cat /tmp/printed)"
    curl -fsSL -c /tmp/cookies -b /tmp/cookies "$link" | grep 'href="/sessions/[0-9a-f]' >/dev/null
}
