package main

import (
	"os"
	"strings"
	"testing"
)

// yamlBlock is the n-th block of YAML of a page.
func yamlBlock(t *testing.T, page string, n int) string {
	t.Helper()
	text, err := os.ReadFile("../../docs/" + page)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.Split(string(text), "```yaml\n")
	if len(blocks) <= n {
		t.Fatalf("%s has %d blocks of YAML", page, len(blocks)-1)
	}
	block, _, _ := strings.Cut(blocks[n], "```")
	return block
}

func TestWhatThePagesShowCanBeDeployed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, u := startDev(t, dir)
	u.ok(t, "template", "lint", "-f", write(t, dir, "text.yaml", yamlBlock(t, "template-language.md", 2)))
	write(t, dir, "template.yaml", yamlBlock(t, "template-language.md", 1))
	example := yamlBlock(t, "berth-yaml.md", 1)
	demand(t, "the plan", u.ok(t, "deploy", "--dry-run", "-f", write(t, dir, "berth.yaml", example)),
		"+ create pool etl", "+ create variable warehouse", "+ create deployment etl", "nothing applied")
	before, rest, found := strings.Cut(example, "  schedules:")
	_, after, ends := strings.Cut(rest, "\n  frozen:")
	if !found || !ends {
		t.Fatal("the example has no schedules before frozen")
	}
	all := before + strings.TrimSuffix(yamlBlock(t, "berth-yaml.md", 3), "\n") + "\n  frozen:" + after
	u.ok(t, "deploy", "-f", write(t, dir, "all.yaml", all))
	demand(t, "its rules", u.ok(t, "deploy", "--dry-run", "-f", write(t, dir, "rules.yaml", yamlBlock(t, "berth-yaml.md", 2))),
		"no-privileged", "registries", "small")
	demand(t, "its schedules", u.ok(t, "schedule", "ls", "etl"), "nightly", "every-90-minutes", "last-friday")
}
