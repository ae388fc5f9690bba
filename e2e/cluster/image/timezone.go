package image

import (
	"archive/zip"
	"context"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// addTimeZones adds the time zone database that comes with Go, where programs look for it.
func addTimeZones(ctx context.Context, tree Tree) error {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("find Go's time zones: %w", err)
	}
	archive, err := zip.OpenReader(
		filepath.Join(strings.TrimSpace(string(root)), "lib", "time", "zoneinfo.zip"))
	if err != nil {
		return fmt.Errorf("find Go's time zones: %w", err)
	}
	defer archive.Close()
	for _, file := range archive.File {
		if strings.HasSuffix(file.Name, "/") {
			continue
		}
		data, err := readZipped(file)
		if err != nil {
			return fmt.Errorf("read time zone %s: %w", file.Name, err)
		}
		tree.File(path.Join("usr/share/zoneinfo", file.Name), 0o644, data)
	}
	return nil
}

func readZipped(file *zip.File) ([]byte, error) {
	reader, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer reader.Close()
	return io.ReadAll(reader)
}
