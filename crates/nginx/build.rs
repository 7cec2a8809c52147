//! Tells the wrappers what the NGINX that they are built for can do.

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
}
