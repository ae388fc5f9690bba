package flagset

import (
	"os"
	"runtime/debug"
)

// How far a heap may grow over what lives in it before it is collected, in percent.
const (
	// What lives in a server is little, some ten megabytes, and what is used for one request is much: with
	// Go's 100, half of the server's time went into collecting it.
	ServerGCPercent = 400
	// In a worker lives what it knows of thousands of Jobs, and little is used beside that.
	WorkerGCPercent = 50
)

// SetGCPercent sets it, unless GOGC says otherwise.
func SetGCPercent(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
