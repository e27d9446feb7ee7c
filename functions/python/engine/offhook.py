"""Functions for Offhook in Python: documents, the log, chance."""
import encodings

import _offhook

DEBUG, INFO, WARNING, ERROR = range(4)


def log(text, level=INFO):
    """Writes a line to the log."""
    _offhook.log(level, str(text))


def random(length):
    """So many bytes that nobody can foresee."""
    return bytes(_offhook.random(length))


def _legal(text):
    # XML 1.0 section 2.2: what no document can hold is left out.
    return ''.join(c for c in str(text) if c >= ' ' and c not in '\ufffe\uffff' or c in '\t\n\r')


def text(value):
    """A text between tags, which stays text whatever it holds."""
    value = _legal(value).replace('&', '&amp;').replace('<', '&lt;').replace('>', '&gt;')
    return value.replace('\r', '&#xD;')


def attribute(value):
    """The value of an attribute, to stand in double quotes."""
    value = _legal(value).replace('&', '&amp;').replace('<', '&lt;').replace('"', '&quot;')
    return value.replace('\t', '&#x9;').replace('\n', '&#xA;').replace('\r', '&#xD;')


class Element:
    """An element of the answer: `Element('Response')`, with others inside by `add`.

    Attributes are named as in markup; one that is a word of Python gets a `_` behind it.
    """

    def __init__(self, name, content='', **attributes):
        self.name = name
        self.parts = [text(content)]
        self.attributes = attributes

    def add(self, name, content='', **attributes):
        """Adds an element inside, and gives it."""
        child = Element(name, content, **attributes)
        self.parts.append(child)
        return child

    def __str__(self):
        named = ''.join(
            f' {name.rstrip("_")}="{attribute(value)}"' for name, value in self.attributes.items()
        )
        inside = ''.join(str(part) for part in self.parts)
        return f'<{self.name}{named}>{inside}</{self.name}>' if inside else f'<{self.name}{named}/>'


class Answer:
    """An answer with another status, or with header fields."""

    def __init__(self, body='', status=200, **headers):
        self.body, self.status, self.headers = body, status, headers

    def __str__(self):
        head = [f'Status: {self.status}']
        for name, value in self.headers.items():
            value = str(value).replace('\r', ' ').replace('\n', ' ')
            head.append(f'{name.replace("_", "-")}: {value}')
        return '\n'.join(head) + '\n\n' + _body(self.body)


def _body(answer):
    if isinstance(answer, Element):
        return '<?xml version="1.0" encoding="UTF-8"?>' + str(answer)
    return '' if answer is None else str(answer)


def _bind(script):
    handler = script.get('handler')
    if not callable(handler):
        raise TypeError('the script has no handler: def handler(context, event)')

    def run(document):
        answer = handler(document['context'], document['event'])
        if isinstance(answer, str) and not answer.startswith(('<', '{', '[')):
            # Or its first line might be taken for a header field.
            answer = Answer(answer, Content_Type='text/plain; charset=utf-8')
        return str(answer) if isinstance(answer, Answer) else _body(answer)

    return run
