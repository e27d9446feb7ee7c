//! What documents are read, and where each mistake is shown.

use super::*;

fn root(xml: &str) -> Element {
    parse(xml.as_bytes()).unwrap_or_else(|error| panic!("{xml}: {error}")).root
}

fn refusal(xml: &str) -> Diagnostic {
    match parse(xml.as_bytes()) {
        Ok(_) => panic!("{xml} was taken"),
        Err(error) => error,
    }
}

#[test]
fn every_part_has_its_line_and_character() {
    let tree = root("<Response>\n  <Säy voice='a'\n    loop =\"2\">héllo</Säy>\n</Response>");
    let say = tree.elements().next().expect("an element");
    assert_eq!((say.name.as_str(), say.position), ("Säy", Position { line: 2, column: 3 }));
    assert_eq!(say.attributes[0].position, Position { line: 2, column: 8 });
    assert_eq!(say.attributes[1].position, Position { line: 3, column: 5 });
    assert_eq!(say.attributes[1].value, "2");
    let Node::Text { position, .. } = &say.children[0] else { panic!("no text") };
    assert_eq!(*position, Position { line: 3, column: 15 });
}

#[test]
fn references_and_cdata_are_text() {
    let tree = root("<a b='x&amp;y&#x41;&#10;z'>1 &lt; 2 <![CDATA[& <raw>]]>&#233;&quot;</a>");
    assert_eq!(tree.attributes[0].value, "x&yA\nz");
    assert_eq!(tree.text(), "1 < 2 & <raw>é\"");
    assert_eq!(tree.children.len(), 1, "touching pieces are one text");
}

#[test]
fn text_is_flattened_through_children() {
    let tree = root("<Say>  one\n two <break/>three<sub alias='x'>four</sub> </Say>");
    assert_eq!(tree.flat_text(), "one two three four");
    assert_eq!(tree.text(), "one\n two three");
}

#[test]
fn noise_before_the_declaration_is_tolerated_with_a_warning() {
    let tree = parse("\u{FEFF}\n\n<?xml version=\"1.0\"?><Response/>".as_bytes()).expect("read");
    assert_eq!(tree.warnings.len(), 2);
    assert!(tree.warnings.iter().all(|w| w.code == 12200));
    assert_eq!(tree.root.position, Position { line: 3, column: 22 });
    assert!(parse(b"\n<Response/>").expect("read").warnings.is_empty());
}

#[test]
fn bounds_hold() {
    assert_eq!(refusal("").code, 11770);
    assert_eq!(refusal(" \n ").code, 11770);
    assert_eq!(refusal(&format!("<a>{}</a>", "x".repeat(MAX_BYTES))).code, 11750);
    let deep = |n: usize| format!("{}{}", "<a>".repeat(n), "</a>".repeat(n));
    root(&deep(MAX_DEPTH));
    assert_eq!(refusal(&deep(MAX_DEPTH + 1)).code, 12100);
    let wide = |n: usize| format!("<a>{}</a>", "<b/>".repeat(n));
    root(&wide(MAX_ELEMENTS - 1));
    assert_eq!(refusal(&wide(MAX_ELEMENTS)).code, 12100);
}

#[test]
fn mistakes_are_12100_at_their_place() {
    let cases = [
        ("<!DOCTYPE r [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><Response/>", 1, 1),
        ("<Response>&x;</Response>", 1, 11),
        ("<Response>\n<Say>a</Sy></Response>", 2, 7),
        ("<Response>\n <Say>a & b</Say></Response>", 2, 9),
        ("<Response><Say a='1' a='2'/></Response>", 1, 22),
        ("<Response><Say a=1/></Response>", 1, 18),
        ("<Response><Say a='<'/></Response>", 1, 16),
        ("<Response><Say a='x & y'/></Response>", 1, 16),
        ("<Response/><Response/>", 1, 12),
        ("<Response/> tail", 1, 13),
        ("head<Response/>", 1, 1),
        ("<Response>\n  <Say>never closed", 2, 3),
        ("<Response>&#0;</Response>", 1, 11),
        ("<Response>\u{1}</Response>", 1, 11),
        ("<Response><1/></Response>", 1, 11),
    ];
    for (xml, line, column) in cases {
        let error = refusal(xml);
        assert_eq!(error.code, 12100, "{xml}: {error}");
        assert_eq!(error.position, Position { line, column }, "{xml}: {error}");
        assert!(error.to_string().starts_with(&format!("{line}:{column}: error 12100: ")));
    }
    let error = parse(b"<Response>\n\xff</Response>").expect_err("not UTF-8");
    assert_eq!((error.code, error.position), (12100, Position { line: 2, column: 1 }));
}

#[test]
fn web_pages_are_named_by_their_first_line() {
    for page in [
        "<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>x</body></html>",
        "<html>\n<head><title>502 Bad Gateway</title><br></html>",
    ] {
        let error = refusal(page);
        assert_eq!(error.code, 12102);
        assert!(error.message.contains("502 Bad Gateway"), "{error}");
    }
}

#[test]
fn no_prefix_of_a_document_panics() {
    let xml = "<?xml version='1.0'?><!-- c --><Response><Say a=\"é&#x20;\">x&amp;<![CDATA[y]]></Say></Response>";
    for end in 0..xml.len() {
        let _ = parse(&xml.as_bytes()[..end]);
        let mut broken = xml.as_bytes().to_vec();
        broken[end] = b'<';
        let _ = parse(&broken);
        broken[end] = b'&';
        let _ = parse(&broken);
    }
}

#[test]
fn places_are_told_from_one_another_and_attributes_are_bounded() {
    let tree = parse("<a\n b='é' c=''>\n\u{FEFF}é<d e=''/>\n <f/></a>".as_bytes()).expect("fine");
    let place = |position: Position| (position.line, position.column);
    let [b, c] = tree.root.attributes.as_slice() else { panic!("{:?}", tree.root) };
    assert_eq!((place(b.position), place(c.position)), ((2, 2), (2, 8)));
    let inner: Vec<_> = tree.root.elements().map(|element| place(element.position)).collect();
    assert_eq!(inner, [(3, 2), (4, 2)]);
    let with = |count: usize| {
        let attributes: String = (0..count).map(|n| format!(" a{n}=''")).collect();
        parse(format!("<Response><Say{attributes}/></Response>").as_bytes())
    };
    assert!(with(MAX_ATTRIBUTES).is_ok());
    let error = with(MAX_ATTRIBUTES + 1).expect_err("too many");
    assert_eq!((error.code, place(error.position)), (12100, (1, 11)));
}
