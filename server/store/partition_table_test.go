package store

import (
	"fmt"
	"regexp"
	"slices"
	"testing"

	"github.com/berth-dev/berth/server/store/migration"
)

// TestAPartitionIsEmptiedWithAllThatDeletingARunDeletes compares with the trigger on runs, which TRUNCATE does not fire.
func TestAPartitionIsEmptiedWithAllThatDeletingARunDeletes(t *testing.T) {
	t.Parallel()
	schema, err := migration.Files.ReadFile("postgres/00001_first.sql")
	if err != nil {
		t.Fatal(err)
	}
	deleted := []string{"runs"}
	for _, match := range regexp.MustCompile(`DELETE FROM (\w+) WHERE run_id IN \(SELECT id FROM gone\)`).FindAllStringSubmatch(string(schema), -1) {
		deleted = append(deleted, match[1])
	}
	emptied := tablesWithRuns()
	for _, table := range partitionedTables() {
		emptied = append(emptied, table.name)
	}
	slices.Sort(deleted)
	slices.Sort(emptied)
	if fmt.Sprint(deleted) != fmt.Sprint(emptied) {
		t.Errorf("deleting a run deletes from %v, emptying a partition from %v", deleted, emptied)
	}
}
