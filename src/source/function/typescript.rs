//! TypeScript to JavaScript by taking the types out: each byte of a type becomes a blank, so that
//! every line and column stays what it was.
//!
//! What has no JavaScript of its own underneath (enums, namespaces, parameter properties,
//! decorators) is refused with its place; nothing is checked and nothing is rewritten.

use std::collections::HashSet;
use std::ops::ControlFlow;

use tree_sitter::{Node, ParseOptions, ParseState, Parser};

/// What cannot be stripped, and where; the column counts bytes, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unstripped {
    pub(super) line: usize,
    pub(super) column: usize,
    pub(super) reason: &'static str,
}

/// The JavaScript in a TypeScript file, unless `is_over` says that its time is: there are texts that
/// take hours to read.
pub(super) fn strip(source: &str, is_over: &mut dyn FnMut() -> bool) -> Result<String, Unstripped> {
    let mut parser = Parser::new();
    let language = tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into();
    parser.set_language(&language).expect("the grammar is of the library's version");
    let mut read = |from: usize, _| source.as_bytes().get(from..).unwrap_or_default();
    let mut progress = |_: &ParseState| match is_over() {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    };
    let options = ParseOptions::new().progress_callback(&mut progress);
    let tree = parser.parse_with_options(&mut read, None, Some(options)).ok_or(TOO_LONG)?;
    let mut stripped = Stripped { source: source.as_bytes(), out: source.as_bytes().to_vec() };
    let (mut failed, mut imports, mut values) = (None, Vec::new(), HashSet::new());
    // A list of what is to be visited, not recursion: files may nest as deep as they like.
    let mut open = vec![tree.root_node()];
    let mut visited = 0u32;
    while let Some(node) = open.pop() {
        visited = visited.wrapping_add(1);
        if visited.is_multiple_of(LOOK) && is_over() {
            return Err(TOO_LONG);
        }
        if node.is_error() || node.is_missing() {
            // The first in the file: what comes after may follow from it.
            let place = unstripped(node, "this is no TypeScript that can be read");
            failed = earlier(failed, place);
            continue;
        }
        match node.kind() {
            "import_clause" if !node.has_error() => {
                imports.push(node);
                continue;
            }
            kind if VALUES.contains(&kind) => {
                values.insert(&source[node.byte_range()]);
            }
            _ => {}
        }
        match stripped.visit(node) {
            Ok(rest) => open.extend(rest),
            Err(place) => failed = earlier(failed, place),
        }
    }
    for clause in imports {
        stripped.elide(clause, &|name| values.contains(&source[name.byte_range()]));
    }
    match failed {
        Some(place) => Err(place),
        None => Ok(String::from_utf8_lossy(&stripped.out).into_owned()),
    }
}

const TOO_LONG: Unstripped =
    Unstripped { line: 1, column: 1, reason: "this takes too long to read" };

/// Names that stand for values where they are visited, which no type is.
const VALUES: &[&str] =
    &["identifier", "shorthand_property_identifier", "shorthand_property_identifier_pattern"];

/// Nodes between looks at the clock: each may take as long as the file is.
const LOOK: u32 = 16;

fn earlier(first: Option<Unstripped>, other: Unstripped) -> Option<Unstripped> {
    match first {
        Some(first) if (first.line, first.column) <= (other.line, other.column) => Some(first),
        _ => Some(other),
    }
}

fn unstripped(node: Node<'_>, reason: &'static str) -> Unstripped {
    let place = node.start_position();
    Unstripped { line: place.row + 1, column: place.column + 1, reason }
}

fn children(node: Node<'_>) -> Vec<Node<'_>> {
    node.children(&mut node.walk()).collect()
}

fn has(node: Node<'_>, kind: &str) -> bool {
    child(node, kind).is_some()
}

fn child<'a>(node: Node<'a>, kind: &str) -> Option<Node<'a>> {
    children(node).into_iter().find(|child| child.kind() == kind)
}

/// Whether all of the node is type, so that none of its children is anything else.
fn is_gone(node: Node<'_>) -> bool {
    const TYPES: &[&str] = &[
        "interface_declaration",
        "type_alias_declaration",
        "ambient_declaration",
        "function_signature",
        "abstract_method_signature",
        "method_signature",
        "index_signature",
        "type_annotation",
        "asserts_annotation",
        "type_predicate_annotation",
        "type_parameters",
        "type_arguments",
        "implements_clause",
    ];
    match node.kind() {
        "required_parameter" => has(node, "this"),
        "public_field_definition" => has(node, "declare") || has(node, "abstract"),
        "import_statement" | "export_statement" => is_type_only(node),
        "export_specifier" => has(node, "type"),
        kind => TYPES.contains(&kind),
    }
}

/// Whether an import or export is of types.
fn is_type_only(node: Node<'_>) -> bool {
    const TYPES: &[&str] = &[
        "type",
        "typeof",
        "namespace",
        "interface_declaration",
        "type_alias_declaration",
        "ambient_declaration",
        "function_signature",
    ];
    children(node).iter().any(|child| TYPES.contains(&child.kind()))
}

/// What would need other JavaScript in its place.
fn refuse(node: Node<'_>) -> Result<(), Unstripped> {
    let reason = match node.kind() {
        "enum_declaration" => {
            "enums are more than types: write a const object, as in const Color = { Red: 0 }"
        }
        "internal_module" | "module" if node.is_named() => {
            "namespaces are more than types: write a module of its own"
        }
        "import_alias" | "import_require_clause" => {
            "import … = is not JavaScript: write import … from or const … = require(…)"
        }
        "decorator" => "decorators are not in this JavaScript: call the function yourself",
        "export_statement" if has(node, "=") => "export = is not JavaScript: write export default",
        "required_parameter" | "optional_parameter" => {
            let modifier = ["accessibility_modifier", "override_modifier", "readonly"]
                .iter()
                .find_map(|kind| child(node, kind));
            let Some(modifier) = modifier else { return Ok(()) };
            let reason = "parameter properties are more than types: declare the field and assign \
                          it in the constructor";
            return Err(unstripped(modifier, reason));
        }
        "type_assertion" => {
            let arrow = node.parent().is_some_and(|parent| parent.kind() == "arrow_function");
            let object = children(node).last().is_some_and(|last| last.kind() == "object");
            if !(arrow && object) {
                return Ok(());
            }
            "without its type this is a block: write ({ … } as T)"
        }
        _ => return Ok(()),
    };
    Err(unstripped(node, reason))
}

/// What an entry of an import is called in the file that imports it.
fn local_name(entry: Node<'_>) -> Option<Node<'_>> {
    match entry.kind() {
        "identifier" => Some(entry),
        "namespace_import" => children(entry).into_iter().find(|c| c.kind() == "identifier"),
        _ => entry.child_by_field_name("alias").or_else(|| entry.child_by_field_name("name")),
    }
}

struct Stripped<'a> {
    source: &'a [u8],
    out: Vec<u8>,
}

impl Stripped<'_> {
    /// Blanks what of a node is type; gives those of its children that are to be visited.
    fn visit<'a>(&mut self, node: Node<'a>) -> Result<Vec<Node<'a>>, Unstripped> {
        match node.kind() {
            "interface_declaration"
            | "type_alias_declaration"
            | "ambient_declaration"
            | "function_signature"
            | "abstract_method_signature"
            | "method_signature"
            | "index_signature" => self.remove_statement(node),
            "type_annotation" | "asserts_annotation" | "type_predicate_annotation" => {
                self.remove_annotation(node);
            }
            "type_parameters" | "type_arguments" | "implements_clause" => {
                self.blank(node.start_byte(), node.end_byte());
            }
            "as_expression" | "satisfies_expression" => {
                self.remove_cast(node);
                // The type is gone; the expression may hold more.
                return Ok(node.child(0).into_iter().collect());
            }
            "non_null_expression" | "variable_declarator" => self.remove_tokens(node, &["!"]),
            "method_definition" | "optional_parameter" => self.remove_tokens(node, &["?"]),
            "accessibility_modifier" | "override_modifier" => self.remove_modifier(node),
            "readonly" | "abstract" if !node.is_named() => self.remove_modifier(node),
            "required_parameter" if has(node, "this") => self.remove_from_list(node),
            "public_field_definition" if has(node, "declare") || has(node, "abstract") => {
                self.remove_statement(node);
            }
            "public_field_definition" => self.remove_tokens(node, &["?", "!"]),
            "import_statement" | "export_statement" if is_type_only(node) => {
                self.remove_statement(node);
            }
            "export_specifier" if has(node, "type") => {
                self.remove_from_list(node);
            }
            _ => {}
        }
        refuse(node)?;
        let keeps = !is_gone(node);
        Ok(if keeps { children(node) } else { vec![] })
    }

    /// Spaces, where there is no line end.
    fn blank(&mut self, from: usize, to: usize) {
        for byte in &mut self.out[from..to] {
            if !matches!(byte, b'\n' | b'\r') {
                *byte = b' ';
            }
        }
    }

    /// Leaves a semicolon, so that the lines around it do not become one statement.
    fn remove_statement(&mut self, node: Node<'_>) {
        self.blank(node.start_byte(), node.end_byte());
        self.out[node.start_byte()] = b';';
    }

    fn remove_tokens(&mut self, node: Node<'_>, kinds: &[&str]) {
        for child in children(node).into_iter().filter(|child| kinds.contains(&child.kind())) {
            self.blank(child.start_byte(), child.end_byte());
        }
    }

    /// A modifier; at the start of a class member, it parts that from what comes before.
    fn remove_modifier(&mut self, node: Node<'_>) {
        self.blank(node.start_byte(), node.end_byte());
        let member = node.parent().filter(|parent| parent.start_byte() == node.start_byte());
        if member.is_some_and(|m| m.parent().is_some_and(|body| body.kind() == "class_body")) {
            self.out[node.start_byte()] = b';';
        }
    }

    fn remove_annotation(&mut self, node: Node<'_>) {
        let (from, to) = (node.start_byte(), node.end_byte());
        let broken = self.source[from..to].contains(&b'\n');
        self.blank(from, to);
        // No line may end between the parameters of an arrow function and its arrow: the closing
        // parenthesis moves down.
        let arrow = node.parent().filter(|parent| parent.kind() == "arrow_function");
        let parameters = arrow.and_then(|arrow| arrow.child_by_field_name("parameters"));
        if let Some(parameters) = parameters.filter(|_| broken) {
            self.out[parameters.end_byte() - 1] = b' ';
            self.out[to - 1] = b')';
        }
    }

    /// `x as T`, `x satisfies T`: all after the expression.
    fn remove_cast(&mut self, node: Node<'_>) {
        let keyword = children(node).into_iter().find(|c| matches!(c.kind(), "as" | "satisfies"));
        let Some(keyword) = keyword else { return };
        let mut kind = children(node).last().copied().unwrap_or(keyword);
        // A bracket on the next line begins a statement, though the grammar reads `T[…]`.
        while matches!(kind.kind(), "lookup_type" | "array_type")
            && let Some(inner) = kind.child(0)
            && self.is_next_line_a_statement(inner.end_byte())
        {
            kind = inner;
        }
        self.blank(keyword.start_byte(), kind.end_byte());
        if self.is_next_line_a_statement(kind.end_byte()) {
            self.out[keyword.start_byte()] = b';';
        }
    }

    /// Whether a type that ends here ends its statement, where an expression would go on.
    fn is_next_line_a_statement(&self, end: usize) -> bool {
        let rest = &self.source[end..];
        let next = rest.iter().position(|byte| !byte.is_ascii_whitespace());
        next.is_some_and(|at| rest[..at].contains(&b'\n') && b"([`".contains(&rest[at]))
    }

    /// Takes out what an import names and the file uses as a type alone, or not at all: as compilers
    /// do, since there may be nothing of that name where it is imported from.
    fn elide(&mut self, clause: Node<'_>, is_value: &dyn Fn(Node<'_>) -> bool) {
        let parts = children(clause);
        let (mut gone, mut kept) = (Vec::new(), 0);
        for part in parts.iter().filter(|part| part.is_named() && !part.is_extra()) {
            let names = match part.kind() {
                "named_imports" => children(*part),
                _ => vec![*part],
            };
            let names = names.into_iter().filter(|name| name.is_named() && !name.is_extra());
            let (stay, go): (Vec<_>, Vec<_>) = names.partition(|name| {
                let local = local_name(*name);
                !has(*name, "type") && local.is_none_or(is_value)
            });
            kept += stay.len();
            // A list may be empty, `import A, {} from`; a name alone takes its comma along.
            gone.extend(go);
        }
        match (clause.parent(), gone.is_empty()) {
            (_, true) => {}
            (Some(statement), false) if kept == 0 => self.remove_statement(statement),
            _ => {
                for name in gone {
                    match name.kind() {
                        "namespace_import" => {
                            let comma = parts.iter().find(|part| part.kind() == ",");
                            let from = comma.unwrap_or(&name).start_byte();
                            self.blank(from, name.end_byte());
                        }
                        _ => self.remove_from_list(name),
                    }
                }
            }
        }
    }

    /// An entry of a list, and the comma after it.
    fn remove_from_list(&mut self, node: Node<'_>) {
        let comma = node.next_sibling().filter(|next| next.kind() == ",");
        let to = comma.map_or(node.end_byte(), |comma| comma.end_byte());
        self.blank(node.start_byte(), to);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blanked(source: &str, wanted: &str) {
        let stripped = strip(source, &mut || false).unwrap_or_else(|e| panic!("{source}: {e:?}"));
        assert_eq!(stripped.len(), source.len(), "{source}");
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&stripped), wanted, "{source}");
        for (at, byte) in stripped.bytes().enumerate() {
            let old = source.as_bytes()[at];
            assert!(byte == old || b" ;)".contains(&byte), "{source} at {at}");
            assert_eq!(byte == b'\n', old == b'\n', "{source} at {at}");
        }
    }

    #[test]
    fn types_become_blanks() {
        for (source, wanted) in [
            ("const a: string = 'é'; let b!: number;", "const a = 'é'; let b ;"),
            (
                "function f<T>(this: X, a: T, b?: Map<string, T>): asserts a is T {}",
                "function f ( a , b ) {}",
            ),
            (
                "const g = async <T,>(x: T): Promise<T> => x!.y as unknown as T;",
                "const g = async (x ) => x .y ;",
            ),
            (
                "export type A = { m(): void };\nexport interface B { c: A }\nlet x = 1",
                "; ; let x = 1",
            ),
            (
                "import type { A } from './a';\nimport { type B, c } from './b'; c();",
                "; import { c } from './b'; c();",
            ),
            (
                "declare const z: number;\nfunction o(a: string): void;\nfunction o(a: any) {}",
                "; ; function o(a ) {}",
            ),
            (
                "const m = { a: 1 } satisfies R; f<string>(m); new M<A, B>();",
                "const m = { a: 1 } ; f (m); new M ();",
            ),
            ("try {} catch (e: unknown) {} const t = <T>x;", "try {} catch (e ) {} const t = x;"),
            (
                "abstract class A<T> extends B<T> implements C, D {\n  private readonly a: string = '';\n  declare b: number;\n  c?: T;\n  d!: T;\n  [key: string]: any;\n  abstract e(): void;\n  static f(): void {}\n  public override g?(x: number): x is 1 { return true }\n}",
                "class A extends B { ; a = ''; ; ; c ; d ; ; ; ; ; static f() {} ; g (x ) { return true } }",
            ),
            ("const h = (\n  a: number,\n): {\n  b: string;\n} => a;", "const h = ( a , ) => a;"),
            ("let a = b as any\n(c)", "let a = b ; (c)"),
            ("const i = a as any\n[0].x", "const i = a ; [0].x"),
            ("type A = 1\n(b)()", "; (b)()"),
        ] {
            blanked(source, wanted);
        }
    }

    #[test]
    fn imports_of_what_is_used_as_a_type_alone_are_taken_out() {
        for (source, wanted) in [
            ("import { A, B as C } from './a';\nlet x: A<C>;", "; let x ;"),
            (
                "import { A, b, type c } from './a'; let x: A = b;",
                "import { b, } from './a'; let x = b;",
            ),
            (
                "import { A as B, c as A } from './a'; f({ A });",
                "import { c as A } from './a'; f({ A });",
            ),
            ("import D, { b } from './a'; let x: D = b;", "import { b } from './a'; let x = b;"),
            (
                "import D, { B } from './a'; let x: B = new D();",
                "import D, { } from './a'; let x = new D();",
            ),
            ("import D, * as N from './a'; let x: N.B = D;", "import D from './a'; let x = D;"),
            (
                "import D, * as N from './a'; let x: D = N.b;",
                "import * as N from './a'; let x = N.b;",
            ),
            ("import * as N from './a'; let x = y as N.B;", "; let x = y ;"),
            ("import './a'; import {} from './b';", "import './a'; import {} from './b';"),
            ("import { A } from './a'; export { A };", "import { A } from './a'; export { A };"),
            (
                "import { A } from './a'; class B extends A<C> {}",
                "import { A } from './a'; class B extends A {}",
            ),
            ("import { A } from './a'; class B implements A {}", "; class B {}"),
            ("import { A } from './a'; const x: typeof A = 1;", "; const x = 1;"),
            ("import { A } from './a'; x instanceof A", "import { A } from './a'; x instanceof A"),
            (
                "import d from './d.json' with { type: 'json' }; d",
                "import d from './d.json' with { type: 'json' }; d",
            ),
        ] {
            blanked(source, wanted);
        }
    }

    #[test]
    fn what_is_more_than_types_is_refused_with_its_place() {
        for (source, line, column, word) in [
            ("const a = 1;\n  enum E { A }", 2, 3, "enums"),
            ("export const enum E { A }", 1, 8, "enums"),
            ("namespace N { export const a = 1 }", 1, 1, "namespaces"),
            ("class A {\n  constructor(private a: string) {}\n}", 2, 15, "parameter properties"),
            ("import fs = require('fs');", 1, 8, "import"),
            ("export = 1;", 1, 1, "export ="),
            ("@d class A {}", 1, 1, "decorators"),
            ("const a = () => <T>{};", 1, 17, "block"),
            ("const a: = 1;\nenum E {}", 1, 8, "no TypeScript"),
        ] {
            let error = strip(source, &mut || false).expect_err(source);
            assert_eq!((error.line, error.column), (line, column), "{source}: {error:?}");
            assert!(error.reason.contains(word), "{source}: {error:?}");
        }
    }

    #[test]
    fn deep_nesting_harms_nothing() {
        let deep = format!("let a = {}1{} as number;", "(".repeat(20_000), ")".repeat(20_000));
        assert_eq!(strip(&deep, &mut || false).expect("stripped").len(), deep.len());
    }
}
