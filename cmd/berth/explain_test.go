package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What an explanation tells people to type must be there.
func TestEveryCommandThatAnExplanationNamesIsThere(t *testing.T) {
	files, err := filepath.Glob("../../server/explain/testdata/*.golden")
	if err != nil || len(files) == 0 {
		t.Fatalf("no explanations: %v", err)
	}
	commands := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			// Steps, and actions with the name of their operation.
			if _, command, ok := strings.Cut(line, ": berth "); ok && (strings.HasPrefix(line, "next: ") || strings.Contains(line, "): berth ")) {
				command = strings.ReplaceAll(strings.TrimSpace(command), `'Ada'\''s pool'`, "ada")
				commands[strings.ReplaceAll(command, "-limit N", "-limit 3")] = true
			}
		}
	}
	if len(commands) < 10 {
		t.Errorf("only %d commands are named", len(commands))
	}
	for command := range commands {
		found, rest, err := tree().Find(strings.Fields(command))
		if err != nil ||
			found.HasSubCommands() && found.Args == nil { // a group takes no arguments but its commands
			t.Errorf("berth %s: no such command: %v", command, err)
			continue
		}
		if err := found.ParseFlags(rest); err != nil {
			t.Errorf("berth %s: %v", command, err)
		}
		if found.Args == nil {
			continue
		}
		if err := found.Args(found, found.Flags().Args()); err != nil {
			t.Errorf("berth %s: %v", command, err)
		}
	}
}
