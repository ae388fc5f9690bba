package poolguard_test

import (
	"slices"
	"testing"

	"github.com/berth-dev/berth/server/access"
	"github.com/berth-dev/berth/server/api/apispec"
	"github.com/berth-dev/berth/server/request"
)

func TestEveryOperationOfTheSpecificationHasARule(t *testing.T) {
	spec, err := apispec.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	var operations []string
	for _, operation := range request.Operations(spec) {
		operations = append(operations, operation.ID)
	}
	slices.Sort(operations)
	if len(operations) < 60 {
		t.Fatalf("the specification has %d operations, which cannot be all", len(operations))
	}
	var rows []string
	for _, row := range access.Operations() {
		rows = append(rows, row.ID)
	}
	slices.Sort(rows)
	if !slices.Equal(rows, operations) {
		t.Errorf("rows for\n%v\nwant one for each operation\n%v", rows, operations)
	}
}
