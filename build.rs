//! Keeps the module mapped once it is loaded.

fn main() {
    // A worker really closes the module before exit(0) (ngx_unload_module); an exporter thread that
    // is still returning must find its code where it was.
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
}
