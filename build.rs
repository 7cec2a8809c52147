//! Tells the module which NGINX it is built for, and keeps it mapped once loaded.

fn main() {
    // Set by nginx-sys' build script, e.g. 1022001 for 1.22.1.
    println!("cargo::rerun-if-env-changed=DEP_NGINX_VERSION_NUMBER");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_FEATURES");
    let version: u32 = std::env::var("DEP_NGINX_VERSION_NUMBER")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("nginx-sys did not say which NGINX it was built for"));

    // 1.23.0 turned repeated headers (Cookie, X-Forwarded-For) from arrays into linked lists.
    println!("cargo::rustc-check-cfg=cfg(nginx_linked_headers)");
    if version >= 1_023_000 {
        println!("cargo::rustc-cfg=nginx_linked_headers");
    }
    println!(
        "cargo::rustc-check-cfg=cfg(nginx_feature, values(\"http_ssl\", \"http_v3\", \"http_v2\", \"ssl\"))"
    );
    for feature in std::env::var("DEP_NGINX_FEATURES").unwrap_or_default().split([',', ' ']) {
        if matches!(feature, "http_ssl" | "http_v3" | "http_v2" | "ssl") {
            println!("cargo::rustc-cfg=nginx_feature=\"{feature}\"");
        }
    }

    // A worker really closes the module before exit(0) (ngx_unload_module); an exporter thread that
    // is still returning must find its code where it was.
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
}
