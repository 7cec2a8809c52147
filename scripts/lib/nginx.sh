# Finds an NGINX and the sources it was built from. Sourced after common.sh.

nginx_version() { "$1" -v 2>&1 | sed -n 's#^nginx version: nginx/\([0-9.]*\).*#\1#p'; }

source_version() { sed -n 's/^#define NGINX_VERSION *"\(.*\)"/\1/p' "$1/src/core/nginx.h" 2>/dev/null; }

# Prints the build directory (objs) of sources that are configured as the given binary was. Runs only
# `configure`, in a copy under build/, which later calls reuse.
configured_sources() {
    local nginx=$1 version source copy
    version=$(nginx_version "$nginx")
    [ -n "$version" ] || die "$nginx prints no NGINX version"
    if [ -n "${NGINX_SOURCE_DIR:-}" ]; then
        source=$NGINX_SOURCE_DIR
    else
        source=/usr/share/nginx/src
        [ -d "$source" ] || apt_install nginx-dev
    fi
    [ "$(source_version "$source")" = "$version" ] ||
        die "$nginx is version $version, but the sources in $source are of version $(source_version "$source"): set NGINX_SOURCE_DIR to the sources of $version"
    if [ -f "$source/objs/ngx_auto_config.h" ]; then
        (cd "$source/objs" && pwd)
        return
    fi
    copy=$ROOT/build/nginx-$version/configured
    if [ ! -f "$copy/objs/ngx_auto_config.h" ]; then
        say "configuring the sources of NGINX $version as $nginx was"
        rm -rf "$copy"
        mkdir -p "$copy"
        cp -r "$source/." "$copy/"
        (
            cd "$copy"
            if [ -f conf_flags ]; then
                # Debian's own list: a module's share of the flags.
                . ./conf_flags
                set -- "${NGX_CONF_FLAGS[@]}"
            else
                eval "set -- $("$nginx" -V 2>&1 | sed -n 's/^configure arguments: //p')"
            fi
            local configure=./configure
            [ -x "$configure" ] || configure="bash auto/configure"
            $configure "$@"
        ) >"$copy/configure.log" 2>&1 || die "configure failed, see $copy/configure.log"
    fi
    echo "$copy/objs"
}
