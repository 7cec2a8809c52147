//! Whether a module fits an NGINX binary: repeats the checks of `load_module` (`ngx_add_module`) and of the dynamic
//! loader on the two files, without running either.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::Findings;
use super::binaries::{
    Loader, Module, Nginx, modules_directory, newest_glibc, read_module, read_nginx,
};

/// File name of the module.
const MODULE_FILE: &str = "ngx_http_api_sessions_module.so";

/// Meaning of the flags of `NGX_MODULE_SIGNATURE` (src/core/ngx_module.h) that follow the sizes, in order. Empty: the
/// same in every build.
const SIGNATURE_OPTIONS: [&str; 34] = [
    "kqueue",
    "IOCP",
    "--with-file-aio",
    "sendfile(SF_NODISKIO)",
    "eventfd",
    "epoll",
    "TCP keepalive options",
    "IPv6",
    "",
    "",
    "accept filters",
    "",
    "setfib",
    "TCP fast open",
    "Unix-domain sockets",
    "variadic macros",
    "",
    "--with-http_v3_module",
    "openat",
    "atomic operations",
    "POSIX semaphores",
    "--with-threads",
    "PCRE (--without-pcre)",
    "--with-http_ssl_module",
    "",
    "gzip (--without-http_gzip_module)",
    "",
    "X-Forwarded-For (proxy, geo or realip module)",
    "--with-http_realip_module",
    "headers module",
    "--with-http_dav_module",
    "cache (--without-http-cache)",
    "upstream zone (--without-http_upstream_zone_module)",
    "--with-compat",
];

/// The file that a name without a slash stands for: as the shell finds it, or in the directories of system programs,
/// which are not in every user's `PATH`.
fn program_file(program: &Path) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from);
    let is_name = program.components().count() == 1 && !program.is_absolute();
    let mut files = std::env::split_paths(&path).chain(system).map(|folder| folder.join(program));
    let found = files.find(|file| is_name && file.is_file());
    found.unwrap_or_else(|| program.to_path_buf())
}

/// Checks whether `module` can be loaded by `nginx`.
pub(super) fn examine(nginx: &Path, module_path: Option<&Path>) -> Findings {
    let nginx_path = &program_file(nginx);
    let mut findings = Findings::default();
    let nginx = match fs::read(nginx_path).map_err(|error| error.to_string()) {
        Ok(bytes) => match read_nginx(&bytes) {
            Ok(nginx) => Some((nginx, bytes)),
            Err(error) => return findings.with_error("nginx", nginx_path, &error),
        },
        Err(error) => return findings.with_error("nginx", nginx_path, &error),
    };
    let Some((nginx, bytes)) = nginx else { return findings };
    findings.add(true, "nginx", format!("{}: {}", nginx_path.display(), nginx.name));
    let module_path =
        module_path.map_or_else(|| modules_directory(&bytes).join(MODULE_FILE), Path::to_path_buf);
    let module = fs::read(&module_path)
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => format!(
                "{error}: install libnginx-mod-http-api-sessions, or name the file with --module"
            ),
            _ => error.to_string(),
        })
        .and_then(|bytes| read_module(&bytes));
    match module {
        Ok(module) => {
            findings.add(true, "module", module_path.display().to_string());
            compare(&mut findings, &nginx, &module, host_glibc());
        }
        Err(error) => return findings.with_error("module", &module_path, &error),
    }
    findings
}

impl Findings {
    fn with_error(mut self, subject: &'static str, path: &Path, error: &str) -> Self {
        self.add(false, subject, format!("{}: {error}", path.display()));
        self
    }
}

fn compare(findings: &mut Findings, nginx: &Nginx, module: &Module, host: Option<(u32, u32)>) {
    if nginx.architecture != module.architecture {
        findings.add(
            false,
            "processor",
            format!(
                "the module is built for {:?}, the binary for {:?}: install the package of this \
                 architecture, or build on the system of the binary",
                module.architecture, nginx.architecture
            ),
        );
    }
    let version = dotted(module.version);
    let is_same_version = nginx.name.strip_prefix("nginx/") == Some(&*version);
    match nginx.name.strip_prefix("nginx/") {
        Some(have) if have == version => {
            findings.add(true, "version", format!("the module is built for NGINX {version}"));
        }
        Some(have) => findings.add(
            false,
            "version",
            format!(
                "the module is built for NGINX {version}, the binary is {have}: install the package \
                 for that version, or build for this binary: NGINX=PATH NGINX_SOURCE_DIR=DIR scripts/build"
            ),
        ),
        None => findings.add(
            false,
            "version",
            format!(
                "the binary is {}, a derivative with its own ABI: build for it: NGINX=PATH \
                 NGINX_SOURCE_DIR=DIR scripts/build",
                nginx.name
            ),
        ),
    }
    if nginx.signature == module.signature {
        findings.add(true, "signature", "the same build options");
    } else if is_same_version {
        // Signatures of different versions are not comparable.
        findings.add(
            false,
            "signature",
            format!(
                "built with different options ({}): build both with --with-compat, or build the \
                 module from the binary's configured sources (NGINX_SOURCE_DIR)",
                differences(&nginx.signature, &module.signature)
            ),
        );
    }
    match (nginx.loader, module.glibc, host) {
        (Loader::None, ..) => findings.add(
            false,
            "libc",
            "the binary is linked statically and loads no modules: use one that is not",
        ),
        (Loader::Musl, Some(_), _) => findings.add(
            false,
            "libc",
            "the binary uses musl, the module glibc: build the module on the system of the binary",
        ),
        (Loader::Glibc, ..) if module.needs_musl => findings.add(
            false,
            "libc",
            "the module uses musl, the binary glibc: build the module on the system of the binary",
        ),
        (_, Some(needed), Some(have)) if needed > have => findings.add(
            false,
            "libc",
            format!(
                "the module needs glibc {}.{}, this system has {}.{}: install the package of this \
                 release, or build on it",
                needed.0, needed.1, have.0, have.1
            ),
        ),
        (_, Some((major, minor)), _) => {
            findings.add(true, "libc", format!("glibc {major}.{minor} or later"));
        }
        (_, None, _) => findings.add(true, "libc", "no glibc symbols"),
    }
}

/// Which options differ between two signatures, in words.
fn differences(nginx: &str, module: &str) -> String {
    let (Some((sizes, ours)), Some((their_sizes, theirs))) =
        (nginx.rsplit_once(','), module.rsplit_once(','))
    else {
        return "unreadable signature".to_owned();
    };
    let mut words = Vec::new();
    if sizes != their_sizes {
        words.push(format!("sizes of pointers and atomics {sizes} and {their_sizes}"));
    }
    for (n, (ours, theirs)) in ours.chars().zip(theirs.chars()).enumerate() {
        if ours != theirs {
            let name = SIGNATURE_OPTIONS.get(n).copied().unwrap_or_default();
            let with = if ours == '1' { "only the binary has" } else { "only the module has" };
            words.push(format!("{with} {name}"));
        }
    }
    words.join(", ")
}

/// `1022001` as `1.22.1`.
fn dotted(version: u64) -> String {
    format!("{}.{}.{}", version / 1_000_000, version / 1000 % 1000, version % 1000)
}

/// The version of this system's glibc: that of the library loaded into this process.
fn host_glibc() -> Option<(u32, u32)> {
    let maps = fs::read_to_string("/proc/self/maps").ok()?;
    let library = maps
        .lines()
        .filter_map(|line| line.split_whitespace().last())
        .find(|path| path.ends_with("/libc.so.6"))?;
    newest_glibc(&fs::read(library).ok()?)
}

#[cfg(test)]
mod tests {
    use object::Architecture;

    use super::*;

    const COMPAT: &str = "8,4,8,0011111111010111001111111111111111";

    fn lines(
        nginx: &str,
        module: (u64, &str, (u32, u32)),
        host: (u32, u32),
    ) -> Vec<(bool, String)> {
        lines_of(Loader::Glibc, nginx, module, host)
    }

    fn lines_of(
        loader: Loader,
        nginx: &str,
        module: (u64, &str, (u32, u32)),
        host: (u32, u32),
    ) -> Vec<(bool, String)> {
        let architecture = Architecture::X86_64;
        let nginx = Nginx { name: nginx.into(), signature: COMPAT.into(), loader, architecture };
        let module = Module {
            version: module.0,
            signature: module.1.into(),
            glibc: Some(module.2),
            needs_musl: false,
            architecture,
        };
        let mut findings = Findings::default();
        compare(&mut findings, &nginx, &module, Some(host));
        findings.0.into_iter().map(|(good, _, text)| (good, text)).collect()
    }

    #[test]
    fn equal_version_signature_and_an_older_libc_fit() {
        let found = lines("nginx/1.22.1", (1_022_001, COMPAT, (2, 34)), (2, 36));
        assert!(found.iter().all(|(good, _)| *good), "{found:?}");
    }

    #[test]
    fn a_static_binary_seemed_to_take_modules() {
        for (loader, cause) in [(Loader::None, "statically"), (Loader::Musl, "musl")] {
            let found = lines_of(loader, "nginx/1.22.1", (1_022_001, COMPAT, (2, 34)), (2, 36));
            let bad: Vec<_> = found.iter().filter(|(good, _)| !good).collect();
            assert!(bad.len() == 1 && bad[0].1.contains(cause), "{found:?}");
        }
    }

    fn bad(found: &[(bool, String)]) -> Vec<&str> {
        found.iter().filter(|(good, _)| !good).map(|(_, text)| text.as_str()).collect()
    }

    #[test]
    fn each_difference_is_named_with_its_cure() {
        let other = "8,4,8,0011111111010111001110111111111110";
        let found = lines("nginx/1.22.1", (1_022_001, other, (2, 41)), (2, 36));
        let bad = bad(&found);
        assert_eq!(bad.len(), 2, "{found:?}");
        assert!(
            bad[0].contains("only the binary has --with-threads")
                && bad[0].contains("--with-compat"),
            "{}",
            bad[0]
        );
        assert!(bad[1].contains("2.41") && bad[1].contains("2.36"), "{}", bad[1]);
    }

    #[test]
    fn options_of_another_version_were_compared() {
        let other = "8,4,8,0011111111010111001110111111111110";
        let found = lines("nginx/1.28.3", (1_022_001, other, (2, 34)), (2, 36));
        let [bad] = bad(&found)[..] else { panic!("{found:?}") };
        assert!(bad.contains("1.22.1") && bad.contains("1.28.3"), "{bad}");
    }

    #[test]
    fn a_module_of_another_processor_or_libc_seemed_to_fit() {
        let nginx = || Nginx {
            name: "nginx/1.22.1".into(),
            signature: COMPAT.into(),
            loader: Loader::Glibc,
            architecture: Architecture::X86_64,
        };
        let module = |needs_musl, architecture| Module {
            version: 1_022_001,
            signature: COMPAT.into(),
            glibc: None,
            needs_musl,
            architecture,
        };
        for (module, cause) in [
            (module(false, Architecture::Aarch64), "built for Aarch64, the binary for X86_64"),
            (module(true, Architecture::X86_64), "the module uses musl"),
        ] {
            let mut findings = Findings::default();
            compare(&mut findings, &nginx(), &module, Some((2, 36)));
            let found: Vec<_> =
                findings.0.into_iter().map(|(good, _, text)| (good, text)).collect();
            let [bad] = bad(&found)[..] else { panic!("{found:?}") };
            assert!(bad.contains(cause), "{bad}");
        }
    }
}
