//! The committed XML schema is what the verb tables say.

use offhook::verb::schema;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/markup-schema/voice.xsd");

#[test]
fn the_file_is_what_the_tables_say() {
    let file = std::fs::read_to_string(FILE).unwrap_or_default();
    let advice = "run: cargo test --test schema -- --ignored";
    assert!(file == schema(), "markup-schema/voice.xsd is out of date; {advice}");
}

#[test]
#[ignore = "writes markup-schema/voice.xsd"]
fn write_the_file() {
    std::fs::write(FILE, schema()).expect("the folder is there");
}
