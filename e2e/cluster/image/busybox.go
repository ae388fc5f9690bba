package image

import (
	"context"
	"fmt"
	"io/fs"
	"os/exec"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// BusyboxReference is the name that a workload's template most often gives to "a small image with a shell".
const BusyboxReference = "docker.io/library/busybox:1.36"

// busyboxProgram is where Debian's busybox-static puts it.
const busyboxProgram = "/bin/busybox"

// Busybox describes an image of the machine's static busybox, with a link for every program in it.
func Busybox(ctx context.Context) (Spec, error) {
	tree, err := busyboxTree(ctx, busyboxProgram)
	if err != nil {
		return Spec{}, err
	}
	return Spec{
		Reference: BusyboxReference,
		Layers:    []Tree{tree},
		Config: v1.Config{
			Cmd: []string{"sh"},
			Env: []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		},
	}, nil
}

func busyboxTree(ctx context.Context, source string) (Tree, error) {
	tree := Tree{}
	if err := tree.CopyFile("bin/busybox", source, 0o755); err != nil {
		return nil, err
	}
	output, err := exec.CommandContext(ctx, source, "--list").Output()
	if err != nil {
		return nil, fmt.Errorf("list what %s can do: %w", source, err)
	}
	for applet := range strings.FieldsSeq(string(output)) {
		if applet != "busybox" {
			tree.Symlink("bin/"+applet, "busybox")
		}
	}
	tree.Symlink("usr/bin/env", "/bin/busybox")
	tree.Dir("tmp", 0o777|fs.ModeSticky, 0)
	tree.Dir("root", 0o700, 0)
	tree.File("etc/passwd", 0o644,
		[]byte("root:x:0:0:root:/root:/bin/sh\nnobody:x:65532:65532:nobody:/tmp:/bin/sh\n"))
	tree.File("etc/group", 0o644, []byte("root:x:0:\nnobody:x:65532:\n"))
	return tree, nil
}
