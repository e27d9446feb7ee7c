//! Files that are small and would make much of little when they are loaded: refused before anything
//! is made of them, or stopped while it is.

use super::*;

fn module(inside: &str) -> String {
    format!(r#"(module {inside} (memory (export "memory") 1) (func (export "_start")))"#)
}

const TRUNCATION: &str = "(i64.trunc_f64_u) (f64.convert_i64_u)";
const CALL: &str = "(call_indirect (i32.const 0))";

/// So many blocks in one another with results, and tables of branches over all of them.
fn carrying(blocks: usize, tables: usize, results: usize) -> String {
    let values = "(i32.load (i32.const 0)) ".repeat(results);
    let labels: String = (0..blocks).map(|n| format!("{n} ")).collect();
    let load = "(i32.load (i32.const 0))";
    let table = format!("{load} if {values} {load} br_table {labels} 0 end ");
    let types = "i32 ".repeat(results);
    module(&format!(
        "(type $t (func (result {types}))) (func {} {} {values} {} {})",
        "block (type $t) ".repeat(blocks),
        table.repeat(tables),
        "end ".repeat(blocks),
        "drop ".repeat(results),
    ))
}

/// Why a module is refused.
fn refused(bench: &Bench, name: &str, text: &[u8]) -> String {
    let path = bench.dir.path().join(name);
    fs::write(path, text).expect("written");
    let (stem, _) = name.rsplit_once('.').expect("an ending");
    let error = bench.load_error(stem);
    assert!(error.reason.len() < 10_000, "{name}");
    error.reason
}

#[test]
fn modules_that_would_take_long_to_compile_are_refused() {
    let bench = Bench::new(&[("good.wat", LIBRARY)]);
    let many = |count: usize, piece: &str| module(&piece.repeat(count));
    let body = |inside: &str| module(&format!("(func {inside})"));
    for (what, text) in [
        ("types", many(10_001, "(type (func))")),
        ("functions", many(50_001, "(func)")),
        ("imports", many(201, r#"(import "env" "abort" (func (param i32 i32 i32 i32)))"#)),
        ("globals", many(10_001, "(global i32 (i32.const 0))")),
        ("data segments", many(100_001, "(data \"\")")),
        ("element segments", many(1_001, "(elem func)")),
        ("elements", module(&format!("(func $f) (elem func {})", "$f ".repeat(100_001)))),
        ("locals", body(&format!("(local {})", "i32 ".repeat(10_001)))),
        ("bytes in one function", body(&"(drop (i32.const 70000))".repeat(110_000))),
        (
            "bytes in one function",
            body(&format!("(block (br_table {}(i32.const 0)))", "0 ".repeat(530_000))),
        ),
        (
            "exports",
            module(&(0..10_001).map(|n| format!("(export \"e{n}\" (func 0))")).collect::<String>()),
        ),
        (
            "values at joins in one function",
            body(&format!(
                "(local {}) {}",
                "i64 ".repeat(9_000),
                "(loop (local.set 1 (i64.const 1)) (br_if 0 (i32.const 1)))".repeat(1_000)
            )),
        ),
        (
            "values at joins",
            module(
                &format!("(func (local {}) {})", "i32 ".repeat(1_000), "(block)".repeat(200))
                    .repeat(200),
            ),
        ),
        ("loops in one another", body(&format!("{}{}", "(loop ".repeat(51), ")".repeat(51)))),
        // Half a MB of each would take minutes and GB to compile, or leave 100 MB.
        (
            "units of machine code in one function",
            body(&format!("(f64.const 0) {} drop", TRUNCATION.repeat(9_700))),
        ),
        (
            "units of machine code ",
            module(&format!("(func (f64.const 0) {} drop)", TRUNCATION.repeat(9_000)).repeat(50)),
        ),
        ("branches", body(&"(loop)".repeat(5_001))),
        ("branches", module(&format!("(table 1 funcref) (func {})", CALL.repeat(10_001)))),
        ("squares", module(&format!("(func {})", "(loop)".repeat(3_500)).repeat(4))),
        ("values at joins in one function", carrying(100, 100, 16)),
        ("values at joins in one function", carrying(500, 1, 16)),
        ("parameters", module(&format!("(type (func (param {})))", "i32 ".repeat(101)))),
        ("results", module(&format!("(type (func (result {})))", "i32 ".repeat(17)))),
        ("of text", many(1 << 20, " ")),
    ] {
        // What is too long a text is read in its binary form.
        let text = match text.len() > 1 << 20 && what != "of text" {
            true => wat::parse_str(&text).expect("sound"),
            false => text.into_bytes(),
        };
        let why = refused(&bench, "bomb.wat", &text);
        assert!(why.contains(what), "{what}: {why}");
        assert_eq!(bench.invoke("good", &[]).status, 200);
    }
}

#[test]
fn what_a_module_says_of_itself_is_short_and_harmless() {
    let bench = Bench::new(&[]);
    let import = format!("(import \"\\1b[2J{}\" \"\\07\" (func))", "x".repeat(60_000));
    let why = refused(&bench, "loud.wat", module(&import.repeat(8)).as_bytes());
    assert!(!why.chars().any(char::is_control), "{why}");
    let invented: String =
        (0..150).map(|n| format!("(import \"offhook\" \"i{n}\" (func))")).collect();
    let why = refused(&bench, "inventive.wat", module(&invented).as_bytes());
    assert!(why.ends_with("offhook.i7 and 142 more: nothing offers this"), "{why}");
    for (name, text) in [
        ("nothing.wasm", &b""[..]),
        ("magic.wasm", b"\0asm"),
        ("cut.wasm", b"\0asm\x01\0\0\0\x01\xff\xff\xff\xff\x0f"),
        ("binary.wat", b"\xff\xfe\0"),
        ("text.wasm", b"(module"),
    ] {
        refused(&bench, name, text);
    }
}

fn project(files: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::new(files);
    let dir = bench.dir.path().join("functions");
    let functions = Functions::new(dir, Vec::new(), bench.sandbox.clone());
    bench.functions = functions.hiding(bench.dir.path().join("data"));
    bench
}

/// What a handler answers that says what requiring each of these brought.
fn required(bench: &Bench, names: &[&str]) -> String {
    let names = serde_json::json!(names).to_string();
    bench.write(
        "functions/f.js",
        &format!(
            "const told = {names}.map((name) => {{ try {{ return typeof require(name); }}\n\
             catch (error) {{ return error.code + ' ' + error.message.slice(0, 300); }} }});\n{}",
            handler("callback(null, told.join('\\n'));")
        ),
    );
    let answer = bench.invoke("f", &[]);
    assert_eq!(answer.status, 200, "{}", text(&answer));
    text(&answer).to_owned()
}

#[test]
fn what_is_hidden_in_a_project_stays_so() {
    let bench = project(&[
        ("functions/g.js", &handler("")),
        ("data/account", "module.exports = 'token';"),
        ("data/kept.json", "{}"),
        (".git/config", "module.exports = 'token';"),
        (".env.js", "module.exports = 'token';"),
        ("lib/.hidden/a.js", "module.exports = 'token';"),
        ("node_modules/.store/p/index.js", "module.exports = 'p';"),
    ]);
    let root = bench.dir.path();
    std::os::unix::fs::symlink(root.join("data"), root.join("link")).expect("linked");
    std::os::unix::fs::symlink("/etc", root.join("functions/etc")).expect("linked");
    std::os::unix::fs::symlink(root.join("node_modules/.store/p"), root.join("node_modules/p"))
        .expect("linked");
    let hidden = [
        "../data/account",
        "/data/account",
        "../data/kept",
        "../link/account",
        "../.git/config",
        "../.env",
        "../.env.js",
        "../lib/.hidden/a",
        "./etc/passwd",
        "../../../../../../etc/passwd",
        "/../etc/passwd",
    ];
    for line in required(&bench, &hidden).lines() {
        let absolute = line.contains("where absolute paths begin");
        assert!(line.contains("hidden") || line.contains("OUTSIDE") || absolute, "{line}");
    }
    assert_eq!(required(&bench, &["p"]), "string", "as a package manager lays it out");
}

#[test]
fn packages_that_make_much_of_little_are_refused() {
    let stars = format!(r#"{{"exports": {{"./*": "./{}"}}}}"#, "*".repeat(500_000));
    let deep = format!(r#"{{"exports": {}"x"{}}}"#, "[".repeat(100), "]".repeat(100));
    let large = format!(r#"{{"main": "m.js", "x": [{}0]}}"#, "0,".repeat(600_000));
    let bench = project(&[
        ("node_modules/stars/package.json", &stars),
        ("node_modules/deep/package.json", &deep),
        ("node_modules/deeper/package.json", &"[".repeat(900_000)),
        ("node_modules/large/package.json", &large),
        ("node_modules/large/m.js", ""),
        ("node_modules/circle/package.json", r#"{"main": "."}"#),
        ("node_modules/up/package.json", r#"{"main": "../../../../../../etc/passwd"}"#),
        ("node_modules/out/package.json", r#"{"exports": "./../../data/x.js"}"#),
    ]);
    let long = format!("stars/{}", "a".repeat(1000));
    let names = [&long, "deep", "deeper", "large", "circle", "up", "out"];
    let told = required(&bench, &names);
    assert_eq!(told.lines().count(), names.len(), "{told}");
    assert!(
        told.lines().all(|line| line.contains("MODULE_NOT_FOUND")
            || line.contains("ERR_PACKAGE_PATH_NOT_EXPORTED")
            || line.contains("ERR_OUTSIDE_PROJECT")),
        "{told}"
    );
}

#[test]
fn a_script_loads_so_much_and_no_more() {
    let chain: Vec<(String, String)> = (0..2_100)
        .map(|n| (format!("functions/m/{n}.json"), "{}".to_owned()))
        .chain([("functions/wide.json".to_owned(), format!("[{}0]", "0,".repeat(2 << 20)))])
        .collect();
    let files: Vec<_> = chain.iter().map(|(name, text)| (&**name, &**text)).collect();
    let bench = project(&files);
    bench.write(
        "functions/many.js",
        "for (let n = 0; n < 2100; n += 1) require('./m/' + n + '.json');\nexports.handler = () => {};",
    );
    assert!(bench.load_error("many").reason.contains("more than 2000 files"));
    bench.write("functions/wide.js", "require('./wide.json');\nexports.handler = () => {};");
    assert!(bench.load_error("wide").reason.contains("is larger than"));
    bench.write("functions/probes.js",
        "for (let n = 0; n < 30000; n += 1) { try { require('./none' + n); } catch (error) { if (error.code === 'ERR_TOO_LARGE') throw error; } }\nexports.handler = () => {};");
    let why = bench.load_error("probes").reason;
    assert!(why.contains("20000 paths") || why.contains("ran longer"), "{why}");
    bench.write(
        "functions/a.js",
        "require('./b');\nexports.handler = (c, e, callback) => callback(null, 'ok');",
    );
    bench.write("functions/b.js", "require('./a'); require('./b'); require('.//a');");
    assert_eq!(text(&bench.invoke("a", &[])), "ok", "circles end");
    bench.write("functions/endless.js", "exports.handler = () => {};");
    let path = bench.dir.path().join("functions/endless.js");
    fs::remove_file(&path).expect("removed");
    std::os::unix::fs::symlink("/dev/zero", &path).expect("linked");
    assert!(bench.functions.check("endless").is_err(), "no file of finite length");
}

#[test]
fn folders_that_lie_in_themselves_have_an_end() {
    let bench = project(&[("functions/f.js", &handler("callback(null, 'f');"))]);
    let functions = bench.dir.path().join("functions");
    for name in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        std::os::unix::fs::symlink(&functions, functions.join(name)).expect("linked");
    }
    assert_eq!(bench.functions.names(), ["f"]);
    assert_eq!(bench.functions.access("a/b/c/f"), None, "it would be a function of its own");
}

#[test]
fn what_lies_in_packages_has_no_route() {
    let bench = project(&[
        ("functions/node_modules/p/index.js", &handler("callback(null, 'inner');")),
        ("functions/f.js", "exports.handler = require('p').handler;"),
    ]);
    assert_eq!(text(&bench.invoke("f", &[])), "inner");
    for name in ["node_modules/p/index", "node_modules/p", "x/node_modules/p/index"] {
        assert_eq!(bench.functions.access(name), None, "{name}");
        let outcome = bench.functions.invoke(name, &Event::default());
        assert!(matches!(outcome, Err(Error::NotFound(_))), "{name}");
    }
}

/// Texts that a parser, or whoever walks over what it made, would take hours for.
#[test]
fn typescript_that_takes_long_is_given_up() {
    let members = format!("class A {{ {} }}", "private a; ".repeat(90_000));
    let generics = format!("{}x", "a<".repeat(200_000));
    let arrows = format!("{}1", "(a, b) => ".repeat(50_000));
    let casts = format!("x{}", " as T[]".repeat(100_000));
    let asserts = format!("{}x", "<T>".repeat(100_000));
    for text in [members, generics, arrows, casts, asserts] {
        let mut looks = 0;
        // Bounded by looks at the clock, not by the clock.
        let outcome = typescript::strip(&text, &mut || {
            looks += 1;
            looks > 2_000
        });
        let given_up = outcome.as_ref().is_err_and(|e| e.reason.contains("too long"));
        assert!(given_up || looks <= 2_000, "{}: {looks}", &text[..20]);
    }
}

/// What the project's own guests are built to, where somebody built them: none is near a bound.
#[test]
fn real_programs_are_admitted_with_room() {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("target");
    let mut folders = vec![built.join("guests/modules"), built.join("setup")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "wasm") {
                let wasm = fs::read(&path).expect("read");
                let room = super::super::admit::room(&wasm);
                assert!(room >= 2.0, "{}: {room}", path.display());
            }
        }
    }
}
