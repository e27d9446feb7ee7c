package main

// What a function for Offhook needs: the event on standard input, the answer on standard output.
// Lines on standard error are the log. Belongs to every function; copy it beside yours.

import (
	"encoding/json"
	"io"
	"os"
	"strings"
)

// Values are the texts of one name: JSON holds one as a string, more as an array. Of what else a
// JSON body may bring (numbers, objects) they are the text as it was written.
type Values []string

// UnmarshalJSON takes any value.
func (v *Values) UnmarshalJSON(data []byte) error {
	list := []json.RawMessage{data}
	if len(data) > 0 && data[0] == '[' {
		if err := json.Unmarshal(data, &list); err != nil {
			return err
		}
	}
	*v = make(Values, len(list))
	for i, item := range list {
		if len(item) == 0 || item[0] != '"' {
			(*v)[i] = string(item)
		} else if err := json.Unmarshal(item, &(*v)[i]); err != nil {
			return err
		}
	}
	return nil
}

// First is the first of them, or nothing.
func (v Values) First() string {
	if len(v) == 0 {
		return ""
	}
	return v[0]
}

// Request is the HTTP request behind an event; names of header fields are in small letters.
type Request struct {
	Method  string            `json:"method"`
	Headers map[string]Values `json:"headers"`
	Cookies map[string]Values `json:"cookies"`
}

// Event is what a function is asked.
type Event struct {
	Context    map[string]Values
	Request    Request
	Parameters map[string]Values
}

// Get is a parameter, "From" and so on; empty where there is none.
func (e *Event) Get(name string) string { return e.Parameters[name].First() }

// UnmarshalJSON reads {"context": {…}, "event": {"request": {…}, …parameters}}.
func (e *Event) UnmarshalJSON(data []byte) error {
	var document struct {
		Context map[string]Values          `json:"context"`
		Event   map[string]json.RawMessage `json:"event"`
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return err
	}
	e.Context, e.Parameters = document.Context, map[string]Values{}
	for name, raw := range document.Event {
		if name == "request" {
			if err := json.Unmarshal(raw, &e.Request); err != nil {
				return err
			}
			continue
		}
		var values Values
		if err := json.Unmarshal(raw, &values); err != nil {
			return err
		}
		e.Parameters[name] = values
	}
	return nil
}

// Run is the body of main. The answer is markup, or header lines ("Status: 404"), an empty line
// and a body.
func Run(handle func(*Event) string) {
	input, err := io.ReadAll(os.Stdin)
	event := new(Event)
	if err == nil {
		err = json.Unmarshal(input, event)
	}
	if err == nil {
		_, err = os.Stdout.WriteString(handle(event))
	}
	if err != nil {
		os.Stderr.WriteString(err.Error())
		os.Exit(1)
	}
}

// Document is a whole answer around verbs that are markup already.
func Document(verbs string) string {
	return `<?xml version="1.0" encoding="UTF-8"?><Response>` + verbs + "</Response>"
}

var (
	inText      = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\r", "&#xD;")
	inAttribute = strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;",
		"\t", "&#x9;", "\n", "&#xA;", "\r", "&#xD;")
)

// Text is a text between tags, which stays text whatever it holds.
func Text(text string) string { return inText.Replace(legal(text)) }

// Attribute is the value of an attribute, to stand in double quotes.
func Attribute(text string) string { return inAttribute.Replace(legal(text)) }

// XML 1.0 section 2.2: what no document can hold is left out.
func legal(text string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' || c == 0xfffe || c == 0xffff {
			return -1
		}
		return c
	}, text)
}
