//! Tells the wrappers what the NGINX that they are built for can do, and compiles what has to be in C.

/// Features of NGINX that the wrappers ask for.
const FEATURES: [&str; 4] = ["http_ssl", "http_v2", "http_v3", "pcre"];

fn main() {
    // Set by the build script of nginx-sys.
    println!("cargo::rerun-if-env-changed=DEP_NGINX_FEATURES");
    println!(
        "cargo::rustc-check-cfg=cfg(nginx_feature, values(\"http_ssl\", \"http_v2\", \"http_v3\", \"pcre\"))"
    );
    for feature in std::env::var("DEP_NGINX_FEATURES").unwrap_or_default().split([',', ' ']) {
        if FEATURES.contains(&feature) {
            println!("cargo::rustc-cfg=nginx_feature=\"{feature}\"");
        }
    }
    // Also of nginx-sys: the directories of NGINX's headers, and what they are compiled with.
    println!("cargo::rerun-if-env-changed=DEP_NGINX_INCLUDE");
    println!("cargo::rerun-if-env-changed=DEP_NGINX_CFLAGS");
    println!("cargo::rerun-if-changed=src/request_bits.c");
    let includes = std::env::var_os("DEP_NGINX_INCLUDE").unwrap_or_default();
    let mut build = cc::Build::new();
    build.file("src/request_bits.c").includes(std::env::split_paths(&includes)).warnings(false);
    for flag in std::env::var("DEP_NGINX_CFLAGS").unwrap_or_default().split_whitespace() {
        build.flag(flag);
    }
    build.compile("api_sessions_request_bits");
}
