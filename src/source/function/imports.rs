//! What a module imports that it does not get: said by name, and what to do about it.

use std::sync::Arc;

use wasmparser::{Import, TypeRef};

use super::error::{LoadError, plain};
use super::host::is_operation;
use super::instance::{Limits, open};
use super::sandbox::Sandbox;
use super::wasi::WASI;
use crate::directory::grants::Grants;

/// Why there is no such thing to import.
#[derive(Clone, Copy, PartialEq)]
enum Lack {
    /// A line in the configuration would give it.
    Grant,
    /// It is another edition of WASI.
    Edition,
    /// It is a function that preview 1 does not have.
    Extension,
    /// Memory is a module's own.
    Memory,
    /// It wants JavaScript that wasm-bindgen writes.
    Bindgen,
    /// It wants the JavaScript that comes with Go.
    GoScript,
    /// Nobody has it.
    Nothing,
}

use Lack::{Bindgen, Edition, Extension, GoScript, Grant, Memory, Nothing};

/// In the order in which they are told.
const LACKS: [Lack; 7] = [Grant, Edition, Extension, Memory, Bindgen, GoScript, Nothing];

impl Lack {
    fn of(import: &Import<'_>) -> Lack {
        let (module, name) = (import.module, import.name);
        if is_operation(module, name) {
            Grant
        } else if module == WASI {
            Extension
        } else if module.starts_with("wasi") {
            Edition
        } else if matches!(import.ty, TypeRef::Memory(_)) {
            Memory
        } else if module == "wbg" || [module, name].iter().any(|n| n.starts_with("__wb")) {
            Bindgen
        } else if matches!(module, "gojs" | "go") {
            GoScript
        } else {
            Nothing
        }
    }

    /// What is said after the names.
    fn remedy(self) -> &'static str {
        match self {
            Grant => "",
            Edition => ": build for WASI preview 1 (wasm32-wasip1)",
            Extension => ": WASI preview 1 has no such function",
            Memory => {
                ": export the memory instead (AssemblyScript: without --importMemory, clang: without \
                 --import-memory)"
            }
            Bindgen => ": build without wasm-bindgen",
            GoScript => ": build with GOOS=wasip1",
            Nothing => ": nothing offers this",
        }
    }
}

/// Says by name what a module wants that it does not get.
pub(super) fn refuse_others(
    sandbox: &Sandbox,
    file: &str,
    wanted: &[Import<'_>],
    (name, grants): (&str, &Grants),
) -> Result<(), LoadError> {
    let mut store = open(sandbox, Limits::default(), Arc::from([]));
    let imports = sandbox.imports(grants);
    let is_function = |import: &Import<'_>| matches!(import.ty, TypeRef::Func(_));
    let refused: Vec<_> = wanted
        .iter()
        .filter(|i| !is_function(i) || imports.get(&mut store, i.module, i.name).is_err())
        .map(|import| (Lack::of(import), import))
        .collect();
    if refused.is_empty() {
        return Ok(());
    }
    let mut reasons = Vec::new();
    for lack in LACKS {
        let those: Vec<_> = refused.iter().filter(|(l, _)| *l == lack).map(|(_, i)| *i).collect();
        match lack {
            _ if those.is_empty() => {}
            Grant => reasons.push(format!(
                "imports what is not granted: {}; to grant HTTP or the store, write `hosts = \
                 [\"HOST\"]` or `store = true` under [[function]] name = \"{name}\" in offhook.toml",
                listed(&those)
            )),
            _ => reasons.push(format!("imports {}{}", listed(&those), lack.remedy())),
        }
    }
    Err(LoadError::whole(file, reasons.join("; ")))
}

fn listed(imports: &[&Import<'_>]) -> String {
    // People look at the first ones; a module may have invented hundreds, of any length.
    const TOLD: usize = 8;
    const LONGEST: usize = 100;
    let shown = |import: &&Import<'_>| -> String {
        let name = format!("{}.{}", import.module, import.name);
        plain(&name).chars().take(LONGEST).collect()
    };
    let names: Vec<_> = imports.iter().take(TOLD).map(shown).collect();
    let mut list = names.join(", ");
    if let Some(more) = imports.len().checked_sub(TOLD).filter(|more| *more > 0) {
        list.push_str(&format!(" and {more} more"));
    }
    list
}
