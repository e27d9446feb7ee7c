//! Takes the JavaScript engine apart: code without memory, and images of memory without code.
//!
//! The code is compiled once. An image is one memory and its pages that are not zero; making one
//! runs no compiler, and instances of it share those pages until they write on them. It holds
//! because the engine keeps all its state in memory: its one mutable global, the stack pointer,
//! is back at its start value between calls, and it never writes its table.

use std::ops::Range;

use wasm_encoder::{
    ConstExpr, DataSection, Encode, ExportKind, ExportSection, ImportSection, MemorySection,
    MemoryType, Module, RawSection, SectionId,
};
use wasmparser::{Parser, Payload};

use super::bulk::{Sites, appended};

const WASM_PAGE: usize = 65_536;
/// What the host's own pages and the images' granularity are.
const PAGE: usize = 4096;

/// The engine in two parts.
pub(super) struct Parts {
    /// Its code: imports `env.memory`, has no data, and looks at the clock when it moves memory.
    pub(super) code: Vec<u8>,
    /// Its memory as the linker laid it out.
    pub(super) image: Vec<u8>,
}

/// Takes `engine` apart.
pub(super) fn split(engine: &[u8]) -> Result<Parts, String> {
    let (mut code, mut image) = (Module::new(), Module::new());
    for payload in Parser::new(0).parse_all(engine) {
        let payload = payload.map_err(|e| format!("cannot read the JavaScript engine: {e}"))?;
        match &payload {
            Payload::ImportSection(section) => {
                let mut memory = ImportSection::new();
                memory.import("env", "memory", memory_type(1));
                let imports = appended(&engine[section.range()], &memory)?;
                code.section(&RawSection { id: SectionId::Import as u8, data: &imports });
            }
            Payload::MemorySection(section) => {
                copy(&mut image, SectionId::Memory as u8, engine, section.range());
                let mut exports = ExportSection::new();
                exports.export("memory", ExportKind::Memory, 0);
                image.section(&exports);
            }
            Payload::DataSection(section) => {
                copy(&mut image, SectionId::Data as u8, engine, section.range());
            }
            Payload::DataCountSection { .. } | Payload::CustomSection(_) => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    copy(&mut code, id, engine, range);
                }
            }
        }
    }
    let code = code.finish();
    let code = Sites::of(&code)?.in_parts(&code)?.into_owned();
    Ok(Parts { code, image: image.finish() })
}

fn copy(to: &mut Module, id: u8, from: &[u8], range: Range<usize>) {
    to.section(&RawSection { id, data: &from[range] });
}

/// The kind of a segment that is written to the first memory before anything runs.
const ACTIVE: u8 = 0;

/// An image of `memory`, whose length is a multiple of the WebAssembly page.
pub(super) fn image(memory: &[u8]) -> Vec<u8> {
    let mut memories = MemorySection::new();
    memories.memory(memory_type((memory.len() / WASM_PAGE) as u64));
    let mut exports = ExportSection::new();
    exports.export("memory", ExportKind::Memory, 0);
    let mut module = Module::new();
    module.section(&memories).section(&exports).section(&data(memory));
    module.finish()
}

/// `engine` with the memory that a run of it left in the place of its own: what needs no start any
/// more. It holds for the same reason as taking it apart.
pub(super) fn whole(engine: &[u8], memory: &[u8]) -> Result<Vec<u8>, String> {
    let mut module = Module::new();
    for payload in Parser::new(0).parse_all(engine) {
        let payload = payload.map_err(|e| format!("cannot read the engine: {e}"))?;
        match &payload {
            Payload::MemorySection(_) => {
                let mut memories = MemorySection::new();
                memories.memory(memory_type((memory.len() / WASM_PAGE) as u64));
                module.section(&memories);
            }
            Payload::DataSection(_) => {
                module.section(&data(memory));
            }
            Payload::DataCountSection { .. }
            | Payload::CustomSection(_)
            | Payload::StartSection { .. } => {}
            other => {
                if let Some((id, range)) = other.as_section() {
                    copy(&mut module, id, engine, range);
                }
            }
        }
    }
    Ok(module.finish())
}

fn data(memory: &[u8]) -> DataSection {
    let mut data = DataSection::new();
    for run in runs(memory) {
        // The encoder's own way takes the bytes one by one.
        let mut segment = vec![ACTIVE];
        ConstExpr::i32_const(run.start as i32).encode(&mut segment);
        (run.len() as u32).encode(&mut segment);
        segment.extend_from_slice(&memory[run]);
        data.raw(&segment);
    }
    data
}

const ZEROS: [u8; PAGE] = [0; PAGE];

/// Stretches of pages that are not all zero.
fn runs(memory: &[u8]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for (number, page) in memory.chunks(PAGE).enumerate() {
        let start = number * PAGE;
        if *page == ZEROS[..page.len()] {
            continue;
        }
        match runs.last_mut() {
            Some(last) if last.end == start => last.end += page.len(),
            _ => runs.push(start..start + page.len()),
        }
    }
    runs
}

fn memory_type(minimum: u64) -> MemoryType {
    MemoryType { minimum, maximum: None, memory64: false, shared: false, page_size_log2: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_keeps_only_pages_with_something_on_them() {
        let mut memory = vec![0; 2 * WASM_PAGE];
        memory[5 * PAGE + 1] = 7;
        memory[6 * PAGE] = 8;
        memory[2 * WASM_PAGE - 1] = 9;
        assert_eq!(runs(&memory), [5 * PAGE..7 * PAGE, 2 * WASM_PAGE - PAGE..2 * WASM_PAGE]);
        let module = image(&memory);
        assert!(module.len() < 4 * PAGE);
        wasmparser::validate(&module).expect("a valid module");
    }

    #[test]
    fn an_engine_begins_where_its_run_ended() {
        let engine = small_engine();
        let mut memory = vec![0; 2 * WASM_PAGE];
        memory[70_000] = 42;
        let module = whole(&engine, &memory).expect("a module");
        wasmparser::validate(&module).expect("valid");
        let store_engine = wasmtime::Engine::default();
        let module = wasmtime::Module::new(&store_engine, module).expect("compiled");
        let mut store = wasmtime::Store::new(&store_engine, ());
        let instance = wasmtime::Instance::new(&mut store, &module, &[]).expect("an instance");
        let f = instance.get_typed_func::<(), i32>(&mut store, "f").expect("a function");
        assert_eq!(f.call(&mut store, ()).expect("a number"), 42);
        let memory = instance.get_memory(&mut store, "memory").expect("a memory");
        assert_eq!(&memory.data(&store)[8..11], &[0; 3], "its own data is gone");
    }

    /// One page with some data, and a function that reads beyond it.
    fn small_engine() -> Vec<u8> {
        use wasm_encoder::{CodeSection, Function, FunctionSection, MemArg, TypeSection, ValType};
        let (mut types, mut functions, mut code) =
            (TypeSection::new(), FunctionSection::new(), CodeSection::new());
        types.ty().function([], [ValType::I32]);
        functions.function(0);
        let mut memories = MemorySection::new();
        memories.memory(memory_type(1));
        let mut exports = ExportSection::new();
        exports.export("memory", ExportKind::Memory, 0).export("f", ExportKind::Func, 0);
        let mut body = Function::new([]);
        let place = MemArg { offset: 0, align: 0, memory_index: 0 };
        body.instructions().i32_const(70_000).i32_load8_u(place).end();
        code.function(&body);
        let mut data = DataSection::new();
        data.active(0, &ConstExpr::i32_const(8), *b"old");
        let mut module = Module::new();
        module.section(&types).section(&functions).section(&memories).section(&exports);
        module.section(&code).section(&data);
        module.finish()
    }
}
