//! Values that outlive a run: `Offhook.store`, and Sync on it.

use super::*;

#[tokio::test]
async fn values_are_shared_by_those_that_name_one_store_and_survive_a_restart() {
    let text = "[[function]]\nname = \"f\"\nstore = true\n[[function]]\nname = \"g\"\nstore = true\n\
                [[function]]\nname = \"h\"\nstore = \"own\"\n";
    let bench = Bench::new(text);
    bench.keep_on_disk().await;
    let got = bench
        .run(
            "const s = Offhook.store;\n\
             await s.set('a/1', { n: 1 }); await s.set('a/2', [2]); await s.set('b', 'x');\n\
             const first = await s.entry('b');\n\
             await s.set('b', 'y', { revision: first.revision });\n\
             const counts = await Promise.all([1, 2, 3].map(() => s.update('count', (n = 0) => n + 1)));\n\
             return { stale: (await failure(() => s.set('b', 'z', { revision: first.revision })))[0],\n\
             taken: (await failure(() => s.set('b', 'z', { revision: 0 })))[0],\n\
             list: (await s.list('a/')).map((e) => [e.key, e.value]), none: (await s.get('none')) === undefined,\n\
             gone: [await s.delete('a/1'), await s.delete('a/1')], count: Math.max(...counts),\n\
             big: (await failure(() => s.set('big', 'x'.repeat(70000))))[0],\n\
             key: (await failure(() => s.get('k'.repeat(257))))[0] };",
        )
        .await;
    let wanted = json!({ "stale": "Conflict", "taken": "Conflict", "list": [["a/1", { "n": 1 }], ["a/2", [2]]],
        "none": true, "gone": [true, false], "count": 3, "big": "TooLarge", "key": "BadOperation" });
    assert_eq!(got, wanted);
    assert_eq!(bench.run_as("g", "return Offhook.store.get('b');").await, "y");
    let got = bench.run_as("h", "return (await Offhook.store.list()).length;").await;
    assert_eq!(got, 0, "another store");

    let Bench { folder, opened, server } = bench;
    drop(opened);
    let again = Opened::open_to_serve(config(folder.path(), text), "http://127.0.0.1:1".to_owned());
    let bench = Bench { folder, opened: again.expect("opened"), server };
    bench.keep_on_disk().await;
    assert_eq!(bench.run("return Offhook.store.get('count');").await, 3);
}

#[tokio::test]
async fn sync_keeps_documents_maps_and_lists() {
    let bench = Bench::granted();
    let got = bench
        .run(
            "const sync = Runtime.getSync();\n\
             const doc = await sync.documents.create({ uniqueName: 'd/1', data: { a: 1 }, ttl: 60 });\n\
             const taken = await sync.documents.create({ uniqueName: 'd/1' }).catch((e) => [e.status, e.code]);\n\
             await sync.documents('d/1').update({ data: { a: 2 } });\n\
             const found = await sync.documents('d/1').fetch();\n\
             const elsewhere = await Runtime.getSync({ serviceName: 'IS1' }).documents('d/1').fetch().catch((e) => [e.status, e.code]);\n\
             await sync.maps.create({ uniqueName: 'm' });\n\
             await sync.maps('m').syncMapItems.create({ key: 'k', data: { v: 1 } });\n\
             const item = await sync.syncMaps('m').syncMapItems('k').update({ data: { v: 2 } });\n\
             const keys = (await sync.maps('m').syncMapItems.list()).map((i) => i.key);\n\
             const lost = await sync.maps('none').syncMapItems.create({ key: 'k', data: 1 }).catch((e) => e.status);\n\
             await sync.lists.create({ uniqueName: 'l' });\n\
             for (const n of [5, 6]) await sync.lists('l').syncListItems.create({ data: { n } });\n\
             const items = (await sync.lists('l').syncListItems.list()).map((i) => [i.index, i.data.n]);\n\
             const second = await sync.lists('l').syncListItems(1).fetch();\n\
             const removed = await sync.maps('m').remove();\n\
             const after = await sync.maps('m').syncMapItems('k').fetch().catch((e) => e.code);\n\
             return { sid: /^ET[0-9a-f]{32}$/.test(doc.sid), taken, data: found.data, elsewhere, expires: found.dateExpires instanceof Date,\n\
             item: item.data, keys, lost, items, second: second.data, removed, after, all: (await sync.documents.list()).length };",
        )
        .await;
    let wanted = json!({ "sid": true, "taken": [409, 54301], "data": { "a": 2 }, "elsewhere": [404, 20404],
        "expires": true, "item": { "v": 2 }, "keys": ["k"], "lost": 404, "items": [[0, 5], [1, 6]],
        "second": { "n": 6 }, "removed": true, "after": 20404, "all": 1 });
    assert_eq!(got, wanted);
}

#[tokio::test]
async fn a_caller_who_comes_again_is_known() {
    let bench = Bench::new(&format!(
        "{ALLOW}[functions]\nenv = {{ CRM_URL = \"http://127.0.0.1:PORT/crm\" }}\n\
         [[function]]\nname = \"returning\"\nhosts = [\"127.0.0.1:PORT\"]\nstore = true\n"
    ));
    bench.write("returning.js", include_str!("../../../../functions/samples/returning.js"));
    let mut said = vec![];
    for from in ["+15550001111", "+15550001111", "+15550002222"] {
        let invocation = Invocation {
            query: vec![("From".to_owned(), from.to_owned())],
            ..Invocation::default()
        };
        let ran = bench.opened.project.functions.invoke("returning", invocation).await;
        let text = String::from_utf8_lossy(&ran.body).into_owned();
        said.push(text.split("Say>").nth(1).unwrap_or(&text).to_owned());
    }
    assert_eq!(said, ["Welcome</", "Welcome back, Ada &amp; Co</", "Welcome</"]);
}
