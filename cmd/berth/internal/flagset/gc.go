package flagset

import (
	"os"
	"runtime/debug"
)

// ServerGCPercent is how far the heap of a server may grow over what lives in it before it is collected. What lives is
// little, some ten megabytes, and what is used for one request is much: with Go's 100, half of the server's time went into
// collecting it.
const ServerGCPercent = 400

// SetGCPercent sets it, unless GOGC says otherwise.
func SetGCPercent(percent int) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(percent)
	}
}
