// Package build knows which version of Berth this binary is.
package build

import (
	"runtime/debug"
)

// version is set by the linker for a release.
var version string

// Version is the version that was linked in, and otherwise what the Go toolchain knows.
func Version() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "dev"
}
