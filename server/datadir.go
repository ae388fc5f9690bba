package server

import (
	"fmt"
	"os"
)

// openDataDir makes the data directory. That no two servers use one SQLite file is the store's to see to.
func (o Options) openDataDir() error {
	if !o.embedded() || o.DataDir == "" {
		return nil
	}
	const ownerOnly = 0o700
	if err := os.MkdirAll(o.DataDir, ownerOnly); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return nil
}
