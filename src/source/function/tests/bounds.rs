//! What loading costs the server, whoever wrote the script; and what it must not find.

use super::*;

/// A bench whose folder is a project, with the functions in `functions` and the server's data in
/// `data`.
fn project(files: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::new(files);
    let dir = bench.dir.path().join("functions");
    let functions = Functions::new(dir, Vec::new(), bench.sandbox.clone());
    bench.functions = functions.hiding(bench.dir.path().join("data"));
    bench
}

/// A script that tells how each of these expressions fails.
fn failing(top: &str, expressions: &[&str]) -> String {
    let told = expressions.iter().map(|expression| {
        format!("try {{ told.push(String({expression})) }} catch (e) {{ told.push(e.message) }}\n")
    });
    let told: String = told.collect();
    format!("const told = [];\n{top}\n{told}{}", handler("callback(null, told);"))
}

fn told(bench: &Bench, script: &str) -> Vec<String> {
    bench.write("functions/f.js", script);
    let response = bench.invoke("f", &[]);
    serde_json::from_slice(&response.body).unwrap_or_else(|_| panic!("{response:?}"))
}

fn depends_on(bench: &Bench, name: &str) -> usize {
    bench.functions.known().get(name).expect("it is known").depends.count()
}

#[test]
fn names_of_files_that_nobody_has_cost_no_time() {
    let top =
        "const from = (deep) => require('module').createRequire('/' + 'a/'.repeat(deep) + 'x');";
    let bench = project(&[]);
    let why = told(
        &bench,
        &failing(
            top,
            &["from(8000)('pkg')", "from(65)('pkg')", "from(20)('./' + 'b/'.repeat(60))"],
        ),
    );
    assert!(why.iter().all(|why| why.contains("that is no name of a file")), "{why:?}");
    assert!(depends_on(&bench, "f") < 10, "none of its folders");
    // What stands for the engine's own questions is bounded, too.
    let top = "const { stringify } = JSON; let ask;\n\
               JSON.stringify = (v) => stringify(v && v.op && ask ? { ...v, ...ask } : v);\n\
               const asks = (what) => { ask = what; try { return require('./q'); } finally { ask = undefined; } };";
    let deep = "asks({ op: 'read', id: '/' + 'a/'.repeat(20000) + 'x.js' })";
    assert_eq!(told(&bench, &failing(top, &[deep])).len(), 1);
}

#[test]
fn what_is_hidden_is_told_alike_whether_it_is_there_or_not_and_makes_nothing_new() {
    let bench = project(&[]);
    let script = failing(
        "",
        &[
            "require('../data/functions.log')",
            "require('../data/')",
            "require('../.git/')",
            "require('../.env')",
            "require('../linked/functions.log')",
            "require('../data')",
        ],
    );
    std::os::unix::fs::symlink("data", bench.dir.path().join("linked")).expect("linked");
    fs::create_dir(bench.dir.path().join("data")).expect("made");
    let absent = told(&bench, &script);
    assert!(absent.iter().all(|why| why.contains("hidden files are no modules")), "{absent:?}");
    bench.write("data/functions.log", "one");
    bench.write(".git/config.js", "");
    bench.write(".env", "");
    assert_eq!(told(&bench, &script), absent);

    let deployed = || Arc::as_ptr(bench.functions.known().get("f").expect("known"));
    let before = deployed();
    let stamps = bench.functions.stamps();
    for line in ["two", "three!"] {
        bench.write("data/functions.log", line);
        bench.invoke("f", &[]);
        assert_eq!((deployed(), bench.functions.stamps()), (before, stamps.clone()));
    }
}

#[test]
fn requests_deploy_within_their_share_and_the_watcher_at_any_time() {
    let busy = "const until = Date.now; let n = 0; while (n < 3e5) n += 1;";
    let bench = project(&[
        ("functions/h.private.js", "exports.v = 0;"),
        (
            "functions/f.js",
            &format!(
                "{busy} const {{ v }} = require('./h.private.js');\n{}",
                handler("callback(null, String(v));")
            ),
        ),
    ]);
    assert_eq!(text(&bench.invoke("f", &[])), "0");
    bench.functions.use_up_share("f");
    bench.write("functions/h.private.js", "exports.v = 1;");
    assert_eq!(text(&bench.invoke("f", &[])), "0", "the share is spent");
    bench.functions.load("f").expect("loaded");
    assert_eq!(text(&bench.invoke("f", &[])), "1");
    // Its own file is never held against it.
    bench.write("functions/f.js", &handler("callback(null, 'own');"));
    assert_eq!(text(&bench.invoke("f", &[])), "own");
}

#[test]
fn texts_of_the_project_that_are_no_code_cannot_be_read() {
    let key = "-----BEGIN KEY-----";
    let bench = project(&[
        ("SECRETS", key),
        ("id_rsa", key),
        ("keys/tls.pem", key),
        ("offhook.toml", key),
        ("assets/own.private.txt", "own"),
        ("node_modules/p/cli", "module.exports = 'of a package';"),
    ]);
    for (link, to) in [
        ("functions/a.js", "../SECRETS"),
        ("functions/b.js", "../offhook.toml"),
        ("assets/c.private.txt", "../keys/tls.pem"),
    ] {
        fs::create_dir_all(bench.dir.path().join(link).parent().expect("a folder")).expect("made");
        std::os::unix::fs::symlink(to, bench.dir.path().join(link)).expect("linked");
    }
    let top = "const { startsWith } = String.prototype, { parse } = JSON; const seen = [];\n\
               String.prototype.startsWith = function (...a) { seen.push(String(this)); return startsWith.apply(this, a); };\n\
               JSON.parse = (text, ...a) => { seen.push(text); return parse(text, ...a); };";
    let why = told(
        &bench,
        &failing(
            top,
            &[
                "require('../SECRETS')",
                "require('../NONE')",
                "require('../id_rsa')",
                "require('./a.js')",
                "require('./b.js')",
                "require('../keys/tls.pem')",
                "Runtime.getAssets()['/c.txt'].open()",
                "Runtime.getAssets()['/own.txt'].open()",
                "require('p/cli')",
                "seen.join().includes('BEGIN')",
            ],
        ),
    );
    assert_eq!(
        why[0],
        "Cannot find module '../SECRETS' from functions/f.js: there is no file SECRETS"
    );
    assert_eq!(why[0].replace("SECRETS", "NONE"), why[1], "the same words");
    assert!(why[6].contains("no such private asset"), "{why:?}");
    assert_eq!(why[7..], ["own", "of a package", "false"]);
}

#[test]
fn files_that_are_not_there_are_remembered_within_bounds() {
    let bench = project(&[]);
    let top = "for (let n = 0; n < 1500; n += 1) try { require.resolve('./nope' + n) } catch {}";
    bench.write("functions/f.js", &failing(top, &[]));
    // Looking for all of them may take longer than a script may run, on a busy machine.
    let _ = bench.functions.invoke("f", &Event::default());
    assert!(depends_on(&bench, "f") <= 510, "{}", depends_on(&bench, "f"));
}

#[test]
fn a_script_keeps_no_more_than_its_part_of_memory() {
    let large = format!(
        "const held = new Uint8Array(40 << 20).fill(7);\n{}",
        handler("callback(null, String(held.length));")
    );
    let bench = project(&[("functions/f.js", &large)]);
    let error = bench.load_error("f");
    assert!(error.reason.starts_with("the top level leaves 41 MiB"), "{error}");
    assert!(error.reason.contains("32 MiB are the most: make large values in the handler"));
    // In a handler it is nobody else's.
    let later = handler("callback(null, String(new Uint8Array(40 << 20).fill(7).length));");
    bench.write("functions/f.js", &later);
    assert_eq!(text(&bench.invoke("f", &[])), (40 << 20).to_string());
}

#[test]
fn no_more_functions_are_loaded_than_a_project_may_have() {
    let bench = project(&[]);
    for number in 0..MOST_FUNCTIONS + 3 {
        bench.write(&format!("functions/f{number}.routes.toml"), "");
    }
    assert_eq!(bench.functions.names().len(), MOST_FUNCTIONS);
    assert_eq!(bench.functions.beyond(), 3);
    for number in 0..MOST_FUNCTIONS + 3 {
        let _ = bench.functions.check(&format!("f{number}"));
    }
    let last = format!("f{}", MOST_FUNCTIONS + 2);
    let Err(Error::Load(error)) = bench.functions.check(&last) else { panic!("refused") };
    assert_eq!(error.reason, "is not loaded: 1000 functions are");
}

#[test]
fn declarations_are_no_functions_by_any_name() {
    let bench = project(&[("functions/types.d.ts", "export interface A { b: string }")]);
    assert_eq!(bench.functions.access("types.d"), None);
    assert!(bench.functions.names().is_empty() && bench.functions.candidates("types.d").is_empty());
}
