// Greets who calls. `offhook fn build {{name}}` makes functions/{{name}}.wasm of it; by hand:
//
//	GOOS=wasip1 GOARCH=wasm go build -ldflags=-s -o ../../functions/{{name}}.wasm .
//
// and without a server: echo '{"event":{"From":"+1555"}}' | go run .
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
