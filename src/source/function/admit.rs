//! What a module may be made of: held against bounds before anything compiles it.
//!
//! The compiler takes its time, which nothing interrupts, and what a module declares is set up for
//! every invocation. The bounds are many times what the toolchains in `functions/` make of real
//! programs. Nothing here runs or compiles anything.

use wasmparser::{
    DataSectionReader, ElementItems, ElementSectionReader, Encoding, FunctionBody, Parser, Payload,
    TableSectionReader, Validator, WasmFeatures,
};

use crate::directory::grants::MAX_MEMORY;

/// Entries of a guest's table: function pointers of large programs, with room.
pub(super) const MAX_TABLE: usize = 20_000;
/// Types, globals, exports: tables that the compiler and the engine keep of every module.
const MAX_TYPES: u32 = 10_000;
const MAX_GLOBALS: u32 = 10_000;
const MAX_EXPORTS: u32 = 10_000;
/// There are some thirty functions to import.
const MAX_IMPORTS: u32 = 200;
/// Programs in Go have ten thousand.
const MAX_FUNCTIONS: u32 = 50_000;
/// Segments are copied one by one when an instance is made.
const MAX_DATA_SEGMENTS: u32 = 20_000;
const MAX_ELEMENT_SEGMENTS: u32 = 1_000;
/// Entries of all element segments: each is written when an instance is made.
const MAX_ELEMENTS: u32 = 100_000;
/// Bytes of one function; the compiler's time grows faster than they do. Interpreters' main loops
/// have two hundred thousand.
const MAX_BODY: usize = 512 << 10;
/// Locals of one function, by which the compiler's time grows, too.
const MAX_LOCALS: u64 = 10_000;

/// What guests are compiled to today, and tail calls; what is not in it is switched off.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG);

/// Whether a binary module is sound and within the bounds; else why not.
pub fn admit(wasm: &[u8]) -> Result<(), String> {
    for payload in Parser::new(0).parse_all(wasm) {
        let payload = payload.map_err(|error| error.to_string())?;
        check(payload)?;
    }
    let valid = Validator::new_with_features(FEATURES).validate_all(wasm);
    valid.map(drop).map_err(|error| error.to_string())
}

fn check(payload: Payload<'_>) -> Result<(), String> {
    match payload {
        Payload::Version { encoding: Encoding::Component, .. } => {
            Err("is a component: functions are core modules (see functions/README.md)".to_owned())
        }
        Payload::TypeSection(section) => at_most("types", section.count(), MAX_TYPES),
        Payload::ImportSection(section) => at_most("imports", section.count(), MAX_IMPORTS),
        Payload::FunctionSection(section) => at_most("functions", section.count(), MAX_FUNCTIONS),
        Payload::GlobalSection(section) => at_most("globals", section.count(), MAX_GLOBALS),
        Payload::ExportSection(section) => at_most("exports", section.count(), MAX_EXPORTS),
        Payload::TableSection(section) => tables(section),
        Payload::MemorySection(section) => {
            const PAGES: u64 = MAX_MEMORY as u64 / 65_536;
            let initial = section.into_iter().flatten().map(|memory| memory.initial).max();
            at_most("pages of memory", initial.unwrap_or(0), PAGES)
        }
        Payload::ElementSection(section) => elements(section),
        Payload::DataSection(section) => data(section),
        Payload::CodeSectionEntry(body) => function(&body),
        _ => Ok(()),
    }
}

fn at_most(what: &str, count: impl Into<u64>, most: impl Into<u64>) -> Result<(), String> {
    let (count, most) = (count.into(), most.into());
    match count > most {
        true => Err(format!("has {count} {what}; at most {most} are allowed")),
        false => Ok(()),
    }
}

fn tables(section: TableSectionReader<'_>) -> Result<(), String> {
    let initial = section.into_iter().flatten().map(|table| table.ty.initial).max();
    at_most("entries in a table", initial.unwrap_or(0), MAX_TABLE as u64)
}

fn elements(section: ElementSectionReader<'_>) -> Result<(), String> {
    at_most("element segments", section.count(), MAX_ELEMENT_SEGMENTS)?;
    let mut count = 0u64;
    for element in section {
        let element = element.map_err(|error| error.to_string())?;
        count += u64::from(match element.items {
            ElementItems::Functions(items) => items.count(),
            ElementItems::Expressions(_, items) => items.count(),
        });
    }
    at_most("elements", count, MAX_ELEMENTS)
}

fn data(section: DataSectionReader<'_>) -> Result<(), String> {
    at_most("data segments", section.count(), MAX_DATA_SEGMENTS)
}

fn function(body: &FunctionBody<'_>) -> Result<(), String> {
    at_most("bytes in one function", body.range().len() as u64, MAX_BODY as u64)?;
    let locals = body.get_locals_reader().map_err(|error| error.to_string())?;
    let mut count = 0u64;
    for local in locals {
        let (number, _) = local.map_err(|error| error.to_string())?;
        count += u64::from(number);
    }
    at_most("locals in one function", count, MAX_LOCALS)
}
