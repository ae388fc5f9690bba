package server

import (
	"math"
	"runtime/debug"
)

// Bounds of what the bodies of all requests under way may take, in bytes. Decoded, a body takes several times
// its length.
const (
	bodyShare       = 16 // of the memory limit, one part
	minBodyMemory   = 32 << 20
	maxBodyMemory   = 256 << 20
	bodiesUnlimited = 128 << 20 // without a memory limit
)

// bodyMemory is what request bodies may take on this server.
func (o Options) bodyMemory() int64 {
	if o.BodyMemory > 0 {
		return o.BodyMemory
	}
	return bodyMemoryWithin(debug.SetMemoryLimit(-1))
}

// bodyMemoryWithin is what request bodies may take of a memory limit.
func bodyMemoryWithin(limit int64) int64 {
	if limit == math.MaxInt64 {
		return bodiesUnlimited
	}
	return min(max(limit/bodyShare, minBodyMemory), maxBodyMemory)
}
