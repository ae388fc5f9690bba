// Package migration holds the schema: one directory of SQL files per dialect, the same version numbers in
// both. A file that was released is never changed; what comes after goes into a new one in both directories.
package migration

import "embed"

// Files are the migrations, in the directories postgres and sqlite.
//
//go:embed postgres/*.sql sqlite/*.sql
var Files embed.FS
