//! What scripts load: other files, packages, JSON, assets; and what they may not.

use super::*;

/// A bench whose folder is a project, with the functions in `functions`.
fn project(files: &[(&str, &str)]) -> Bench {
    let mut bench = Bench::new(files);
    let environment = vec![("GREETING".to_owned(), "hello".to_owned())];
    let dir = bench.dir.path().join("functions");
    bench.functions = Functions::new(dir, environment, bench.sandbox.clone());
    bench
}

/// What the function `f` answers.
fn answer(bench: &Bench) -> String {
    text(&bench.invoke("f", &[])).to_owned()
}

/// What a handler at `functions/f.js` with the body `return EXPRESSION` answers.
fn value(files: &[(&str, &str)], top: &str, expression: &str) -> String {
    let source = format!("{top}\n{}", handler(&format!("callback(null, {expression});")));
    let mut files = files.to_vec();
    files.push(("functions/f.js", &source));
    answer(&project(&files))
}

#[test]
fn functions_require_one_another_in_every_way_that_twilio_s_users_write() {
    let helper = [("functions/lib/helper.private.js", "exports.say = (who) => 'hello ' + who;")];
    for way in [
        "require('./lib/helper.private')",
        "require('./lib/helper.private.js')",
        "require('./lib/helper')",
        "require(Runtime.getFunctions()['lib/helper'].path)",
    ] {
        assert_eq!(value(&helper, &format!("const h = {way};"), "h.say('a')"), "hello a", "{way}");
        // In the handler, where nothing can be loaded any more.
        assert_eq!(value(&helper, "", &format!("{way}.say('b')")), "hello b", "{way}");
    }
    let bench = project(&helper);
    assert_eq!(bench.functions.check("lib/helper"), Ok(()), "a library needs no handler");
    let response = bench.invoke("lib/helper", &[]);
    assert!(text(&response).contains("exports.handler is not a function"), "{response:?}");
}

#[test]
fn packages_are_found_as_node_finds_them() {
    let files = [
        ("node_modules/main/package.json", r#"{"main": "lib/entry"}"#),
        ("node_modules/main/lib/entry.js", "module.exports = () => require('./data').name;"),
        ("node_modules/main/lib/data.json", "\u{feff}{\"name\": \"main\"}"),
        ("node_modules/main/extra/index.js", "module.exports = 'extra';"),
        (
            "node_modules/@scope/exp/package.json",
            r##"{"type": "commonjs", "imports": {"#inner": "./src/inner.js"}, "exports": {
                ".": {"browser": "./no.js", "import": "./no.js", "require": "./src/cjs.js"},
                "./parts/*": "./src/*.js", "./package.json": "./package.json"}}"##,
        ),
        ("node_modules/@scope/exp/src/cjs.js", "module.exports = 'exp ' + require('#inner');"),
        ("node_modules/@scope/exp/src/inner.js", "module.exports = 'inner';"),
        ("node_modules/outer/index.js", "exports.version = require('twice').version;"),
        ("node_modules/outer/node_modules/twice/index.js", "exports.version = 2;"),
        ("node_modules/twice/index.js", "exports.version = 1;"),
        ("functions/node_modules/near/index.js", "module.exports = 'near';"),
    ];
    for (expression, wanted) in [
        ("require('main')()", "main"),
        ("require('main/extra')", "extra"),
        ("require('main/package.json').main", "lib/entry"),
        ("require('@scope/exp')", "exp inner"),
        ("require('@scope/exp/parts/inner')", "inner"),
        ("require('outer').version + '/' + require('twice').version", "2/1"),
        ("require('near')", "near"),
        ("require('main') === require('../node_modules/main/lib/entry.js')", "true"),
        ("require.resolve('main')", "/node_modules/main/lib/entry.js"),
        ("require.resolve('url')", "url"),
        ("String(__filename + ' ' + __dirname)", "/functions/f.js /functions"),
        ("String(require.main === module && module.loaded)", "false"),
    ] {
        let at_top = format!("const v = {expression};");
        assert_eq!(value(&files, &at_top, "v"), wanted, "{expression}");
        let later = value(&files, "", &format!("String({expression})"));
        assert!(later == wanted || later == "true", "{expression}: {later}");
    }
    for (expression, wanted) in [
        ("require('@scope/exp/src/inner.js')", "ERR_PACKAGE_PATH_NOT_EXPORTED"),
        ("require('none')", "MODULE_NOT_FOUND"),
        ("require('main/none')", "MODULE_NOT_FOUND"),
        ("require('./none')", "MODULE_NOT_FOUND"),
    ] {
        let top = format!("let code; try {{ {expression} }} catch (e) {{ code = e.code }}");
        assert_eq!(value(&files, &top, "code"), wanted, "{expression}");
    }
}

#[test]
fn modules_run_once_and_cycles_see_what_is_there_so_far() {
    let files = [
        (
            "functions/a.private.js",
            "exports.early = 1; exports.b = require('./b'); exports.late = 2;",
        ),
        ("functions/b.private.js", "const a = require('./a'); exports.saw = [a.early, a.late];"),
        ("functions/count.private.js", "global.count = (global.count || 0) + 1;"),
    ];
    assert_eq!(value(&files, "const a = require('./a');", "a.b.saw"), "[1,null]");
    let top = "require('./count'); require('./count.private.js');\
               delete require.cache[require.resolve('./count')]; require('./count');";
    assert_eq!(value(&files, top, "String(global.count)"), "2");
}

#[test]
fn assets_are_listed_and_read() {
    let files = [
        ("assets/words/hello.private.json", r#"{"text": "hi"}"#),
        ("assets/tool.private.js", "exports.twice = (n) => 2 * n;"),
        ("assets/seen.json", "{}"),
    ];
    let all = "Object.keys(Runtime.getAssets()).join()";
    assert_eq!(value(&files, "", all), "/tool.js,/words/hello.json");
    let open = "JSON.parse(Runtime.getAssets()['/words/hello.json'].open()).text";
    assert_eq!(value(&files, "", open), "hi");
    let tool = "String(require(Runtime.getAssets()['/tool.js'].path).twice(4))";
    assert_eq!(value(&files, "", tool), "8");
}

#[test]
fn nothing_outside_the_project_is_loaded() {
    let outside = tempfile::tempdir().expect("a folder");
    fs::write(outside.path().join("secret.js"), "module.exports = 'secret';").expect("written");
    let bench = project(&[("functions/g.js", &handler(""))]);
    let link = bench.dir.path().join("functions/link.js");
    std::os::unix::fs::symlink(outside.path().join("secret.js"), link).expect("linked");
    std::os::unix::fs::symlink(outside.path(), bench.dir.path().join("node_modules"))
        .expect("linked");
    let deep = format!("../../../../..{}/secret", outside.path().display());
    let absolute = format!("{}/secret.js", outside.path().display());
    bench.write(".env", "TOKEN");
    bench.write("offhook.toml", "[server]");
    for (name, why) in [
        ("../.env", "hidden files"),
        ("../offhook.toml", ".toml files are no modules"),
        ("./link", "out of the project's folder"),
        ("secret", "out of the project's folder"),
        (&*deep, "out of the project's folder"),
        ("../../x", "out of the project's folder"),
        (&*absolute, "where absolute paths begin"),
        ("/etc/passwd", "where absolute paths begin"),
    ] {
        bench.write("functions/f.js", &format!("\nrequire('{name}');"));
        let error = bench.load_error("f");
        assert!(error.to_string().starts_with("f.js:2:") && error.reason.contains(why), "{error}");
    }
}

#[test]
fn saving_a_required_file_makes_the_function_new() {
    let bench = project(&[
        (
            "functions/f.js",
            "const h = require('./h');\nexports.handler = (c, e, f) => f(null, h.v);",
        ),
        ("functions/h.private.js", "exports.v = 'one';"),
    ]);
    let turn = || bench.functions.stamps().into_iter().find(|(name, _)| name == "f");
    assert_eq!(answer(&bench), "one");
    let first = turn();
    assert_eq!(turn(), first, "nothing happened");
    bench.write("functions/h.private.js", "exports.v = 'two';");
    assert_ne!(turn(), first, "the watcher sees it");
    let second = turn();
    assert_eq!(answer(&bench), "two");
    assert_eq!(turn(), second, "loading is no change");

    bench.write("functions/h.private.js", "exports.v = ;");
    let response = bench.invoke("f", &[]);
    assert_eq!(text(&response), "two");
    let stale = response.stale.expect("the reason");
    assert!(stale.to_string().starts_with("h.private.js:1:13: SyntaxError"), "{stale}");
    // A file that would have been taken first, had it been there.
    bench.write("functions/h.js", "exports.v = 'nearer';");
    assert_eq!(answer(&bench), "nearer");
    fs::remove_file(bench.dir.path().join("functions/h.js")).expect("removed");
    bench.write("functions/h.private.js", "exports.v = 'back';");
    assert_eq!(answer(&bench), "back");
}

#[test]
fn json_that_a_save_breaks_leaves_the_last_good_version_in_force() {
    let good = "{\n  \"text\": \"hi\"\n}";
    let files = |script: &str| {
        let script = format!("{script}\nexports.handler = (c, e, f) => f(null, read().text);");
        let files = [("assets/w.private.json", good), ("functions/f.js", &*script)];
        project(&files)
    };
    let place = "assets/w.private.json:3:1: ";
    for (script, reason) in [
        ("const read = () => JSON.parse(Runtime.getAssets()['/w.json'].open());", "is no JSON"),
        ("const read = () => require(Runtime.getAssets()['/w.json'].path);", "is no JSON"),
        ("const read = () => require('../assets/w.private.json');", "is no JSON"),
        ("const w = require('../assets/w.private.json'); const read = () => w;", "SyntaxError"),
    ] {
        let bench = files(script);
        assert_eq!(answer(&bench), "hi", "{script}");
        bench.write("assets/w.private.json", "{\n  \"text\": \"ho\",\n}");
        let response = bench.invoke("f", &[]);
        assert_eq!(text(&response), "hi", "{script}");
        let stale = response.stale.expect("the reason").in_project().to_string();
        assert!(stale.starts_with(&format!("{place}{reason}")), "{script}: {stale}");
        bench.write("assets/w.private.json", &good.replace("hi", "ho"));
        assert_eq!(answer(&bench), "ho", "{script}");
    }

    // Broken from the start, it may be for another reader than JSON.parse.
    let bench = files("const read = () => ({ text: Runtime.getAssets()['/w.json'].open() });");
    bench.write("assets/w.private.json", "{ // with comments\n}");
    let response = bench.invoke("f", &[]);
    assert_eq!(text(&response), "{ // with comments\n}");
    assert!(response.log[0].text.starts_with("assets/w.private.json:1:3: is no JSON: "));
    assert_eq!((response.log.len(), response.stale.is_none()), (1, true));
    bench.write("assets/w.private.json", "{ // more comments\n}");
    assert_eq!(answer(&bench), "{ // more comments\n}");
}

#[test]
fn a_missing_file_is_found_when_it_is_written() {
    let bench = project(&[("functions/f.js", "const h = require('pack');\nexports.handler = h;")]);
    assert!(bench.load_error("f").reason.contains("npm"), "{}", bench.load_error("f"));
    let handler = "module.exports = (c, e, callback) => callback(null, 'installed');";
    bench.write("node_modules/pack/index.js", handler);
    bench.write("node_modules/pack/package.json", "{}");
    assert_eq!(answer(&bench), "installed");
}

#[test]
fn what_functions_do_not_have_is_said_with_what_to_do() {
    // Packages require what they may never use: it is the use that fails.
    for (code, what, words) in [
        ("require('fs').writeFileSync('/a', 'b')", "fs.writeFileSync", "getAssets"),
        ("require('node:fs/promises').rm('/a')", "fs.promises.rm", "getAssets"),
        ("require('child_process').exec('ls')", "child_process.exec", "start no processes"),
        ("new (require('net').Socket)()", "net.Socket", "open no sockets"),
        ("require('https').createServer()", "https.createServer", "open no sockets"),
        ("require('zlib').gunzipSync('')", "zlib.gunzipSync", "functions have"),
    ] {
        let bench = project(&[("functions/f.js", &format!("const x = 1;\n{code};"))]);
        let error = bench.load_error("f");
        let start = format!(
            "Error [ERR_FEATURE_UNAVAILABLE_ON_PLATFORM]: {what} is not available inside functions"
        );
        assert!(error.reason.starts_with(&start) && error.reason.contains(words), "{error}");
        assert_eq!((&*error.file, error.line), ("f.js", 2), "{error}");
    }
    let error = project(&[("functions/f.js", "require('node:sqlite');")]).load_error("f");
    assert!(error.reason.contains("functions have assert, "), "{error}");
    let later = value(&[], "", "require(['./la', 'te'].join(''))");
    assert!(later.contains("was not loaded when the function was deployed"), "{later}");
}

#[test]
fn bounds_of_what_a_function_loads_are_kept() {
    let bench = project(&[("functions/f.js", "require('./big.js');")]);
    bench.write("functions/big.js", &" ".repeat((4 << 20) + 1));
    let error = bench.load_error("f");
    assert!(error.reason.contains("larger than"), "{error}");
    for number in 0..3 {
        bench.write(
            &format!("functions/{number}.private.json"),
            &format!("\"{}\"", "x".repeat(4_000_000)),
        );
    }
    bench.write("functions/f.js", "for (let n = 0; n < 3; n++) require(`./${n}.private.json`);");
    let error = bench.load_error("f");
    assert!(error.reason.contains("loads more than"), "{error}");
}

#[test]
fn es_modules_are_loaded_natively() {
    let files = [
        ("node_modules/esm/package.json", r#"{"type": "module", "exports": "./index.js"}"#),
        (
            "node_modules/esm/index.js",
            "import { two } from './two.js';\nexport const one = two - 1;\nexport default 'esm';",
        ),
        ("node_modules/esm/two.js", "export const two = 2;"),
        ("node_modules/cjs/index.js", "exports.name = 'cjs'; exports.delete = 1;"),
        ("functions/data.private.json", r#"{"n": 5}"#),
    ];
    for (name, source, wanted) in [
        (
            "f.js",
            "import d, { one } from 'esm';\nexport const handler = (c, e, f) => f(null, d + one);",
            "esm1",
        ),
        (
            "f.mjs",
            "import cjs, { name } from 'cjs';\nexport default (c, e, f) => f(null, name + cjs.delete);",
            "cjs1",
        ),
        (
            "f.mjs",
            "import url, { URLSearchParams as U } from 'node:url';\nexport const handler = (c, e, f) => f(null, String(new U({a: 1})) + (U === url.URLSearchParams));",
            "a=1true",
        ),
        (
            "f.mjs",
            "import data from './data.private.json' with { type: 'json' };\nexport const handler = (c, e, f) => f(null, String(data.n));",
            "5",
        ),
        (
            "f.mjs",
            "const { one } = await import('esm');\nexport default { handler: (c, e, f) => f(null, String(one)) };",
            "1",
        ),
        (
            "f.mjs",
            "export const handler = async (c, e, f) => f(null, (await import('esm')).default);",
            "esm",
        ),
        (
            "f.mjs",
            "export const handler = (c, e, f) => f(null, import.meta.filename + ' ' + import.meta.url);",
            "/functions/f.mjs file:///functions/f.mjs",
        ),
        (
            "f.js",
            "const { one } = require('esm');\nexports.handler = (c, e, f) => f(null, String(one));",
            "1",
        ),
    ] {
        let path = format!("functions/{name}");
        let mut files = files.to_vec();
        files.push((&path, source));
        assert_eq!(answer(&project(&files)), wanted, "{source}");
    }
    let bench = project(&[("functions/f.mjs", "export const other = 1;")]);
    assert!(bench.load_error("f").reason.contains("exports no handler"));
    let bench = project(&[("functions/f.mjs", "await new Promise(() => {});")]);
    assert!(bench.load_error("f").reason.contains("the top level waits"));
}

#[test]
fn errors_name_the_file_that_they_come_from() {
    let bad = "\nexports.fail = () => {\n  throw new TypeError('bad');\n};\n";
    for (helper, main) in [
        ("functions/h.private.js", "const h = require('./h');\nexports.handler = () => h.fail();"),
        ("node_modules/h/index.js", "const h = require('h');\nexports.handler = () => h.fail();"),
    ] {
        let bench = project(&[(helper, bad), ("functions/f.js", main)]);
        let response = bench.invoke("f", &[]);
        let error: serde_json::Value = serde_json::from_slice(&response.body).expect("JSON");
        let name = helper.replace("functions/", "").replace("node", "../node");
        let stack: Vec<&str> = error["stack"].as_str().expect("text").lines().collect();
        assert_eq!(stack[0], "TypeError: bad");
        assert!(stack[1].contains(&format!("({name}:3:")), "{stack:?}");
        assert!(stack[2].contains("(f.js:2:"), "{stack:?}");
        assert_eq!(stack.len(), 3, "{stack:?}");
    }
    for (helper, place) in [
        ("\nmissing();", "h.private.js:2:1: ReferenceError"),
        ("\n\n  let 1;", "h.private.js:3:7: SyntaxError"),
        ("import x from './none.js';", "h.private.js:1:15: Error: Cannot find module './none.js'"),
        ("import { f } from 'url';\n\nf(;", "h.private.js:3:3: SyntaxError"),
        ("export const a = 1;\nthrow new Error('x');", "h.private.js:2:"),
    ] {
        let bench =
            project(&[("functions/h.private.js", helper), ("functions/f.js", "require('./h');")]);
        let error = bench.load_error("f").to_string();
        assert!(error.starts_with(place), "{helper}: {error}");
    }
    let bench = project(&[
        ("functions/h.private.json", "{\n  bad\n}"),
        ("functions/f.js", "require('./h.private.json');"),
    ]);
    let error = bench.load_error("f").to_string();
    assert!(error.starts_with("h.private.json:2:3: SyntaxError: "), "where it is broken: {error}");
}

#[test]
fn typescript_runs_with_its_places_kept() {
    let files = [
        ("functions/types.d.ts", "export interface Caller { name: string }"),
        (
            "functions/greet.private.ts",
            "export const greet = <T extends string>(who: T): string => `hello ${who}`;",
        ),
        ("functions/legacy.private.ts", "const n: number = 4;\nmodule.exports = { n };"),
    ];
    let typed = "import type { Caller } from './types';\nimport { greet } from './greet.private.js';\n\
                 const { n } = require2('./legacy');\n\
                 export const handler = (context: any, event: Caller, callback: Function): void =>\n  \
                 callback(null, greet(event.name as string) + n);\n"
        .replace("const { n } = require2('./legacy');", "import legacy from './legacy'; const n: number = legacy.n;");
    let mut all = files.to_vec();
    all.push(("functions/f.ts", &typed));
    let bench = project(&all);
    assert_eq!(text(&bench.invoke("f", &[("name", "a")])), "hello a4");
    assert_eq!(bench.functions.names(), ["f", "greet", "legacy"]);

    let bench = project(&[
        ("functions/f.ts", include_str!("../../../../functions/samples/hours.ts")),
        (
            "functions/calendar.private.ts",
            include_str!("../../../../functions/samples/calendar.ts"),
        ),
    ]);
    let closed = bench.invoke("f", &[("From", "+15550100001")]);
    assert!(
        text(&closed).contains("<Say>We are closed. Please call again on Monday.</Say>"),
        "{closed:?}"
    );

    let bench = project(&[("functions/f.ts", "const a: number = 1;\nexport enum E { A }")]);
    let error = bench.load_error("f").to_string();
    assert!(error.starts_with("f.ts:2:8: SyntaxError: enums are more than types"), "{error}");
    let source =
        "type A = string;\nexport const handler = (a: A, b: A): void => { throw new Error('x'); };";
    let response = project(&[("functions/f.ts", source)]).invoke("f", &[]);
    assert!(text(&response).contains("(f.ts:2:58)"), "{response:?}");
}

#[test]
fn a_type_that_npm_writes_unasked_does_not_decide_for_the_project_s_own_files() {
    let export = "export const handler = (c, e, f) => f(null, 'exported');";
    let typed = "import dep from 'dep';\n\
                 export const handler = (c: any, e: any, f: Function): void => f(null, dep.a);";
    for (name, source, wanted) in [
        ("functions/f.js", export, "exported"),
        ("functions/f.ts", typed, "dep"),
        (
            "functions/f.js",
            "exports.handler = (c, e, f) => f(null, String(typeof require));",
            "function",
        ),
    ] {
        let bench = project(&[
            ("package.json", r#"{"name": "p", "type": "commonjs"}"#),
            ("node_modules/dep/package.json", r#"{"type": "commonjs"}"#),
            ("node_modules/dep/index.js", "exports.a = 'dep';"),
            (name, source),
        ]);
        assert_eq!(answer(&bench), wanted, "{name}");
    }
    // What a package says of itself was meant.
    let bench = project(&[
        ("node_modules/dep/package.json", r#"{"type": "commonjs"}"#),
        ("node_modules/dep/index.js", "export const a = 1;"),
        ("functions/f.js", "require('dep');"),
    ]);
    assert!(bench.load_error("f").reason.contains("export"), "{}", bench.load_error("f"));
}

#[test]
fn imports_of_types_alone_need_no_code() {
    let package = [
        (
            "node_modules/@scope/types/package.json",
            r#"{"main": "index.js", "types": "index.d.ts"}"#,
        ),
        ("node_modules/@scope/types/index.js", ""),
        ("node_modules/@scope/types/index.d.ts", "declare global {}"),
        ("node_modules/@scope/types/types.d.ts", "export type Context<T = {}> = T;"),
        ("node_modules/bare/package.json", r#"{"types": "index.d.ts"}"#),
    ];
    let source = "import '@scope/types';\nimport { Context, Callback } from '@scope/types/types';\n\
                  export const handler = (context: Context<{ A: string }>, e: any, f: Callback) =>\n  \
                  f(null, 'typed');";
    let mut files = package.to_vec();
    files.push(("functions/f.ts", source));
    assert_eq!(answer(&project(&files)), "typed");
    for (line, what) in [
        ("import { Context } from '@scope/types/types'; Context();", "@scope/types/types"),
        ("export { A } from 'bare';", "bare"),
    ] {
        let mut files = package.to_vec();
        files.push(("functions/f.ts", line));
        let error = project(&files).load_error("f");
        let wanted = format!("{what} has types and no code: write import type");
        assert!(error.reason.contains(&wanted), "{error}");
    }
}

#[test]
fn functions_that_a_text_does_not_name_are_at_hand_and_not_run() {
    let files = [
        ("node_modules/noisy/index.js", "global.ran = (global.ran || 0) + 1; exports.a = 'a';"),
        (
            "functions/other.js",
            "const { a } = require('noisy'); exports.handler = (c, e, f) => f(null, a); exports.a = a;",
        ),
        ("functions/lib.private.js", "exports.say = () => 'said';"),
    ];
    let named = "Runtime.getFunctions()['lib'].path";
    let ran = "+ ' ' + (global.ran || 0)";
    assert_eq!(value(&files, "", &format!("require({named}).say() {ran}")), "said 0");
    // Put together, or named: either way it is there.
    let other = "Runtime.getFunctions()[['ot', 'her'].join('')].path";
    assert_eq!(value(&files, "", &format!("require({other}).a {ran}")), "a 1");
    let other = "Runtime.getFunctions()['other'].path";
    assert_eq!(value(&files, "", &format!("require({other}).a {ran}")), "a 1");
}
