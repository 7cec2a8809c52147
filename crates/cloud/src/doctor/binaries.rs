//! What an NGINX binary and a module say of themselves: version, signature and libc, read from their ELF files.

use std::path::PathBuf;

use object::read::elf::ElfFile64;
use object::{Architecture, Object, ObjectSection, ObjectSymbol, RelocationTarget};

/// Name of the module, as it is in the file.
const MODULE_NAME: &[u8] = b"ngx_http_api_sessions_module";

/// Properties of an NGINX binary.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Nginx {
    /// `nginx/1.22.1`, or the name and version of a derivative.
    pub(super) name: String,
    pub(super) signature: String,
    pub(super) loader: Loader,
    pub(super) architecture: Architecture,
}

/// What loads a binary's shared libraries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loader {
    Glibc,
    Musl,
    /// The binary is linked statically.
    None,
}

/// Requirements of a module.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Module {
    /// `ngx_module_t.version`: 1022001 for 1.22.1.
    pub(super) version: u64,
    pub(super) signature: String,
    /// Newest version of glibc's symbols that the module uses.
    pub(super) glibc: Option<(u32, u32)>,
    /// Whether it is linked to musl.
    pub(super) needs_musl: bool,
    pub(super) architecture: Architecture,
}

pub(super) fn read_nginx(bytes: &[u8]) -> Result<Nginx, String> {
    let file = parse(bytes)?;
    let name = text_after(bytes, b"nginx version: ")
        .filter(|name| !name.is_empty())
        .ok_or("not an NGINX binary: no version")?;
    let signature = find_signature(bytes).ok_or("not an NGINX binary: no module signature")?;
    let interpreter = file.section_by_name(".interp").and_then(|section| section.data().ok());
    let loader = match interpreter {
        None => Loader::None,
        Some(path) if find(path, b"ld-musl").is_some() => Loader::Musl,
        Some(_) => Loader::Glibc,
    };
    Ok(Nginx { name, signature, loader, architecture: file.architecture() })
}

pub(super) fn read_module(bytes: &[u8]) -> Result<Module, String> {
    let file = parse(bytes)?;
    // `ngx_modules` is an array of pointers to `ngx_module_t`, whose sixth and seventh words are the version and the
    // address of the signature.
    let modules = file
        .dynamic_symbols()
        .find(|symbol| symbol.name() == Ok("ngx_modules"))
        .ok_or("not an NGINX module: no symbol ngx_modules")?;
    if find(bytes, MODULE_NAME).is_none() {
        return Err("another NGINX module, not that of API Sessions".to_owned());
    }
    let module = pointer_at(&file, modules.address()).ok_or("ngx_modules is empty")?;
    let version = word_at(&file, module + 40).ok_or("no module version")?;
    let signature = pointer_at(&file, module + 48)
        .and_then(|address| bytes_at(&file, address, 64))
        .and_then(find_signature)
        .ok_or("no module signature")?;
    let (glibc, needs_musl) = (newest_glibc(bytes), find(bytes, b"libc.musl-").is_some());
    Ok(Module { version, signature, glibc, needs_musl, architecture: file.architecture() })
}

type Elf<'d> = ElfFile64<'d, object::Endianness>;

fn parse(bytes: &[u8]) -> Result<Elf<'_>, String> {
    Elf::parse(bytes).map_err(|_| "not a 64-bit ELF file".to_owned())
}

/// The address that the loader writes to `address`.
fn pointer_at(file: &Elf<'_>, address: u64) -> Option<u64> {
    let mut relocations = file.dynamic_relocations()?;
    let (_, relocation) = relocations.find(|(at, _)| *at == address)?;
    let base = match relocation.target() {
        RelocationTarget::Symbol(index) => file.dynamic_symbol_table_address(index)?,
        _ => 0,
    };
    base.checked_add_signed(relocation.addend()).filter(|target| *target != 0)
}

trait DynamicSymbols {
    fn dynamic_symbol_table_address(&self, index: object::SymbolIndex) -> Option<u64>;
}

impl DynamicSymbols for Elf<'_> {
    fn dynamic_symbol_table_address(&self, index: object::SymbolIndex) -> Option<u64> {
        self.dynamic_symbols().find(|symbol| symbol.index() == index).map(|symbol| symbol.address())
    }
}

fn bytes_at<'d>(file: &Elf<'d>, address: u64, len: u64) -> Option<&'d [u8]> {
    file.sections().find_map(|section| {
        let end = section.address().checked_add(section.size())?;
        let within = section.address() <= address && address < end;
        let len = len.min(end.checked_sub(address)?);
        if within { section.data_range(address, len).ok().flatten() } else { None }
    })
}

fn word_at(file: &Elf<'_>, address: u64) -> Option<u64> {
    let bytes: [u8; 8] = bytes_at(file, address, 8)?.try_into().ok()?;
    Some(if file.is_little_endian() {
        u64::from_le_bytes(bytes)
    } else {
        u64::from_be_bytes(bytes)
    })
}

/// A signature: three sizes, then digits of 0 and 1.
fn find_signature(bytes: &[u8]) -> Option<String> {
    let is_size = |byte: &u8| byte.is_ascii_digit();
    bytes.windows(6).enumerate().find_map(|(at, window)| {
        let [a, b',', b, b',', c, b','] = window else { return None };
        if ![a, b, c].into_iter().all(is_size) {
            return None;
        }
        let flags = bytes.get(at + 6..)?;
        let len = flags.iter().take_while(|byte| matches!(byte, b'0' | b'1')).count();
        let whole = bytes.get(at..at + 6 + len).filter(|_| (30..=60).contains(&len))?;
        Some(String::from_utf8_lossy(whole).into_owned())
    })
}

/// The newest version among names such as `GLIBC_2.34`.
pub(super) fn newest_glibc(bytes: &[u8]) -> Option<(u32, u32)> {
    let mut newest = None;
    let mut rest = bytes;
    while let Some(at) = find(rest, b"GLIBC_") {
        rest = rest.get(at + 6..).unwrap_or_default();
        let text: String = rest
            .iter()
            .take(8)
            .take_while(|byte| byte.is_ascii_digit() || **byte == b'.')
            .map(|byte| char::from(*byte))
            .collect();
        let mut numbers = text.split('.').map(|number| number.parse::<u32>().ok());
        if let (Some(Some(major)), Some(Some(minor))) = (numbers.next(), numbers.next()) {
            newest = newest.max(Some((major, minor)));
        }
    }
    newest
}

/// Where `load_module modules/…` looks: `--modules-path`, else `modules` below `--prefix`.
pub(super) fn modules_directory(bytes: &[u8]) -> PathBuf {
    let option = |name: &[u8]| {
        text_after(bytes, name)
            .and_then(|text| text.split(' ').next().map(str::to_owned))
            .filter(|text| !text.is_empty())
    };
    match option(b"--modules-path=") {
        Some(path) => PathBuf::from(path),
        None => PathBuf::from(option(b"--prefix=").unwrap_or_else(|| "/usr/local/nginx".into()))
            .join("modules"),
    }
}

/// The printable text after `mark`, at most to the end of its line.
fn text_after(bytes: &[u8], mark: &[u8]) -> Option<String> {
    let rest = bytes.get(find(bytes, mark)? + mark.len()..)?;
    let len = rest.iter().take_while(|byte| (b' '..=b'~').contains(*byte)).count();
    rest.get(..len).map(|text| String::from_utf8_lossy(text).into_owned())
}

fn find(bytes: &[u8], mark: &[u8]) -> Option<usize> {
    memchr::memmem::find(bytes, mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_that_are_neither_are_refused_with_a_reason() {
        assert_eq!(read_nginx(b"#!/bin/sh").unwrap_err(), "not a 64-bit ELF file");
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(read_module(&this).unwrap_err().contains("not an NGINX module"));
    }
}
