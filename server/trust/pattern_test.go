package trust

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPatternsMatchWholeTextsAndStayWithinAPart(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"repo:acme/etl:ref:refs/heads/main", "repo:acme/etl:ref:refs/heads/main", true},
		{"repo:acme/etl", "repo:acme/etl:pull_request", false},
		{"acme/etl", "evil/acme/etl", false},
		{"repo:acme/*:ref:refs/heads/main", "repo:acme/etl:ref:refs/heads/main", true},
		{"repo:acme/*:ref:refs/heads/main", "repo:acme/etl:environment:x:ref:refs/heads/main", false},
		{"repo:acme/etl:ref:refs/heads/*", "repo:acme/etl:ref:refs/heads/release", true},
		{"repo:acme/etl:ref:refs/heads/*", "repo:acme/etl:ref:refs/heads/feature/x", false},
		{"repo:acme/etl:ref:refs/heads/**", "repo:acme/etl:ref:refs/heads/feature/x", true},
		{"repo:acme/**", "repo:acme/etl:pull_request", true},
		{"repo:acme/**", "repo:acme-evil/etl", false},
		{"a.c", "abc", false},
		{"[a-z]+", "abc", false},
		{"x*", "x", true},
		{"main", "main\n", false},
		{"m**n", "m\nn", true},
		{"***", "a/b", true},
		{"\\*", "\\x", true},
		{"", "", true},
	} {
		if got := matches(test.pattern, test.text); got != test.want {
			t.Errorf("%q on %q: %v, want %v", test.pattern, test.text, got, test.want)
		}
	}
}

func TestOnlyAPatternThatNamesAnOwnerIdentifies(t *testing.T) {
	for pattern, want := range map[string]bool{
		"repo:acme/etl:ref:refs/heads/main": true, "repo:acme/*": true, "repo:acme/**": true, "acme/*": true, "1234": true,
		"project_path:acme/etl:ref_type:branch:ref:*": true, "system:serviceaccount:jobs:*": true, "acme": true,
		"repo:*": false, "repo:**": false, "*": false, "**": false, "repo:acme*": false, "acme*": false, "repo:": false,
		"system:serviceaccount:*:default": false, "system:serviceaccount:*": false, "project_path:**": false,
		"repository_owner:*": false, "*/etl": false, ":": false,
	} {
		if got := identifies(pattern); got != want {
			t.Errorf("%q: %v, want %v", pattern, got, want)
		}
	}
}

func TestClaimsAreFoundByNameAndByPath(t *testing.T) {
	var c claimSet
	text := `{"sub":"s","n":42,"yes":true,"none":null,"list":["a",1,{"x":1}],"https://x.y/z":"url","object":{"a":1},
		"kubernetes.io":{"namespace":"jobs","serviceaccount":{"name":"etl"}}}`
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"sub": "s", "n": "42", "yes": "true", "list": "a 1", "https://x.y/z": "url", "kubernetes.io/namespace": "jobs",
		"kubernetes.io/serviceaccount/name": "etl", "none": "", "object": "", "missing": "", "sub/x": "", "kubernetes.io": "",
		"kubernetes.io/": "", "": "",
	} {
		if got := strings.Join(c.texts(path), " "); got != want {
			t.Errorf("%q: got %q, want %q", path, got, want)
		}
	}
	if c.meets("missing", []string{"**"}) || c.meets("none", []string{"**", "null"}) {
		t.Error("a claim that is missing matches")
	}
	if !c.meets("list", []string{"x", "a"}) || c.meets("list", []string{"a 1"}) {
		t.Error("a list does not match by its items")
	}
}
