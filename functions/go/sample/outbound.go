// Calls that phones make: the phone's user decides the caller ID, and the dialled text becomes a
// number. The same decision as samples/first/functions/sip-outbound.js; builds beside
// ../template/offhook.go.
package main

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"unicode/utf8"
)

var callerIDs = map[string]string{"home": "+12223331234", "myuser": "+12223335678"}

const defaultCallerID = "+12223339999"

var (
	device = regexp.MustCompile(`;gr\b`)
	letter = regexp.MustCompile(`[A-Za-z]`)
)

func main() { Run(handle) }

func handle(event *Event) string {
	from, to, callerID := event.Get("From"), event.Get("To"), event.Get("callerId")
	if from == "" && callerID == "" {
		return fail("Error placing the call. From caller is required.")
	}
	if to == "" {
		return fail("Error placing the call. To caller is required.")
	}
	user, dialled := userOf(from), userOf(to)
	if callerID == "" {
		callerID = callerIDs[user]
	}
	if callerID == "" {
		callerID = defaultCallerID
	}
	if device.MatchString(to) {
		// One device of a user (RFC 5627): only the whole URI leads to it.
		return Document("<Dial><Sip>" + Text(to) + "</Sip></Dial>")
	}
	if letter.MatchString(dialled) {
		// A colleague, not a number: rings all phones of that user.
		return Document("<Dial><Sip>" + Text("sip:"+dialled+"@office.localhost") + "</Sip></Dial>")
	}
	number := numberOf(dialled)
	fmt.Fprintf(os.Stderr, "%s calls %s as %s\n", user, number, callerID)
	return Document(fmt.Sprintf(`<Dial callerId="%s" record="do-not-record">%s</Dial>`,
		Attribute(callerID), Text(number)))
}

func fail(reason string) string {
	return Document(`<Say voice="alice" language="en-CA">` + Text(reason) + "</Say>")
}

// The part between "sip:" and "@".
func userOf(uri string) string {
	rest, found := strings.CutPrefix(uri, "sip:")
	if !found {
		rest = strings.TrimPrefix(uri, "sips:")
	}
	user, _, _ := strings.Cut(rest, "@")
	return user
}

// New Zealand (64…) and Singapore (65…) numbers of ten digits lack their plus; 650… is California.
func numberOf(dialled string) string {
	switch {
	case utf8.RuneCountInString(dialled) != 10 && strings.HasPrefix(dialled, "+"):
		return dialled
	case utf8.RuneCountInString(dialled) != 10:
		return "+" + dialled
	case strings.HasPrefix(dialled, "650"):
		return "+1" + dialled
	case strings.HasPrefix(dialled, "64"), strings.HasPrefix(dialled, "65"):
		return "+" + dialled
	}
	return "+1" + dialled
}
