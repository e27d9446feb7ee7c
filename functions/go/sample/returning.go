// Greets who called before, and asks another service for the name of who did not; granted by
//
//	[[function]]
//	name = "returning"
//	hosts = ["crm.example.com"]
//	store = true
//
// The same decision as functions/samples/returning.js; builds beside ../template's other files.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
)

type caller struct {
	Calls int    `json:"calls"`
	Name  string `json:"name"`
}

func main() { Run(handle) }

func handle(event *Event) string {
	known, err := remember(event)
	switch {
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		return say("Welcome")
	case known.Calls == 1:
		return say("Welcome")
	case known.Name == "":
		return say(fmt.Sprintf("Welcome back, caller number %d", known.Calls))
	}
	return say("Welcome back, " + known.Name)
}

func say(text string) string { return Document("<Say>" + Text(text) + "</Say>") }

// Counts the call in the store.
func remember(event *Event) (caller, error) {
	key := "callers/" + event.Get("From")
	for {
		var entry struct {
			Value    *caller `json:"value"`
			Revision int64   `json:"revision"`
		}
		if err := Call(Operation{"op": "kv.get", "key": key}, &entry); err != nil {
			return caller{}, err
		}
		known := caller{}
		if entry.Value != nil {
			known = *entry.Value
		} else {
			known.Name = nameOf(event)
		}
		known.Calls++
		err := Call(Operation{"op": "kv.set", "key": key, "value": known, "revision": entry.Revision}, nil)
		if failure := (*Failure)(nil); errors.As(err, &failure) && failure.Name == "Conflict" {
			continue // another call of the same caller was quicker
		}
		return known, err
	}
}

// What the service at CRM_URL calls this number; empty where it does not know it.
func nameOf(event *Event) string {
	var answer struct{ Text string }
	where := event.Context["CRM_URL"].First() + "?number=" + url.QueryEscape(event.Get("From"))
	if err := Call(Operation{"op": "fetch", "url": where}, &answer); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return ""
	}
	var person struct{ Name string }
	if err := json.Unmarshal([]byte(answer.Text), &person); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	return person.Name
}
