//! What a module wants and which door it has, read of its bytes: what is refused for it need not be
//! compiled first.

use wasmparser::{CompositeInnerType, ExternalKind, FuncType, Parser, Payload, TypeRef, ValType};

/// The ways in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    /// `_start`.
    Command,
    /// `oh_alloc` and `oh_handle`.
    Library,
}

/// What a reactor wants called once, before any other of its functions.
pub(super) const INITIALIZE: &str = "_initialize";

/// What a sound module imports and exports.
#[derive(Default)]
pub(super) struct Outside<'a> {
    pub(super) imports: Vec<wasmparser::Import<'a>>,
    types: Vec<Option<FuncType>>,
    /// The types of all functions, imported ones first.
    functions: Vec<u32>,
    exports: Vec<(&'a str, ExternalKind, u32)>,
}

impl<'a> Outside<'a> {
    pub(super) fn of(wasm: &'a [u8]) -> Result<Outside<'a>, wasmparser::BinaryReaderError> {
        let mut outside = Outside::default();
        for payload in Parser::new(0).parse_all(wasm) {
            match payload? {
                Payload::TypeSection(section) => {
                    for group in section {
                        outside.types.extend(group?.types().map(|kind| {
                            match &kind.composite_type.inner {
                                CompositeInnerType::Func(function) => Some(function.clone()),
                                _ => None,
                            }
                        }));
                    }
                }
                Payload::ImportSection(section) => {
                    for import in section.into_imports() {
                        let import = import?;
                        let function = match import.ty {
                            TypeRef::Func(kind) => Some(kind),
                            _ => None,
                        };
                        outside.functions.extend(function);
                        outside.imports.push(import);
                    }
                }
                Payload::FunctionSection(section) => {
                    for kind in section {
                        outside.functions.push(kind?);
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export?;
                        outside.exports.push((export.name, export.kind, export.index));
                    }
                }
                // Nothing after it is of interest.
                Payload::CodeSectionStart { .. } => break,
                _ => {}
            }
        }
        Ok(outside)
    }

    /// Which door the module has, else what there should be.
    pub(super) fn door(&self) -> Result<Door, String> {
        use ValType::{I32, I64};
        let memory = ("memory", ExternalKind::Memory);
        if !self.exports.iter().any(|(name, kind, _)| (*name, *kind) == memory) {
            return Err("exports no memory".to_owned());
        }
        if self.has("_start", &[], &[])? {
            return Ok(Door::Command);
        }
        self.has(INITIALIZE, &[], &[])?;
        let alloc = self.has("oh_alloc", &[I32], &[I32])?;
        if self.has("oh_handle", &[I32, I32], &[I64])? && alloc {
            return Ok(Door::Library);
        }
        Err("exports neither _start() nor oh_alloc(i32) -> i32 with oh_handle(i32, i32) -> i64"
            .to_owned())
    }

    /// Whether it exports such a function; an error where that is something else.
    fn has(&self, name: &str, takes: &[ValType], gives: &[ValType]) -> Result<bool, String> {
        let Some((_, kind, index)) = self.exports.iter().find(|(known, ..)| *known == name) else {
            return Ok(false);
        };
        let wanted = spelled(name, takes, gives);
        let function = self.functions.get(*index as usize).filter(|_| *kind == ExternalKind::Func);
        match function.and_then(|kind| self.types.get(*kind as usize)?.as_ref()) {
            None => Err(format!("exports {name}, which is no function; wanted {wanted}")),
            Some(kind) if kind.params() == takes && kind.results() == gives => Ok(true),
            Some(kind) => {
                let there = spelled(name, kind.params(), kind.results());
                Err(format!("exports {there}, wanted {wanted}"))
            }
        }
    }
}

fn spelled(name: &str, takes: &[ValType], gives: &[ValType]) -> String {
    let list = |types: &[ValType]| {
        let types: Vec<_> = types.iter().map(ValType::to_string).collect();
        types.join(", ")
    };
    match gives {
        [] => format!("{name}({})", list(takes)),
        [one] => format!("{name}({}) -> {one}", list(takes)),
        _ => format!("{name}({}) -> ({})", list(takes), list(gives)),
    }
}
