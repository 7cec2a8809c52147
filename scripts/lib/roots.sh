# Clean root file systems of Debian releases, below build/roots. Sourced after common.sh; needs root. Mounts in them are
# removed at exit.
# shellcheck shell=bash

[ "$(id -u)" -eq 0 ] || die "root is needed: debootstrap and chroot"
apt_install debootstrap

work=$ROOT/build/roots
mounted=()
mkdir -p "$work"
finish() {
    local place
    for place in "${mounted[@]}"; do umount -l "$place" 2>/dev/null || true; done
}
trap finish EXIT
# Deletes a root, but never through a mount left by an earlier run: /dev and Cargo's home are mounted there.
remove_root() {
    awk -v root="$1" '$2 == root || index($2, root "/") == 1 { print $2 }' /proc/mounts | sort -r | xargs -r -n1 umount -l
    if awk -v root="$1" '$2 == root || index($2, root "/") == 1 { found = 1 } END { exit !found }' /proc/mounts; then
        die "$1 still has mounts"
    fi
    rm -rf "$1"
}
mount_at() { mkdir -p "$2"; mount "${@:3}" "$1" "$2" && mounted=("$2" "${mounted[@]}"); }

# Creates a root as left by debootstrap, which is cached as an archive; apt is configured as on this machine.
fresh_root() {
    local release=$1 root=$2 base=$work/$1.tar.zst security
    apt_install zstd
    if [ ! -f "$base" ]; then
        say "$release: debootstrap"
        rm -rf "$work/$release.base"
        debootstrap --variant=minbase --include=ca-certificates "$release" "$work/$release.base" "$(apt_mirror)" >"$work/$release.log" 2>&1 ||
            { tail -20 "$work/$release.log" >&2; die "debootstrap failed, see $work/$release.log"; }
        tar -C "$work/$release.base" --zstd -cf "$base" .
        rm -rf "$work/$release.base"
    fi
    remove_root "$root"
    mkdir -p "$root"
    tar -C "$root" --zstd -xf "$base"
    copy_network_setup "$root"
    # As on a real machine: security updates, of NGINX too.
    security=$(apt_mirror -security)
    [ -z "$security" ] || echo "deb $security $release-security main" >>"$root/etc/apt/sources.list"
    # The root must be a mount point, so that namespaces inside can make their mounts private.
    mount_at "$root" "$root" --bind
    # Prevents services from starting.
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    mount_at proc "$root/proc" -t proc
    mount_at /dev "$root/dev" --bind
}

# Prints the URL of the Debian archive that this machine's apt uses; with -security, that of its security updates.
apt_mirror() {
    apt-get indextargets --format '$(SITE) $(COMPONENT) $(CODENAME)' 'Origin: Debian' 'Created-By: Packages' |
        awk -v suffix="${1:-}" '$2 == "main" && ($3 ~ /-security$/) == (suffix == "-security") { print $1; exit }'
}

# Copies name resolution, proxies and certificates from this machine.
copy_network_setup() {
    local root=$1 file
    for file in /etc/resolv.conf /etc/hosts; do [ -e "$file" ] && cp -L "$file" "$root$file"; done
    # Skips files that belong to a package: they would count as changed conffiles if the root installs that package.
    for file in /etc/apt/apt.conf.d/*; do
        dpkg -S "$file" >/dev/null 2>&1 && continue
        grep -q '^Acquire' "$file" 2>/dev/null && cp "$file" "$root/etc/apt/apt.conf.d/"
    done
    if [ -d /usr/local/share/ca-certificates ] && [ -n "$(ls -A /usr/local/share/ca-certificates)" ]; then
        cp -r /usr/local/share/ca-certificates/. "$root/usr/local/share/ca-certificates/"
        chroot "$root" update-ca-certificates >/dev/null 2>&1 || true
    fi
}

in_root() { local root=$1; shift; chroot "$root" /usr/bin/env HOME=/root DEBIAN_FRONTEND=noninteractive "$@"; }
