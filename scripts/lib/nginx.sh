# Finds an NGINX and the sources it was built from. Sourced after common.sh.

nginx_version() { "$1" -v 2>&1 | sed -n 's#^nginx version: nginx/\([0-9.]*\).*#\1#p'; }

source_version() { sed -n 's/^#define NGINX_VERSION *"\(.*\)"/\1/p' "$1/src/core/nginx.h" 2>/dev/null; }

# Dies if the binary has TLS, HTTP/2 or HTTP/3 but the sources are configured without it (only --with-compat, say): the
# module would load, but have no JA4 and treat a stream as a connection.
check_features() {
    local nginx=$1 objs=$2 feature
    for feature in ssl v2 v3; do
        "$nginx" -V 2>&1 | grep -q -- "--with-http_${feature}_module" || continue
        grep -qE "define +NGX_HTTP_${feature^^}( |$)" "$objs/ngx_auto_config.h" ||
            die "$nginx has --with-http_${feature}_module, but the sources of $objs are configured without: add that option"
    done
}

# Prints the build directory (objs) of sources configured like the given binary. If needed, runs `configure` in a copy
# under build/, which later calls reuse; compiles nothing.
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
        check_features "$nginx" "$source/objs"
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
                # Debian's list of the flags that matter for modules.
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
    check_features "$nginx" "$copy/objs"
    echo "$copy/objs"
}
