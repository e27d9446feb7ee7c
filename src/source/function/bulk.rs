//! Instructions that fill or copy memory, made to end in time.
//!
//! One of them may write all of a guest's memory, page by page for the first time, and nothing
//! looks at the clock meanwhile. So before a module is compiled, those that may be long become
//! calls of functions at its end, which do the same part by part in a loop: loops look at the
//! clock. What they do and how they trap stays as it was; no index of the module's own changes.
//! Tables are too small to matter (`admit::MAX_TABLE`).

use std::borrow::Cow;
use std::ops::Range;

use wasm_encoder::{
    BlockType, CodeSection, Encode, Function, FunctionSection, InstructionSink, Module, RawSection,
    TypeSection, ValType,
};
use wasmparser::{
    BinaryReader, CodeSectionReader, FunctionBody, Operator, Parser, Payload, TypeRef,
};

/// What is done at once: a fraction of a tick, though each page of it be a fault.
const PART: u32 = 256 << 10;

/// What an instruction does. Each takes where to, where from (or with what), and how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bulk {
    Fill,
    Copy,
    /// Copies from the data segment of this number.
    Init(u32),
}

/// Bulk instructions of a module that may be long, in its order.
#[derive(Default)]
pub(super) struct Sites {
    found: Vec<(Range<usize>, Bulk)>,
    /// What the instruction before pushed, if that was a constant: the length of the next.
    constant: Option<u32>,
}

impl Sites {
    /// Those of a whole module, which need not be valid.
    pub(super) fn of(wasm: &[u8]) -> Result<Sites, String> {
        let mut sites = Sites::default();
        for payload in Parser::new(0).parse_all(wasm) {
            let Payload::CodeSectionEntry(body) = payload.map_err(text)? else { continue };
            let mut reader = body.get_operators_reader().map_err(text)?;
            while !reader.eof() {
                let start = reader.original_position();
                let operator = reader.read().map_err(text)?;
                sites.see(&operator, start..reader.original_position());
            }
        }
        Ok(sites)
    }

    /// Takes the next instruction, which is at this place of the module.
    pub(super) fn see(&mut self, operator: &Operator<'_>, at: Range<usize>) {
        let short = self.constant.take().is_some_and(|length| length <= PART);
        let bulk = match operator {
            Operator::I32Const { value } => {
                self.constant = Some(value.cast_unsigned());
                return;
            }
            Operator::MemoryFill { .. } => Bulk::Fill,
            Operator::MemoryCopy { .. } => Bulk::Copy,
            Operator::MemoryInit { data_index, .. } => Bulk::Init(*data_index),
            _ => return,
        };
        if !short {
            self.found.push((at, bulk));
        }
    }

    /// The module with these in parts; itself if there are none.
    pub(super) fn in_parts(mut self, wasm: &[u8]) -> Result<Cow<'_, [u8]>, String> {
        if self.found.is_empty() {
            return Ok(Cow::Borrowed(wasm));
        }
        let counts = Counts::of(wasm)?;
        self.found.retain(|(_, bulk)| match bulk {
            Bulk::Init(segment) => counts.long_segments.contains(segment),
            Bulk::Fill | Bulk::Copy => true,
        });
        let mut kinds = Vec::new();
        for (_, bulk) in &self.found {
            if !kinds.contains(bulk) {
                kinds.push(*bulk);
            }
        }
        match kinds.as_slice() {
            [] => Ok(Cow::Borrowed(wasm)),
            kinds => self.rewrite(wasm, &counts, kinds).map(Cow::Owned),
        }
    }

    /// The module with a function more for each kind. Sections that say nothing to the compiler
    /// are left out.
    fn rewrite(&self, wasm: &[u8], counts: &Counts, kinds: &[Bulk]) -> Result<Vec<u8>, String> {
        let mut module = Module::new();
        for payload in Parser::new(0).parse_all(wasm) {
            let payload = payload.map_err(text)?;
            let Some((id, range)) = payload.as_section() else { continue };
            let data: Cow<'_, [u8]> = match &payload {
                // Where a trap happened is told by the names of functions.
                Payload::CustomSection(section) if section.name() != "name" => continue,
                Payload::TypeSection(_) => {
                    let mut types = TypeSection::new();
                    types.ty().function([ValType::I32; 3], []);
                    appended(&wasm[range], &types)?.into()
                }
                Payload::FunctionSection(_) => {
                    let mut functions = FunctionSection::new();
                    for _ in kinds {
                        functions.function(counts.types);
                    }
                    appended(&wasm[range], &functions)?.into()
                }
                Payload::CodeSectionStart { .. } => self.code(wasm, range, counts, kinds)?.into(),
                _ => wasm[range].into(),
            };
            module.section(&RawSection { id, data: &data });
        }
        Ok(module.finish())
    }

    fn code(
        &self,
        wasm: &[u8],
        section: Range<usize>,
        counts: &Counts,
        kinds: &[Bulk],
    ) -> Result<Vec<u8>, String> {
        let reader = BinaryReader::new(&wasm[section.clone()], section.start);
        let bodies = CodeSectionReader::new(reader).map_err(text)?;
        let (mut own, mut sites) = (CodeSection::new(), self.found.iter().peekable());
        for body in bodies {
            let body: FunctionBody<'_> = body.map_err(text)?;
            let (mut bytes, mut at) = (Vec::new(), body.range().start);
            while let Some((place, bulk)) = sites.next_if(|(at, _)| at.start < body.range().end) {
                bytes.extend_from_slice(&wasm[at..place.start]);
                let kind = kinds.iter().position(|kind| kind == bulk).expect("one of them");
                InstructionSink::new(&mut bytes).call(counts.functions + kind as u32);
                at = place.end;
            }
            bytes.extend_from_slice(&wasm[at..body.range().end]);
            own.raw(&bytes);
        }
        for kind in kinds {
            own.function(&kind.in_parts());
        }
        let mut section = Vec::new();
        own.encode(&mut section);
        // Its size comes first, and is written with the rest.
        let mut reader = BinaryReader::new(&section, 0);
        reader.read_var_u32().map_err(text)?;
        let size = reader.current_position();
        Ok(section.split_off(size))
    }
}

/// What must be known of a module before it is written anew.
#[derive(Default)]
struct Counts {
    types: u32,
    /// Imported ones and its own.
    functions: u32,
    /// Data segments that are longer than a part.
    long_segments: Vec<u32>,
}

impl Counts {
    fn of(wasm: &[u8]) -> Result<Counts, String> {
        let mut counts = Counts::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload.map_err(text)? {
                Payload::TypeSection(section) => counts.types = section.count(),
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let is_function = matches!(import.map_err(text)?.ty, TypeRef::Func(_));
                        counts.functions += u32::from(is_function);
                    }
                }
                Payload::FunctionSection(section) => counts.functions += section.count(),
                Payload::DataSection(section) => {
                    for (data, number) in section.into_iter().zip(0..) {
                        if data.map_err(text)?.data.len() > PART as usize {
                            counts.long_segments.push(number);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(counts)
    }
}

/// The parameters of the functions, as of the instructions.
const TO: u32 = 0;
const FROM: u32 = 1;
const LENGTH: u32 = 2;

impl Bulk {
    /// The instruction itself.
    fn write(self, code: &mut InstructionSink<'_>) {
        match self {
            Bulk::Fill => code.memory_fill(0),
            Bulk::Copy => code.memory_copy(0, 0),
            Bulk::Init(segment) => code.memory_init(0, segment),
        };
    }

    /// A function that does the same in parts.
    fn in_parts(self) -> Function {
        let mut function = Function::new([]);
        let mut code = function.instructions();
        let ends: &[u32] = if self == Bulk::Fill { &[TO] } else { &[TO, FROM] };
        code.block(BlockType::Empty);
        code.local_get(LENGTH).i32_const(PART as i32).i32_le_u().br_if(0);
        // Past four GiB, where no memory ends: the instruction itself traps.
        for start in ends {
            code.local_get(*start).local_get(LENGTH).i32_add();
            code.local_get(LENGTH).i32_lt_u().br_if(0);
        }
        // Nothing is written at its end; if that lies outside, this traps before anything is.
        for start in [TO, FROM] {
            code.local_get(start);
            if ends.contains(&start) {
                code.local_get(LENGTH).i32_add();
            }
        }
        self.write(code.i32_const(0));
        if self == Bulk::Copy {
            // Onto later bytes of itself: from the end, or it would read what it wrote.
            code.block(BlockType::Empty);
            code.local_get(TO).local_get(FROM).i32_le_u().br_if(0);
            code.loop_(BlockType::Empty);
            code.local_get(LENGTH).i32_const(PART as i32).i32_sub().local_set(LENGTH);
            code.local_get(TO).local_get(LENGTH).i32_add();
            code.local_get(FROM).local_get(LENGTH).i32_add();
            self.write(code.i32_const(PART as i32));
            code.local_get(LENGTH).i32_const(PART as i32).i32_gt_u().br_if(0);
            code.end().br(1).end();
        }
        code.loop_(BlockType::Empty);
        self.write(code.local_get(TO).local_get(FROM).i32_const(PART as i32));
        for start in ends {
            code.local_get(*start).i32_const(PART as i32).i32_add().local_set(*start);
        }
        code.local_get(LENGTH).i32_const(PART as i32).i32_sub().local_tee(LENGTH);
        code.i32_const(PART as i32).i32_gt_u().br_if(0);
        code.end().end();
        // What is left, or all that there was.
        self.write(code.local_get(TO).local_get(FROM).local_get(LENGTH));
        code.end();
        function
    }
}

/// A section with `more` entries of its kind after what it had: a count and then the entries.
pub(super) fn appended(section: &[u8], more: &impl Encode) -> Result<Vec<u8>, String> {
    let mut reader = BinaryReader::new(section, 0);
    let count = reader.read_var_u32().map_err(text)?;
    // An encoded section has its size and count before the entries.
    let mut encoded = Vec::new();
    more.encode(&mut encoded);
    let mut added = BinaryReader::new(&encoded, 0);
    added.read_var_u32().map_err(text)?;
    let number = added.read_var_u32().map_err(text)?;
    let mut bytes = Vec::with_capacity(section.len() + encoded.len());
    (count + number).encode(&mut bytes);
    bytes.extend_from_slice(&section[reader.current_position()..]);
    bytes.extend_from_slice(&encoded[added.current_position()..]);
    Ok(bytes)
}

fn text(error: wasmparser::BinaryReaderError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use wasmtime::{Config, Engine, Instance, Memory, Module, Store, UpdateDeadline};

    use super::*;

    const MEMORY: usize = 64 << 20;
    const SEGMENT: usize = 3 * PART as usize + 5;

    /// Each instruction as a function, over 64 MiB, with a segment of three parts and a bit.
    fn module() -> Vec<u8> {
        let segment = "\\07".repeat(SEGMENT);
        let instruction = |name: &str, instruction: &str| {
            format!(
                r#"(func (export "{name}") (param i32 i32 i32)
                   ({instruction} (local.get 0) (local.get 1) (local.get 2)))"#
            )
        };
        let text = format!(
            r#"(module (import "" "" (func)) (memory (export "memory") 1024)
               (data $d "{segment}") (data $short "abc")
               {} {} {} {} (func (export "drop") (data.drop $d)))"#,
            instruction("fill", "memory.fill"),
            instruction("copy", "memory.copy"),
            instruction("init", "memory.init $d"),
            instruction("short", "memory.init $short"),
        );
        wat::parse_str(text).expect("sound")
    }

    struct Run {
        store: Store<u64>,
        instance: Instance,
        memory: Memory,
    }

    impl Run {
        /// Every look at the clock finds that time has passed, so that all are counted.
        fn new(wasm: &[u8]) -> Run {
            let mut config = Config::new();
            config.epoch_interruption(true);
            let engine = Engine::new(&config).expect("an engine");
            let module = Module::new(&engine, wasm).expect("compiled");
            let mut store = Store::new(&engine, 0);
            store.set_epoch_deadline(1);
            store.epoch_deadline_callback(|mut guest| {
                *guest.data_mut() += 1;
                Ok(UpdateDeadline::Continue(0))
            });
            engine.increment_epoch();
            let import = wasmtime::Func::wrap(&mut store, || {});
            let instance = Instance::new(&mut store, &module, &[import.into()]).expect("made");
            let memory = instance.get_memory(&mut store, "memory").expect("exported");
            // Nowhere the same as a little before or after.
            for (at, byte) in memory.data_mut(&mut store)[..2 * SEGMENT].iter_mut().enumerate() {
                *byte = (at * at / 251) as u8;
            }
            Run { store, instance, memory }
        }

        /// How it ended, and how often it looked at the clock.
        fn call(&mut self, name: &str, arguments: [u32; 3]) -> (Result<(), String>, u64) {
            let function =
                self.instance.get_typed_func::<(u32, u32, u32), ()>(&mut self.store, name);
            let function = function.expect("there");
            let before = *self.store.data();
            let ended = function.call(&mut self.store, arguments.into());
            let ended = ended.map_err(|error| error.root_cause().to_string());
            (ended, *self.store.data() - before)
        }
    }

    #[test]
    fn what_is_done_in_parts_is_what_was_done_at_once() {
        let module = module();
        let made = Sites::of(&module).and_then(|sites| sites.in_parts(&module)).expect("made");
        let (mut once, mut parts) = (Run::new(&module), Run::new(&made));
        let (all, part, most) = (MEMORY as u32, PART, u32::MAX);
        let long = 2 * part + 77;
        let segment = SEGMENT as u32;
        let cases: &[(&str, [u32; 3])] = &[
            ("fill", [3, 9, long]),
            ("fill", [5, 1, 0]),
            ("fill", [all, 1, 0]),
            ("fill", [all + 1, 1, 0]),
            ("fill", [part, 0x1ff, part]),
            ("fill", [part, 2, part + 1]),
            ("fill", [all - long, 3, long]),
            ("fill", [all - long, 4, long + 1]),
            ("fill", [all - long, 4, most]),
            ("fill", [0, 4, all + 1]),
            ("fill", [most, 4, most]),
            ("copy", [long, 0, long]),
            ("copy", [1, 0, long]),
            ("copy", [0, 1, long]),
            ("copy", [part, 0, long]),
            ("copy", [0, part, long]),
            ("copy", [part + 3, 0, 3 * part]),
            ("copy", [7, 7, long]),
            ("copy", [0, all - long, long]),
            ("copy", [all - long, 0, long]),
            ("copy", [all - long + 1, 0, long]),
            ("copy", [0, all - long + 1, long]),
            ("copy", [long, 0, most]),
            ("copy", [0, long, most - 1]),
            ("copy", [2, 1, part]),
            ("init", [11, 3, segment - 3]),
            ("init", [11, 3, segment - 2]),
            ("init", [all - segment, 0, segment]),
            ("init", [all - segment + 1, 0, segment]),
            ("init", [0, 5, most]),
            ("short", [1, 0, 3]),
            ("short", [1, 1, 3]),
            ("drop", [0; 3]),
            ("init", [0, 0, segment]),
            ("init", [0, 0, 0]),
            ("init", [0, 1, 0]),
        ];
        for &(name, arguments) in cases {
            let ended = match name {
                "drop" => [&mut once, &mut parts].map(|run| {
                    let drop = run.instance.get_typed_func::<(), ()>(&mut run.store, name);
                    drop.expect("there").call(&mut run.store, ()).map_err(|e| e.to_string())
                }),
                _ => [&mut once, &mut parts].map(|run| run.call(name, arguments).0),
            };
            assert_eq!(ended[0], ended[1], "{name} {arguments:?}");
            let same = once.memory.data(&once.store) == parts.memory.data(&parts.store);
            assert!(same, "{name} {arguments:?}");
        }
    }

    #[test]
    fn what_is_long_looks_at_the_clock_at_every_part() {
        let module = module();
        let made = Sites::of(&module).and_then(|sites| sites.in_parts(&module)).expect("made");
        let (mut once, mut parts) = (Run::new(&module), Run::new(&made));
        let all = MEMORY as u32;
        for (name, arguments) in [
            ("fill", [0, 7, all]),
            ("copy", [0, 1, all - 1]),
            ("copy", [1, 0, all - 1]),
            ("init", [0, 0, SEGMENT as u32]),
        ] {
            let looks = u64::from(arguments[2] / PART);
            assert!(once.call(name, arguments).1 < 3, "{name}");
            assert!(parts.call(name, arguments).1 >= looks, "{name}");
        }
        assert!(parts.call("fill", [0, 7, 100]).1 < 4);
    }

    #[test]
    fn what_cannot_be_long_stays_as_it_is() {
        let wasm = wat::parse_str(
            r#"(module (memory 1) (data "abc")
               (func (param i32)
                 (memory.fill (i32.const 0) (i32.const 0) (i32.const 4096))
                 (memory.init 0 (i32.const 0) (i32.const 0) (local.get 0))))"#,
        );
        let wasm = wasm.expect("sound");
        let made = Sites::of(&wasm).and_then(|sites| sites.in_parts(&wasm)).expect("made");
        assert!(matches!(made, Cow::Borrowed(_)));
    }

    #[test]
    fn the_javascript_engine_s_code_has_no_long_ones_but_those_in_parts() {
        let wasm = wat::parse_str(
            r#"(module (memory (export "memory") 1) (func (param i32)
               (memory.fill (local.get 0) (local.get 0) (local.get 0))))"#,
        );
        let parts = super::super::image::split(&wasm.expect("sound")).expect("taken apart");
        let left = Sites::of(&parts.code).expect("read");
        // The three in the function that does it part by part: its end, a part, and what is left.
        assert_eq!(left.found.len(), 1, "only what is left is of any length");
    }
}
