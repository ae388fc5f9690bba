package poolguard_test

import (
	"slices"
	"testing"

	"github.com/berth-dev/berth/server/api/apispec"
	"github.com/berth-dev/berth/server/poolguard"
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
	if rules := poolguard.New(nil).Operations(); !slices.Equal(rules, operations) {
		t.Errorf("rules for\n%v\nwant one for each operation\n%v", rules, operations)
	}
}
