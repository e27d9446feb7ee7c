//! Templates of bins: Mustache variables, sections, inverted sections, lists, and `e164`.
//!
//! Parsed once, rendered for each request from its parameters; a name given several times is a
//! list. Partials and changed delimiters are refused. Output, nesting and work are bounded.

use std::fmt;

use super::e164::e164;

/// The largest text that a template may give: no larger document is read.
pub const OUTPUT_LIMIT: usize = 64 * 1024;
/// Sections within sections.
const DEPTH_LIMIT: usize = 16;
/// Nodes visited in one rendering: lists within lists multiply even when they write nothing.
const WORK_LIMIT: usize = 100_000;

/// A parsed template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template(Vec<Node>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Node {
    Text(String),
    Variable { name: String, raw: bool },
    Section { name: String, inverted: bool, body: Vec<Node> },
}

/// What is wrong with a template, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// 11310 for a tag that means nothing, 11320 for one that is not closed.
    pub code: u32,
    /// From 1.
    pub line: usize,
    /// In characters, from 1.
    pub column: usize,
    /// What is wrong, in plain words.
    pub reason: String,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: error {}: {}", self.line, self.column, self.code, self.reason)
    }
}

impl std::error::Error for TemplateError {}

/// A rendering that grew beyond its bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;

impl Template {
    /// Parses a template.
    pub fn parse(text: &str) -> Result<Template, TemplateError> {
        let mut parser = Parser { text, at: 0, open: Vec::new(), nodes: Vec::new() };
        while parser.step()? {}
        match parser.open.pop() {
            None => Ok(Template(parser.nodes)),
            Some(open) => {
                let reason =
                    format!("section {{{{#{0}}}}} is not closed; add {{{{/{0}}}}}", open.name);
                Err(error_at(text, open.at, 11320, reason))
            }
        }
    }

    /// Whether it holds any tag; a static document has none.
    pub fn is_static(&self) -> bool {
        self.0.iter().all(|node| matches!(node, Node::Text(_)))
    }

    /// The text for these parameters.
    pub fn render(&self, parameters: &[(String, String)]) -> Result<String, TooLarge> {
        let mut renderer = Renderer { parameters, here: Vec::new(), out: String::new(), work: 0 };
        renderer.nodes(&self.0)?;
        Ok(renderer.out)
    }
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
    open: Vec<Open>,
    nodes: Vec<Node>,
}

/// A section whose end has not come; `outside` are the nodes before it.
struct Open {
    name: String,
    inverted: bool,
    at: usize,
    outside: Vec<Node>,
}

impl Parser<'_> {
    /// Takes text up to the next tag, then the tag; `false` at the end.
    fn step(&mut self) -> Result<bool, TemplateError> {
        let rest = &self.text[self.at..];
        let Some(start) = rest.find("{{") else {
            self.literal(rest.len());
            return Ok(false);
        };
        self.literal(start);
        let rest = &self.text[self.at..];
        let (open, close) = if rest.starts_with("{{{") { ("{{{", "}}}") } else { ("{{", "}}") };
        let Some(end) = rest.find(close) else {
            return Err(self.error(11320, format!("{open} is not closed by {close}")));
        };
        let tag = rest[open.len()..end].trim();
        self.tag(tag, open.len() == 3)?;
        self.at += end + close.len();
        Ok(true)
    }

    fn literal(&mut self, length: usize) {
        if length > 0 {
            self.nodes.push(Node::Text(self.text[self.at..self.at + length].to_owned()));
            self.at += length;
        }
    }

    fn tag(&mut self, tag: &str, raw: bool) -> Result<(), TemplateError> {
        let Some(mark) = tag.chars().next() else {
            return Err(self.error(11310, "an empty tag; expected a parameter's name".to_owned()));
        };
        let name = tag[mark.len_utf8()..].trim();
        match mark {
            _ if raw => self.variable(tag, true),
            '!' => Ok(()),
            '&' => self.variable(name, true),
            '#' | '^' => self.begin(name, mark == '^'),
            '/' => self.end(name),
            '>' => Err(self.error(11310, "partials are not known in bins".to_owned())),
            '=' => Err(self.error(11310, "delimiters cannot be changed in bins".to_owned())),
            _ => self.variable(tag, false),
        }
    }

    fn variable(&mut self, name: &str, raw: bool) -> Result<(), TemplateError> {
        let name = self.name(name)?;
        self.nodes.push(Node::Variable { name, raw });
        Ok(())
    }

    fn begin(&mut self, name: &str, inverted: bool) -> Result<(), TemplateError> {
        let name = self.name(name)?;
        if self.open.len() >= DEPTH_LIMIT {
            let reason = format!("more than {DEPTH_LIMIT} sections within each other");
            return Err(self.error(11310, reason));
        }
        let outside = std::mem::take(&mut self.nodes);
        self.open.push(Open { name, inverted, at: self.at, outside });
        Ok(())
    }

    fn end(&mut self, name: &str) -> Result<(), TemplateError> {
        let name = self.name(name)?;
        let Some(open) = self.open.pop() else {
            let reason = format!("{{{{/{name}}}}} closes a section that was not opened");
            return Err(self.error(11310, reason));
        };
        if open.name != name {
            let reason = format!("{{{{/{name}}}}} where {{{{/{}}}}} was expected", open.name);
            return Err(self.error(11320, reason));
        }
        let body = std::mem::replace(&mut self.nodes, open.outside);
        self.nodes.push(Node::Section { name, inverted: open.inverted, body });
        Ok(())
    }

    /// A parameter's name: header names arrive as `SipHeader_X-Name`, so hyphens are common.
    fn name(&self, text: &str) -> Result<String, TemplateError> {
        let fits = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
        if !text.is_empty() && text.chars().all(fits) {
            return Ok(text.to_owned());
        }
        Err(self.error(11310, format!("{text:?} is not a parameter's name")))
    }

    fn error(&self, code: u32, reason: String) -> TemplateError {
        error_at(self.text, self.at, code, reason)
    }
}

fn error_at(text: &str, at: usize, code: u32, reason: String) -> TemplateError {
    let before = &text[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    TemplateError { code, line, column, reason }
}

struct Renderer<'a> {
    parameters: &'a [(String, String)],
    /// The items of the lists that are being gone through, innermost last, with their names.
    here: Vec<(&'a str, &'a str)>,
    out: String,
    work: usize,
}

impl<'a> Renderer<'a> {
    fn nodes(&mut self, nodes: &'a [Node]) -> Result<(), TooLarge> {
        for node in nodes {
            self.work += 1;
            if self.work > WORK_LIMIT {
                return Err(TooLarge);
            }
            match node {
                Node::Text(text) => self.out.push_str(text),
                Node::Variable { name, raw: true } => self.out.push_str(self.value(name)),
                Node::Variable { name, raw: false } => escape(self.value(name), &mut self.out),
                Node::Section { name, inverted: false, body } if name == "e164" => {
                    self.number(body)?;
                }
                Node::Section { name, inverted, body } => self.section(name, *inverted, body)?,
            }
            if self.out.len() > OUTPUT_LIMIT {
                return Err(TooLarge);
            }
        }
        Ok(())
    }

    /// Once for each value of the name; an inverted section once when there is none. An empty
    /// value counts as none, as `Digits` is sent empty when nothing was pressed.
    fn section(&mut self, name: &'a str, inverted: bool, body: &'a [Node]) -> Result<(), TooLarge> {
        let parameters = self.parameters;
        let named = parameters.iter().filter(|(other, _)| other == name);
        let mut values =
            named.map(|(_, value)| value.as_str()).filter(|v| !v.is_empty()).peekable();
        if inverted {
            return if values.peek().is_none() { self.nodes(body) } else { Ok(()) };
        }
        for value in values {
            self.here.push((name, value));
            let result = self.nodes(body);
            self.here.pop();
            result?;
        }
        Ok(())
    }

    /// The text inside, as a number. It is rendered as markup would be, so it is unescaped first.
    fn number(&mut self, body: &'a [Node]) -> Result<(), TooLarge> {
        let outside = std::mem::take(&mut self.out);
        let result = self.nodes(body);
        let inside = std::mem::replace(&mut self.out, outside);
        result?;
        escape(&e164(&unescape(&inside)), &mut self.out);
        Ok(())
    }

    /// The item of the innermost list of that name, else the first value; `.` is the innermost.
    fn value(&self, name: &str) -> &'a str {
        let here = self.here.iter().rev().find(|(list, _)| *list == name || name == ".");
        let parameters = self.parameters;
        let given = || parameters.iter().find(|(other, _)| other == name).map(|(_, v)| v.as_str());
        here.map(|(_, value)| *value).or_else(given).unwrap_or("")
    }
}

/// Text as XML character data or attribute value. Characters that XML 1.0 does not have
/// (section 2.2) are left out: a caller's name must not be able to break the document.
fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\t' | '\n' | '\r' => out.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c < ' ' => {}
            c => out.push(c),
        }
    }
}

fn unescape(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str, query: &str) -> String {
        let parameters = crate::http::form::decode(query.as_bytes());
        Template::parse(template).unwrap().render(&parameters).unwrap()
    }

    #[test]
    fn tags_give_what_mustache_says() {
        for (template, query, expected) in [
            ("<Response/>", "", "<Response/>"),
            ("{{From}}", "From=%2B1555", "+1555"),
            ("{{ From }}", "From=x", "x"),
            ("{{From}}", "", ""),
            ("{{from}}", "From=x", ""),
            ("{{A}}", "A=<b>%26'%22", "&lt;b&gt;&amp;&apos;&quot;"),
            ("{{{A}}}", "A=<b>%26", "<b>&"),
            ("{{&A}}", "A=<b>", "<b>"),
            ("{{& A }}", "A=<b>", "<b>"),
            ("a{{! a remark }}b", "", "ab"),
            ("{{#Digits}}got {{Digits}}{{/Digits}}", "Digits=12", "got 12"),
            ("{{#Digits}}got{{/Digits}}", "Digits=", ""),
            ("{{#Digits}}got{{/Digits}}", "", ""),
            ("{{^Digits}}none{{/Digits}}", "", "none"),
            ("{{^Digits}}none{{/Digits}}", "Digits=", "none"),
            ("{{^Digits}}none{{/Digits}}", "Digits=1", ""),
            ("{{#n}}<N>{{.}}</N>{{/n}}", "n=1&n=2&n=3", "<N>1</N><N>2</N><N>3</N>"),
            ("{{#n}}<N>{{n}}</N>{{/n}}", "n=1&n=2", "<N>1</N><N>2</N>"),
            ("{{n}}", "n=1&n=2", "1"),
            ("{{#a}}{{#b}}{{a}}{{b}} {{/b}}{{/a}}", "a=1&a=2&b=x&b=y", "1x 1y 2x 2y "),
            ("{{#a}}{{^b}}no b{{/b}}{{/a}}", "a=1", "no b"),
            ("{{#e164}}{{To}}{{/e164}}", "To=sip:%2B15125551212@d.example", "+15125551212"),
            ("{{#e164}}{{To}}{{/e164}}", "To=+1650", "+1650"),
            ("{{#e164}}(415) 555-1212{{/e164}}", "", "+14155551212"),
            ("{{#e164}}{{To}}{{/e164}}", "To=client:a%26b", "client:a&amp;b"),
            ("{{SipHeader_X-Id}}", "SipHeader_X-Id=7", "7"),
            ("{{A}}", "A=%01%00x%0b", "x"),
            ("} } {x} {{A}}", "A=1", "} } {x} 1"),
            ("é{{A}}", "A=ü", "éü"),
        ] {
            assert_eq!(render(template, query), expected, "{template} with {query}");
        }
    }

    #[test]
    fn bad_templates_say_what_and_where() {
        for (template, code, line, column) in [
            ("{{From", 11320, 1, 1),
            ("a\n  {{#x}}\n{{/y}}", 11320, 3, 1),
            ("a\n  {{#x}}\n", 11320, 2, 3),
            ("é {{/x}}", 11310, 1, 3),
            ("{{}}", 11310, 1, 1),
            ("{{ }}", 11310, 1, 1),
            ("{{a b}}", 11310, 1, 1),
            ("{{> other}}", 11310, 1, 1),
            ("{{=<% %>=}}", 11310, 1, 1),
            ("{{{a}}", 11320, 1, 1),
            ("{{#}}x{{/}}", 11310, 1, 1),
        ] {
            let error = Template::parse(template).unwrap_err();
            assert_eq!((error.code, error.line, error.column), (code, line, column), "{template}");
        }
        let deep = "{{#a}}".repeat(DEPTH_LIMIT + 1);
        assert_eq!(Template::parse(&deep).unwrap_err().code, 11310);
    }

    #[test]
    fn output_and_work_are_bounded() {
        let long = vec![("a".to_owned(), "x".repeat(1000)); 100];
        assert_eq!(Template::parse("{{#a}}{{.}}{{/a}}").unwrap().render(&long), Err(TooLarge));
        let many = vec![("a".to_owned(), "1".to_owned()); 500];
        let nested = Template::parse("{{#a}}{{#a}}{{#b}}{{/b}}{{/a}}{{/a}}").unwrap();
        assert_eq!(nested.render(&many), Err(TooLarge));
    }
}
