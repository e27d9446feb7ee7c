//! Python as a guest: RustPython, a small part of its standard library, and a script.
//!
//! `oh_prepare` starts the interpreter and runs the script's top level; `offhook fn build` keeps the
//! memory that this leaves, so that a request begins behind it, with `oh_handle`.

use std::cell::RefCell;

use offhook_function::{log, Level, Value};
use rustpython_vm as vm;
use vm::compiler::Mode;
use vm::{AsObject, Interpreter, PyObjectRef, PyResult, VirtualMachine};

/// What scripts import as `offhook`.
const SDK: &str = include_str!("../offhook.py");

/// What the SDK is made of.
#[vm::pymodule]
mod _offhook {
    use super::vm::{builtins::PyStrRef, VirtualMachine};
    use offhook_function::Level;

    #[pyfunction]
    fn log(level: usize, text: PyStrRef, _vm: &VirtualMachine) {
        let level = match level {
            0 => Level::Debug,
            1 => Level::Info,
            2 => Level::Warning,
            _ => Level::Error,
        };
        offhook_function::log(level, &text.to_string_lossy());
    }

    #[pyfunction]
    fn random(length: usize, _vm: &VirtualMachine) -> Vec<u8> {
        let mut bytes = vec![0; length];
        offhook_function::random(&mut bytes);
        bytes
    }
}

/// An interpreter whose script has run.
struct Ready {
    interpreter: Interpreter,
    /// From the document of a request to the text of the answer.
    run: PyObjectRef,
}

thread_local!(static READY: RefCell<Option<Ready>> = const { RefCell::new(None) });

/// Memory that the host writes to.
#[no_mangle]
pub extern "C" fn oh_alloc(length: usize) -> *mut u8 {
    offhook_function::door::alloc(length)
}

/// Starts the interpreter and runs the script; gives nothing, or the traceback.
///
/// # Safety
///
/// `at` is from [`oh_alloc`] with this `length`, and used no more afterwards.
#[no_mangle]
pub unsafe extern "C" fn oh_prepare(at: *mut u8, length: usize) -> u64 {
    std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string())));
    // SAFETY: the caller's promise.
    let script = unsafe { taken(at, length) };
    let Ok(script) = String::from_utf8(script) else { return give("the script is not UTF-8") };
    let mut settings = vm::Settings::default();
    // The same script gives the same module.
    settings.hash_seed = Some(0);
    settings.import_site = false;
    settings.install_signal_handlers = false;
    let builder = Interpreter::builder(settings);
    let own = _offhook::module_def(&builder.ctx);
    let library = vm::py_freeze!(dir = "../lib");
    let interpreter = builder.add_native_module(own).add_frozen_modules(library).build();
    let run = interpreter.enter(|vm| prepare(vm, &script).map_err(|error| traceback(vm, &error)));
    match run {
        Ok(run) => {
            READY.with(|ready| *ready.borrow_mut() = Some(Ready { interpreter, run }));
            give("")
        }
        Err(traceback) => give(&traceback),
    }
}

/// Answers a request.
///
/// # Safety
///
/// `at` is from [`oh_alloc`] with this `length`, and used no more afterwards.
#[no_mangle]
pub unsafe extern "C" fn oh_handle(at: *mut u8, length: usize) -> u64 {
    // SAFETY: the caller's promise.
    let json = unsafe { taken(at, length) };
    let document = Value::parse(&String::from_utf8_lossy(&json)).unwrap_or(Value::Null);
    READY.with(|ready| {
        let ready = ready.borrow();
        let Some(ready) = ready.as_ref() else { return give("Status: 500\n\nnot prepared") };
        ready.interpreter.enter(|vm| {
            let answer = to_python(vm, &document).and_then(|document| ready.run.call((document,), vm));
            let answer = answer.and_then(|answer| answer.as_object().str(vm));
            match answer {
                Ok(answer) => give(&answer.to_string_lossy()),
                Err(error) => {
                    let traceback = traceback(vm, &error);
                    log(Level::Error, &traceback);
                    let kind = "Content-Type: text/plain; charset=utf-8";
                    give(&format!("Status: 500\n{kind}\n\n{traceback}"))
                }
            }
        })
    })
}

/// What the host wrote.
///
/// # Safety
///
/// `at` is from [`oh_alloc`] with this `length`, and used no more afterwards.
unsafe fn taken(at: *mut u8, length: usize) -> Vec<u8> {
    // SAFETY: the caller's promise.
    unsafe { Box::from_raw(std::ptr::slice_from_raw_parts_mut(at, length)) }.into_vec()
}

/// Address and length, in one number.
fn give(text: &str) -> u64 {
    let bytes = Box::leak(text.as_bytes().to_vec().into_boxed_slice());
    (bytes.as_ptr() as u64) << 32 | bytes.len() as u64
}

fn prepare(vm: &VirtualMachine, script: &str) -> PyResult {
    let sdk = evaluate(vm, SDK, "offhook.py")?;
    let module = vm.new_module("offhook", sdk.globals.clone(), None);
    vm.sys_module.get_attr("modules", vm)?.set_item("offhook", module.into(), vm)?;
    let bind = sdk.globals.get_item("_bind", vm)?;
    let script = evaluate(vm, script, "function.py")?;
    bind.call((script.globals,), vm)
}

fn evaluate(vm: &VirtualMachine, source: &str, file: &str) -> PyResult<vm::scope::Scope> {
    let scope = vm.new_scope_with_builtins();
    let code = vm.compile(source, Mode::Exec, file.to_owned());
    let code = code.map_err(|error| vm.new_syntax_error(&error, Some(source)))?;
    vm.run_code_obj(code, scope.clone())?;
    Ok(scope)
}

fn traceback(vm: &VirtualMachine, error: &vm::builtins::PyBaseExceptionRef) -> String {
    let mut text = String::new();
    match vm.write_exception(&mut text, error) {
        Ok(()) => text,
        Err(_) => "an exception that cannot be written".to_owned(),
    }
}

fn to_python(vm: &VirtualMachine, value: &Value) -> PyResult {
    Ok(match value {
        Value::Null => vm.ctx.none(),
        Value::Bool(is) => vm.ctx.new_bool(*is).into(),
        Value::Number(text) => match text.parse::<i64>() {
            Ok(number) => vm.ctx.new_int(number).into(),
            Err(_) => vm.ctx.new_float(text.parse().unwrap_or(f64::NAN)).into(),
        },
        Value::String(text) => vm.ctx.new_str(text.as_str()).into(),
        Value::Array(list) => {
            let list: PyResult<Vec<_>> = list.iter().map(|item| to_python(vm, item)).collect();
            vm.ctx.new_list(list?).into()
        }
        Value::Object(members) => {
            let dict = vm.ctx.new_dict();
            for (name, value) in members {
                dict.set_item(name.as_str(), to_python(vm, value)?, vm)?;
            }
            dict.into()
        }
    })
}
