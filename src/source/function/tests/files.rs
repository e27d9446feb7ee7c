//! Names, files and edits.

use super::*;

#[test]
fn file_names_say_who_may_call() {
    let good = handler("callback(null, 'x');");
    let bench = Bench::new(&[
        ("open.js", &good),
        ("closed.protected.js", &good),
        ("menu/inner.private.wat", LIBRARY),
    ]);
    let access = |name: &str| bench.functions.access(name);
    assert_eq!(access("open"), Some(Access::Public));
    assert_eq!(access("closed"), Some(Access::Protected));
    assert_eq!(access("menu/inner"), Some(Access::Private));
    assert_eq!(bench.functions.names(), ["closed", "menu/inner", "open"]);
    // The strictest file of a name counts.
    bench.write("open.protected.js", &good);
    assert_eq!(access("open"), Some(Access::Protected));
}

#[test]
fn names_reach_only_functions() {
    let bench = Bench::new(&[("a.protected.js", &handler("")), (".hidden.js", &handler(""))]);
    fs::write(bench.dir.path().join("../outside.js"), handler("")).expect("written");
    for name in [
        "../outside",
        "a.protected",
        "a.private",
        ".hidden",
        "",
        "/a",
        "a/",
        "./a",
        "a\0",
        "a//b",
        "x",
    ] {
        assert_eq!(bench.functions.access(name), None, "{name:?}");
        let error = bench.functions.invoke(name, &Event::default()).expect_err("not found");
        assert_eq!(error.status(), 404, "{name:?}");
    }
}

#[test]
fn an_edit_is_live_and_a_broken_one_keeps_the_last_good_version() {
    let bench = Bench::new(&[("f.js", &handler("callback(null, 'one');"))]);
    assert_eq!(text(&bench.invoke("f", &[])), "one");
    bench.write("f.js", &handler("callback(null, 'two');"));
    assert_eq!(text(&bench.invoke("f", &[])), "two");

    bench.write("f.js", &handler("callback(null, 'three'"));
    let response = bench.invoke("f", &[]);
    assert_eq!(text(&response), "two");
    let stale = response.stale.expect("the reason");
    // The parenthesis that line 2 lacks is missed at the brace that ends the handler.
    assert_eq!((&*stale.file, stale.line), ("f.js", 3), "{stale}");
    assert!(stale.column > 0 && stale.reason.contains("SyntaxError"), "{stale}");
    assert_eq!(bench.functions.check("f"), Err(Error::Load(stale)));

    bench.write("f.js", &handler("callback(null, 'four');"));
    let response = bench.invoke("f", &[]);
    assert_eq!((text(&response), &response.stale), ("four", &None));
    fs::remove_file(bench.dir.path().join("f.js")).expect("removed");
    assert_eq!(bench.functions.check("f"), Err(Error::NotFound("f".to_owned())));
}

#[test]
fn saves_of_one_length_in_quick_succession_all_take_effect() {
    let asks = handler("callback(null, String(require('./one.private')));");
    // As if the file system's clock had stood still since.
    let host = TestHost::at(WallTime::from_unix_millis(0));
    let bench = Bench::with_host(&[("g.js", &asks)], 4, host);
    for save in 100..150 {
        bench.write("f.js", &handler(&format!("callback(null, '{save}');")));
        bench.write("one.private.js", &format!("module.exports = {save};"));
        let got = ["f", "g"].map(|name| text(&bench.invoke(name, &[])).to_owned());
        assert_eq!(got, [save.to_string(), save.to_string()]);
    }
}

#[test]
fn the_last_good_version_answers_nobody_who_could_not_have_asked_it() {
    let secret = handler("callback(null, 'secret');");
    let bench = Bench::new(&[("pay.protected.js", &secret)]);
    let rename = |from: &str, to: &str| {
        let path = |name: &str| bench.dir.path().join(name);
        fs::rename(path(from), path(to)).expect("renamed");
    };
    assert_eq!(text(&bench.invoke("pay", &[])), "secret");
    rename("pay.protected.js", "pay.js");
    bench.write("pay.js", "exports.handler = (");
    let error = bench.load_error("pay");
    assert_eq!(error.file, "pay.js", "public now, and broken");
    let loaded = bench.functions.load("pay").expect("looked at").0;
    assert!(!loaded.kept && loaded.broken.is_some());

    // The other way round nobody hears what was not for them.
    bench.write("pay.js", &handler("callback(null, 'open');"));
    assert_eq!(text(&bench.invoke("pay", &[])), "open");
    rename("pay.js", "pay.protected.js");
    bench.write("pay.protected.js", "exports.handler = (");
    let answer = bench.invoke("pay", &[]);
    assert_eq!((text(&answer), answer.stale.is_some()), ("open", true));
}

#[test]
fn a_file_broken_from_the_start_says_where() {
    let bench = Bench::new(&[
        ("throws.js", "const a = 1;\n\nthrow new Error('no configuration');\n"),
        ("empty.js", "const a = 1;\n"),
        ("deep/throws.js", "  undefinedFunction();"),
    ]);
    let error = bench.load_error("throws");
    assert_eq!((&*error.file, error.line), ("throws.js", 3), "{error}");
    assert_eq!(error.reason, "Error: no configuration");
    let error = bench.load_error("empty");
    assert!(error.reason.contains("exports.handler is not a function"), "{error}");
    let error = bench.load_error("deep/throws");
    assert!(error.to_string().starts_with("deep/throws.js:1:3: ReferenceError"), "{error}");
}

#[test]
fn what_top_level_code_logs_is_not_lost() {
    let bench = Bench::new(&[(
        "f.js",
        "console.log('loaded');\nexports.handler = (c, e, callback) => { callback(null, 'x'); };",
    )]);
    assert_eq!(bench.invoke("f", &[]).log[0].text, "loaded");
    assert_eq!(bench.invoke("f", &[]).log, []);
}

#[test]
fn columns_of_the_first_line_are_those_of_the_file() {
    for (source, place) in [
        ("const = 1;", "f.js:1:7: "),
        ("let a = 1; let a = 2;", "f.js:1:18: "),
        ("const s = 'open;", "f.js:1:11: "),
        ("é = missing;", "f.js:1:5: "),
        ("}", "f.js:1:2: "),
        ("if (1) {", "f.js:1:9: "),
        ("throw new Error('x');", "f.js:1:11: "),
        ("\n\tmissing;", "f.js:2:2: "),
        ("exports.handler = (c, e, callback) => { callback(null, 'x' };", "f.js:1:60: "),
    ] {
        let error = Bench::new(&[("f.js", source)]).load_error("f").to_string();
        assert!(error.starts_with(place), "{source}: {error}");
    }
    let source = "exports.handler = () => { throw new Error('x'); };";
    let response = Bench::new(&[("f.js", source)]).invoke("f", &[]);
    assert!(text(&response).contains("(f.js:1:37)"), "{response:?}");
}
