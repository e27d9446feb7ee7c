package main

// Operations that offhook.toml grants: see docs/functions.md. A module that imports them, because it
// calls something here, loads only where something is granted.

import (
	"encoding/json"
	"errors"
	"time"
)

// Failure is why an operation failed.
type Failure struct {
	// Name is what programs tell it by: "NotGranted", "Conflict", "Network" and so on.
	Name string `json:"name"`
	// Message is for people.
	Message string `json:"message"`
}

func (f *Failure) Error() string { return f.Name + ": " + f.Message }

// Answer is the end of an operation: its value, as JSON, or why it failed.
type Answer struct {
	ID    int32           `json:"id"`
	Value json.RawMessage `json:"value"`
	Error *Failure        `json:"error"`
}

// Operation is {"op": "fetch", …}.
type Operation map[string]any

// Ask starts an operation and gives its number. Several may be under way at one time.
func Ask(operation Operation) (int32, error) {
	text, err := json.Marshal(operation)
	if err != nil {
		return 0, err
	}
	return hostAsk(text), nil
}

// Next waits for the end of one of them, so long at most, or without a limit where that is
// negative; nothing where none has ended.
func Next(limit time.Duration) (*Answer, error) {
	text := hostNext(limit)
	if text == nil {
		return nil, nil
	}
	answer := new(Answer)
	return answer, json.Unmarshal(text, answer)
}

// Call is one operation from its start to its end, whose value is put into `value`, which may be
// nil. An answer to one of [Ask] that comes meanwhile is lost. What the operation itself fails with
// is a *Failure.
func Call(operation Operation, value any) error {
	id, err := Ask(operation)
	for err == nil {
		var answer *Answer
		answer, err = Next(-1)
		switch {
		case err != nil:
		case answer == nil:
			err = errors.New("the operation has no answer")
		case answer.ID != id:
		case answer.Error != nil:
			return answer.Error
		case value == nil:
			return nil
		default:
			return json.Unmarshal(answer.Value, value)
		}
	}
	return err
}
