package database

import (
	"context"
	"fmt"
)

// Statements that need room on the disk and leave nothing behind. Most changes do not: they fit into pages that
// are there.
const (
	// A temporary table is extended at once, and needs no write-ahead log.
	postgresRoomSQL = `
CREATE TEMPORARY TABLE berth_room ON COMMIT DROP AS
SELECT repeat('berth', 200) AS room
FROM generate_series(1, 256)`
	// SQLite writes at the commit, so this one is made, and dropped by the next.
	sqliteRoomSQL = `
CREATE TABLE IF NOT EXISTS berth_room AS
SELECT zeroblob(262144) AS room`
	sqliteDropRoomSQL = `
DROP TABLE berth_room`
)

// makeRoom finds out whether a disk that was full has room again.
func (db *DB) makeRoom(ctx context.Context) error {
	statements := []string{postgresRoomSQL}
	if db.dialect == SQLite {
		statements = []string{sqliteRoomSQL, sqliteDropRoomSQL}
	}
	for _, statement := range statements {
		err := db.InTx(ctx, func(tx *Tx) error {
			_, err := tx.Exec(ctx, statement)
			return err
		})
		if err != nil {
			return fmt.Errorf("write to the disk of the database: %w", err)
		}
	}
	return nil
}
