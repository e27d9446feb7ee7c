//! What a module may be made of: held against bounds before anything compiles it.
//!
//! The compiler takes its time, which nothing interrupts, and what a module declares is set up for
//! every invocation. The bounds are many times what the toolchains in `functions/` make of real
//! programs. Nothing here runs or compiles anything.

use std::borrow::Cow;

use wasmparser::{
    BlockType, CompositeInnerType, DataSectionReader, ElementItems, ElementSectionReader, Encoding,
    FunctionBody, Operator, Parser, Payload, TableSectionReader, TypeSectionReader, Validator,
    WasmFeatures,
};

use super::bulk::Sites;
use super::features::explain;
use super::weight::{VECTOR, Weighed, parts, weight};
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
/// Values that blocks carry (their results, and what loops take) are passed on at every branch out,
/// for each block that it leaves: 500 blocks of 16 results and 100 tables of branches over all of
/// them, 98 KB, took 22 s and 2.4 GB. Each costs it as much as so many locals, most of which hold
/// the same at both ends of a branch; compilers of today carry none, or one to the next block.
const CARRIED: u64 = 64;
/// Loops in loops, which people write four of.
const MAX_LOOP_DEPTH: u64 = 50;
/// Blocks pass as many values on at each of their ends.
const MAX_PARAMETERS: usize = 100;
const MAX_RESULTS: usize = 16;

/// What guests are compiled to today, and tail calls; what is not in it is switched off.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .difference(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::CALL_INDIRECT_OVERLONG);

/// A binary module that is sound and within the bounds, as it is to be compiled; else why it is not.
pub fn admit(wasm: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    let mut counted = Counted::default();
    for payload in Parser::new(0).parse_all(wasm) {
        counted.check(payload.map_err(|error| explain(&error.to_string()))?)?;
    }
    validate(wasm)?;
    let admitted = counted.bulk.in_parts(wasm)?;
    debug_assert_eq!(validate(&admitted), Ok(()), "as sound as it came");
    Ok(admitted)
}

/// How many times as much of its code and branches there might be in an admitted module.
#[cfg(test)]
pub(super) fn room(wasm: &[u8]) -> f64 {
    let mut counted = Counted::default();
    for payload in Parser::new(0).parse_all(wasm) {
        counted.check(payload.expect("sound")).expect("within the bounds");
    }
    counted.weighed.room()
}

fn validate(wasm: &[u8]) -> Result<(), String> {
    let valid = Validator::new_with_features(FEATURES).validate_all(wasm);
    valid.map(drop).map_err(|error| explain(&error.to_string()))
}

/// What was read of a module.
#[derive(Default)]
struct Counted {
    /// Of each type, when it is a function's: its parameters and results.
    types: Vec<(u64, u64)>,
    /// Of each function of the module's own: its type.
    functions: Vec<u32>,
    /// Functions whose code was read.
    bodies: usize,
    joins: u64,
    weighed: Weighed,
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
                    self.types.push((0, 0));
                    continue;
                };
                let (parameters, results) = (function.params().len(), function.results().len());
                at_most("parameters of one function", parameters as u64, MAX_PARAMETERS as u64)?;
                at_most("results of one function", results as u64, MAX_RESULTS as u64)?;
                self.types.push((parameters as u64, results as u64));
            }
        }
        Ok(())
    }

    fn function(&mut self, body: &FunctionBody<'_>) -> Result<(), String> {
        at_most("bytes in one function", body.range().len() as u64, MAX_BODY as u64)?;
        let kind = self.functions.get(self.bodies).copied().unwrap_or_default();
        self.bodies += 1;
        let (mut locals, results) = self.types.get(kind as usize).copied().unwrap_or_default();
        for local in body.get_locals_reader().map_err(|error| error.to_string())? {
            let (number, _) = local.map_err(|error| error.to_string())?;
            locals += u64::from(number);
        }
        at_most("locals in one function", locals, MAX_LOCALS)?;
        let (mut code, mut within, mut ways) = (0, 1, Ways::new(results));
        let mut reader = body.get_operators_reader().map_err(|error| error.to_string())?;
        while !reader.eof() {
            let start = reader.original_position();
            let operator = reader.read().map_err(|error| error.to_string())?;
            self.bulk.see(&operator, start..reader.original_position());
            let is_vector = body.as_bytes().get(start - body.range().start) == Some(&0xfd);
            code += if is_vector { VECTOR } else { weight(&operator) };
            within += parts(&operator);
            ways.see(&operator, &self.types)?;
        }
        self.weighed.add(code, within)?;
        let joins = locals * ways.number + CARRIED * ways.carried;
        at_most("values at joins in one function", joins, MAX_JOINS)?;
        self.joins += joins;
        at_most("values at joins", self.joins, MAX_ALL_JOINS)
    }
}

/// The ways through a function, as far as it was read.
struct Ways {
    /// What is open, the function itself first: whether it is a loop, and how many values a branch
    /// to it carries.
    open: Vec<(bool, u64)>,
    loops: u64,
    number: u64,
    /// Values on the ways, once for each block that they leave.
    carried: u64,
}

impl Ways {
    fn new(results: u64) -> Ways {
        Ways { open: vec![(false, results)], loops: 0, number: 0, carried: 0 }
    }

    fn see(&mut self, operator: &Operator<'_>, types: &[(u64, u64)]) -> Result<(), String> {
        match operator {
            Operator::Loop { blockty } => {
                self.open.push((true, arity(blockty, types).0));
                self.loops += 1;
                at_most("loops in one another", self.loops, MAX_LOOP_DEPTH)?;
                self.number += LOOP - 1;
                self.branch(0);
            }
            Operator::Block { blockty } | Operator::If { blockty } => {
                self.open.push((false, arity(blockty, types).1));
                self.branch(0);
            }
            Operator::End => {
                let ended = self.open.pop();
                self.loops -= u64::from(ended.is_some_and(|(is_loop, _)| is_loop));
            }
            Operator::Else => self.branch(0),
            Operator::Br { relative_depth } | Operator::BrIf { relative_depth } => {
                self.branch(*relative_depth);
            }
            Operator::BrTable { targets } => {
                self.branch(targets.default());
                targets.targets().flatten().for_each(|depth| self.branch(depth));
            }
            _ => {}
        }
        Ok(())
    }

    fn branch(&mut self, depth: u32) {
        self.number += 1;
        // What branches further out than there are blocks is refused later.
        let at = self.open.len().checked_sub(depth as usize + 1);
        if let Some((_, arity)) = at.and_then(|at| self.open.get(at)) {
            self.carried += arity * (u64::from(depth) + 1);
        }
    }
}

/// How many values such a block takes and gives.
fn arity(kind: &BlockType, types: &[(u64, u64)]) -> (u64, u64) {
    match kind {
        BlockType::Empty => (0, 0),
        BlockType::Type(_) => (0, 1),
        BlockType::FuncType(index) => types.get(*index as usize).copied().unwrap_or_default(),
    }
}

/// Whether these bytes begin a component.
pub(super) fn is_component(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\0asm\x0d\0\x01\0")
}

pub(super) const COMPONENT: &str = "is a component: functions are core modules, as `rustc --target wasm32-wasip1` \
     makes them (wasm32-wasip2, componentize-js, componentize-py and `wasm-tools component new` make \
     components)";

pub(super) fn at_most(
    what: &str,
    count: impl Into<u64>,
    most: impl Into<u64>,
) -> Result<(), String> {
    let (count, most) = (count.into(), most.into());
    match count > most {
        true => Err(format!("has {count} {what}; at most {most} are allowed")),
        false => Ok(()),
    }
}

fn tables(section: TableSectionReader<'_>) -> Result<(), String> {
    at_most("tables", section.count(), 1u64)?;
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
