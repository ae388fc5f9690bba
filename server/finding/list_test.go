package finding_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/berth-dev/berth/server/finding"
	"github.com/berth-dev/berth/server/problem"
)

func TestAListHasTheCodeThatItsFindingsShare(t *testing.T) {
	tests := []struct {
		name  string
		codes []problem.Code
		want  problem.Code
	}{
		{"one code about values is kept", []problem.Code{problem.Frozen, problem.Frozen}, problem.Frozen},
		{
			"different codes become apply-invalid", []problem.Code{problem.Frozen, problem.VariablesInvalid},
			problem.ApplyInvalid,
		},
		{
			"a code about the request becomes apply-invalid", []problem.Code{problem.NotFound},
			problem.ApplyInvalid,
		},
		{
			"a shared code does not come back after another",
			[]problem.Code{problem.Frozen, problem.NotFound, problem.Frozen}, problem.ApplyInvalid,
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var list finding.List
			for i, code := range test.codes {
				list.Addf(code, fmt.Sprintf("/items/%d", i), "wrong")
			}
			var refusal *problem.Error
			if !errors.As(list.Err(), &refusal) || refusal.Code != test.want ||
				len(refusal.Findings) != len(test.codes) {
				t.Errorf("got %+v, want code %s", refusal, test.want)
			}
		})
	}
}

func TestAListBoundsItsFindingsAndCountsAllOfThem(t *testing.T) {
	var list finding.List
	if !list.Empty() || list.Err() != nil {
		t.Fatal("an empty list refuses")
	}
	for i := range 300 {
		list.Addf(problem.Frozen, fmt.Sprintf("/items/%d", i), "wrong")
	}
	var refusal *problem.Error
	if !errors.As(list.Err(), &refusal) || len(refusal.Findings) != 200 ||
		refusal.Detail != "/items/0: wrong (and 299 more)" {
		t.Errorf("got %d findings, %q", len(refusal.Findings), refusal.Detail)
	}
}

func TestErrorUnderMovesACopy(t *testing.T) {
	refusal := problem.Newf(problem.Frozen, "frozen").At("/a", "frozen")
	var moved *problem.Error
	if !errors.As(finding.ErrorUnder(refusal, "/document"), &moved) ||
		moved.Findings[0].Pointer != "/document/a" {
		t.Errorf("got %v", moved)
	}
	if refusal.Findings[0].Pointer != "/a" {
		t.Errorf("the original was moved to %s", refusal.Findings[0].Pointer)
	}
}
