//! What a module may be made of: held against bounds before anything compiles it.
//!
//! The compiler takes its time, which nothing interrupts, and what a module declares is set up for
//! every invocation. The bounds are many times what the toolchains in `functions/` make of real
//! programs. Nothing here runs or compiles anything.

use std::borrow::Cow;

use wasmparser::{
    CompositeInnerType, DataSectionReader, ElementItems, ElementSectionReader, Encoding,
    FunctionBody, Operator, Parser, Payload, TableSectionReader, TypeSectionReader, Validator,
    WasmFeatures,
};

use super::bulk::Sites;
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
/// Programs in Go have fifty thousand; they are made into one image when the module is compiled.
const MAX_DATA_SEGMENTS: u32 = 100_000;
const MAX_ELEMENT_SEGMENTS: u32 = 1_000;
/// Entries of all element segments: each is written when an instance is made.
const MAX_ELEMENTS: u32 = 100_000;
/// Bytes of one function; the compiler's time grows faster than they do. Interpreters' main loops
/// have two hundred thousand.
const MAX_BODY: usize = 512 << 10;
/// Locals of one function, its parameters among them.
const MAX_LOCALS: u64 = 10_000;
/// At every join of its ways a function may hold another value in each of its locals: what the
/// compiler keeps grows with the product of both, for which a module of 400 KB took ten minutes.
/// The largest interpreters come to six million. A loop costs it as much as so many other joins.
const MAX_JOINS: u64 = 8_000_000;
const MAX_ALL_JOINS: u64 = 32_000_000;
const LOOP: u64 = 16;
/// Loops in loops, which people write four of.
const MAX_LOOP_DEPTH: u64 = 50;
/// Blocks pass as many values on at each of their ends.
const MAX_PARAMETERS: usize = 100;
const MAX_RESULTS: usize = 16;

/// What guests are compiled to today, and tail calls; what is not in it is switched off.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG);

/// A binary module that is sound and within the bounds, as it is to be compiled; else why it is not.
pub fn admit(wasm: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let mut counted = Counted::default();
    for payload in Parser::new(0).parse_all(wasm) {
        counted.check(payload.map_err(|error| error.to_string())?)?;
    }
    validate(wasm)?;
    let admitted = counted.bulk.in_parts(wasm)?;
    debug_assert_eq!(validate(&admitted), Ok(()), "as sound as it came");
    Ok(admitted)
}

fn validate(wasm: &[u8]) -> Result<(), String> {
    let valid = Validator::new_with_features(FEATURES).validate_all(wasm);
    valid.map(drop).map_err(|error| error.to_string())
}

/// What was read of a module.
#[derive(Default)]
struct Counted {
    /// Of each type, when it is a function's: its parameters.
    types: Vec<u64>,
    /// Of each function of the module's own: its type.
    functions: Vec<u32>,
    /// Functions whose code was read.
    bodies: usize,
    joins: u64,
    bulk: Sites,
}

impl Counted {
    fn check(&mut self, payload: Payload<'_>) -> Result<(), String> {
        match payload {
            Payload::Version { encoding: Encoding::Component, .. } => Err(COMPONENT.to_owned()),
            Payload::TypeSection(section) => self.types(section),
            Payload::ImportSection(section) => at_most("imports", section.count(), MAX_IMPORTS),
            Payload::FunctionSection(section) => {
                at_most("functions", section.count(), MAX_FUNCTIONS)?;
                self.functions = section.into_iter().flatten().collect();
                Ok(())
            }
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
            Payload::CodeSectionEntry(body) => self.function(&body),
            _ => Ok(()),
        }
    }

    fn types(&mut self, section: TypeSectionReader<'_>) -> Result<(), String> {
        at_most("types", section.count(), MAX_TYPES)?;
        for group in section {
            for kind in group.map_err(|error| error.to_string())?.types() {
                let CompositeInnerType::Func(function) = &kind.composite_type.inner else {
                    self.types.push(0);
                    continue;
                };
                let (parameters, results) = (function.params().len(), function.results().len());
                at_most("parameters of one function", parameters as u64, MAX_PARAMETERS as u64)?;
                at_most("results of one function", results as u64, MAX_RESULTS as u64)?;
                self.types.push(parameters as u64);
            }
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), String> {
        at_most("bytes in one function", body.range().len() as u64, MAX_BODY as u64)?;
        let kind = self.functions.get(self.bodies).copied().unwrap_or_default();
        self.bodies += 1;
        let mut locals = self.types.get(kind as usize).copied().unwrap_or_default();
        for local in body.get_locals_reader().map_err(|error| error.to_string())? {
            let (number, _) = local.map_err(|error| error.to_string())?;
            locals += u64::from(number);
        }
        at_most("locals in one function", locals, MAX_LOCALS)?;
        let mut ways = 0;
        // Of what is open: whether it is a loop.
        let (mut open, mut loops) = (Vec::new(), 0u64);
        let mut reader = body.get_operators_reader().map_err(|error| error.to_string())?;
        while !reader.eof() {
            let start = reader.original_position();
            let operator = reader.read().map_err(|error| error.to_string())?;
            self.bulk.see(&operator, start..reader.original_position());
            ways += match operator {
                Operator::Loop { .. } => {
                    open.push(true);
                    loops += 1;
                    at_most("loops in one another", loops, MAX_LOOP_DEPTH)?;
                    LOOP
                }
                Operator::Block { .. } | Operator::If { .. } => {
                    open.push(false);
                    1
                }
                Operator::End => {
                    loops -= u64::from(open.pop() == Some(true));
                    0
                }
                Operator::Else | Operator::Br { .. } | Operator::BrIf { .. } => 1,
                Operator::BrTable { targets } => 1 + u64::from(targets.len()),
                _ => 0,
            };
        }
        at_most("values at joins in one function", locals * ways, MAX_JOINS)?;
        self.joins += locals * ways;
        at_most("values at joins", self.joins, MAX_ALL_JOINS)
    }
}

const COMPONENT: &str = "is a component: functions are core modules (see docs/functions.md)";

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
