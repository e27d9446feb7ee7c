//! What is off, in the words of those who write guests: what it is, and how to compile without it.

/// What a validator says of what is off, and what that means.
const OFF: [(&str, &str); 17] = [
    ("threads", THREADS),
    (
        "multiple memories",
        "several memories are off here: keep to one (clang, rustc and zig make one; wasm-opt: \
         --multi-memory-lowering)",
    ),
    (
        "multi-memory",
        "several memories are off here: keep to one (wasm-opt: --multi-memory-lowering)",
    ),
    (
        "memory64",
        "64-bit memories and tables are off here: compile for wasm32 (clang: --target=wasm32, zig: \
         wasm32-wasi, emscripten: without -sMEMORY64; wasm-opt: --memory64-lowering)",
    ),
    ("exceptions", EXCEPTIONS),
    ("legacy_exceptions", EXCEPTIONS),
    (
        "custom page sizes",
        "pages of other sizes are off here: compile without -Wl,--page-size (clang)",
    ),
    (
        "relaxed SIMD",
        "relaxed SIMD is off here: compile without -mrelaxed-simd (clang, emscripten) or \
         -C target-feature=+relaxed-simd (rustc)",
    ),
    (
        "wide arithmetic",
        "wide arithmetic is off here: compile without -mwide-arithmetic (clang) or \
         -C target-feature=+wide-arithmetic (rustc)",
    ),
    ("requires gc", GC),
    ("gc types", GC),
    ("gc proposal", GC),
    ("gc support", GC),
    ("the gc feature", GC),
    ("heap types", GC),
    ("function references", GC),
    (
        "stack switching",
        "stack switching is off here: compile without it (emscripten: without -sJSPI)",
    ),
];

const THREADS: &str = "threads are off here (shared memory, atomics): compile without -pthread (clang, \
     emscripten), -C target-feature=+atomics (rustc), -fno-single-threaded (zig) or --enable threads \
     (AssemblyScript)";
const EXCEPTIONS: &str = "exceptions are off here: compile with -fno-exceptions or without -fwasm-exceptions \
     (clang, emscripten), with -C panic=abort (rustc)";
const GC: &str = "garbage collection and references to objects (externref, struct, array, typed \
     functions) are off here: compile for WebAssembly 2.0 without them (clang, rustc: without \
     reference types of the host, wasm-bindgen: without --reference-types)";

/// Why a module is not sound, where that is something that is off by the words of its author.
pub(super) fn explain(error: &str) -> String {
    let is_off = ["enabled", "disallowed", "disabled", "not supported", "multiple memories"];
    let known = OFF.iter().find(|(words, _)| error.contains(words));
    match known.filter(|_| is_off.iter().any(|word| error.contains(word))) {
        Some((_, told)) => (*told).to_owned(),
        None => error.to_owned(),
    }
}
