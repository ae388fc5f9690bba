package cli

import (
	"errors"
	"strings"
	"testing"
)

func TestBindingsAreReadAsTheyArePrinted(t *testing.T) {
	tests := []struct {
		roles, pools []string
		want         string
		problem      string // part of the message; empty: none
	}{
		{[]string{"viewer"}, nil, "viewer", ""},
		{[]string{"deployer:team-a", "viewer"}, nil, "deployer:team-a,viewer", ""},
		{[]string{"operator"}, []string{"b", "a"}, "operator:a,operator:b", ""},
		{[]string{"editor:a:b"}, nil, "editor:a:b", ""}, // the name of a pool may have a colon
		{[]string{"boss"}, nil, "", "must be viewer, operator, deployer, editor, admin or worker"},
		{[]string{"job"}, nil, "", "must be viewer"},
		{[]string{"viewer:"}, nil, "", "name a pool after the colon"},
		{[]string{":a"}, nil, "", "must be viewer"},
		{[]string{"viewer:a"}, []string{"b"}, "", "--pool goes with one --role"},
		{[]string{"viewer", "editor"}, []string{"b"}, "", "--pool goes with one --role"},
	}
	for _, test := range tests {
		bindings, err := ParseBindings(test.roles, test.pools)
		var usage *UsageError
		switch {
		case test.problem != "":
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("%v %v: got %v, want %q", test.roles, test.pools, err, test.problem)
			}
		case err != nil:
			t.Errorf("%v %v: %v", test.roles, test.pools, err)
		default:
			if got := Bindings(bindings); got != test.want {
				t.Errorf("%v %v: read as %s, want %s", test.roles, test.pools, got, test.want)
			}
		}
	}
}
