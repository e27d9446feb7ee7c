// Greets who calls. Build it and put it beside your other functions:
//
//	GOOS=wasip1 GOARCH=wasm go build -ldflags=-s -o ../NAME.wasm .
//
// and try it without a server: go run . < event.json
package main

import (
	"fmt"
	"os"
)

func main() { Run(handle) }

func handle(event *Event) string {
	from := event.Get("From")
	if from == "" {
		from = "stranger"
	}
	fmt.Fprintln(os.Stderr, from)
	return Document("<Say>Hello, " + Text(from) + "</Say>")
}
