package main

import (
	"os"
	"runtime/debug"
)

// How far a heap may grow over what lives in it before it is collected, in percent.
const (
	// What lives in a server is little, some ten megabytes, and what is used for one request is much: with
	// Go's 100, half of the server's time went into collecting it.
	serverGrowth = 400
	// In a worker lives what it knows of thousands of Jobs, and little is used beside that.
	workerGrowth = 50
)

// growth sets it, unless GOGC says otherwise.
func growth(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
