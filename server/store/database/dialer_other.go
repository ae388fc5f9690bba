//go:build !linux

package database

import "syscall"

// limitUnacknowledged does nothing: other systems have their own bound.
func limitUnacknowledged(string, string, syscall.RawConn) error { return nil }
