# Bash functions shared by the scripts. Sourced, not run.
set -euo pipefail

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT"

say() { printf '\033[1m==> [%4ds] %s\033[0m\n' "$SECONDS" "$*" >&2; }
die() { printf 'error: %s\n' "$*" >&2; exit 1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "root or sudo is needed to run: $*"
    fi
}

# Installs missing Debian packages without starting their services: NGINX would take port 80. APT_SUITE, if set, is
# preferred to other suites.
apt_install() {
    local missing=() package
    for package in "$@"; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing+=("$package")
    done
    [ ${#missing[@]} -eq 0 ] && return
    say "installing ${missing[*]}"
    local policy=/usr/sbin/policy-rc.d made=
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
        as_root chmod +x "$policy"
        made=1
    fi
    local failed=
    { as_root apt-get -q update && as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q install -y --no-install-recommends ${APT_SUITE:+-t "$APT_SUITE"} "${missing[@]}"; } >&2 || failed=1
    [ -n "$made" ] && as_root rm -f "$policy"
    [ -z "$failed" ] || die "apt-get could not install ${missing[*]}"
}

# Prints what apt has of Rust, one a line: package, version, suite. Beside its rustc, Debian has a later rustc-web, for
# the browsers of its stable releases.
rust_in_apt() {
    { apt-cache madison rustc rustc-web 2>/dev/null || true; } | awk -F'|' '$3 ~ / Packages$/ {
        split($3, source, " "); sub("/.*", "", source[2]); gsub(" ", "", $1); gsub(" ", "", $2)
        print $1, $2, source[2] }'
}

is_at_least() { printf '%s\n%s\n' "$2" "$1" | sort -V -C; }

# Ensures a Cargo of at least the workspace's rust-version: the installed one, else one that apt has in any suite, else
# rustup's. Prints which one and why before a long installation.
ensure_rust() {
    local wanted have package version suite found=
    wanted=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml | head -1)
    [ -f "$HOME/.cargo/env" ] && . "$HOME/.cargo/env"
    have=$({ cargo --version 2>/dev/null || true; } | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
    if [ -n "$have" ] && is_at_least "$have" "$wanted"; then
        return
    fi
    as_root apt-get -qq update >&2 || true
    while read -r package version suite; do
        version=${version%%[!0-9.]*}
        found+="${found:+, }$package $version"
        # Not beside an older one: rustup's comes first in PATH, and Debian's would be removed for rustc-web.
        [ -z "$have" ] && is_at_least "$version" "$wanted" || continue
        say "installing Rust $version from apt: $package of $suite (there is no Cargo, $wanted or later is needed)"
        # Without -t, apt takes nothing from backports; with it for another suite, it would mix versions of libc.
        [[ $suite == *-backports ]] || suite=
        case $package in
            rustc) APT_SUITE=$suite apt_install cargo rustc rustfmt rust-clippy ;;
            rustc-web) APT_SUITE=$suite apt_install cargo-web rustc-web rustfmt-web rust-web-clippy ;;
        esac
        return
    done < <(rust_in_apt)
    say "installing Rust with rustup ($wanted or later is needed; installed is ${have:-none}, apt has ${found:-none})"
    apt_install curl ca-certificates
    curl --proto '=https' --tlsv1.2 -fsS https://sh.rustup.rs |
        sh -s -- -y --profile minimal --component clippy,rustfmt --default-toolchain stable >&2
    . "$HOME/.cargo/env"
}

# Prints a TCP port that is free on 127.0.0.1 now, below the kernel's ephemeral range.
free_port() {
    local port
    for _ in $(seq 100); do
        port=$((RANDOM % 20000 + 10000))
        if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
            echo "$port"
            return
        fi
    done
    die "no free port was found"
}

# Waits up to 10 seconds until a URL answers; fails if the process ends first.
wait_for_url() {
    local url=$1 pid=$2
    for _ in $(seq 200); do
        curl -fsS -o /dev/null "$url" 2>/dev/null && return 0
        kill -0 "$pid" 2>/dev/null || return 1
        sleep 0.05
    done
    return 1
}

target_dir() { echo "${CARGO_TARGET_DIR:-$ROOT/target}"; }
