package wording

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
)

// Collect returns the messages of the module at root.
func Collect(root string) ([]Message, error) {
	var all []Message
	err := Walk(root, func(name string, source []byte) error {
		found, err := collectFile(name, source)
		all = append(all, found...)
		return err
	})
	return all, err
}

func collectFile(name string, source []byte) ([]Message, error) {
	folder, base := path.Split(name)
	switch path.Ext(base) {
	case ".go":
		if strings.HasSuffix(base, "_test.go") || strings.HasSuffix(path.Clean(folder), "test") {
			return nil, nil // what only tests print
		}
		return GoFile(name, source)
	case ".html":
		return MarkupFile(name, source), nil
	case ".ts":
		if strings.HasSuffix(base, ".test.ts") || !strings.HasPrefix(name, "server/ui/") {
			return nil, nil
		}
		return ScriptFile(name, source), nil
	case ".js":
		return ScriptFile(name, source), nil
	}
	switch {
	case strings.HasPrefix(name, "charts/berth/monitoring/"):
		return MonitoringFile(name, source)
	case strings.HasPrefix(name, "charts/berth/templates/"):
		return ChartFile(name, source), nil
	}
	return nil, nil
}

// Walk calls do for every file of the module that people write, with its name from root.
func Walk(root string, do func(name string, source []byte) error) error {
	return filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, file)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() {
			switch entry.Name() {
			case ".git", "build", "node_modules", "dist", "testdata":
				return filepath.SkipDir
			}
			return nil
		}
		source, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		return do(name, source)
	})
}
