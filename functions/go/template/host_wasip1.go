package main

import (
	"time"
	"unsafe"
)

//go:wasmimport offhook ask
func importAsk(at unsafe.Pointer, length uint32) int32

//go:wasmimport offhook next
func importNext(milliseconds float64) int32

//go:wasmimport offhook take
func importTake(at unsafe.Pointer)

func hostAsk(text []byte) int32 {
	return importAsk(unsafe.Pointer(unsafe.SliceData(text)), uint32(len(text)))
}

func hostNext(limit time.Duration) []byte {
	length := importNext(float64(limit) / float64(time.Millisecond))
	if length < 0 {
		return nil
	}
	// One byte more, so that there is an address even where nothing comes.
	text := make([]byte, length+1)
	importTake(unsafe.Pointer(unsafe.SliceData(text)))
	return text[:length]
}
